"""The machine of one range: every row of its table."""

from __future__ import annotations

import pytest

from schemas.templates import RangeKind
from streams.core.calendar import ZoneTable
from streams.core.live_range import STATES, LiveRange
from streams.core.plan import PlannedKind
from streams.core.schedule import NEVER_MS, RangeSpec

UTC = ZoneTable("UTC", [-(1 << 62)], [0])


def live(kind: str = "poi") -> LiveRange:
    """PoC 120, TO 100, RPP 80; high 120, low 90."""
    planned = PlannedKind(
        RangeKind(kind="Test", period="day", machine="first_touch" if kind != "poi" else "poi"),
        UTC,
        0,
        0,
    )
    spec = RangeSpec(planned, "one", 0, 60, 60, 120, NEVER_MS, 1, "1970-01-01")
    found = LiveRange(spec, 1, 120, 90)
    if kind == "poi":
        found.set_levels(100)
    else:
        found.state = STATES.index("untouched")
    return found


def after(*spans: tuple[int, int]) -> tuple[LiveRange, list[str]]:
    """The range after bars with these lows and highs, and the names of what happened."""
    found = live()
    events = []
    for number, (low, high) in enumerate(spans):
        for touch in found.touch(1000 * number, 1000 * number + 60, low, high, "1970-01-01"):
            events.append(touch.event)
    return found, events


POC, RPP, TO, NOTHING, BOTH = (115, 125), (75, 85), (95, 105), (106, 114), (70, 130)

MACHINE = {
    "PoC breaks": ([POC], ["first_break"], "PoC"),
    "RPP breaks": ([RPP], ["first_break"], "RPP"),
    "TO does not break": ([TO], [], None),
    "nothing touched": ([NOTHING], [], None),
    "PoC comes first": ([BOTH], ["first_break"], "PoC"),
    "the same level does not break twice": ([POC, POC], ["first_break"], "PoC"),
    "the other level does not break twice": ([POC, RPP], ["first_break"], "PoC"),
    "TO returns": ([RPP, TO], ["first_break", "return"], "RPP"),
    "one transition a bar": ([BOTH, BOTH], ["first_break", "return"], "PoC"),
    "TO does not return twice": ([POC, TO, TO], ["first_break", "return"], "PoC"),
    "same side": ([POC, TO, POC], ["first_break", "return", "second_break_same"], "PoC"),
    "opposite side": ([POC, TO, RPP], ["first_break", "return", "second_break_opposite"], "PoC"),
    "low side opposite": (
        [RPP, TO, POC],
        ["first_break", "return", "second_break_opposite"],
        "RPP",
    ),
    "levels do nothing after the second break": (
        [POC, TO, POC, RPP],
        ["first_break", "return", "second_break_same"],
        "PoC",
    ),
    "resolved": (
        [POC, TO, RPP, TO],
        ["first_break", "return", "second_break_opposite", "resolved"],
        "PoC",
    ),
    "nothing after that": (
        [POC, TO, POC, TO, POC, TO, RPP],
        ["first_break", "return", "second_break_same", "resolved"],
        "PoC",
    ),
}


@pytest.mark.parametrize(("spans", "events", "side"), MACHINE.values(), ids=MACHINE.keys())
def test_transitions(spans: list[tuple[int, int]], events: list[str], side: str | None) -> None:
    found, happened = after(*spans)
    assert happened == events
    assert STATES[found.state] == (events[-1] if events else "unbroken")
    assert {0: None, 1: "PoC", 2: "RPP"}[found.side] == side


@pytest.mark.parametrize(
    ("low", "high", "touched"),
    [(120, 130, True), (110, 120, True), (121, 130, False), (110, 119, False)],
)
def test_a_touch_is_inclusive_and_knows_no_tolerance(low: int, high: int, touched: bool) -> None:
    assert bool(live().touch(0, 60, low, high, "")) == touched


def test_a_bar_that_spans_both_levels_is_ambiguous_only_where_either_would_do() -> None:
    found = live()
    ambiguous = []
    for span in (BOTH, TO, BOTH, BOTH):
        ambiguous += [touch.ambiguous for touch in found.touch(0, 60, *span, "")]
    assert ambiguous == [True, False, True, False]


LEVELS = {
    "high is farther": (100, 121, 90, 121, 79),
    "low is farther": (100, 105, 80, 80, 120),
    "a tie gives the low": (100, 110, 90, 90, 110),
    "all three coincide": (100, 100, 100, 100, 100),
    "a gap puts TO outside": (150, 121, 90, 90, 210),
}


@pytest.mark.parametrize(("to", "high", "low", "poc", "rpp"), LEVELS.values(), ids=LEVELS.keys())
def test_levels(to: int, high: int, low: int, poc: int, rpp: int) -> None:
    found = live()
    found.high, found.low = high, low
    found.set_levels(to)
    assert (found.poc, found.rpp) == (poc, rpp)


def test_first_touch_takes_each_level_once_and_both_in_one_bar_high_first() -> None:
    found = live("first_touch")
    touches = found.touch(0, 60, 80, 130, "")
    assert [touch.event for touch in touches] == ["touched_high", "touched_low"]
    assert STATES[found.state] == "resolved"
    other = live("first_touch")
    assert [touch.event for touch in other.touch(0, 60, 85, 95, "")] == ["touched_low"]
    assert STATES[other.state] == "touched"
    assert other.touch(60, 120, 85, 95, "") == []
    assert [touch.event for touch in other.touch(120, 180, 119, 121, "")] == ["touched_high"]
    assert STATES[other.state] == "resolved"
