"""Two feeds as one: the backup runs beside the primary, and takes over where that fails.

The backup is subscribed and decoded all the time and writes nothing. When the primary has no
connection, or is behind by more than a slot and the grace while the backup has the slot, the bars
are the backup's from that slot on; the primary takes over again at a slot boundary, after five
healthy minutes. Every slot has one writer, and no other provider revises it: the two are never
merged, and volumes that differ do not flap.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final

from msgspec.structs import replace

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.feed_events import Connection, Failover, Limit, Skew, Subscribed
from tapeline.schemas.ids import failover_id
from tapeline.schemas.instants import FAR_PAST_MS, MINUTE_MS, SECOND_MS
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.engine.lateness import LEAST_MS
from tapeline.streams.feeds.live.engine.statements import same_content
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Answered,
    Append,
    Close,
    Connect,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    FeedLetter,
    FeedMapping,
    Fetch,
    Instant,
    Leave,
    Received,
    Report,
    Send,
    Unanswered,
)
from tapeline.streams.pipeline.log_writer import KnownLog, KnownSymbol, LogEntry
from tapeline.streams.pipeline.routing import Router

LOOK_MS: Final = SECOND_MS
DOWN_MS: Final = 5 * SECOND_MS
HEALTHY_MS: Final = 5 * MINUTE_MS
REMEMBERED: Final = 4_000
"""Records of the backup that are kept of a symbol while the primary lacks them."""
KEPT: Final = 20
_Connected = ConnectionOpened | ConnectFailed | Received | ConnectionClosed
_OWN = Connection | Subscribed | Skew | Limit
"""Events of the backup that are true of itself; of the log it says nothing."""


class _Shadow:
    """What the backup would have written of one symbol."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.last_ms = FAR_PAST_MS
        self.backed = False
        self._lacking_ms = FAR_PAST_MS
        self._well_ms: int | None = None
        self._down_ms: int | None = None

    def lacking(self, stated_ms: int) -> int | None:
        """First slot after what the primary stated last that the backup has; None: there is none.

        It is looked for anew only when the primary has it.
        """
        if self.last_ms <= stated_ms:
            return None
        if self._lacking_ms <= stated_ms:
            self._lacking_ms = min(
                (
                    entry.record.start_ms
                    for entry in self.entries
                    if isinstance(entry.record, Bar) and entry.record.start_ms > stated_ms
                ),
                default=self.last_ms,
            )
        return self._lacking_ms

    def note(self, connected: bool, behind: bool, now_ms: int) -> None:
        """How the primary is now."""
        well = connected and not behind
        self._well_ms = (self._well_ms or now_ms) if well else None
        self._down_ms = None if connected else (self._down_ms or now_ms)

    def is_down(self, now_ms: int) -> bool:
        """Whether the primary has no connection, and not for an instant alone."""
        return self._down_ms is not None and now_ms - self._down_ms >= DOWN_MS

    def is_well(self, now_ms: int) -> bool:
        """Whether the primary may take over again."""
        return self._well_ms is not None and now_ms - self._well_ms >= HEALTHY_MS

    def take(self, entry: LogEntry) -> None:
        """Remember a record."""
        self.entries.append(entry)
        if isinstance(entry.record, Bar):
            self.last_ms = max(self.last_ms, entry.record.start_ms)
        if len(self.entries) > REMEMBERED:
            del self.entries[: REMEMBERED // 2]

    def prune(self) -> None:
        """Keep the last records only: the log has what was before them."""
        if len(self.entries) > 2 * KEPT:
            del self.entries[:-KEPT]


class FailoverEngine:
    """A primary feed and its backup, to be run as one feed by the primary's name.

    Connections and requests of the primary have odd numbers, those of the backup even ones.

    Parameters
    ----------
    settings, mapping
        Of the primary, then of its backup; both have the same symbols.

    Attributes
    ----------
    compared
        Slots of which both had a bar, by whether they are equal.
    """

    def __init__(
        self,
        settings: tuple[FeedConfig, FeedConfig],
        mapping: tuple[FeedMapping, FeedMapping],
        router: Router,
        known: KnownLog,
        random: Random,
    ) -> None:
        self._names = (settings[0].name, settings[1].name)
        self._primary = FeedEngine(settings[0], mapping[0], router, known, random)
        # It fills its memory from where the log ends, and writes nothing.
        beside = {
            symbol: KnownSymbol(None if held is None else held.watermark_ms)
            for symbol in settings[1].symbols
            for held in (known.symbols.get(symbol),)
        }
        memory = KnownLog(beside, limits=known.limits, begun_ms=known.begun_ms)
        self._backup = FeedEngine(settings[1], mapping[1], router, memory, random)
        self._shadows = {symbol: _Shadow() for symbol in settings[0].symbols}
        self._left: dict[int, Leave] = {}
        self._look_ms = FAR_PAST_MS
        self.compared: Counter[str] = Counter()

    @staticmethod
    def is_backup(number: int) -> bool:
        """Whether a connection or a request is the backup's."""
        return number % 2 == 0

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) a `Timer` is due."""
        sides = (self._primary, self._backup)
        running = [each.next_ms for side, each in enumerate(sides) if side not in self._left]
        return min([self._look_ms, *running])

    @property
    def written(self) -> bool:
        """Whether the destination holds everything that there is to write."""
        return self._primary.written

    @property
    def progress(self) -> tuple[int, int]:
        """Records that there were to write so far, and how many of them the destination holds."""
        return self._primary.progress

    @property
    def caught_up(self) -> bool:
        """Whether the primary is live and has no open hole."""
        return self._primary.caught_up

    @property
    def counts(self) -> Counter[str]:
        """What was counted of the primary, and slots that the two were compared in."""
        return self._primary.counts + self.compared

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take an event; what is to be done, in order."""
        actions: list[Action] = []
        if isinstance(event, _Connected):
            side = int(self.is_backup(event.connection))
            event = replace(event, connection=(event.connection + 1) // 2)
            self._hand(side, event, now, actions)
        elif isinstance(event, Answered | Unanswered):
            side = int(self.is_backup(event.request))
            event = replace(event, request=(event.request + 1) // 2)
            self._hand(side, event, now, actions)
        elif isinstance(event, Acknowledged):
            self._hand(0, event, now, actions)
        else:
            for side in (0, 1):
                self._hand(side, event, now, actions)
        if now.mono_ms >= self._look_ms:
            self._look_ms = now.mono_ms + LOOK_MS
            for symbol, shadow in self._shadows.items():
                self._look(symbol, shadow, now, actions)
        return actions

    def _hand(self, side: int, event: Event, now: Instant, actions: list[Action]) -> None:
        if side in self._left:
            if side == 0 and isinstance(event, Acknowledged):
                # It still writes what the backup brings, and asks for nothing.
                found = self._primary.content.handle(event, now)
                actions += [each for each in found if not isinstance(each, Fetch)]
            return
        engine = (self._primary, self._backup)[side]
        for action in engine.handle(event, now):
            if isinstance(action, Connect | Send | Close):
                actions.append(replace(action, connection=2 * action.connection - 1 + side))
            elif isinstance(action, Fetch):
                actions.append(replace(action, request=2 * action.request - 1 + side))
            elif isinstance(action, Leave):
                self._left[side] = action
                if len(self._left) == 2:
                    actions.append(self._left[0])
            elif side == 0 or isinstance(action, FeedLetter):
                actions.append(action)
            elif isinstance(action, Report):
                if isinstance(action.event, _OWN):
                    actions.append(action)
            elif isinstance(action, Append):
                for entry in action.entries:
                    self._beside(entry, now, actions)
                self._hand(1, Acknowledged(action.batch), now, actions)

    def _beside(self, entry: LogEntry, now: Instant, actions: list[Action]) -> None:
        """A record that the backup would write."""
        symbol, record = entry.record.symbol, entry.record
        shadow = self._shadows.get(symbol)
        if shadow is None:
            return
        shadow.take(entry)
        states = self._primary.content.states()
        if isinstance(record, Bar) and symbol in states:
            seen = states[symbol].seen.get(record.start_ms)
            if seen is not None:
                self.compared["backup_equal" if same_content(seen, record) else "backup_other"] += 1
        if shadow.backed or (symbol in states and states[symbol].backed):
            actions += self._primary.content.from_backup(entry, now)

    def _look(self, symbol: str, shadow: _Shadow, now: Instant, actions: list[Action]) -> None:
        """Whether a symbol changes its provider."""
        content = self._primary.content
        state = content.states().get(symbol)
        if state is None:
            return
        provider_ms = content.provider_ms(now)
        slots = state.slots
        connected = bool(state.connections) and not state.refused and 0 not in self._left
        reached_ms = state.reached_ms
        lacking_ms = shadow.lacking(state.stated_ms)
        lacks = lacking_ms is not None and (
            shadow.backed or reached_ms is None or reached_ms <= shadow.last_ms
        )
        behind = (
            lacks
            and lacking_ms is not None
            and provider_ms >= slots.end(lacking_ms) + slots.base_ms + LEAST_MS
        )
        if shadow.backed or not lacks:
            shadow.prune()
        shadow.note(connected, behind, now.mono_ms)
        if not shadow.backed:
            if lacks and (behind or shadow.is_down(now.mono_ms)):
                shadow.backed = True
                slot_ms = shadow.last_ms
                if reached_ms is not None:
                    slot_ms = max(slots.at(reached_ms), reached_ms)
                actions.append(self._changed(symbol, 1, slot_ms, now))
                actions += content.fail_over(symbol, slot_ms, now)
                for entry in list(shadow.entries):
                    actions += content.from_backup(entry, now)
        elif shadow.is_well(now.mono_ms):
            shadow.backed = False
            slot_ms = slots.at(provider_ms)
            slot_ms = slots.end(slot_ms) if slot_ms <= provider_ms else slot_ms
            actions.append(self._changed(symbol, 0, slot_ms, now))
            actions += content.fail_back(symbol, slot_ms, now)

    def _changed(self, symbol: str, to: int, slot_ms: int, now: Instant) -> Report:
        return Report(
            Failover(
                id=failover_id(self._names[0], symbol, slot_ms),
                feed=self._names[0],
                symbol=symbol,
                at_ms=now.wall_ms,
                from_feed=self._names[1 - to],
                to_feed=self._names[to],
                slot_ms=slot_ms,
            )
        )
