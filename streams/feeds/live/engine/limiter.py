"""Requests by their times of sending: never more than the limit in any window."""

from __future__ import annotations

from collections import deque


class Limiter:
    """A sliding window over the times at which requests were sent.

    A bucket of tokens lets twice the limit through in one window. A new process does not know what
    the one before it sent: it starts with half a window used.

    Parameters
    ----------
    requests, per_ms
        At most so many in any window of that length.
    now_ms
        Start of the process (``mono_ms``).
    """

    def __init__(self, requests: int, per_ms: int, now_ms: int) -> None:
        self._requests = requests
        self._per_ms = per_ms
        self._sent: deque[int] = deque([now_ms] * ((requests + 1) // 2))
        self._paused_until_ms = now_ms

    def pause(self, until_ms: int) -> None:
        """Send nothing before an instant; an earlier pause that lasts longer holds."""
        self._paused_until_ms = max(self._paused_until_ms, until_ms)

    def free_at(self, now_ms: int) -> int:
        """When the next request may be sent: ``now_ms`` or later."""
        self._forget(now_ms)
        at_ms = max(now_ms, self._paused_until_ms)
        if len(self._sent) >= self._requests:
            at_ms = max(at_ms, self._sent[-self._requests] + self._per_ms)
        return at_ms

    def sent(self, now_ms: int) -> None:
        """Count a request that is sent now."""
        self._sent.append(now_ms)

    def above_half(self, now_ms: int) -> bool:
        """Whether more than half of the window is used: a process after this one must know."""
        self._forget(now_ms)
        return 2 * len(self._sent) > self._requests

    def _forget(self, now_ms: int) -> None:
        while self._sent and self._sent[0] + self._per_ms <= now_ms:
            self._sent.popleft()
