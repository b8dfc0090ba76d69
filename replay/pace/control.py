"""Remote control of a replay: pause, resume, step, speed, jumps.

The loop of a replay asks before it hands a record's results over, and reports what they were::

    if not control.at_once(item.time_ms) and not await control.release(item.time_ms):
        break
    ...
    control.seen(events)

Everything else may be called by any code of the same event loop while that goes on; a wait ends at
once. From another thread, use ``loop.call_soon_threadsafe``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Literal, Protocol

from msgspec import Struct

from tapeline.replay.pace.landmarks import MARK, Landmark, Landmarks, landmarks
from tapeline.schemas.events import Output
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.pipeline.pacing import NS_IN_S, Pacer, checked_speed, faster, slower

LONGEST_WAIT_S = 60.0
"""Longer waits come in parts: the clock is read again after each."""
YIELD_NS = 20_000_000
"""A loop that never waits lets others run after this time: keys, consumers."""
RECORDS_BETWEEN_LOOKS = 64


class SteadyClock(Protocol):
    """A clock and a way to wait; tests bring their own."""

    def now_ns(self) -> int:
        """Reading, which never goes back."""
        ...

    async def wait(self, changed: asyncio.Event, seconds: float | None) -> None:
        """Return when `changed` is set or that time has passed; None: only when it is set."""
        ...


class MonotonicClock:
    """The clock of this machine."""

    def now_ns(self) -> int:
        """Nanoseconds since some instant in the past."""
        return time.monotonic_ns()

    async def wait(self, changed: asyncio.Event, seconds: float | None) -> None:
        """Wait without a task of its own, so that nothing is left when it is cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()


class ControlState(Struct, frozen=True):
    """How a replay goes, for a display.

    Attributes
    ----------
    speed
        Factor; None is ``max``.
    event_ms
        Greatest event time that was released; None before the first record.
    records
        Number of records released.
    toward
        What a jump runs to without waiting: a kind of landmark or ``time``.
    """

    paused: bool
    stopped: bool
    speed: float | None
    event_ms: int | None
    records: int
    toward: Landmark | Literal["time"] | None


