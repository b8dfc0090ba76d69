"""When a record is due if the log runs at N times event time."""

from __future__ import annotations

from collections.abc import Callable

SLOWEST, FASTEST = 0.1, 100_000.0


class Pacer:
    """Deadlines from the first record on: t0 + (event - e0) / speed, so lateness never adds up.

    Parameters
    ----------
    speed
        Seconds of event time in a second.
    now
        A clock in seconds that never goes back.
    """

    def __init__(self, speed: float, now: Callable[[], float]) -> None:
        self._speed = speed
        self._now = now
        self._begun_s = 0.0
        self._first_ms: int | None = None

    def wait_s(self, event_ms: int) -> float:
        """Seconds until a record of that event time is due; 0 when it is due or overdue."""
        now = self._now()
        if self._first_ms is None:
            self._first_ms = event_ms
            self._begun_s = now
        due = self._begun_s + (event_ms - self._first_ms) / (1_000 * self._speed)
        return max(0.0, due - now)


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
