"""Swings: neighbours, merging, classes, priors and links."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tests.unit.streams.core.scenario import (
    MINUTE_MS,
    TEST_DAY,
    Tape,
    at,
    bar,
    coin,
    equity,
    flat,
    lunch,
    minute_of,
    template,
    two_minutes,
    utc,
)

START = at("2025-07-02 09:30")


def swings(tape: Tape, *spans: tuple[float, float]) -> list[tuple[int, str, int]]:
    """Minute, side and class of the swings after bars with these lows and highs."""
    for number, (low, high) in enumerate(spans):
        tape.take(Bar("ACME", "1m", START + number * MINUTE_MS, low, high, low, low, 1))
    assert tape.rejected == []
    facts = sorted(tape.of("swing").values(), key=lambda fact: int(fact["start_ms"]))
    return [(minute(fact), fact["side"], fact["class"]) for fact in facts]


def minute(fact: dict[str, Any]) -> int:
    """Number of the bar of a swing, from 0."""
    return int((fact["start_ms"] - START) // MINUTE_MS)


def test_a_bar_without_two_neighbours_is_no_swing() -> None:
    assert swings(equity(), (10, 12), (9, 14)) == []


def test_a_high_is_at_least_both_neighbours_and_wins_over_a_low() -> None:
    assert swings(equity(), (10, 12), (9, 12), (9, 12)) == [(1, "high", 1)]
    assert swings(equity(), (10, 12), (9, 11), (9, 12)) == [(1, "low", 1)]
    assert swings(equity(), (10, 12), (9, 11), (8, 12)) == []


def test_a_swing_at_the_price_of_the_last_of_its_side_is_dropped() -> None:
    found = swings(equity(), (10, 12), (10, 14), (9, 12), (10, 14), (10, 12))
    assert found == [(1, "high", 1), (2, "low", 1)]


def test_swings_of_a_record_are_in_order_of_id_where_instants_gain_a_digit() -> None:
    start = utc("2001-09-09 01:42")
    tape = coin()
    published: list[Any] = []
    for number, high in enumerate((10, 20, 15, 40, 15, 30, 15)):
        published = tape.take(bar("COIN", start + number * MINUTE_MS, high - 5, high))
    assert [event.id for event in published if event.id.startswith("swing")] == [
        "swing|COIN|1000000020000|high",
        "swing|COIN|999999900000|high",
    ]
    assert [event.seq for event in published] == [
        6_000_000 + position for position in range(len(published))
    ]


def zigzag(*peaks: float) -> list[tuple[float, float]]:
    """Bars whose highs are these peaks, with a valley at 1 and more after each."""
    spans: list[tuple[float, float]] = [(0.5, 1.0)]
    for number, peak in enumerate(peaks):
        spans += [(peak - 0.5, peak), ((100 + number) / 100, 7.5)]
    return spans


def highs(found: list[tuple[int, str, int]]) -> list[int]:
    """Classes of the highs in order."""
    return [rank for _, side, rank in found if side == "high"]


def test_the_middle_of_three_rises_and_the_first_and_last_never_do() -> None:
    assert highs(swings(equity(), *zigzag(10, 12, 11))) == [1, 2, 1]
    assert highs(swings(equity(), *zigzag(12, 11, 10))) == [1, 1, 1]
    assert highs(swings(equity(), *zigzag(10, 11, 12))) == [1, 1, 1]


def test_classes_are_a_cascade() -> None:
    peaks = (10, 12, 11, 14, 13, 12.5, 12.8, 12)
    assert highs(swings(equity(), *zigzag(*peaks))) == [1, 2, 1, 3, 1, 1, 2, 1]


LADDER: dict[str, tuple[list[float], list[int]]] = {
    "a higher middle": ([10, 12, 11], [1, 2, 1]),
    "falling": ([12, 11, 10], [1, 1, 1]),
    "rising": ([10, 11, 12], [1, 1, 1]),
    "a tie among neighbours of class 2": ([10, 12, 11, 12, 10, 11, 9], [1, 2, 1, 3, 1, 2, 1]),
    "the first of class 2 never rises": ([10, 15, 11, 14, 10, 12, 9], [1, 2, 1, 2, 1, 2, 1]),
    "the last of class 2 never rises": ([10, 12, 11, 14, 10, 15, 9], [1, 2, 1, 2, 1, 2, 1]),
    "three steps": (
        [10, 12, 11, 14, 11, 13, 10, 13.5, 12, 16, 11, 14, 10, 13, 9, 12.5, 9.5, 14.5, 9, 13, 8],
        [1, 2, 1, 3, 1, 2, 1, 2, 1, 4, 1, 2, 1, 2, 1, 2, 1, 3, 1, 2, 1],
    ),
}


@pytest.mark.parametrize(("peaks", "classes"), LADDER.values(), ids=LADDER.keys())
def test_the_middle_of_three_of_a_class_rises(peaks: list[float], classes: list[int]) -> None:
    assert highs(swings(equity(), *zigzag(*peaks))) == classes


def test_lows_rise_as_highs_do() -> None:
    upside_down = [(30 - high, 30 - low) for low, high in zigzag(10, 12, 11, 12, 10, 11, 9)]
    found = swings(equity(), *upside_down)
    assert [rank for _, side, rank in found if side == "low"] == [1, 2, 1, 3, 1, 2, 1]


def test_a_class_is_reached_at_the_end_of_the_bar_that_decides_it() -> None:
    tape = equity()
    swings(tape, *zigzag(10, 12, 11))
    middle = tape.versions(f"swing|ACME|{START + 3 * MINUTE_MS}|high")
    ends = [minute({"start_ms": event.event_ms}) for event in middle]
    # Bar 4 makes it a swing; bar 6 makes bar 5 the next one.
    assert [(event.class_, end) for event, end in zip(middle, ends, strict=True)] == [
        (1, 5),
        (2, 7),
    ]
    assert [event.watermark_ms for event in middle] == [event.event_ms for event in middle]


def test_an_earlier_swing_of_equal_price_does_not_drop_one_if_another_lies_between() -> None:
    assert highs(swings(equity(), *zigzag(14, 12, 14, 14, 13, 14))) == [1, 1, 2, 1, 1]


def test_neighbours_are_the_bars_that_are_there() -> None:
    tape = equity()
    tape.take(
        Bar("ACME", "1m", at("2025-07-02 09:40"), 10, 12, 10, 11, 1),
        Bar("ACME", "1m", at("2025-07-02 15:59"), 10, 14, 10, 11, 1),
        Bar("ACME", "1m", at("2025-07-02 17:00"), 10, 20, 10, 11, 1),  # off session
        Bar("ACME", "1m", at("2025-07-07 09:30"), 10, 13, 9, 11, 1),
        Bar("ACME", "1m", at("2025-07-07 09:31"), 10, 12, 9.5, 11, 1),
    )
    high = tape.view[f"swing|ACME|{at('2025-07-02 15:59')}|high"]
    assert (high["session"], high["price"], high["class"]) == ("2025-07-02", 14.0, 1)
    assert high["event_ms"] == at("2025-07-07 09:31")
    low = tape.view[f"swing|ACME|{at('2025-07-07 09:30')}|low"]
    assert (low["session"], low["prior"]["points"], low["prior"]["bars"]) == ("2025-07-07", 5.0, 1)
    assert len(tape.of("swing")) == 2


def test_lunch_does_not_separate_neighbours() -> None:
    tape = lunch()
    tape.take(
        flat("HK", utc("2025-07-02 11:58"), 10),
        flat("HK", utc("2025-07-02 11:59"), 12),
        flat("HK", utc("2025-07-02 13:00"), 11),
    )
    assert [fact["start_ms"] for fact in tape.of("swing").values()] == [utc("2025-07-02 11:59")]


def test_no_class_is_above_6() -> None:
    # The ruler 0 1 0 2 0 1 0 3 ... is its own middle of three at every level.
    ruler = [10.0 + (number & -number).bit_length() for number in range(1, 194)]
    classes = highs(swings(equity(), *zigzag(*ruler)))
    assert {number: classes[number - 1] for number in (4, 8, 16, 32, 64, 96, 128)} == {
        4: 3,
        8: 4,
        16: 5,
        32: 6,
        96: 6,
        # The middle of three of class 6 stays what it is.
        64: 6,
        128: 6,
    }
    assert max(classes) == 6


def test_swings_can_be_switched_off() -> None:
    assert swings(equity("swings = false\n"), *zigzag(10, 12, 11)) == []


def test_the_prior_of_a_small_swing_is_the_nearest_earlier_one_of_the_other_side() -> None:
    tape = equity()
    swings(tape, (10, 12), (10, 14), (9, 12), (10, 13), (9.5, 12))
    low = tape.view[f"swing|ACME|{START + 2 * MINUTE_MS}|low"]
    assert low["prior"] == {"start_ms": START + MINUTE_MS, "points": 5.0, "bars": 1}
    assert tape.view[f"swing|ACME|{START + MINUTE_MS}|high"]["prior"] is None


def test_the_prior_of_a_structural_swing_is_structural_and_may_come_later() -> None:
    tape = equity("structural_class = 2\n")
    # Highs 10 12 11: the middle is structural at once, with no structural low before it.
    swings(tape, *zigzag(10, 12, 11))
    high = f"swing|ACME|{START + 3 * MINUTE_MS}|high"
    assert (tape.view[high]["class"], tape.view[high]["prior"]) == (2, None)
    versions = [event for event in tape.events if event.id == high]
    assert [event.seq // 1_000_000 for event in versions] == [4, 6]


RISING = [
    (9, 10),
    (8, 10.5),
    (8.5, 11),
    (7, 10),  # the low that rises
    (7.5, 14),  # the high it becomes the prior of
    (7.6, 10.2),
    (7.7, 12),
    (7.8, 11),  # the high is class 2: no low is, yet
    (7.3, 10.9),
    (7.9, 10.95),  # the low is class 2
]


def test_an_earlier_opposite_that_rises_becomes_the_prior() -> None:
    tape = equity("structural_class = 2\n")
    swings(tape, *RISING)
    versions = [
        (
            event.seq // 1_000_000,
            event.class_,
            event.prior and (minute({"start_ms": event.prior.start_ms}), event.prior.points),
            minute({"start_ms": event.event_ms}),
        )
        for event in tape.versions(f"swing|ACME|{START + 4 * MINUTE_MS}|high")
    ]
    assert versions == [
        (5, 1, (3, 7.0), 6),
        (7, 2, None, 8),
        (9, 2, (3, 7.0), 10),
    ]
    low = tape.versions(f"swing|ACME|{START + 3 * MINUTE_MS}|low")
    assert [(event.seq // 1_000_000, event.class_) for event in low] == [(4, 1), (9, 2)]


@pytest.mark.parametrize("cut", range(1, len(RISING)))
def test_undecided_swings_are_decided_alike_after_a_restart(cut: int) -> None:
    straight, tape = equity("structural_class = 2\n"), equity("structural_class = 2\n")
    swings(straight, *RISING)
    for number, (low, high) in enumerate(RISING):
        if number == cut:
            tape.restart()
        tape.take(Bar("ACME", "1m", START + number * MINUTE_MS, low, high, low, low, 1))
    assert tape.events == straight.events


# Base, setting, and whether a class 2 high takes any low as its prior, or waits for a class 2 one.
STRUCTURAL: dict[str, tuple[str, str, bool]] = {
    "1 by setting": ("1m", "structural_class = 1\n", True),
    "2 by setting": ("1m", "structural_class = 2\n", False),
    "6 by setting": ("60m", "structural_class = 6\n", True),
    "3 of minutes": ("1m", "", True),
    "3 of half hours": ("30m", "", True),
    "2 of hours": ("60m", "", False),
    "2 of four hours": ("240m", "", False),
}


@pytest.mark.parametrize(("base", "extra", "at_once"), STRUCTURAL.values(), ids=STRUCTURAL.keys())
def test_the_structural_class_follows_the_base_or_the_setting(
    base: str, extra: str, at_once: bool
) -> None:
    tape = Tape(f'[instruments.COIN]\ntick = 0.01\nbase = "{base}"\n{extra}', "COIN")
    length = parse_interval(base).length_ms
    start = utc("2025-07-02 00:00")
    high = f"swing|COIN|{start + 4 * length}|high"
    prior = {"start_ms": start + 3 * length, "points": 7.0, "bars": 1}
    book = [
        Bar("COIN", base, start + number * length, low, top, low, low, 1)
        for number, (low, top) in enumerate(RISING)
    ]
    tape.take(*book[:8])
    assert (tape.view[high]["class"], tape.view[high]["prior"]) == (2, prior if at_once else None)
    tape.take(*book[8:])
    assert tape.view[high]["prior"] == prior


def daily(kind: str, label: str, start: str = "00:00", until: str = "00:03") -> dict[str, object]:
    """A daily kind of an own template."""
    return {"kind": kind, "label": label, "start": start, "until": until}


def linked(tape: Tape, minute_number: int, side: str) -> dict[str, Any] | None:
    """Touch link of the swing at a minute of the test's day."""
    start = utc(f"{TEST_DAY} 00:00") + minute_number * MINUTE_MS
    found: dict[str, Any] | None = tape.view[f"swing|COIN|{start}|{side}"]["touch"]
    return found


