"""The provider's clock less ours, by two witnesses: times in messages, and ``Date`` headers."""

from __future__ import annotations

from collections import deque
from statistics import median_low

from tapeline.schemas.feed_events import Skew
from tapeline.schemas.ids import skew_id
from tapeline.schemas.instants import MINUTE_MS, SECOND_MS
from tapeline.streams.feeds.live.engine.signals import ClockHealth
from tapeline.streams.feeds.live.model import Instant, Report

WARNING_MS = 2 * SECOND_MS
LIMIT_MS = 30 * SECOND_MS
LONG_MS = 10 * MINUTE_MS
SHORT_MS = 30 * SECOND_MS
FEWEST = 5
"""Messages without which a median says nothing."""
# Of a burst a few are as good as all; over ten minutes busy times count no more than quiet ones.
_A_SECOND = 5
_SPACE_MS = 10 * SECOND_MS
_SMALLEST_CHANGE_MS = 100
_DATES = 9
# The header has whole seconds, cut off.
_HALF_SECOND_MS = SECOND_MS // 2


class ClockOffset:
    """Samples of the provider's clock against our monotonic one, and what follows from them.

    Samples are times of the provider less ``mono_ms``, so a step of our wall clock changes the
    offset at once and no sample loses its worth. The offset is the median of ten minutes of
    messages, kept within 30 s of the median of the headers or of our own clock, whichever is
    nearer: no jump of a provider's clock lets bars of the future in.
    """

    def __init__(self) -> None:
        self._latest: deque[tuple[int, int]] = deque()
        self._spaced: deque[tuple[int, int]] = deque()
        self._dates: deque[int] = deque(maxlen=_DATES)
        self._long: int | None = None
        self._short: int | None = None
        self._second = -1
        self._in_second = 0
        self._fresh = False

    def take_sent(self, sent_ms: int, now: Instant) -> None:
        """A message that the provider sent at ``sent_ms`` came."""
        second = now.mono_ms // SECOND_MS
        if second != self._second:
            self._second, self._in_second = second, 0
        elif self._in_second >= _A_SECOND:
            return
        self._in_second += 1
        sample = now.mono_ms, sent_ms - now.mono_ms
        self._latest.append(sample)
        if not self._spaced or now.mono_ms - self._spaced[-1][0] >= _SPACE_MS:
            self._spaced.append(sample)
        self._fresh = True

    def take_date(self, date_ms: int, now: Instant) -> None:
        """A ``Date`` header came."""
        self._dates.append(date_ms + _HALF_SECOND_MS - now.mono_ms)
        self._fresh = True

    def refresh(self, now: Instant) -> None:
        """Take what came since the last call into the medians; worth a call a second."""
        if not self._fresh:
            return
        self._fresh = False
        self._long = _median(self._spaced, now.mono_ms - LONG_MS)
        self._short = _median(self._latest, now.mono_ms - SHORT_MS)

    def offset_ms(self, now: Instant) -> int:
        """The provider's clock less ``wall_ms``; 0 without a witness."""
        own = now.wall_ms - now.mono_ms
        date = median_low(self._dates) if self._dates else own
        if self._long is None:
            return date - own
        base = date if abs(self._long - date) < abs(self._long - own) else own
        return min(max(self._long, base - LIMIT_MS), base + LIMIT_MS) - own

    def provider_ms(self, now: Instant) -> int:
        """Time by the provider's clock."""
        return now.wall_ms + self.offset_ms(now)

    def healthy(self, now: Instant) -> bool:
        """Whether clocks may be written: all witnesses are within 30 s of each other and of us."""
        own = now.wall_ms - now.mono_ms
        heard = [each for each in (self._long, self._short) if each is not None]
        if self._dates:
            heard.append(median_low(self._dates))
        heard.append(own)
        return max(heard) - min(heard) <= LIMIT_MS

    def witness(self) -> str:
        """What the offset comes from: ``messages``, ``date``, or ``""``."""
        if self._long is not None:
            return "messages"
        return "date" if self._dates else ""


class ClockReading:
    """What was last published of a provider's clock."""

    def __init__(self, feed: str, clock: ClockOffset) -> None:
        self._feed = feed
        self._clock = clock
        self._last: ClockHealth | None = None

    def changes(self, now: Instant) -> list[ClockHealth | Report]:
        """What changed since the last call, for the content side and for the operations."""
        clock = self._clock
        clock.refresh(now)
        health = ClockHealth(clock.healthy(now), clock.offset_ms(now))
        last = self._last
        if last is not None and (
            last.healthy == health.healthy
            and abs(last.offset_ms - health.offset_ms) < _SMALLEST_CHANGE_MS
        ):
            return []
        self._last = health
        if _level(health) == (0 if last is None else _level(last)):
            return [health]
        witness = clock.witness()
        skew = Skew(
            skew_id(self._feed, witness),
            self._feed,
            None,
            now.wall_ms,
            health.offset_ms,
            witness,
            health.healthy,
        )
        return [health, Report(skew)]


def _level(health: ClockHealth) -> int:
    if not health.healthy:
        return 2
    return int(abs(health.offset_ms) > WARNING_MS)


def _median(samples: deque[tuple[int, int]], since_ms: int) -> int | None:
    """Median of the samples since then; the others are removed."""
    while samples and samples[0][0] < since_ms:
        samples.popleft()
    return median_low(sample for _, sample in samples) if len(samples) >= FEWEST else None
