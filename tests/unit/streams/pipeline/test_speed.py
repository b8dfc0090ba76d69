"""Event time at N times real time, without drift."""

from __future__ import annotations

import pytest

from tapeline.streams.pipeline.speed import Pacer, parse_speed

MINUTE_MS = 60_000


class VirtualClock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 60.0), (60.0, 1.0), (0.5, 120.0)])
def test_a_minute_of_the_market_lasts_a_minute_divided_by_the_speed(
    clock: VirtualClock, speed: float, seconds: float
) -> None:
    pacer = Pacer(speed, clock)
    assert pacer.wait_s(MINUTE_MS) == 0
    assert pacer.wait_s(2 * MINUTE_MS) == pytest.approx(seconds)


def test_sleeping_too_long_each_time_does_not_add_up(clock: VirtualClock) -> None:
    pacer = Pacer(60.0, clock)
    for minute in range(1_000):
        clock.now_s += pacer.wait_s(minute * MINUTE_MS) + 0.3
    assert clock.now_s == pytest.approx(1_000 + 999 + 0.3)


def test_what_is_overdue_is_not_waited_for_and_the_next_comes_in_its_time(
    clock: VirtualClock,
) -> None:
    pacer = Pacer(60.0, clock)
    pacer.wait_s(0)
    clock.now_s += 10
    assert pacer.wait_s(MINUTE_MS) == 0
    assert pacer.wait_s(-MINUTE_MS) == 0
    assert pacer.wait_s(12 * MINUTE_MS) == pytest.approx(2)


@pytest.mark.parametrize(
    ("text", "speed"), [("max", None), ("600", 600.0), ("0.1", 0.1), ("1e5", 100_000.0)]
)
def test_a_speed_is_max_or_a_factor(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf", "100001", "MAX"])
def test_anything_else_is_no_speed(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any message will do: the command says more
        parse_speed(text)
