"""Requests by their times of sending: never more than the limit in any window."""

from __future__ import annotations

from collections import deque


class Limiter:
    """A sliding window over the times at which requests were sent.

    A bucket of tokens lets twice the limit through in one window. A new process does not know what
    those before it sent: it starts with half a window used, and with a whole one where the process
    before it began within the window, too. None of them uses more than half without a sign to the
    next one (`above_half`).

    Parameters
    ----------
    requests, per_ms
        At most so many in any window of that length.
    now_ms
        Start of the process (``mono_ms``).
    before_ms
        Start of the process before it, by the same clock; None: it is not known.
    """

    def __init__(
        self, requests: int, per_ms: int, now_ms: int, before_ms: int | None = None
    ) -> None:
        self._requests = requests
        self._per_ms = per_ms
        half = (requests + 1) // 2
        self._sent = deque([now_ms] * half)
        if before_ms is not None and now_ms - per_ms < before_ms:
            # It may have used as much itself as it left to those before it.
            self._sent.extendleft([min(before_ms, now_ms)] * (requests - half))
        self._own: deque[int] = deque()
        self._paused_until_ms = now_ms

    def pause(self, until_ms: int) -> bool:
        """Send nothing before an instant; whether no earlier pause lasts as long."""
        longer = until_ms > self._paused_until_ms
        if longer:
            self._paused_until_ms = until_ms
        return longer

    def free_at(self, now_ms: int) -> int:
        """When the next request may be sent: ``now_ms`` or later."""
        self._forget(self._sent, now_ms)
        at_ms = max(now_ms, self._paused_until_ms)
        if len(self._sent) >= self._requests:
            at_ms = max(at_ms, self._sent[-self._requests] + self._per_ms)
        return at_ms

    def sent(self, now_ms: int) -> None:
        """Count a request that is sent now."""
        self._sent.append(now_ms)
        self._own.append(now_ms)

    def above_half(self, now_ms: int) -> bool:
        """Whether this process used more than half of the window: the next one must know."""
        self._forget(self._own, now_ms)
        return 2 * len(self._own) > self._requests

    def _forget(self, sent: deque[int], now_ms: int) -> None:
        while sent and sent[0] + self._per_ms <= now_ms:
            sent.popleft()
