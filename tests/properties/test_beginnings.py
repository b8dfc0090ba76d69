"""Where a history begins may change: by bars before its first one, off session or not, and cancels.

Few bars around the sessions of a week, in any order: what books in disorder hardly ever do.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.engine import GroupEngine
from tests.properties.corrected import CorrectedTape
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, equity, flat

FIRST = "2025-03-06"
SESSIONS = 5
HOUR_MS = 60 * MINUTE_MS


class Step(NamedTuple):
    """What comes next, `position` being a number of a label."""

    position: int
    price: int
    kind: str
    restart: bool


steps = st.builds(
    Step,
    position=st.integers(0, 1_000),
    price=st.integers(98, 102),
    kind=st.sampled_from(("bar", "bar", "bar", "cancel", "clock")),
    restart=st.booleans(),
)


def all_labels(calendar_id: str, base: str) -> list[int]:
    """Labels before, in and after the sessions of some days, over a weekend."""
    calendar = load_calendar(calendar_id)
    length = parse_interval(base).length_ms
    found: set[int] = set()
    first = calendar.session_of(at(FIRST))
    for index in range(first, first + SESSIONS):
        opened, closed = calendar.open_ms(index), calendar.close_ms(index)
        slots = calendar.slot_count(index, length)
        found |= {opened - HOUR_MS, opened - 2 * MINUTE_MS}
        found |= {opened, opened + length, opened + (slots - 1) * length}
        found.add(closed + 5 * MINUTE_MS)
    return sorted(found)


def record_of(step: Step, labels: list[int], base: str, symbol: str) -> LogRecord:
    """The record a step means."""
    label = labels[step.position % len(labels)]
    if step.kind == "clock":
        return Clock(symbol, label)
    if step.kind == "cancel":
        return Cancel(symbol, base, label)
    price = float(step.price)
    return Bar(symbol, base, label, price, price + 1, price - 1, price, 1)


def restarted(tape: CorrectedTape) -> GroupEngine:
    """The engine of a tape, from its state through JSON."""
    assert isinstance(tape.engine, GroupEngine)
    return GroupEngine.restore(tape.plan, json.loads(json.dumps(tape.engine.snapshot())))


@pytest.mark.parametrize("calendar", ["XNYS", "CME_EQUITY"])
@pytest.mark.parametrize("base", ["1m", "60m", "240m"])
@given(chosen=st.lists(steps, min_size=3, max_size=14), ranges=st.sampled_from(("", "prior")))
def test_a_history_may_begin_anywhere(
    calendar: str, base: str, chosen: list[Step], ranges: str
) -> None:
    template = '["prior_session"]' if ranges else "[]"
    toml = (
        f'[instruments.ACME]\ntick = 1\ncalendar = "{calendar}"\nbase = "{base}"\n'
        f"ranges = {template}\nmax_ahead = 0\n"
    )
    tape = CorrectedTape(read_config(toml, "beginnings"), "ACME")
    labels = all_labels(calendar, base)
    for step in chosen:
        if step.restart:
            tape.engine = restarted(tape)
        tape.take(record_of(step, labels, base, "ACME"))
    tape.check()
    tape.check_with_oracle()


def test_an_off_session_bar_becomes_the_first_and_gives_way() -> None:
    tape = equity()
    tape.take(
        flat("ACME", "2025-03-14 10:00", 100),
        flat("ACME", "2025-03-13 08:00", 100),
        flat("ACME", "2025-03-13 07:59", 100),
        Cancel("ACME", "1m", at("2025-03-13 07:59")),
        Cancel("ACME", "1m", at("2025-03-13 08:00")),
    )
    assert tape.rejected == []
    alone = equity()
    alone.take(flat("ACME", "2025-03-14 10:00", 100))
    assert _facts(tape) == _facts(alone)


def _facts(tape: Tape) -> dict[str, dict[str, object]]:
    delivery = ("seq", "rev", "corrects")
    return {
        key: {name: value for name, value in fact.items() if name not in delivery}
        for key, fact in tape.view.items()
    }
