"""What the parts of the content side share, and when each of them is due."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig
from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.feeds.live.engine.evidence import Connected
from tapeline.streams.feeds.live.engine.history import HistoryDesk
from tapeline.streams.feeds.live.engine.holes import Holes
from tapeline.streams.feeds.live.engine.lateness import Lateness
from tapeline.streams.feeds.live.engine.outbox import FULL, Outbox
from tapeline.streams.feeds.live.engine.provider_time import ProviderTime
from tapeline.streams.feeds.live.engine.quiet import QuietRuns
from tapeline.streams.feeds.live.engine.statements import Statements
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.engine.wants import Wants
from tapeline.streams.feeds.live.model import Instant

REACH_SLOTS: Final = 10_000
HOLD_BYTES: Final = 64 * 1024 * 1024

Duty = Literal["slot", "elapsed", "ahead", "hold", "tail", "retry", "poll", "end", "dirty"]


class Room(NamedTuple):
    """How much may wait; of what comes beyond it each part has its own rule.

    Attributes
    ----------
    records
        For the destination: what the stream brings then is a hole.
    held_bytes
        For the history, about: what was held the longest goes on without it.
    """

    records: int = FULL
    held_bytes: int = HOLD_BYTES


ROOM: Final = Room()


class Due(NamedTuple):
    """Something to do at ``at_ms`` (``mono_ms``)."""

    at_ms: int
    number: int
    duty: Duty
    symbols: tuple[str, ...]
    label_ms: int


class Agenda:
    """What is due when; what is due at once comes in the order in which it was entered."""

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._number = 0

    @property
    def next_ms(self) -> int:
        """When the first is due."""
        return self._heap[0].at_ms if self._heap else FAR_FUTURE_MS

    def enter(self, at_ms: int, duty: Duty, symbols: tuple[str, ...], label_ms: int = 0) -> None:
        """Enter a duty."""
        self._number += 1
        heapq.heappush(self._heap, Due(at_ms, self._number, duty, symbols, label_ms))

    def take(self, now_ms: int) -> Due | None:
        """The first that is due by now."""
        return heapq.heappop(self._heap) if self.next_ms <= now_ms else None


@dataclass
class Parts:
    """The parts of one feed's content side."""

    settings: FeedConfig
    history: HistoryConfig
    states: dict[str, FeedSymbol]
    time: ProviderTime
    lateness: Lateness
    outbox: Outbox
    quiet: QuietRuns
    statements: Statements
    holes: Holes
    wants: Wants
    desk: HistoryDesk
    replays: bool
    agenda: Agenda = field(default_factory=Agenda)
    connections: dict[int, Connected] = field(default_factory=dict)

    @property
    def has_history(self) -> bool:
        """Whether the provider has one."""
        return self.settings.history is not None

    def reach_ms(self, state: FeedSymbol, now: Instant) -> int:
        """First slot that is still fetched: two sessions or 10,000 slots back."""
        provider_ms = self.time.at(now)
        if self.history.reach_ms is not None:
            reach_ms = provider_ms - self.history.reach_ms
        else:
            opened_ms = session_open(state, provider_ms)
            before_ms = state.slots.session_before(opened_ms)[0] or opened_ms
            reach_ms = max(before_ms, provider_ms - REACH_SLOTS * state.slots.base_ms)
        label_ms = state.slots.at(reach_ms)
        return state.slots.end(label_ms) if label_ms < reach_ms else reach_ms


def session_open(state: FeedSymbol, provider_ms: int) -> int:
    """Open of the running session, between two of them of the last one."""
    opened_ms = state.slots.session(provider_ms)[0]
    if opened_ms <= provider_ms:
        return opened_ms
    return state.slots.session_before(provider_ms)[0]
