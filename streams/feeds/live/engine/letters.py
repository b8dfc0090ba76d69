"""Dead letters of a feed: at most ten a minute of each kind, the others counted."""

from __future__ import annotations

from collections import deque

from tapeline.schemas.instants import MINUTE_MS
from tapeline.streams.feeds.live.model import FeedLetter, Instant

LETTERS = 10
"""Letters of one kind in any window of `WINDOW_MS`."""
WINDOW_MS = MINUTE_MS
GREATEST_RAW = 65_536
"""Bytes of a message that its letter keeps."""


class Letters:
    """Makes the letters of one feed; both sides of its engine share it.

    Attributes
    ----------
    withheld
        By code, how many were not written.
    """

    def __init__(self, feed: str) -> None:
        self.withheld: dict[str, int] = {}
        self._feed = feed
        self._count = 0
        self._recent: dict[str, deque[int]] = {}

    def write(
        self, code: str, reason: str, raw: bytes, symbol: str | None, now: Instant
    ) -> list[FeedLetter]:
        """The letter, or none when there were too many of its kind."""
        self._count += 1
        recent = self._recent.setdefault(code, deque(maxlen=LETTERS))
        if len(recent) == LETTERS and now.mono_ms - recent[0] < WINDOW_MS:
            self.withheld[code] = self.withheld.get(code, 0) + 1
            return []
        recent.append(now.mono_ms)
        source = f"feed:{self._feed}:{now.wall_ms}:{self._count}"
        return [FeedLetter(source, code, reason, raw[:GREATEST_RAW], symbol)]