class Control:
    """Holds the records of a replay back until they may go.

    Parameters
    ----------
    speed
        Seconds of event time in a second, 0.1 to 100,000; ``"max"`` or None: no limit.
    skip_idle_s
        Longest wait between two records; None: as long as it takes.
    paused
        Begin with a pause before the first record.
    """

    def __init__(
        self,
        speed: float | Literal["max"] | None = None,
        skip_idle_s: float | None = None,
        paused: bool = False,
        clock: SteadyClock | None = None,
    ) -> None:
        self._clock: SteadyClock = MonotonicClock() if clock is None else clock
        self._pacer = Pacer(checked_speed(speed), skip_idle_s)
        self._landmarks = Landmarks()
        self._changed = asyncio.Event()
        self._stopped = False
        self._reached_ms = FAR_PAST_MS
        self._records = 0
        self._steps = 0
        self._until_ms: int | None = None
        self._next: Landmark | None = None
        self._yielded_ns = self._clock.now_ns()
        self._look_at = RECORDS_BETWEEN_LOOKS
        if paused:
            self._pacer.pause(self._clock.now_ns())
        self._free = self._is_free()

    @property
    def state(self) -> ControlState:
        """Its state now."""
        return ControlState(
            paused=self._pacer.paused,
            stopped=self._stopped,
            speed=self._pacer.speed,
            event_ms=None if self._reached_ms == FAR_PAST_MS else self._reached_ms,
            records=self._records,
            toward=self._next if self._until_ms is None else "time",
        )

    @property
    def stopped(self) -> bool:
        """Whether no more records go."""
        return self._stopped

    # What the loop of the replay calls.

    def begin_at(self, time_ms: int) -> None:
        """Event time is `time_ms` now: the first record waits for what it lies after that.

        Without it the first record goes at once.
        """
        self._reached_ms = time_ms
        self._pacer.move_to(time_ms, self._clock.now_ns())

    def at_once(self, time_ms: int) -> bool:
        """Whether the next record goes without waiting; if not, `release` must be awaited."""
        if self._records >= self._look_at:
            self._look_at = self._records + RECORDS_BETWEEN_LOOKS
            if self._clock.now_ns() - self._yielded_ns >= YIELD_NS:
                return False
        if self._free:
            self._records += 1
            if time_ms > self._reached_ms:
                self._reached_ms = time_ms
            return True
        return self._goes(time_ms)

    async def release(self, time_ms: int) -> bool:
        """Wait until the next record may go; False: it may not any more, the replay was stopped.

        Parameters
        ----------
        time_ms
            Its event time (end of the bar).
        """
        if self._clock.now_ns() - self._yielded_ns >= YIELD_NS:
            await asyncio.sleep(0)
        while not self._stopped:
            self._yielded_ns = self._clock.now_ns()
            self._changed.clear()
            if self._goes(time_ms):
                return True
            await self._clock.wait(self._changed, self._wait_s(time_ms))
        return False

    def seen(self, events: Collection[Output | HostEvent], marked: bool = False) -> None:
        """What the record led to; a jump ends here if it is what was looked for."""
        found = self._landmarks.among(events) if events else []
        if self._next in found or (marked and self._next == MARK):
            self.pause()

    # What people and programs call meanwhile.

    def pause(self) -> None:
        """Hold the next record back; a jump or steps under way end."""
        self._set_out(paused=True)

    def resume(self) -> None:
        """Go on at the speed that is set, as if no time had passed; a jump under way ends."""
        self._set_out(paused=False)

    def toggle(self) -> None:
        """Pause, or resume; a jump under way is paused."""
        self._set_out(paused=not self._pacer.paused or self._until_ms is not None)

    def step(self, records: int = 1) -> None:
        """Let so many records go at once and pause; steps that were asked for before are added."""
        if records < 1:
            raise ValueError(f"step {records}: at least one record")
        self._set_out(paused=True, steps=self._steps + records)

    def set_speed(self, speed: float | Literal["max"] | None) -> None:
        """Go on at another speed from here; a pause or a jump stays.

        Raises
        ------
        ValueError
            When it is neither ``"max"`` nor between 0.1 and 100,000.
        """
        factor = checked_speed(speed)
        now = self._clock.now_ns()
        self._hand_over(now)
        self._pacer.set_speed(factor, now)
        self._update()

    def faster(self) -> None:
        """The next higher of the usual speeds."""
        self.set_speed(faster(self._pacer.speed))

    def slower(self) -> None:
        """The next lower of the usual speeds."""
        self.set_speed(slower(self._pacer.speed))

    def jump_to(self, time_ms: int) -> None:
        """Run without waiting through the records up to an event time, and go on from there.

        The record after it comes as long after the jump as it lies after that time, or when a
        pause that was there before ends.

        Raises
        ------
        ValueError
            When that time is over: a replay does not go back.
        """
        if time_ms < self._reached_ms:
            raise ValueError(f"{time_ms} is over: the replay is at {self._reached_ms}")
        self._set_out(paused=self._pacer.paused, until_ms=time_ms)

    def jump_to_next(self, landmark: Landmark) -> None:
        """Run without waiting to the first record that publishes such an event; pause after it."""
        if landmark not in landmarks():
            raise ValueError(f"{landmark!r} is none of {', '.join(landmarks())}")
        self._set_out(paused=False, landmark=landmark)

    def stop(self) -> None:
        """Let no more records go; `release` returns False."""
        self._stopped = True
        self._update()

    def _set_out(
        self,
        paused: bool,
        steps: int = 0,
        until_ms: int | None = None,
        landmark: Landmark | None = None,
    ) -> None:
        """Replace one intention by another."""
        now = self._clock.now_ns()
        self._hand_over(now)
        if paused:
            self._pacer.pause(now)
        else:
            self._pacer.resume(now)
        self._steps, self._until_ms, self._next = steps, until_ms, landmark
        self._update()

    def _hand_over(self, now_ns: int) -> None:
        """Set how far the replay went without asking the pacer."""
        if self._free and self._reached_ms != FAR_PAST_MS:
            self._pacer.move_to(self._reached_ms, now_ns)

    def _update(self) -> None:
        self._free = self._is_free()
        self._changed.set()

    def _is_free(self) -> bool:
        """Whether no record needs a look at the clock."""
        if self._stopped or self._until_ms is not None:
            return False
        return self._next is not None or (self._pacer.speed is None and not self._pacer.paused)

    def _goes(self, time_ms: int) -> bool:
        """Whether the record goes now; if so it is counted."""
        if self._stopped:
            return False
        pacer = self._pacer
        now = self._clock.now_ns()
        if not self._free and self._next is None and not self._jumps_over(time_ms, now):
            if pacer.paused:
                if not self._steps:
                    return False
                self._steps -= 1
            elif pacer.due_ns(time_ms, now) > now:
                return False
        if not self._free:
            pacer.release(time_ms, now)
        self._reached_ms = max(self._reached_ms, time_ms)
        self._records += 1
        return True

    def _jumps_over(self, time_ms: int, now_ns: int) -> bool:
        """Whether a jump in time includes the record; the first one after it ends the jump."""
        if self._until_ms is None:
            return False
        if max(time_ms, self._reached_ms) <= self._until_ms:
            return True
        self._pacer.move_to(self._until_ms, now_ns)
        self._until_ms = None
        self._free = self._is_free()
        return self._free

    def _wait_s(self, time_ms: int) -> float | None:
        if self._pacer.paused:
            return None
        now = self._clock.now_ns()
        return min((self._pacer.due_ns(time_ms, now) - now) / NS_IN_S, LONGEST_WAIT_S)
