"""How long the calls of strategies take: numbers and warnings, which decide nothing."""

from __future__ import annotations

import time
from collections.abc import Callable


class CallTimes:
    """Times of the calls of one book, all strategies of a record together.

    Parameters
    ----------
    clock
        Seconds that go on.

    Attributes
    ----------
    calls
        Records handed to strategies.
    slow
        Those that took longer than their limit.
    seconds
        What all of them took.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.calls = 0
        self.slow = 0
        self.seconds = 0.0
        self._clock = clock
        self._since = 0.0

    def begin(self) -> None:
        """A record is handed over."""
        self._since = self._clock()

    def end(self, slow_s: float) -> float | None:
        """The calls have returned; how long they took where that is more than `slow_s`."""
        took_s = self._clock() - self._since
        self.calls += 1
        self.seconds += took_s
        if took_s <= slow_s:
            return None
        self.slow += 1
        return took_s
