"""One connection of a feed, from the attempt to its end."""

from __future__ import annotations

from tapeline.schemas.feed_events import HoleCause
from tapeline.schemas.instants import FAR_FUTURE_MS, MINUTE_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.backoff import HEALTHY_AFTER_MS
from tapeline.streams.feeds.live.engine.session import FeedSession
from tapeline.streams.feeds.live.engine.watchdog import Watchdog
from tapeline.streams.feeds.live.model import Instant

OPEN_MS = 30 * SECOND_MS
"""Greatest time of an attempt; the transport has shorter ones for TCP, TLS and the upgrade."""
FEWEST_JUDGED = 1_000
"""Meanings of a connection below which a share of them says nothing."""
LEAD_MS = 2 * MINUTE_MS
"""How long before the end of a connection's known life the next one is opened, at most."""


class Link:
    """State of one connection.

    Attributes
    ----------
    is_open
        Whether it left the state of an attempt.
    watchdog
        From the first acknowledgement on.
    last_heard
        When it last gave application data, else when it got its first symbol.
    cause
        What a loss of it means; ``overflow`` once the provider wrote that we are slow.
    published, refused
        Symbols that `WentLive` named and that were not refused since; those of `RefusedSymbols`.
    is_complete
        Whether its session was reported as complete.
    healthy
        Whether it gave data for a minute: its end is then no failure.
    keepalive_ms, replace_ms
        When the next message that keeps it alive is due, and when a second connection is.
    """

    def __init__(self, number: int, session: FeedSession, now_ms: int) -> None:
        self.number = number
        self.session = session
        self.is_open = False
        self.watchdog: Watchdog | None = None
        self.last_heard = Instant(now_ms, 0)
        self.cause: HoleCause = "disconnect"
        self.published: set[str] = set()
        self.refused: set[str] = set()
        self.is_complete = False
        self.healthy = False
        self.keepalive_ms = FAR_FUTURE_MS
        self.replace_ms = FAR_FUTURE_MS
        self._open_due_ms = now_ms + OPEN_MS
        self._first_data_ms: int | None = None
        self._asked = 0
        self._unasked = 0
        self._is_doubted = False

    @property
    def is_live(self) -> bool:
        """Whether the provider acknowledged a symbol on it."""
        return self.watchdog is not None

    @property
    def next_ms(self) -> int:
        """``mono_ms`` at which time matters to it."""
        if not self.is_open:
            return self._open_due_ms
        due_ms = min(self.session.next_ms, self.keepalive_ms, self.replace_ms)
        return due_ms if self.watchdog is None else min(due_ms, self.watchdog.next_ms)

    def opened(self, now_ms: int, keepalive_every_ms: int | None, life_ms: int | None) -> None:
        """It is open."""
        self.is_open = True
        if keepalive_every_ms is not None:
            self.keepalive_ms = now_ms + keepalive_every_ms
        if life_ms is not None:
            self.replace_ms = now_ms + life_ms - min(LEAD_MS, life_ms // 10)

    def take_data(self, now: Instant) -> bool:
        """Application data came; whether that made it healthy."""
        self.last_heard = now
        if self.watchdog is not None:
            self.watchdog.take_data(now)
        if self._first_data_ms is None:
            self._first_data_ms = now.mono_ms
        became = not self.healthy and now.mono_ms - self._first_data_ms >= HEALTHY_AFTER_MS
        self.healthy = self.healthy or became
        return became

    def take_counts(self, asked: int, unasked: int) -> bool:
        """Meanings of symbols that were asked for and not; whether to compare the subscription.

        Once a connection, when more than one in a hundred is of a symbol that was not asked for.
        """
        self._asked += asked
        self._unasked += unasked
        if self._is_doubted or not self.is_complete or self._asked + self._unasked < FEWEST_JUDGED:
            return False
        self._is_doubted = 100 * self._unasked > self._asked + self._unasked
        return self._is_doubted