def touched_at_once(*kinds: dict[str, object]) -> Tape:
    """Ranges whose PoC, 120, is touched by the swing high of minute 6, and by nothing before."""
    tape = coin('ranges = ["own"]\n', template("own", "UTC", *kinds))
    spans = [(100, 100), (100, 100), (90, 120), (100, 100), (100, 101), (100, 119), (100, 121)]
    tape.take(*(minute_of(number, *span) for number, span in enumerate([*spans, (101, 110)])))
    return tape


def in_minute_two(kind: str, label: str, start: str = "00:00") -> dict[str, object]:
    """A kind whose window holds minute 2, with TO 100 in minute 3."""
    return daily(kind, label, start, "00:03")


TIES: dict[str, tuple[list[dict[str, object]], str]] = {
    "Yearly before Monthly": (
        [in_minute_two("Monthly", "x"), in_minute_two("Yearly", "x")],
        "Yearly|x",
    ),
    "Monthly before Weekly": (
        [in_minute_two("Weekly", "x"), in_minute_two("Monthly", "x")],
        "Monthly|x",
    ),
    "Weekly before Major": (
        [in_minute_two("Major", "x"), in_minute_two("Weekly", "x")],
        "Weekly|x",
    ),
    "Major before Minor": (
        [in_minute_two("Minor", "x"), in_minute_two("Major", "x")],
        "Major|x",
    ),
    "Minor before own kinds": (
        [in_minute_two("A", "x"), in_minute_two("Minor", "x")],
        "Minor|x",
    ),
    "own kinds in the order of the template": (
        [in_minute_two("Z", "x"), in_minute_two("A", "x")],
        "Z|x",
    ),
    "rank before start": (
        [in_minute_two("Major", "x", "00:00"), in_minute_two("Minor", "x", "00:02")],
        "Major|x",
    ),
    "the later start": (
        [in_minute_two("A", "b", "00:02"), in_minute_two("A", "a", "00:01")],
        "A|b",
    ),
    "name ascending": ([in_minute_two("A", "b"), in_minute_two("A", "a")], "A|a"),
}


