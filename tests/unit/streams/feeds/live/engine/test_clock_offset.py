"""The provider's clock: what two witnesses and our own clock say together."""

from __future__ import annotations

from tapeline.schemas.feed_events import Skew
from tapeline.streams.feeds.live.engine.clock_offset import ClockOffset, ClockReading
from tapeline.streams.feeds.live.engine.signals import ClockHealth
from tapeline.streams.feeds.live.model import Instant, Report

WALL_MS = 1_796_049_000_000


def at(seconds: float, wall_step_ms: int = 0) -> Instant:
    """An instant of a machine whose wall clock was stepped."""
    ms = round(seconds * 1000)
    return Instant(ms, WALL_MS + ms + wall_step_ms)


def heard(clock: ClockOffset, first_s: int, last_s: int, ahead_ms: int, step_ms: int = 0) -> None:
    """A message a second whose provider's clock is ahead of the true time."""
    for second in range(first_s, last_s):
        clock.take_sent(WALL_MS + second * 1000 + ahead_ms, at(second, step_ms))
    clock.refresh(at(last_s, step_ms))


def dated(clock: ClockOffset, second: int, ahead_ms: int, step_ms: int = 0) -> None:
    """A header at a second."""
    clock.take_date((WALL_MS + second * 1000 + ahead_ms) // 1000 * 1000, at(second, step_ms))
    clock.refresh(at(second, step_ms))


def test_without_a_witness_our_own_clock_counts() -> None:
    clock = ClockOffset()
    assert (clock.offset_ms(at(1)), clock.healthy(at(1)), clock.witness()) == (0, True, "")


def test_the_offset_is_the_median_of_messages_so_one_that_is_late_says_nothing() -> None:
    clock = ClockOffset()
    heard(clock, 0, 60, -40)
    clock.take_sent(WALL_MS - 20_000, at(60))
    clock.refresh(at(61))
    assert clock.offset_ms(at(61)) == -40
    assert clock.healthy(at(61))


def test_a_provider_whose_clock_jumps_ahead_for_two_minutes_is_not_healthy_and_not_followed() -> (
    None
):
    clock = ClockOffset()
    heard(clock, 0, 600, 0)
    assert clock.healthy(at(600))
    heard(clock, 600, 720, 180_000)
    assert not clock.healthy(at(720))
    assert clock.offset_ms(at(720)) == 0
    heard(clock, 720, 780, 0)
    assert clock.healthy(at(780))


def test_a_provider_that_is_ahead_from_the_start_is_followed_for_half_a_minute_at_most() -> None:
    clock = ClockOffset()
    heard(clock, 0, 900, 180_000)
    assert clock.offset_ms(at(900)) == 30_000
    assert not clock.healthy(at(900))


def test_headers_that_agree_with_messages_show_that_our_clock_is_behind() -> None:
    clock = ClockOffset()
    dated(clock, 0, 180_000)
    heard(clock, 0, 60, 180_000)
    assert clock.offset_ms(at(60)) == 180_000
    assert not clock.healthy(at(60))


def test_headers_alone_give_the_offset_to_a_second() -> None:
    clock = ClockOffset()
    dated(clock, 7, 3_000)
    assert 2_000 <= clock.offset_ms(at(7)) <= 4_000
    assert clock.healthy(at(7))
    assert clock.witness() == "date"


def test_a_header_of_an_old_copy_does_not_outvote_messages_that_agree_with_our_clock() -> None:
    clock = ClockOffset()
    dated(clock, 0, -7_200_000)
    heard(clock, 0, 60, 100)
    assert clock.offset_ms(at(60)) == 100


def test_a_step_of_our_clock_changes_the_offset_and_not_the_provider_s_time() -> None:
    clock = ClockOffset()
    dated(clock, 0, 0)
    heard(clock, 0, 60, 0)
    before = clock.provider_ms(at(60))
    for step_ms in (3_600_000, -3_600_000):
        assert clock.provider_ms(at(60, step_ms)) == before
        assert clock.offset_ms(at(60, step_ms)) == -step_ms
        assert not clock.healthy(at(60, step_ms))


def test_a_burst_of_messages_counts_as_a_few() -> None:
    clock = ClockOffset()
    heard(clock, 0, 70, 0)
    for _ in range(10_000):
        clock.take_sent(WALL_MS + 70_000 + 40_000, at(70))
    clock.refresh(at(71))
    assert clock.offset_ms(at(71)) == 0
    assert clock.healthy(at(71))


def test_changes_are_published_once_and_reported_where_their_level_changes() -> None:
    clock = ClockOffset()
    reading = ClockReading("mine", clock)
    assert reading.changes(at(0)) == [ClockHealth(True, 0)]
    heard(clock, 0, 60, 1_500)
    assert reading.changes(at(60)) == [ClockHealth(True, 1_500)]
    assert reading.changes(at(61)) == []
    heard(clock, 61, 400, 5_000)
    health, report = reading.changes(at(400))
    assert health == ClockHealth(True, 5_000)
    assert isinstance(report, Report)
    event = report.event
    assert isinstance(event, Skew)
    assert (event.offset_ms, event.witness, event.healthy) == (5_000, "messages", True)
