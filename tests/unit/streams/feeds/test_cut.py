"""Rows after the time at which a symbol ends."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.feeds.cut import SymbolCuts
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router

NOON_MS = 1_764_590_400_000
CONFIG = read_config('[instruments.A]\nbase = "5m"\ncalendar = "24/7"', "test")
CUTS = SymbolCuts({"A": NOON_MS}, Router(CONFIG).slot_end_ms)


def bar(minutes: int, symbol: str = "A") -> Bar:
    """A bar of five minutes, by its start from noon on."""
    return Bar(symbol, "5m", NOON_MS + minutes * MINUTE_MS, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("record", "left_out"),
    [
        pytest.param(bar(-5), False, id="a bar that ends at the time"),
        pytest.param(bar(-4), True, id="a bar that ends after it"),
        pytest.param(bar(0), True, id="a bar that begins at it"),
        pytest.param(bar(-5_000), False, id="an old bar"),
        pytest.param(bar(5, "B"), False, id="a bar of another symbol"),
        pytest.param(Cancel("A", "5m", NOON_MS), True, id="a cancel of a later bar"),
        pytest.param(Clock("A", NOON_MS), False, id="a clock at it"),
        pytest.param(Clock("A", NOON_MS + 1), True, id="a later clock"),
        pytest.param(Refusal("schema_error", "no time", "A"), False, id="what cannot be read"),
    ],
)
def test_a_symbol_ends_at_its_time(record: LogRecord | Refusal, left_out: bool) -> None:
    assert CUTS.leaves_out(record) is left_out
