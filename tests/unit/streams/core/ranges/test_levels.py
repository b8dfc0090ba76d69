"""Levels of a range, and how a bar finds those it touches among many."""

from __future__ import annotations

import pytest

from tests.unit.streams.core.scenario import (
    DAY_MS,
    MINUTE_MS,
    TEST_DAY,
    Tape,
    bar,
    coin,
    day_number,
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


def thirty_ranges() -> Tape:
    """Ranges of 30 days, all with TO 1000: that of day d has PoC 1100 - d and RPP 900 + d.

    The heights fall from day to day, so no window reaches a level of an earlier range.
    """
    tape = two_minutes()
    for day in range(30):
        start = FIRST_MS + day * DAY_MS
        tape.take(
            bar("COIN", start, 1000, 1100 - day),
            bar("COIN", start + MINUTE_MS, 1000, 1000),
            bar("COIN", start + 2 * MINUTE_MS, 1000, 1000),
        )
    return tape


FIRST_MS = utc(f"{TEST_DAY} 00:00")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_bar_touches_every_range_whose_level_it_reaches_and_no_other(restarted: bool) -> None:
    tape = thirty_ranges()
    assert tape.of("touch") == {}
    steps: list[tuple[tuple[float, float], dict[str, set[int]]]] = [
        ((930, 1070), {}),
        ((1075, 1078), {"first_break": {22, 23, 24, 25}}),
        ((905, 906), {"first_break": {5, 6}}),
        ((1075, 1078), {}),
        ((1000, 1001), {"return": {5, 6, 22, 23, 24, 25}}),
        (
            (1075, 1100),
            {
                "first_break": {*range(22)} - {5, 6},
                "second_break_same": {22, 23, 24, 25},
                "second_break_opposite": {5, 6},
            },
        ),
        ((1000, 1000), {"return": {*range(22)} - {5, 6}, "resolved": {5, 6, 22, 23, 24, 25}}),
    ]
    for number, (span, expected) in enumerate(steps):
        if restarted:
            tape.restart()
        published = tape.take(
            bar("COIN", FIRST_MS + 30 * DAY_MS + (30 + number) * MINUTE_MS, *span)
        )
        happened: dict[str, set[int]] = {}
        for event in published:
            if event.id.startswith("touch"):
                _, _, _, name, transition = event.id.split("|")
                day = day_number(name[2:]) - day_number(TEST_DAY)
                happened.setdefault(transition, set()).add(day)
        assert happened == expected
    assert tape.engine.unresolved("COIN") == 24


def test_ranges_with_the_same_level_are_all_touched_by_one_bar() -> None:
    kinds: list[dict[str, object]] = [
        {"kind": f"K{number}", "label": "k", "start": "00:00", "until": "00:02"}
        for number in range(6)
    ]
    tape = coin('ranges = ["own"]\n', template("own", "UTC", *kinds))
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100), minute_of(2, 100, 100))
    published = tape.take(minute_of(3, 119, 121))
    ids = [event.id for event in published if event.id.startswith(("range", "touch"))]
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
