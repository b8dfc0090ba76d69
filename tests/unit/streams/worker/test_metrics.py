"""Lags of a partition, and how fresh its symbols are."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.worker.metrics import (
    PartitionGauges,
    SymbolGauge,
    symbol_gauges,
    without_data,
)

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
OPEN_MS = 1_751_463_000_000
"""2025-07-02 09:30 New York: the open of XNYS."""
CONFIG = read_config(
    """
[instruments.A]
tick = 0.01
calendar = "XNYS"

[instruments.B]
tick = 0.01
calendar = "XNYS"

[groups]
pair = ["A", "B"]
""",
    "test",
)


def test_a_lag_is_known_when_both_its_ends_are() -> None:
    gauges = PartitionGauges(3, 100, 90, None)
    assert (gauges.input_lag, gauges.committed_lag, gauges.undecided) == (10, None, None)


def test_what_lies_behind_an_open_transaction_is_shown_and_no_lag() -> None:
    gauges = PartitionGauges(3, 100, 100, 100, (), 130)
    assert (gauges.input_lag, gauges.committed_lag, gauges.undecided) == (0, 0, 30)


@pytest.fixture
def engines() -> dict[str, GroupEngine]:
    """A group whose one symbol has a bar, and the other a later clock."""
    engine = GroupEngine(plan_group(CONFIG, "pair"))
    engine.apply(Bar("A", "1m", OPEN_MS, 1.0, 1.0, 1.0, 1.0), 0)
    engine.apply(Clock("B", OPEN_MS + 3 * MINUTE_MS), 1)
    return {"pair": engine}


def test_each_symbol_of_a_group_has_its_own_age(engines: dict[str, GroupEngine]) -> None:
    now_ms = OPEN_MS + 5 * MINUTE_MS + 30_000
    first, second = symbol_gauges(engines, now_ms)
    assert first == SymbolGauge("A", "pair", OPEN_MS + MINUTE_MS, 4, True)
    assert second == SymbolGauge("B", "pair", OPEN_MS + 3 * MINUTE_MS, 2, False)


def test_while_the_market_is_closed_no_symbol_is_stale(engines: dict[str, GroupEngine]) -> None:
    found = symbol_gauges(engines, OPEN_MS + 400 * MINUTE_MS)
    assert [(each.silent_slots, each.stale) for each in found] == [(389, False), (387, False)]


def test_slots_of_more_than_a_week_ago_are_not_counted(engines: dict[str, GroupEngine]) -> None:
    # Monday to Friday of the week after the next; a day of XNYS has 390 minutes.
    [first, _] = symbol_gauges(engines, OPEN_MS + 14 * DAY_MS)
    assert (first.silent_slots, first.stale) == (5 * 390, True)


def test_a_symbol_without_a_record_has_no_age() -> None:
    assert symbol_gauges({"pair": GroupEngine(plan_group(CONFIG, "pair"))}, OPEN_MS) == []


@pytest.mark.parametrize(
    ("stale", "expected"),
    [
        (0, None),
        (2, "stale in session: S00, S01"),
        (
            12,
            "stale in session: S00, S01, S02, S03, S04, S05, S06, S07, S08, S09 and 2 more",
        ),
    ],
)
def test_what_is_stale_is_named(stale: int, expected: str | None) -> None:
    symbols = [SymbolGauge(f"S{n:02}", f"S{n:02}", 0, 9, n < stale) for n in range(20)]
    gauges = [PartitionGauges(0, 1, 1, 1, symbols[:5]), PartitionGauges(1, 1, 1, 1, symbols[5:])]
    assert without_data(gauges) == expected
