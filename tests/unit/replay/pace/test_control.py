"""Pause, step, speed and jumps, while the records of a replay wait for their time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Literal, NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeline.replay.pace.control import Control, MonotonicClock
from tapeline.replay.pace.landmarks import Landmark
from tapeline.schemas.documents.examples import event_examples
from tapeline.schemas.events import Gap, Output, Session, Touch
from tests.unit.replay.virtual_clock import NS_IN_S, VirtualClock

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
OPEN_MS = 1_765_204_200_000  # 2025-12-08 09:30 in New York
HOUR = [OPEN_MS + minute * MINUTE_MS for minute in range(61)]
PATIENCE_S = 180
Speed = float | Literal["max"]


async def played(
    control: Control,
    clock: VirtualClock,
    times: list[int],
    events: Callable[[int], list[Output]] = lambda time_ms: [],
    marked_ms: int | None = None,
) -> list[float]:
    """Seconds from the start at which the records went; a strategy marks the one of `marked_ms`."""
    went = []
    for time_ms in times:
        if not control.at_once(time_ms) and not await control.release(time_ms):
            break
        went.append(clock.elapsed_s)
        control.seen(events(time_ms), marked=time_ms == marked_ms)
    return went


class Scene:
    """A control on a virtual clock, with what happens at which second."""

    def __init__(
        self,
        speed: Speed,
        *plan: tuple[float, Callable[[Control], object]],
        skip_idle_s: float | None = None,
        paused: bool = False,
    ) -> None:
        self.clock = VirtualClock()
        self.control = Control(speed, skip_idle_s, paused, self.clock)
        for at_s, act in plan:
            self.clock.plan(round(at_s * NS_IN_S), partial(act, self.control))

    async def play(
        self, times: list[int], events: Callable[[int], list[Output]] = lambda time_ms: []
    ) -> list[float]:
        return await played(self.control, self.clock, times, events)


def stop(control: Control) -> None:
    control.stop()


# Pace


async def test_a_trading_hour_at_speed_600_takes_six_seconds() -> None:
    scene = Scene(600)
    assert (await scene.play(HOUR))[-1] == pytest.approx(6, abs=1e-6)


async def test_a_replay_that_begins_at_a_time_waits_for_the_first_bar_of_it() -> None:
    scene = Scene(600)
    scene.control.begin_at(OPEN_MS)
    assert await scene.play(HOUR[1:4]) == pytest.approx([0.1, 0.2, 0.3])


async def test_at_max_nothing_waits() -> None:
    scene = Scene("max")
    assert await scene.play(HOUR) == [0] * 61
    assert scene.clock.waits == 0
    assert scene.control.state.records == 61
    assert scene.control.state.event_ms == HOUR[-1]


async def test_nights_are_cut_short() -> None:
    scene = Scene(600, skip_idle_s=2)
    times = [OPEN_MS, OPEN_MS + 20 * HOUR_MS, OPEN_MS + 20 * HOUR_MS + MINUTE_MS]
    assert await scene.play(times) == pytest.approx([0, 2, 2.1])


async def test_a_long_wait_comes_in_parts() -> None:
    scene = Scene(1)
    await scene.play([OPEN_MS, OPEN_MS + HOUR_MS])
    assert scene.clock.elapsed_s == 3_600
    assert scene.clock.longest_wait_s <= 60


class Order(NamedTuple):
    """Something a user does, so many nanoseconds from the start."""

    at_ns: int
    what: Literal["pause", "resume"] | Speed


def expected_ns(
    times: list[int], orders: list[Order], speed: Speed, idle_s: int | None
) -> tuple[list[Fraction], Fraction]:
    """When records go, and how close a command came without being the reason, in nanoseconds.

    A playhead goes through event time: still during a pause, `speed` times as fast as the clock
    otherwise. A record goes when it is there, or when `idle_s` have passed since the last one.
    """
    orders = sorted(orders)
    now = idle = Fraction(0)
    went: list[Fraction] = []
    head, reached = Fraction(times[0]), times[0] - 1
    paused = False
    for time_ms in times:
        while True:
            need = Fraction(0)
            if time_ms > reached and speed != "max" and went:
                need = (time_ms - head) * 1_000_000 / Fraction(str(speed))
                if idle_s is not None:
                    need = max(min(need, idle_s * NS_IN_S - idle), Fraction(0))
            if not orders or (not paused and now + need < orders[0].at_ns):
                break
            order = orders.pop(0)
            passed = Fraction(0) if paused else max(order.at_ns - now, Fraction(0))
            if speed != "max":
                head += passed * Fraction(str(speed)) / 1_000_000
            idle += passed
            now = max(now, Fraction(order.at_ns))
            if order.what == "pause":
                paused = True
            elif order.what == "resume":
                paused = False
            else:
                speed = order.what
        now += need
        if time_ms > reached:
            head, reached, idle = Fraction(time_ms), time_ms, Fraction(0)
        went.append(now)
    distances = {abs(each - order.at_ns) for each in went for order in orders} - {0}
    closest = min(distances, default=Fraction(NS_IN_S))
    return went, closest


SPEEDS = st.sampled_from([0.1, 0.7, 1.0, 60.0, 601.3, 100_000.0])
STEPS_MS = st.sampled_from([-HOUR_MS, -1, 0, 10, 1_000, MINUTE_MS, 3 * MINUTE_MS, 17 * HOUR_MS])


@given(
    steps=st.lists(STEPS_MS, min_size=1, max_size=30),
    speed=SPEEDS,
    orders=st.lists(
        st.tuples(
            st.integers(1, 4_000_000_000_000),
            st.one_of(st.sampled_from(["pause", "resume"]), SPEEDS, st.just("max")),
        ),
        max_size=8,
        unique_by=lambda order: order[0],
    ),
    idle_s=st.sampled_from([None, 0, 2, 90]),
)
def test_records_go_within_a_microsecond_of_their_time_whatever_command_comes(
    steps: list[int],
    speed: float,
    orders: list[tuple[int, Literal["pause", "resume"] | Speed]],
    idle_s: int | None,
) -> None:
    times = [OPEN_MS]
    for step in steps:
        times.append(times[-1] + step)
    # Whatever was paused goes on in the end.
    planned = [Order(*each) for each in orders] + [Order(5_000_000_000_000, "resume")]
    expected, closest = expected_ns(times, planned, speed, idle_s)
    assume(closest > 50)

    clock = VirtualClock()
    control = Control(speed, idle_s, clock=clock)
    for order in planned:
        if order.what == "pause":
            clock.plan(order.at_ns, control.pause)
        elif order.what == "resume":
            clock.plan(order.at_ns, control.resume)
        else:
            clock.plan(order.at_ns, partial(control.set_speed, order.what))
    went = asyncio.run(played(control, clock, times))
    assert went == pytest.approx([float(each / NS_IN_S) for each in expected], abs=1e-6, rel=0)


async def test_who_slows_down_a_replay_that_is_behind_sees_the_next_record_and_not_the_rest() -> (
    None
):
    scene = Scene(60_000)
    went = []
    for number, time_ms in enumerate(HOUR[:6]):
        assert scene.control.at_once(time_ms) or await scene.control.release(time_ms)
        went.append(scene.clock.elapsed_s)
        if number < 3:
            scene.clock.pass_by(5 * NS_IN_S)
        if number == 2:
            scene.control.set_speed(60)
    assert went == pytest.approx([0, 5, 10, 15, 16, 17])


# Pause and steps


async def test_a_pause_before_the_first_record_holds_it_back() -> None:
    scene = Scene("max", (7, Control.resume), paused=True)
    assert await scene.play(HOUR[:2]) == [7, 7]


async def test_a_pause_takes_its_length_and_nothing_else() -> None:
    scene = Scene(60, (0.5, Control.pause), (10.5, Control.toggle))
    assert await scene.play(HOUR[:3]) == pytest.approx([0, 11, 12])


async def test_a_step_releases_exactly_one_record() -> None:
    scene = Scene("max", (3, Control.step), (5, Control.step), (9, stop), paused=True)
    assert await scene.play(HOUR) == [3, 5]
    assert scene.control.state.paused


async def test_steps_add_up() -> None:
    def three(control: Control) -> None:
        control.step()
        control.step(2)

    assert await Scene(1, (3, three), (9, stop), paused=True).play(HOUR) == [3, 3, 3]


async def test_a_step_pauses_a_replay_that_runs() -> None:
    scene = Scene(60, (0.5, Control.step), (9, stop))
    assert await scene.play(HOUR) == [0, 0.5]


async def test_after_steps_the_pace_goes_on_from_the_last_of_them() -> None:
    scene = Scene(60, (3, lambda control: control.step(2)), (8, Control.resume), paused=True)
    assert await scene.play(HOUR[:4]) == pytest.approx([3, 3, 9, 10])


async def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one record"):
        Scene(1).control.step(0)


# Speed


async def test_faster_and_slower_go_through_the_usual_speeds() -> None:
    control = Scene(600).control
    control.faster()
    assert control.state.speed == 1_000
    control.slower()
    control.slower()
    assert control.state.speed == 200


async def test_speed_may_change_during_a_pause() -> None:
    scene = Scene(60, (0.5, Control.pause), (2, lambda c: c.set_speed(6)), (3, Control.resume))
    assert await scene.play(HOUR[:3]) == pytest.approx([0, 8, 18])


async def test_a_limit_set_while_all_goes_at_once_counts_from_the_last_record() -> None:
    scene = Scene("max")
    await scene.play(HOUR[:3])
    scene.control.set_speed(60)
    assert await scene.play(HOUR[3:5]) == pytest.approx([1, 2])


@pytest.mark.parametrize("speed", [0, -1, 100_001, float("nan")])
async def test_a_speed_out_of_bounds_is_refused_and_changes_nothing(speed: float) -> None:
    control = Scene(60).control
    with pytest.raises(ValueError, match="between"):
        control.set_speed(speed)
    assert control.state.speed == 60


# Jumps


async def test_a_jump_in_time_runs_through_what_lies_before_and_is_paced_after() -> None:
    scene = Scene(60, (0.5, lambda control: control.jump_to(HOUR[30])))
    went = await scene.play(HOUR[:33])
    assert went[1:31] == [0.5] * 30
    assert went[31:] == pytest.approx([1.5, 2.5])


async def test_after_a_jump_into_the_middle_of_a_gap_the_rest_of_it_lasts() -> None:
    scene = Scene(60, (0.5, lambda control: control.jump_to(OPEN_MS + 50 * MINUTE_MS)))
    assert await scene.play([OPEN_MS, OPEN_MS + HOUR_MS]) == pytest.approx([0, 10.5])


async def test_a_pause_outlasts_a_jump_in_time() -> None:
    scene = Scene(60, (2, lambda c: c.jump_to(HOUR[2])), (7, stop), paused=True)
    assert await scene.play(HOUR) == [2, 2, 2]
    assert scene.control.state.paused


async def test_a_jump_never_goes_back() -> None:
    scene = Scene("max")
    await scene.play(HOUR)
    with pytest.raises(ValueError, match="is over"):
        scene.control.jump_to(HOUR[59])


_EXAMPLES = {type(each): each for each in event_examples().values()}


def eventful(time_ms: int) -> list[Output]:
    """A gap at the fifth minute that closes at the sixth, a touch, a session."""
    gap, touch, session = _EXAMPLES[Gap], _EXAMPLES[Touch], _EXAMPLES[Session]
    assert isinstance(gap, Gap)
    assert isinstance(touch, Touch)
    assert isinstance(session, Session)
    happened: dict[int, list[Output]] = {
        5: [replace(gap, state="open")],
        6: [replace(gap, state="closed")],
        8: [replace(gap, id="gap|ES|1m|0")],
        20: [replace(touch, event="expired")],
        21: [replace(touch, event="return")],
        40: [replace(session, state="open")],
    }
    return happened.get((time_ms - OPEN_MS) // MINUTE_MS, [])


@pytest.mark.parametrize(("landmark", "minute"), [("gap", 5), ("touch", 21), ("session", 40)])
async def test_a_jump_ends_with_the_record_that_publishes_what_was_looked_for(
    landmark: Landmark, minute: int
) -> None:
    scene = Scene(1, (2, lambda control: control.jump_to_next(landmark)), (9, stop))
    went = await scene.play(HOUR, eventful)
    assert went[1:] == [2] * minute
    assert scene.control.state.paused
    assert scene.control.state.event_ms == HOUR[minute]


async def test_the_next_gap_is_not_the_one_that_was_just_reached() -> None:
    scene = Scene(
        1, (2, lambda c: c.jump_to_next("gap")), (3, lambda c: c.jump_to_next("gap")), (9, stop)
    )
    assert len(await scene.play(HOUR, eventful)) == 9


async def test_after_a_jump_the_pace_goes_on_from_where_it_ended() -> None:
    scene = Scene(60, (0.5, lambda c: c.jump_to_next("gap")), (4, Control.resume))
    assert (await scene.play(HOUR[:8], eventful))[5:] == pytest.approx([0.5, 5, 6])


async def test_a_jump_to_what_never_comes_runs_to_the_end() -> None:
    scene = Scene(1, (2, lambda control: control.jump_to_next("signal")))
    assert await scene.play(HOUR, eventful) == [0] + [2] * 60


async def test_a_record_that_a_strategy_marks_ends_a_jump_to_the_next_mark() -> None:
    scene = Scene("max", (3, stop))
    scene.control.jump_to_next("mark")
    assert len(await played(scene.control, scene.clock, HOUR, marked_ms=HOUR[7])) == 8
    assert scene.control.state.paused


async def test_a_mark_that_is_not_looked_for_changes_nothing() -> None:
    for landmark in (None, "gap", "signal"):
        control = Scene("max").control
        if landmark is not None:
            control.jump_to_next(landmark)
        control.seen([], marked=True)
        assert not control.state.paused


async def test_the_state_shows_what_a_jump_runs_to() -> None:
    control = Scene(60).control
    seen = []
    for order in (partial(control.jump_to_next, "touch"), partial(control.jump_to, OPEN_MS)):
        order()
        seen.append(control.state.toward)
    control.resume()
    seen.append(control.state.toward)
    assert seen == ["touch", "time", None]


# The end


async def test_a_stop_ends_a_wait() -> None:
    scene = Scene(1, (5, stop))
    assert await scene.play(HOUR) == [0]
    assert scene.control.state.stopped


@pytest.mark.parametrize("speed", ["max", 60])
async def test_after_a_stop_nothing_goes_any_more(speed: Speed) -> None:
    scene = Scene(speed)
    scene.control.stop()
    scene.control.resume()
    assert await scene.play(HOUR) == []


# The event loop and its clock


@pytest.mark.parametrize(
    "order",
    [stop, lambda c: c.set_speed("max"), lambda c: c.jump_to_next("gap"), Control.step],
)
async def test_a_wait_of_days_ends_with_an_order(order: Callable[[Control], object]) -> None:
    control = Control(0.1)
    assert control.at_once(OPEN_MS)
    waiting = asyncio.create_task(control.release(OPEN_MS + 24 * HOUR_MS))
    await asyncio.sleep(0)
    order(control)
    async with asyncio.timeout(PATIENCE_S):
        assert await waiting is (order is not stop)


async def test_a_wait_that_is_cancelled_leaves_nothing_behind() -> None:
    control = Control(0.1)
    assert control.at_once(OPEN_MS)
    waiting = asyncio.create_task(control.release(OPEN_MS + HOUR_MS))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert control.state.records == 1
    control.set_speed("max")
    assert await control.release(OPEN_MS + HOUR_MS)


async def test_the_clock_of_the_machine_waits_no_longer_than_it_is_asked_to() -> None:
    async with asyncio.timeout(PATIENCE_S):
        await MonotonicClock().wait(asyncio.Event(), 0.001)


async def test_a_record_goes_by_the_clock_of_the_machine() -> None:
    control = Control(60)
    clock = MonotonicClock()
    begun = clock.now_ns()
    async with asyncio.timeout(PATIENCE_S):
        assert await control.release(OPEN_MS)
        assert await control.release(OPEN_MS + 600)
    assert clock.now_ns() - begun >= 10_000_000


async def test_others_run_while_records_go_at_once() -> None:
    clock = VirtualClock()
    control = Control("max", clock=clock)
    asyncio.get_running_loop().call_soon(control.stop)
    went = 0
    for number in range(1_000):
        time_ms = OPEN_MS + number
        if not control.at_once(time_ms) and not await control.release(time_ms):
            break
        clock.pass_by(1_000_000)
        went += 1
    assert 0 < went <= 200
