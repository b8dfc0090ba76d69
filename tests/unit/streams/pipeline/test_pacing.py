"""A record is due at t0 + (event - e0) / speed, whatever happened before."""

from __future__ import annotations

import random
import sys
from fractions import Fraction

import pytest

from tapeline.streams.pipeline.pacing import (
    SPEEDS,
    Pacer,
    checked_speed,
    faster,
    parse_speed,
    slower,
)

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
S = 1_000_000_000
START_NS = 987_654_321_987
RECORDS = 1_000_000 if sys.gettrace() is None else 100_000
"""All of them run without a tracer, on the compiled build."""


def begun(speed: float | None, skip_idle_s: float | None = None) -> Pacer:
    """A pacer whose first record, at event time 0, went at START_NS."""
    pacer = Pacer(speed, skip_idle_s)
    pacer.release(0, START_NS)
    return pacer


def wait_s(pacer: Pacer, event_ms: int, at_s: float = 0) -> float:
    now = START_NS + round(at_s * S)
    return (pacer.due_ns(event_ms, now) - now) / S


@pytest.mark.parametrize(
    ("speed", "seconds"), [(0.1, 600), (1, 60), (60, 1), (600, 0.1), (100_000, 0.0006)]
)
def test_a_minute_lasts_a_minute_divided_by_the_speed(speed: float, seconds: float) -> None:
    assert wait_s(begun(speed), MINUTE_MS) == pytest.approx(seconds, abs=2e-9)


def test_the_first_record_goes_at_once_whenever_it_comes() -> None:
    assert Pacer(1).due_ns(HOUR_MS, START_NS) == START_NS


def test_without_limit_everything_goes_at_once() -> None:
    assert wait_s(begun(None), 1_000 * HOUR_MS) == 0


@pytest.mark.parametrize("speed", [0.1, 33_333.3])
def test_a_million_records_do_not_drift(speed: float) -> None:
    pacer = begun(speed)
    lateness = random.Random(4)
    ratio = Fraction(str(speed))
    tick = MINUTE_MS * 1_000_000 * ratio.denominator
    now = START_NS
    for minute in range(1, RECORDS + 1):
        due = pacer.due_ns(minute * MINUTE_MS, now)
        # Exactly the next whole nanosecond.
        assert 0 <= (due - START_NS) * ratio.numerator - minute * tick < ratio.numerator
        now = max(now, due) + lateness.randrange(50_000)
        pacer.release(minute * MINUTE_MS, now)


