"""A replay under control: records at their time, and each one handed over before the next waits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tapeline.replay.bounds import parse_bound
from tapeline.replay.pace.control import Control
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.events import Touch
from tapeline.schemas.records import Bar, LogRecord
from tests.unit.replay.memory_source import MemorySource, live, partitioned
from tests.unit.replay.virtual_clock import NS_IN_S, VirtualClock

CONFIG = read_config(
    '[instruments.AAA]\ntick = 0.01\ncalendar = "24/7"\nranges = ["prior_session"]\n', "test"
)
MINUTE_MS = 60_000
OPEN_MS = 1_765_238_400_000  # 2025-12-09 00:00 UTC
DAY_MINUTES = 1_440


def minutes(first: int, count: int) -> list[LogRecord]:
    """Bars of 99 to 100, which the first bar of 2025-12-09 touches again."""
    return [
        Bar("AAA", "1m", OPEN_MS + minute * MINUTE_MS, 99.5, 100.0, 99.0, 99.5, 1, "live")
        for minute in range(first, first + count)
    ]


def replay(control: Control, records: list[LogRecord], start: str | None = None) -> Replay:
    log = partitioned(CONFIG, records, 1)
    options = ReplayOptions(
        start=None if start is None else parse_bound("--from", start), snapshots=False
    )
    return Replay(CONFIG, MemorySource(log, live(CONFIG, log), seed=7), options, control)


def controlled(
    speed: float | None, *plan: tuple[float, Callable[[Control], object]], paused: bool = False
) -> tuple[Control, VirtualClock]:
    clock = VirtualClock()
    control = Control(speed, paused=paused, clock=clock)
    for at_s, act in plan:
        clock.plan(round(at_s * NS_IN_S), partial(act, control))
    return control, clock


async def test_a_trading_hour_at_speed_600_takes_six_seconds() -> None:
    control, clock = controlled(600)
    async with replay(
        control, minutes(-DAY_MINUTES, DAY_MINUTES + 60), "2025-12-09T00:00:00Z"
    ) as run:
        times = [clock.elapsed_s async for _ in run.releases()]
    assert times == pytest.approx([0.1 * bar for bar in range(1, 61)])


async def test_the_time_before_the_log_is_not_waited_for() -> None:
    control, clock = controlled(1)
    async with replay(control, minutes(0, 2), "2019-01-01T00:00:00Z") as run:
        times = [clock.elapsed_s async for _ in run.releases()]
    assert times == [0, 60]


async def test_a_jump_hands_over_the_record_it_looked_for_and_then_waits() -> None:
    control, clock = controlled(
        60, (5, lambda control: control.jump_to_next("touch")), (9, Control.stop)
    )
    async with replay(control, minutes(-DAY_MINUTES, DAY_MINUTES + 60)) as run:
        releases = [release async for release in run.releases()]
    assert any(isinstance(event, Touch) for event in releases[-1].events)
    assert len(releases) == DAY_MINUTES + 1
    assert clock.elapsed_s == 9


async def test_steps_hand_over_one_record_each() -> None:
    control, clock = controlled(
        None, (1, Control.step), (2, Control.step), (3, Control.stop), paused=True
    )
    async with replay(control, minutes(0, 60)) as run:
        assert [clock.elapsed_s async for _ in run.releases()] == [1, 2]


async def test_a_replay_that_is_stopped_reports_where() -> None:
    control, _ = controlled(60, (2.5, Control.stop))
    async with replay(control, minutes(0, 60)) as run:
        assert len([release async for release in run.releases()]) == 3
        assert run.fold.spans[0].next_offset == 3
