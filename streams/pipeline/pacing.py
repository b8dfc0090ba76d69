"""When a record is due at N times event time. Pure: the caller brings the reading of a clock.

A record is due at t0 + (event - e0) / speed. Deadlines follow from one anchor (e0, t0) in whole
nanoseconds, never from sums of waits, so that neither a slow consumer nor a million records make
them drift. The anchor moves when the speed changes, when a gap is cut short and when a record goes
before its time (a step, a jump).
"""

from __future__ import annotations

from fractions import Fraction

NS_IN_MS = 1_000_000
NS_IN_S = 1_000_000_000
SLOWEST, FASTEST = 0.1, 100_000.0
SPEEDS: tuple[float, ...] = tuple(
    digit * int(10**power) / 10
    for power in range(7)
    for digit in (1, 2, 5)
    if digit * int(10**power) / 10 <= FASTEST
)
"""What the keys + and - go through: 0.1, 0.2, 0.5, 1, 2, 5 ... 100,000."""


def parse_speed(text: str) -> float | None:
    """Speed of the command line; None is ``max``.

    Raises
    ------
    ValueError
        When it is neither ``max`` nor a number from 0.1 to 100,000.
    """
    if text == "max":
        return None
    speed = float(text)
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"speed {text} is not between {SLOWEST} and {FASTEST:.0f}")
    return speed


def checked_speed(speed: float | str | None) -> float | None:
    """Speed as a factor; None and ``"max"`` are no limit, which is None.

    Raises
    ------
    ValueError
        When it is not between 0.1 and 100,000.
    """
    if speed is None or speed == "max":
        return None
    if isinstance(speed, str) or not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"speed {speed} is neither max nor between {SLOWEST} and {FASTEST:.0f}")
    return float(speed)


def faster(speed: float | None) -> float | None:
    """The next higher speed of `SPEEDS`; beyond the last there is no limit."""
    return None if speed is None else next((each for each in SPEEDS if each > speed), None)


def slower(speed: float | None) -> float:
    """The next lower speed of `SPEEDS`; the slowest stays."""
    if speed is None:
        return SPEEDS[-1]
    return next((each for each in reversed(SPEEDS) if each < speed), SPEEDS[0])


class Pacer:
    """Deadlines of the records of a replay, or of what is published.

    Readings are nanoseconds of a clock that never goes back. Inside, time is *running time*: the
    reading less all the time spent paused, so a pause moves every deadline by its length.

    Parameters
    ----------
    speed
        Seconds of event time in a second, 0.1 to 100,000; None: no limit.
    skip_idle_s
        Longest wait between two records that go one after the other: whatever lies between them
        (a night, a weekend, an outage) lasts no longer than this, at any speed. None: as long as
        it takes.
    """

    def __init__(self, speed: float | None = None, skip_idle_s: float | None = None) -> None:
        if skip_idle_s is not None and not 0 <= skip_idle_s < float("inf"):
            raise ValueError(f"--skip-idle {skip_idle_s}: give a number of seconds, 0 or more")
        self._idle_ns = None if skip_idle_s is None else round(skip_idle_s * NS_IN_S)
        self._set_ratio(speed)
        # Anchor: the record at _event_ns is due at _at_ns. None before there is one.
        self._event_ns: int | None = None
        self._at_ns = 0
        # Whether the anchor may lie beyond the next record, which then replaces it.
        self._loose = False
        self._last_ns = 0
        self._last_due_ns = 0
        self._paused_at_ns: int | None = None
        self._paused_ns = 0

    @property
    def speed(self) -> float | None:
        """Factor, None without limit."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether time is paused."""
        return self._paused_at_ns is not None

    def due_ns(self, event_ms: int, now_ns: int) -> int:
        """Reading of the clock at which the next record is due; at or below `now_ns`: at once.

        Late records (event time at or below the greatest so far) are due at once. During a pause
        the answer is that of a clock that goes on now.
        """
        running = self._running_ns(now_ns)
        return now_ns - running + self._due_ns(event_ms * NS_IN_MS, running)

    def release(self, event_ms: int, now_ns: int) -> None:
        """The record goes now; one that goes before it is due takes the anchor along."""
        event = event_ms * NS_IN_MS
        running = self._running_ns(now_ns)
        if self._event_ns is not None and event <= self._last_ns:
            return
        due = self._due_ns(event, running)
        if self._event_ns is None or self._speed is None or due > running:
            self._anchor(event, running)
            return
        if due < self._scheduled_ns(event):
            self._anchor(event, due)
            return
        if self._loose:
            self._event_ns = min(self._event_ns, event)
            self._loose = False
        self._last_ns, self._last_due_ns = event, due

    def move_to(self, event_ms: int, now_ns: int) -> None:
        """Event time is `event_ms` now: records up to it are due, those after it are paced."""
        self._anchor(event_ms * NS_IN_MS, self._running_ns(now_ns))

    def pause(self, now_ns: int) -> None:
        """Pause time."""
        if self._paused_at_ns is None:
            self._paused_at_ns = now_ns

    def resume(self, now_ns: int) -> None:
        """Let time go on from the pause: what remained of a wait remains."""
        if self._paused_at_ns is not None:
            self._paused_ns += now_ns - self._paused_at_ns
            self._paused_at_ns = None

    def set_speed(self, speed: float | None, now_ns: int) -> None:
        """Go on at another speed from the event time that has been reached.

        A replay that could not keep up goes on from its next record: what it was behind is
        forgotten, since who asks for a slower pace does not want to see the rest rush by.
        """
        running = self._running_ns(now_ns)
        if self._event_ns is not None:
            if self._speed is not None:
                passed = (running - self._at_ns) * self._numerator // self._denominator
                self._event_ns += passed
                self._loose = True
            self._at_ns = running
        self._set_ratio(speed)

    def _set_ratio(self, speed: float | None) -> None:
        self._speed = checked_speed(speed)
        # 0.1 is meant as a tenth, not as its nearest double.
        ratio = Fraction(str(1.0 if self._speed is None else self._speed))
        self._numerator, self._denominator = ratio.numerator, ratio.denominator

    def _anchor(self, event_ns: int, at_ns: int) -> None:
        self._event_ns = self._last_ns = event_ns
        self._at_ns = self._last_due_ns = at_ns
        self._loose = False

    def _running_ns(self, now_ns: int) -> int:
        if self._paused_at_ns is not None:
            now_ns = self._paused_at_ns
        return now_ns - self._paused_ns

    def _due_ns(self, event_ns: int, running_ns: int) -> int:
        if self._speed is None or self._event_ns is None:
            return running_ns
        due = self._scheduled_ns(event_ns)
        if self._idle_ns is not None:
            due = min(due, self._last_due_ns + self._idle_ns)
        return due

    def _scheduled_ns(self, event_ns: int) -> int:
        """When it is due if no gap is cut short; rounded up, so nothing goes early."""
        anchor = event_ns if self._event_ns is None else self._event_ns
        if self._loose and event_ns < anchor:
            anchor = event_ns
        return self._at_ns - (anchor - event_ns) * self._denominator // self._numerator
