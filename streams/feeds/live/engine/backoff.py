"""When to connect again: full jitter, a cap, and a breaker."""

from __future__ import annotations

from collections import deque
from random import Random

from tapeline.schemas.instants import FAR_PAST_MS, MINUTE_MS, SECOND_MS

LEAST_BOUND_MS = SECOND_MS // 2
CAP_MS = MINUTE_MS
HEALTHY_AFTER_MS = MINUTE_MS
"""A connection that gave data for less time has failed, however it ended."""
BREAKER_FAILURES = 10
BREAKER_WINDOW_MS = 5 * MINUTE_MS
BREAKER_PAUSE_MS = 5 * MINUTE_MS
# Clients that were all given the same pause do not come back in the same instant.
_SPREAD_MS = SECOND_MS


class Backoff:
    """Failures of one feed's connections, and the waits that follow from them.

    The wait after the n-th failure in a row (from 0) is drawn from [0, min(60 s, 0.5 s * 2**n)].
    Ten failures in five minutes open the breaker: no attempt for five minutes.

    Attributes
    ----------
    failures
        In a row, since a connection was healthy.
    breaker_until_ms
        ``mono_ms`` before which nothing is tried; `FAR_PAST_MS` when it was never open.
    """

    def __init__(self, random: Random) -> None:
        self.failures = 0
        self.breaker_until_ms = FAR_PAST_MS
        self._random = random
        self._recent: deque[int] = deque(maxlen=BREAKER_FAILURES)

    def succeeded(self) -> None:
        """A connection was healthy."""
        self.failures = 0
        self._recent.clear()

    def failed(self, now_ms: int, pause_ms: int | None = None) -> int:
        """When to try again after a connection ended or could not be opened (``mono_ms``).

        Parameters
        ----------
        pause_ms
            What the provider asked for: the attempt comes within the second after it.
        """
        due_ms = now_ms + self._wait_ms(pause_ms)
        self.failures += 1
        self._recent.append(now_ms)
        full = len(self._recent) == BREAKER_FAILURES
        if full and now_ms - self._recent[0] <= BREAKER_WINDOW_MS:
            self._recent.clear()
            self.breaker_until_ms = now_ms + BREAKER_PAUSE_MS
            due_ms = max(due_ms, self.breaker_until_ms + self._random.randint(0, _SPREAD_MS))
        return due_ms

    def _wait_ms(self, pause_ms: int | None) -> int:
        if pause_ms is not None:
            return pause_ms + self._random.randint(0, _SPREAD_MS)
        # Beyond the cap the exponent no longer counts: it must not grow for ever.
        return self._random.randint(0, min(CAP_MS, LEAST_BOUND_MS << min(self.failures, 16)))
