"""A connection that gives no data while the market is open is dead, whatever its pongs say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS, SECOND_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.feeds.live.model import FeedMapping, Instant

GRACE_MS = 2 * SECOND_MS
_WRITTEN_TO = frozenset({"kafka", "tail", "webhook"})


class Opening(NamedTuple):
    """Whether a market is open, since when, and when that may change (times of bars)."""

    is_open: bool
    since_ms: int
    until_ms: int


class MarketHours:
    """When any of some instruments trades.

    Attributes
    ----------
    base_ms
        Their greatest base interval.
    """

    def __init__(self, plans: Sequence[InstrumentPlan]) -> None:
        self.base_ms = max(plan.base_ms for plan in plans)
        self._calendars = list(
            {plan.calendar.calendar_id: plan.calendar for plan in plans}.values()
        )

    def at(self, instant_ms: int) -> Opening:
        """The state at an instant; ``until_ms`` is `FAR_FUTURE_MS` where no calendar goes on."""
        states = [_opening(calendar, instant_ms) for calendar in self._calendars]
        is_open = any(state.is_open for state in states)
        alike = [state for state in states if state.is_open == is_open]
        return Opening(
            is_open,
            min(state.since_ms for state in alike),
            min(state.until_ms for state in alike),
        )


def _opening(calendar: Calendar, instant_ms: int) -> Opening:
    index = calendar.session_of(instant_ms)
    if not calendar.has_session(index):
        return Opening(False, FAR_PAST_MS, FAR_FUTURE_MS)
    opens = calendar.segment_opens(index)
    closes = calendar.segment_closes(index)
    position = calendar.segment_of(index, instant_ms)
    if position < 0:
        return Opening(False, FAR_PAST_MS, min(each for each in opens if each > instant_ms))
    since_ms = opens[position]
    # Where one session begins as another ends the market did not open: it never was closed.
    before = calendar.session_of(since_ms - 1)
    if calendar.has_session(before):
        segment = calendar.segment_of(before, since_ms - 1)
        if segment >= 0:
            since_ms = calendar.segment_opens(before)[segment]
    return Opening(True, since_ms, closes[position])


def watchdog_of(
    settings: FeedConfig, mapping: FeedMapping, hours: MarketHours, now: Instant
) -> Watchdog:
    """The watchdog of a connection whose first symbol was just acknowledged.

    Where others write to us (a file, a topic, a webhook), opening it anew would bring nothing:
    silence is too long there only if the settings say when.
    """
    stale_ms = settings.session.stale_after_ms
    first_ms = 2 * hours.base_ms + GRACE_MS
    if stale_ms is None and settings.kind in _WRITTEN_TO:
        first_ms = stale_ms = FAR_FUTURE_MS
    elif stale_ms is None:
        stale_ms = 3 * mapping.cadence_ms
    return Watchdog(hours, stale_ms, first_ms, now)


class Watchdog:
    """Silence of one connection, counted by monotonic time while the market is open.

    Only application data end it. The first of them has a deadline of its own.

    Parameters
    ----------
    stale_after_ms
        Greatest silence once data came.
    first_after_ms
        Greatest silence before.

    Attributes
    ----------
    next_ms
        ``mono_ms`` at which `is_stale` is worth a call.
    """

    def __init__(
        self, hours: MarketHours, stale_after_ms: int, first_after_ms: int, now: Instant
    ) -> None:
        self._hours = hours
        self._stale_after_ms = stale_after_ms
        self._limit_ms = first_after_ms
        self._since_ms = now.mono_ms
        self.heard = False
        self.next_ms = now.mono_ms + first_after_ms

    @property
    def limit_ms(self) -> int:
        """The silence that is too long now."""
        return self._limit_ms

    def take_data(self, now: Instant) -> None:
        """Application data came."""
        self._since_ms = now.mono_ms
        if not self.heard:
            self.heard = True
            self._limit_ms = self._stale_after_ms
            self.next_ms = min(self.next_ms, now.mono_ms + self._limit_ms)

    def is_stale(self, now: Instant, provider_ms: int) -> bool:
        """Whether the connection was silent for too long; moves `next_ms`."""
        opening = self._hours.at(provider_ms)
        change_ms = now.mono_ms + (opening.until_ms - provider_ms)
        if not opening.is_open:
            self.next_ms = change_ms
            return False
        open_ms = now.mono_ms - (provider_ms - opening.since_ms)
        due_ms = max(self._since_ms, open_ms) + self._limit_ms
        if due_ms <= now.mono_ms:
            self.next_ms = FAR_FUTURE_MS
            return True
        self.next_ms = min(due_ms, change_ms)
        return False
