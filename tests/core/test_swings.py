"""Swings: neighbours, merging, classes, priors and links."""

from __future__ import annotations

from typing import Any

from schemas.records import Bar
from tests.core.scenario import MINUTE_MS, Tape, at, equity

START = at("2025-07-02 09:30")


def swings(tape: Tape, *spans: tuple[float, float]) -> list[tuple[int, str, int]]:
    """Minute, side and class of the swings after bars with these lows and highs."""
    for number, (low, high) in enumerate(spans):
        tape.take(Bar("ACME", "1m", START + number * MINUTE_MS, low, high, low, low, 1))
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


def zigzag(*peaks: float) -> list[tuple[float, float]]:
    """Bars whose highs are these peaks, with a valley at 1 and more after each."""
    spans: list[tuple[float, float]] = [(0.5, 1.0)]
    for number, peak in enumerate(peaks):
        spans += [(peak - 0.5, peak), (1.0 + number / 100, 1.5)]
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


def test_no_class_is_above_6() -> None:
    # The ruler 0 1 0 2 0 1 0 3 ... is its own middle of three at every level.
    ruler = [10.0 + (number & -number).bit_length() for number in range(1, 600)]
    assert max(ruler) >= 10 + 9
    assert max(highs(swings(equity("max_ahead = 0\n"), *zigzag(*ruler)[:389]))) == 6


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


def test_an_earlier_opposite_that_rises_becomes_the_prior() -> None:
    tape = equity("structural_class = 2\n")
    spans = [
        (9, 10),
        (8, 9),
        (8.5, 11),
        (7, 9),
        (8.8, 14),
        (8.9, 10),
        (9.5, 12),
        (9.2, 10),
        (9.6, 11),
    ]
    swings(tape, *spans, (9.4, 10.5), (9.7, 10.6))
    lows = {minute(fact): fact for fact in tape.of("swing").values() if fact["side"] == "low"}
    highs_ = {minute(fact): fact for fact in tape.of("swing").values() if fact["side"] == "high"}
    assert lows[3]["class"] == 2
    peak = highs_[4]
    assert peak["class"] == 2
    assert peak["prior"] == {"start_ms": START + 3 * MINUTE_MS, "points": 7.0, "bars": 1}
    first = [event for event in tape.events if event.id == peak["id"]]
    assert peak["event_ms"] == max(event.event_ms for event in first)


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