@pytest.mark.parametrize(("kinds", "best"), TIES.values(), ids=TIES.keys())
def test_of_touches_of_one_bar_the_link_takes_the_first_by_rank_start_and_name(
    kinds: list[dict[str, object]], best: str
) -> None:
    tape = touched_at_once(*kinds)
    assert len(tape.of("touch")) == len(kinds)
    assert linked(tape, 6, "high") == {
        "id": f"touch|COIN|{best} {TEST_DAY}|first_break",
        "minutes": 0,
        "bars": 0,
    }


def test_a_link_counts_elapsed_minutes_and_bars_there_are() -> None:
    tape = two_minutes(expires_minutes=30)
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100), minute_of(2, 100, 100))
    tape.take(minute_of(5, 119, 121), minute_of(20, 101, 115))
    # The expiry comes after the touch, and swings do not see it; the hole counts as minutes only.
    tape.take(minute_of(40, 105, 118), minute_of(41, 104, 110))
    touch = f"touch|COIN|Test|t {TEST_DAY}|"
    assert f"{touch}expired" in tape.view
    assert linked(tape, 40, "high") == {"id": f"{touch}first_break", "minutes": 35, "bars": 2}
    assert linked(tape, 5, "high") == {"id": f"{touch}first_break", "minutes": 0, "bars": 0}


