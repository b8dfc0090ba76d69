"""The provider's time, from our clock, the known offset and a clock that never steps."""

from __future__ import annotations

from typing import Final

from tapeline.schemas.instants import MINUTE_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.signals import ClockHealth
from tapeline.streams.feeds.live.model import Instant

STEP_MS: Final = SECOND_MS
FOLLOWED_AFTER_MS: Final = 10 * MINUTE_MS


class ProviderTime:
    """Provider time advances with ``mono_ms``; ``wall_ms`` only corrects its drift.

    A step of our clock changes nothing until the connection side published what it makes of the
    offset, or the step has lasted for ten minutes.

    Attributes
    ----------
    healthy
        Whether provider time is known well enough to prove a silence or to close a bar.
    """

    def __init__(self, now: Instant) -> None:
        self.healthy = True
        self._offset_ms = 0
        self._anchor = (now.mono_ms, now.wall_ms)
        self._stepped_ms: int | None = None

    def heard(self, health: ClockHealth, now: Instant) -> None:
        """Take what became known of the provider's clock."""
        self.healthy = health.healthy
        self._offset_ms = health.offset_ms
        # After a step of our clock an offset counts at once only if it is known to be right.
        if health.healthy or self._stepped_ms is None:
            self._anchor = (now.mono_ms, now.wall_ms + health.offset_ms)
            self._stepped_ms = None

    def look(self, now: Instant) -> None:
        """Follow our clock where it drifts, and not where it steps."""
        drift_ms = now.wall_ms + self._offset_ms - self.at(now)
        if -STEP_MS <= drift_ms <= STEP_MS:
            self._stepped_ms = None
        elif self._stepped_ms is None:
            self._stepped_ms = now.mono_ms
            return
        elif now.mono_ms - self._stepped_ms < FOLLOWED_AFTER_MS:
            return
        else:
            self._stepped_ms = None
        self._anchor = (now.mono_ms, now.wall_ms + self._offset_ms)

    def at(self, now: Instant) -> int:
        """Provider time of an instant, UTC epoch milliseconds."""
        return self._anchor[1] + now.mono_ms - self._anchor[0]

    def mono_ms(self, time_ms: int) -> int:
        """When (``mono_ms``) provider time reaches an instant."""
        return self._anchor[0] + time_ms - self._anchor[1]
