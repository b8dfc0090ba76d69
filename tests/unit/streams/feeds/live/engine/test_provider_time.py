"""The provider's time and the steps of our clock."""

from __future__ import annotations

from tapeline.streams.feeds.live.engine.provider_time import ProviderTime
from tapeline.streams.feeds.live.engine.signals import ClockHealth
from tapeline.streams.feeds.live.model import Instant

HOUR = 3_600_000
WALL = 1_764_288_000_000


def _time() -> ProviderTime:
    return ProviderTime(Instant(0, WALL))


def test_provider_time_is_our_clock_and_the_known_offset() -> None:
    time = _time()
    time.heard(ClockHealth(True, 1_500), Instant(1_000, WALL + 1_000))
    assert time.at(Instant(2_000, WALL + 2_000)) == WALL + 3_500
    assert time.mono_ms(WALL + 3_500) == 2_000


def test_a_drift_of_our_clock_is_followed() -> None:
    time = _time()
    time.look(Instant(10_000, WALL + 10_400))
    assert time.at(Instant(11_000, WALL + 11_400)) == WALL + 11_400


def test_a_step_of_our_clock_by_an_hour_changes_nothing() -> None:
    for step in (HOUR, -HOUR):
        time = _time()
        time.look(Instant(10_000, WALL + 10_000 + step))
        assert time.at(Instant(20_000, WALL + 20_000 + step)) == WALL + 20_000


def test_an_offset_measured_across_a_step_does_not_widen_the_future() -> None:
    time = _time()
    time.look(Instant(10_000, WALL + 10_000 + HOUR))
    time.heard(ClockHealth(False, 0), Instant(20_000, WALL + 20_000 + HOUR))
    assert not time.healthy
    assert time.at(Instant(20_000, WALL + 20_000 + HOUR)) == WALL + 20_000


def test_after_a_step_the_new_offset_gives_the_same_time() -> None:
    time = _time()
    time.look(Instant(10_000, WALL + 10_000 + HOUR))
    time.heard(ClockHealth(True, -HOUR), Instant(20_000, WALL + 20_000 + HOUR))
    assert time.at(Instant(30_000, 0)) == WALL + 30_000


def test_without_a_step_a_large_offset_is_taken_though_it_is_not_healthy() -> None:
    time = _time()
    time.heard(ClockHealth(False, 180_000), Instant(1_000, WALL + 1_000))
    assert time.at(Instant(1_000, WALL + 1_000)) == WALL + 181_000


def test_a_step_that_lasts_for_ten_minutes_is_followed() -> None:
    time = _time()
    time.look(Instant(0, WALL + HOUR))
    time.look(Instant(599_999, WALL + HOUR + 599_999))
    assert time.at(Instant(599_999, 0)) == WALL + 599_999
    time.look(Instant(600_000, WALL + HOUR + 600_000))
    assert time.at(Instant(600_000, 0)) == WALL + HOUR + 600_000


def test_a_step_that_the_offset_explains_is_none_even_while_our_clock_is_far_off() -> None:
    time = _time()
    time.look(Instant(10_000, WALL + 10_000 + HOUR))
    time.heard(ClockHealth(False, -HOUR), Instant(20_000, WALL + 20_000 + HOUR))
    time.look(Instant(30_000, WALL + 30_000 + HOUR))
    time.look(Instant(900_000, WALL + 900_000 + HOUR))
    assert time.at(Instant(900_000, 0)) == WALL + 900_000
