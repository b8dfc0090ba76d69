"""One live feed without I/O: events of sockets, answers and time in, actions out."""

from __future__ import annotations

from collections import Counter
from random import Random

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.streams.feeds.live.engine.connection import ConnectionSide
from tapeline.streams.feeds.live.engine.content import ContentSide
from tapeline.streams.feeds.live.engine.letters import Letters
from tapeline.streams.feeds.live.engine.signals import (
    BreakerOpened,
    ClockHealth,
    Heard,
    Paused,
    RefusedSymbols,
    WentDown,
    WentLive,
)
from tapeline.streams.feeds.live.engine.watchdog import MarketHours
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Answered,
    Event,
    FeedMapping,
    Instant,
    StopAsked,
    Timer,
    Unanswered,
)
from tapeline.streams.pipeline.log_writer import KnownLog
from tapeline.streams.pipeline.routing import Router


class FeedEngine:
    """The rules of one feed: its connections, and what their content means for the log.

    Parameters
    ----------
    settings
        Of the feed; its mapping is made of the same.
    router
        Checks the records; none is applied.
    known
        What the destination held when the process started: all the memory there is.
    random
        For the waits between attempts.

    Attributes
    ----------
    connections, content
        The two sides: to be looked at, not to be called.

    Notes
    -----
    Actions are to be carried out, and what they write to be written, in their order.
    """

    def __init__(
        self,
        settings: FeedConfig,
        mapping: FeedMapping,
        router: Router,
        known: KnownLog,
        random: Random,
    ) -> None:
        hours = MarketHours([router.plan(symbol) for symbol in settings.symbols])
        letters = Letters(settings.name)
        limits = known.limits_of(settings.name)
        self.connections = ConnectionSide(settings, mapping, hours, random, letters, limits)
        self.content = ContentSide(settings, mapping, router, known, letters)

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) a `Timer` is due; at once before the first event."""
        return min(self.connections.next_ms, self.content.next_ms)

    @property
    def written(self) -> bool:
        """Whether the destination holds everything that there is to write."""
        return self.content.written

    @property
    def progress(self) -> tuple[int, int]:
        """Records that there were to write so far, and how many of them the destination holds."""
        return self.content.progress

    @property
    def caught_up(self) -> bool:
        """Whether every symbol that the provider gives is live and no hole is open."""
        return self.content.caught_up

    @property
    def counts(self) -> Counter[str]:
        """What was counted and makes no record."""
        return self.content.counts + Counter({"unasked": self.connections.unasked})

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take an event; what is to be done, in order."""
        actions: list[Action] = []
        for output in self.connections.handle(event, now):
            if isinstance(
                output,
                WentLive | Heard | WentDown | RefusedSymbols | ClockHealth | Paused | BreakerOpened,
            ):
                actions += self.content.on_signal(output, now)
            else:
                actions.append(output)
        if isinstance(event, Answered | Unanswered | Acknowledged | Timer):
            actions += self.content.handle(event, now)
        elif isinstance(event, StopAsked):
            actions += self.content.stop(now)
        return actions
