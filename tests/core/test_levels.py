"""Levels of a range, and how a bar finds those it touches among many."""

from __future__ import annotations

import pytest

from tests.core.scenario import (
    MINUTE_MS,
    TEST_DAY,
    Tape,
    bar,
    coin,
    minute_of,
    template,
    two_minutes,
    utc,
)

LEVELS: dict[str, tuple[float, float, float, float, float]] = {
    # high, low and open of the true open bar; then PoC and RPP
    "the high is farther": (121, 90, 100, 121, 79),
    "the low is farther": (105, 80, 100, 80, 120),
    "a tie gives the low": (110, 90, 100, 90, 110),
    "one tick decides for the high": (111, 90, 100, 111, 89),
    "all three coincide": (100, 100, 100, 100, 100),
    "TO at the high": (100, 90, 100, 90, 110),
    "TO at the low": (110, 100, 100, 110, 90),
    "TO above the window": (121, 90, 150, 90, 210),
    "TO below the window": (121, 90, 60, 121, -1),
}


@pytest.mark.parametrize(("high", "low", "to", "poc", "rpp"), LEVELS.values(), ids=LEVELS.keys())
def test_poc_is_the_farther_extreme_and_rpp_its_mirror(
    high: float, low: float, to: float, poc: float, rpp: float
) -> None:
    tape = two_minutes()
    tape.take(minute_of(0, low, low), minute_of(1, low, high), minute_of(2, to, to + 5))
    fact = tape.view[f"range|COIN|Test|t {TEST_DAY}"]
    assert (fact["true_open"], fact["poc"], fact["rpp"]) == (to, poc, rpp)
    assert (fact["high"], fact["low"]) == (high, low)


def test_the_mirror_is_exact_in_ticks() -> None:
    own = template("own", "UTC", {"kind": "Test", "label": "t", "start": "00:00", "until": "00:01"})
    toml = f'[instruments.FX]\ntick = 0.0001\nranges = ["own"]\n{own}'
    tape = Tape(toml, "FX")
    start = utc(f"{TEST_DAY} 00:00")
    tape.take(bar("FX", start, 1.1, 1.3), bar("FX", start + MINUTE_MS, 1.1001, 1.2))
    fact = tape.view[f"range|FX|Test|t {TEST_DAY}"]
    assert (fact["true_open"], fact["poc"], fact["rpp"]) == (1.1001, 1.3, 0.9002)


def ladder(count: int) -> Tape:
    """So many ranges with the same TO 100; range n (from 1) has PoC 100 + n and RPP 100 - n.

    The window of range n is minute n - 1, TO the minute after; all are over before minute 200.
    """
    kinds = [
        {"kind": f"K{number:03d}", "label": "k", "start": clock(number - 1), "until": clock(number)}
        for number in range(1, count + 1)
    ]
    tape = coin('ranges = ["own"]\n', template("own", "UTC", *kinds))
    for number in range(1, count + 1):
        # Each window spans 100 to 100 + n, and each bar opens at 100.
        tape.take(minute_of(number - 1, 100, 100 + number, 100))
    tape.take(minute_of(count, 100, 100))
    return tape


def clock(minute: int) -> str:
    """Wall time of a minute of the day."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def broken(tape: Tape, event: str) -> set[int]:
    """Numbers of the ranges with an event."""
    facts = tape.of("touch").values()
    return {int(fact["kind"][1:]) for fact in facts if fact["event"] == event}


def test_windows_that_break_the_ranges_before_them() -> None:
    # The bar of window n + 1 reaches 100 + n + 1: PoC of range n, whose TO bar it is, is not
    # examined, but that of range n - 1 is, and so on down.
    tape = ladder(5)
    assert broken(tape, "first_break") == {1, 2, 3}
    # Each bar comes back to 100.
    assert broken(tape, "return") == {1, 2, 3}


@pytest.mark.parametrize("cut", [False, True])
def test_a_bar_touches_every_range_whose_level_it_reaches_and_no_other(cut: bool) -> None:
    kinds = [
        {"kind": f"K{number:03d}", "label": "k", "start": "00:00", "until": clock(number)}
        for number in range(1, 41)
    ]
    tape = coin('ranges = ["own"]\n', template("own", "UTC", *kinds))
    # Window n has the high 100 + n, at its last minute: TO is 100, and no bar comes back up.
    tape.take(*(minute_of(number, 100, 101 + number, 100) for number in range(40)))
    tape.take(minute_of(40, 100, 100))
    if cut:
        tape.restart()
    before = broken(tape, "first_break")
    tape.take(minute_of(41, 119.0, 121.0))
    assert broken(tape, "first_break") - before == {19, 20, 21} - before
    tape.take(minute_of(42, 61.0, 63.0))
    touched = {
        int(fact["kind"][1:])
        for fact in tape.of("touch").values()
        if fact["bar_ms"] == utc(f"{TEST_DAY} 00:42")
    }
    expected = {
        number
        for number in range(1, 41)
        if 61 <= 100 - number <= 63 and f"K{number:03d}" not in resolved(tape)
    }
    assert touched == expected


def resolved(tape: Tape) -> set[str]:
    """Kinds of the resolved ranges."""
    facts = tape.of("range").values()
    return {fact["kind"] for fact in facts if fact["state"] == "resolved"}


def test_ranges_with_the_same_level_are_all_touched_by_one_bar() -> None:
    kinds = [
        {"kind": f"K{number}", "label": "k", "start": "00:00", "until": "00:02"}
        for number in range(6)
    ]
    tape = coin('ranges = ["own"]\n', template("own", "UTC", *kinds))
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100), minute_of(2, 100, 100))
    said = tape.take(minute_of(3, 119, 121))
    ids = [event.id for event in said if event.id.startswith(("range", "touch"))]
    assert ids == [
        *(f"range|COIN|K{number}|k {TEST_DAY}" for number in range(6)),
        *(f"touch|COIN|K{number}|k {TEST_DAY}|first_break" for number in range(6)),
    ]


def test_a_level_is_found_after_years() -> None:
    tape = two_minutes()
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100), minute_of(2, 100, 100))
    tape.take(bar("COIN", utc("2028-02-29 12:00"), 110, 119))
    tape.restart()
    tape.take(bar("COIN", utc("2031-07-02 12:00"), 120, 121))
    touch = tape.view[f"touch|COIN|Test|t {TEST_DAY}|first_break"]
    assert touch["bar_ms"] == utc("2031-07-02 12:00")
    assert touch["session"] == "2031-07-02"
    assert tape.engine.unresolved("COIN") == 1
