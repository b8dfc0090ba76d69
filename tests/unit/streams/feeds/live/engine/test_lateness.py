"""Grace: how long a silence must last to mean something."""

from __future__ import annotations

from tapeline.streams.feeds.live.engine.lateness import Lateness

MINUTE = 60_000


def _after(count: int, late_ms: int, rest_ms: int = 300) -> Lateness:
    lateness = Lateness()
    for number in range(count):
        lateness.add(late_ms if number == 0 else rest_ms, 0)
    return lateness


def test_without_bars_the_grace_is_two_seconds() -> None:
    assert Lateness().grace_ms() == 2_000


def test_one_late_bar_of_few_does_not_hold_every_clock_back() -> None:
    assert _after(300, 25_000).grace_ms() == 2_000


def test_late_bars_beyond_one_in_a_hundred_count() -> None:
    lateness = _after(100, 9_000)
    lateness.add(9_000, 0)
    assert lateness.grace_ms() == 9_100


def test_of_ten_thousand_bars_one_in_a_thousand_is_left_out() -> None:
    lateness = Lateness()
    for number in range(10_000):
        lateness.add(7_000 if number < 11 else 100, 0)
    assert lateness.grace_ms() == 7_100


def test_the_grace_is_never_longer_than_thirty_seconds() -> None:
    assert _after(1, 500_000).grace_ms() == 30_000


def test_what_was_an_hour_ago_is_forgotten() -> None:
    lateness = _after(1, 9_000)
    assert lateness.grace_ms() == 9_100
    lateness.add(100, 60 * MINUTE)
    assert lateness.grace_ms() == 2_000