def test_a_late_record_goes_at_once_and_the_next_one_in_its_time() -> None:
    pacer = begun(60)
    pacer.release(MINUTE_MS, START_NS + S)
    assert wait_s(pacer, -HOUR_MS, at_s=1.5) <= 0
    pacer.release(-HOUR_MS, START_NS + 3 * S // 2)
    assert wait_s(pacer, MINUTE_MS, at_s=1.5) <= 0
    assert wait_s(pacer, 2 * MINUTE_MS, at_s=1.5) == 0.5


def test_who_is_behind_catches_up() -> None:
    pacer = begun(60)
    pacer.release(MINUTE_MS, START_NS + 10 * S)
    assert wait_s(pacer, 9 * MINUTE_MS, at_s=10) < 0
    assert wait_s(pacer, 12 * MINUTE_MS, at_s=10) == 2


def test_a_weekend_lasts_no_longer_than_was_asked_for() -> None:
    pacer = begun(600, skip_idle_s=2)
    weekend = 49 * HOUR_MS
    assert wait_s(pacer, weekend) == 2
    pacer.release(weekend, START_NS + 2 * S)
    assert wait_s(pacer, weekend + MINUTE_MS, at_s=2) == pytest.approx(0.1)


def test_a_gap_that_is_short_enough_lasts_as_long_as_it_is() -> None:
    assert wait_s(begun(600, skip_idle_s=2), 10 * MINUTE_MS) == 1


def test_a_thousand_nights_cut_short_do_not_drift() -> None:
    pacer = begun(3.7, skip_idle_s=0.3)
    event, now = 0, START_NS
    for _ in range(1_000):
        event += HOUR_MS
        now = max(now, pacer.due_ns(event, now)) + 100_000
        pacer.release(event, now)
    assert wait_s(pacer, event + HOUR_MS) == pytest.approx(300.3)


def test_a_pause_in_a_gap_that_is_cut_short_leaves_what_remained() -> None:
    pacer = begun(600, skip_idle_s=2)
    pacer.pause(START_NS + S)
    assert wait_s(pacer, 60 * HOUR_MS, at_s=50) == 1
    pacer.resume(START_NS + 100 * S)
    assert wait_s(pacer, 60 * HOUR_MS, at_s=100) == 1


def test_no_speed_makes_a_gap_longer_than_was_asked_for() -> None:
    pacer = begun(600, skip_idle_s=2)
    pacer.set_speed(0.1, START_NS + S)
    assert wait_s(pacer, 60 * HOUR_MS, at_s=1) == 1


def test_a_pause_moves_every_deadline_by_its_length() -> None:
    pacer = begun(60)
    pacer.pause(START_NS + S // 4)
    pacer.pause(START_NS + S // 2)
    pacer.resume(START_NS + 7 * S + S // 4)
    assert wait_s(pacer, MINUTE_MS, at_s=7.25) == 0.75


def test_another_speed_holds_for_what_remains() -> None:
    pacer = begun(60)
    pacer.set_speed(6, START_NS + S // 4)
    assert wait_s(pacer, MINUTE_MS, at_s=0.25) == 7.5
    pacer.set_speed(60, START_NS + S // 4 + 4 * S)
    assert wait_s(pacer, MINUTE_MS, at_s=4.25) == pytest.approx(0.35)


def test_who_is_behind_and_slows_down_goes_on_from_its_next_record() -> None:
    pacer = begun(6_000)
    pacer.release(MINUTE_MS, START_NS + 10 * S)
    pacer.set_speed(60, START_NS + 10 * S)
    assert wait_s(pacer, 2 * MINUTE_MS, at_s=10) <= 0
    pacer.release(2 * MINUTE_MS, START_NS + 10 * S)
    assert wait_s(pacer, 3 * MINUTE_MS, at_s=10) == 1


def test_a_limit_counts_from_the_record_reached_without_one() -> None:
    pacer = begun(None)
    pacer.release(HOUR_MS, START_NS + S)
    pacer.set_speed(60, START_NS + S)
    assert wait_s(pacer, HOUR_MS + MINUTE_MS, at_s=1) == 1


def test_a_record_that_goes_before_its_time_takes_the_clock_along() -> None:
    pacer = begun(60)
    pacer.release(HOUR_MS, START_NS + S)
    assert wait_s(pacer, HOUR_MS + MINUTE_MS, at_s=1) == 1


def test_event_time_can_be_set() -> None:
    pacer = begun(60)
    pacer.move_to(HOUR_MS, START_NS + S)
    assert wait_s(pacer, HOUR_MS, at_s=1) == 0
    assert wait_s(pacer, HOUR_MS + MINUTE_MS, at_s=1) == 1


def test_the_keys_go_through_the_usual_speeds() -> None:
    assert SPEEDS[:6] == (0.1, 0.2, 0.5, 1, 2, 5)
    assert SPEEDS[-2:] == (50_000, 100_000)
    assert list(SPEEDS) == sorted(set(SPEEDS))


@pytest.mark.parametrize(
    ("speed", "up", "down"),
    [
        (1.0, 2, 0.5),
        (600.0, 1_000, 500),
        (100_000.0, None, 50_000),
        (None, None, 100_000),
        (0.1, 0.2, 0.1),
    ],
)
def test_one_step_faster_or_slower(speed: float | None, up: float | None, down: float) -> None:
    assert faster(speed) == up
    assert slower(speed) == down


@pytest.mark.parametrize("speed", [0, 0.05, -1, 100_001, float("nan"), float("inf"), "fast", "60"])
def test_what_is_no_speed_is_refused(speed: float | str) -> None:
    with pytest.raises(ValueError, match=r"neither max nor between 0\.1 and 100000"):
        checked_speed(speed)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_what_is_no_length_of_a_gap_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="--skip-idle"):
        Pacer(1, seconds)


@pytest.mark.parametrize(
    ("text", "speed"), [("max", None), ("600", 600.0), ("0.1", 0.1), ("1e5", 100_000.0)]
)
def test_a_speed_is_max_or_a_factor(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf", "100001", "MAX"])
def test_anything_else_is_no_speed(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any message will do: the command prints more
        parse_speed(text)