@pytest.mark.parametrize("following", [5, 6], ids=["next minute", "after a hole"])
def test_a_touch_by_the_next_bar_comes_too_late_for_the_link(following: int) -> None:
    tape = two_minutes()
    tape.take(minute_of(0, 90, 120), minute_of(1, 100, 100), minute_of(2, 100, 100))
    # Minute 4 is a low; the bar that follows, which decides it, touches PoC.
    tape.take(minute_of(3, 101, 105), minute_of(4, 95, 104), minute_of(following, 96, 121))
    assert f"touch|COIN|Test|t {TEST_DAY}|first_break" in tape.view
    assert linked(tape, 4, "low") is None


def test_touches_of_a_prior_session_are_not_linked() -> None:
    tape = coin('ranges = ["prior_session"]\n')
    tape.take(bar("COIN", utc("2025-07-01 12:00"), 90, 120))
    tape.take(minute_of(0, 100, 110), minute_of(1, 100, 120), minute_of(2, 100, 105))
    assert [fact["event"] for fact in tape.of("touch").values()] == ["touched_high"]
    assert linked(tape, 1, "high") is None


def test_a_swing_links_to_the_latest_touch_up_to_its_bar() -> None:
    toml = (
        '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["own"]\n'
        '[templates.own]\nzone = "America/New_York"\n'
        '[[templates.own.kinds]]\nkind = "B"\nperiod = "day"\nlabel = "b"\n'
        'start = "09:30"\nuntil = "09:32"\n'
        '[[templates.own.kinds]]\nkind = "A"\nperiod = "day"\nlabel = "a"\n'
        'start = "09:30"\nuntil = "09:32"\n'
    )
    tape = Tape(toml, "ACME")
    # TO 10, PoC 12, RPP 8; the bar of 09:33 touches PoC of both kinds and is a swing high.
    spans = [(9.5, 12), (9.5, 11), (10, 10.5), (11, 12.5), (10.5, 11), (9.9, 10.6), (10.2, 10.8)]
    swings(tape, *spans)
    high = tape.view[f"swing|ACME|{START + 3 * MINUTE_MS}|high"]
    assert high["touch"] == {
        "id": "touch|ACME|B|b 2025-07-02|first_break",
        "minutes": 0,
        "bars": 0,
    }
    low = tape.view[f"swing|ACME|{START + 5 * MINUTE_MS}|low"]
    assert low["touch"]["id"].endswith("|return")
