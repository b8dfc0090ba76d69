"""The content side of a feed: from what was heard and answered to records, with their evidence."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS, MINUTE_MS, SECOND_MS
from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.feeds.live.engine.answers import Answers
from tapeline.streams.feeds.live.engine.coverage import FeedCoverage
from tapeline.streams.feeds.live.engine.evidence import Connected, evidence_of
from tapeline.streams.feeds.live.engine.finality import Finality
from tapeline.streams.feeds.live.engine.history import HistoryAnswer, HistoryDesk
from tapeline.streams.feeds.live.engine.holes import Holes
from tapeline.streams.feeds.live.engine.lateness import Lateness
from tapeline.streams.feeds.live.engine.letters import Letters
from tapeline.streams.feeds.live.engine.notices import Notices
from tapeline.streams.feeds.live.engine.outbox import Outbox
from tapeline.streams.feeds.live.engine.parts import ROOM, Due, Parts, Room
from tapeline.streams.feeds.live.engine.provider_time import ProviderTime
from tapeline.streams.feeds.live.engine.quiet import QuietRuns
from tapeline.streams.feeds.live.engine.seam import Seam
from tapeline.streams.feeds.live.engine.session_end import SessionEnds
from tapeline.streams.feeds.live.engine.signals import (
    BreakerOpened,
    ClockHealth,
    Heard,
    Paused,
    RefusedSymbols,
    Signal,
    WentDown,
    WentLive,
)
from tapeline.streams.feeds.live.engine.silences import Silences
from tapeline.streams.feeds.live.engine.statements import Statements
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol, HeardStatement
from tapeline.streams.feeds.live.engine.wants import Wants
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Alive,
    Answered,
    FeedMapping,
    Instant,
    Notice,
    Statement,
    Timer,
    Unanswered,
)
from tapeline.streams.pipeline.log_writer import KnownLog, LogEntry
from tapeline.streams.pipeline.routing import Router

AGAIN_MS: Final = MINUTE_MS
CONNECTED_MS: Final = 30 * SECOND_MS
"""By then a process is connected, or asks the history without."""

ContentEvent = Answered | Unanswered | Acknowledged | Timer


class ContentSide:
    """What becomes of the statements of one feed, without I/O.

    Parameters
    ----------
    settings
        Of the feed; its mapping is made of the same.
    router
        Checks the records; none is applied.
    known
        What the destination held when the process started.
    letters
        Shared with the connection side.
    room
        How much may wait.

    Attributes
    ----------
    counts
        What was counted and makes no record.

    Notes
    -----
    Actions are to be carried out in their order: an event of operations before the records after
    it, so that a kill leaves no clock over a hole that no event names.
    """

    def __init__(
        self,
        settings: FeedConfig,
        mapping: FeedMapping,
        router: Router,
        known: KnownLog,
        letters: Letters,
        room: Room = ROOM,
    ) -> None:
        self._letters = letters
        self._room = room
        self._settings = settings
        self._mapping = mapping
        self._router = router
        self._known = known
        self._started: _Started | None = None

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) a `Timer` is due; at once before the first event."""
        return FAR_PAST_MS if self._started is None else self._started.next_ms

    @property
    def counts(self) -> Counter[str]:
        """What became of statements and requests."""
        if self._started is None:
            return Counter()
        parts = self._started.parts
        return parts.statements.counts + parts.desk.counts

    @property
    def written(self) -> bool:
        """Whether the destination holds everything that there is to write."""
        return self._started is None or self._started.parts.outbox.empty

    @property
    def progress(self) -> tuple[int, int]:
        """Records that there were to write so far, and how many of them the destination holds."""
        return (0, 0) if self._started is None else self._started.parts.outbox.progress

    @property
    def caught_up(self) -> bool:
        """Whether every symbol that the provider gives is live, no hole is open, nothing is due."""
        if self._started is None:
            return False
        parts = self._started.parts
        live = all(
            state.refused or (state.connections and state.holding is None)
            for state in parts.states.values()
        )
        return live and not parts.holes.open and not self._started.ends.busy

    def provider_ms(self, now: Instant) -> int:
        """Provider time of an instant; before the first event our own."""
        return now.wall_ms if self._started is None else self._started.parts.time.at(now)

    def states(self) -> dict[str, FeedSymbol]:
        """What is known of each symbol: to be looked at, not to be changed."""
        return {} if self._started is None else self._started.parts.states

    def on_signal(self, signal: Signal, now: Instant) -> list[Action]:
        """Take what the connection side made known."""
        started = self._start(now)
        started.on_signal(signal, now)
        return started.leave(now)

    def handle(self, event: ContentEvent, now: Instant) -> list[Action]:
        """Take an answer, an acknowledgement, or the time that has passed."""
        started = self._start(now)
        started.handle(event, now)
        return started.leave(now)

    def fail_over(self, symbol: str, slot_ms: int, now: Instant) -> list[Action]:
        """From a slot on the bars of a symbol are those of its backup."""
        started = self._start(now)
        started.parts.states[symbol].backed.add(slot_ms, FAR_FUTURE_MS)
        return started.leave(now)

    def fail_back(self, symbol: str, slot_ms: int, now: Instant) -> list[Action]:
        """From a slot on the bars of a symbol are its own again."""
        started = self._start(now)
        state = started.parts.states[symbol]
        state.backed.remove(slot_ms, FAR_FUTURE_MS + 1)
        if self._settings.reclaim:
            revises_for_ms = self._settings.truth.revises_for_ms
            state.reclaimed_until_ms = now.mono_ms + revises_for_ms
        started.parts.agenda.enter(started.parts.time.mono_ms(slot_ms), "slot", (symbol,), 0)
        return started.leave(now)

    def from_backup(self, entry: LogEntry, now: Instant) -> list[Action]:
        """Take what the backup would write: of its slots it becomes a record."""
        started = self._start(now)
        started.from_backup(entry, now)
        return started.leave(now)

    def stop(self, now: Instant) -> list[Action]:
        """Report what is under way; what is held or waits is left to the next process."""
        started = self._start(now)
        for state in started.parts.states.values():
            started.parts.quiet.end(state, now.wall_ms)
        return started.leave(now)

    def _start(self, now: Instant) -> _Started:
        if self._started is None:
            self._started = _Started(
                self._settings,
                self._mapping,
                self._router,
                self._known,
                self._letters,
                self._room,
                now,
            )
        return self._started


class _Started:
    """The content side from its first event on."""

    def __init__(
        self,
        settings: FeedConfig,
        mapping: FeedMapping,
        router: Router,
        known: KnownLog,
        letters: Letters,
        room: Room,
        now: Instant,
    ) -> None:
        states = {
            symbol: FeedSymbol(symbol, router.plan(symbol), known.symbols.get(symbol))
            for symbol in settings.symbols
        }
        history = settings.history or HistoryConfig()
        connections: dict[int, Connected] = {}
        outbox = Outbox(room.records)
        quiet = QuietRuns(settings.name, outbox, connections)
        self.parts = Parts(
            settings=settings,
            history=history,
            states=states,
            time=ProviderTime(now),
            lateness=Lateness(),
            outbox=outbox,
            quiet=quiet,
            statements=Statements(settings, router, outbox, quiet, letters),
            holes=Holes(settings.name, states, outbox),
            wants=Wants(states, history.per_request, history.lag_ms, now.mono_ms + CONNECTED_MS),
            desk=HistoryDesk(settings, mapping, known, now),
            replays=mapping.replays,
            connections=connections,
        )
        self.ends = SessionEnds(self.parts)
        self._answers = Answers(self.parts, self.ends)
        self._silences = Silences(self.parts, now)
        self._seam = Seam(self.parts, self._take, self._silences.watch, room.held_bytes)
        self._finality = Finality(self.parts, mapping.closing, self._final)
        watch = self._silences.watch
        self._notices = Notices(self.parts, self._answers, self._seam, watch)
        self._coverage = FeedCoverage(self.parts, self._seam, self._finality, self.ends)
        self._actions: list[Action] = []
        self._dropped: dict[int, tuple[str, ...]] = {}
        self._coverage.resume(known, now)
        for state in states.values():
            self._silences.watch(state, now)

    # Signals.

    def on_signal(self, signal: Signal, now: Instant) -> None:
        """Take a signal of the connection side."""
        self.parts.time.look(now)
        if isinstance(signal, Heard):
            if self.parts.outbox.full:
                self._overflow(now)
            if signal.connection not in self._dropped:
                self._heard(signal, now)
        elif isinstance(signal, WentLive):
            if signal.connection in self._dropped:
                self._dropped[signal.connection] += signal.symbols
            else:
                self._coverage.went_live(signal, now)
        elif isinstance(signal, WentDown):
            self._dropped.pop(signal.connection, None)
            self._coverage.went_down(signal, now)
        elif isinstance(signal, RefusedSymbols):
            self._coverage.refuse(signal, now)
        elif isinstance(signal, ClockHealth):
            self.parts.time.heard(signal, now)
            self._time_changed(now)
        elif isinstance(signal, Paused):
            self.parts.desk.pause(signal.until_ms)
        elif isinstance(signal, BreakerOpened):
            self._coverage.poll_from(now.mono_ms)

    def _time_changed(self, now: Instant) -> None:
        for state in self.parts.states.values():
            self._silences.watch(state, now)
            for label_ms in sorted(state.in_progress):
                self._finality.elapsed(state, label_ms, now)
            self._finality.ahead_due(state, now)

    def _overflow(self, now: Instant) -> None:
        """The destination is too slow: what comes from here on is dropped, and a hole."""
        for connection in list(self.parts.connections.values()):
            self._dropped[connection.number] = tuple(sorted(connection.symbols))
            self._coverage.went_down(WentDown(connection.number, "overflow", now), now)

    def _drained(self, now: Instant) -> None:
        """There is room again: the stream is taken, and the history fills the hole."""
        dropped, self._dropped = self._dropped, {}
        for number, symbols in dropped.items():
            self._coverage.went_live(WentLive(number, symbols, now, True), now)

    # What was heard.

    def _heard(self, signal: Heard, now: Instant) -> None:
        parts = self.parts
        provider_ms = parts.time.at(now)
        connection = parts.connections.get(signal.connection)
        if connection is not None:
            connection.heard_ms = provider_ms
        for meaning in signal.meanings:
            if isinstance(meaning, Statement):
                state = parts.states.get(meaning.bar.symbol)
                if state is not None:
                    heard = HeardStatement(meaning, signal.connection, now, provider_ms)
                    self._finality.take(state, heard, now)
            elif isinstance(meaning, Notice):
                self._notices.take(meaning, connection, now)
            elif isinstance(meaning, Alive) and connection is not None:
                connection.heartbeat_ms = provider_ms
        self._silences.evidence_came(now)

    def _final(self, state: FeedSymbol, heard: HeardStatement, now: Instant) -> None:
        """A final statement of the stream: held while the history is asked, else taken."""
        state.stated_ms = max(state.stated_ms, heard.statement.bar.start_ms)
        self.parts.wants.stated(state.symbol, heard.statement.bar.start_ms)
        if not state.connections and state.holding is None:
            # Its acknowledgement has not come yet.
            self._seam.hold_back(state, now)
        if state.holding is not None:
            self._seam.hold(state, heard, now)
            return
        bar = heard.statement.bar
        since_ms = state.connections.get(heard.connection)
        first = bar.start_ms not in state.seen
        if heard.statement.final and first and since_ms is not None and since_ms <= bar.start_ms:
            late_ms = heard.provider_ms - state.slots.end(bar.start_ms)
            self.parts.lateness.add(late_ms, now.mono_ms)
        self._take(state, heard, now)
        self._silences.follow(state, now)

    def _take(self, state: FeedSymbol, heard: HeardStatement, now: Instant) -> None:
        """A final statement becomes a record, unless it says nothing new."""
        parts, bar = self.parts, heard.statement.bar
        if heard.statement.empty and parts.settings.truth.skip_empty:
            parts.statements.cancel(state, bar.start_ms, "stream", heard.came.mono_ms, heard.came)
            self._empty(state, bar.start_ms, now)
        else:
            end_ms = state.slots.end(bar.start_ms)
            missed = parts.replays and state.unknown.meets(bar.start_ms, end_ms)
            outcome = parts.statements.take(state, bar, "stream", heard.came.mono_ms, heard.came)
            if missed and outcome == "new":
                parts.holes.fetched(state.symbol, bar.start_ms)
        if parts.holes.open:
            parts.holes.look((state.symbol,), now)

    def _empty(self, state: FeedSymbol, label_ms: int, now: Instant) -> None:
        """A candle without a trade, which is left out, shows that its slot has no bar."""
        state.empty.add(label_ms)
        self.parts.statements.counts["empty"] += 1
        end_ms, reached_ms = state.slots.end(label_ms), state.reached_ms
        if state.unknown.meets(label_ms, end_ms):
            state.unknown.remove(label_ms, end_ms)
            if reached_ms is not None and end_ms <= reached_ms:
                self.parts.quiet.late(state, label_ms, end_ms, "marker", now.wall_ms)

    def from_backup(self, entry: LogEntry, now: Instant) -> None:
        """Take a record of the backup, where the slot is its own."""
        parts, record = self.parts, entry.record
        state = parts.states[record.symbol]
        if isinstance(record, Bar):
            parts.statements.take(state, record, "failover", now.mono_ms, now)
        elif isinstance(record, Cancel):
            parts.statements.cancel(state, record.start_ms, "failover", now.mono_ms, now)
        elif state.watermark_ms is not None and record.time_ms > state.watermark_ms:
            label_ms = state.slots.at(record.time_ms - 1)
            if state.backed.meets(label_ms, label_ms + 1) and entry.via != "patience":
                # Its evidence is of another stream; it proves the same.
                evidence = evidence_of(entry.via)
                for begin, end in state.backed.within(state.watermark_ms, record.time_ms):
                    parts.quiet.extend(state, begin, end, evidence, now.wall_ms)
                    state.unknown.remove(begin, end)
                parts.statements.clock(state, record.time_ms, entry.via, now.wall_ms)
        parts.holes.look((record.symbol,), now)

    # Answers, acknowledgements, time.

    def handle(self, event: ContentEvent, now: Instant) -> None:
        """Take an event."""
        self.parts.time.look(now)
        if isinstance(event, Answered):
            answer, actions = self.parts.desk.answered(event, now)
            self._actions += actions
            if answer is not None:
                self._answered(answer, now)
        elif isinstance(event, Unanswered):
            self.parts.desk.unanswered(event, now)
        elif isinstance(event, Acknowledged):
            self.parts.outbox.acknowledged(event.batch)
            if self._dropped and self.parts.outbox.drained:
                self._drained(now)

    def _answered(self, answer: HistoryAnswer, now: Instant) -> None:
        ask = answer.ask
        self.parts.wants.ended(ask)
        self._answers.take(answer, now)
        for symbol in ask.symbols:
            state = self.parts.states[symbol]
            if ask.purpose == "seam" or state.barred:
                self._seam.release(state, now)
            if ask.purpose == "evidence":
                state.wanted = False
            self._silences.watch(state, now)

    def _asks_failed(self, now: Instant) -> None:
        parts = self.parts
        failed, parts.desk.failed = parts.desk.failed, []
        for ask in failed:
            parts.wants.ended(ask)
            for symbol in ask.symbols:
                if ask.purpose == "end":
                    self.ends.failed(parts.states[symbol], now)
                    continue
                to_ms = ask.to_ms if ask.purpose in ("older", "dirty") else FAR_FUTURE_MS
                from_ms = max(ask.from_ms, parts.reach_ms(parts.states[symbol], now))
                if from_ms <= to_ms:
                    parts.wants.add(ask.purpose, symbol, from_ms, to_ms, now.mono_ms + AGAIN_MS)

    def leave(self, now: Instant) -> list[Action]:
        """Do what is due, and what leaves then."""
        parts = self.parts
        while True:
            due = parts.agenda.take(now.mono_ms)
            if due is None:
                break
            self._do(due, now)
        self.ends.look(now)
        self._silences.look(now)
        actions, self._actions = self._actions, []
        provider_ms = parts.time.at(now)
        sent: list[Action] = []
        while True:
            sent += parts.desk.send(now, provider_ms)
            self._asks_failed(now)
            if not self._may_ask(now):
                break
            ask = parts.wants.take(now.mono_ms, provider_ms)
            if ask is None:
                break
            parts.desk.take(ask)
        actions += parts.outbox.leave()
        actions += parts.statements.letters
        parts.statements.letters = []
        return actions + sent

    def _may_ask(self, now: Instant) -> bool:
        parts = self.parts
        free = parts.desk.free_at(now.mono_ms) <= now.mono_ms
        return free and parts.desk.ready and not parts.outbox.full

    @property
    def next_ms(self) -> int:
        """When something is due."""
        parts = self.parts
        due_ms = min(parts.agenda.next_ms, self._silences.next_ms, parts.desk.next_ms(0))
        if parts.desk.ready and not parts.outbox.full:
            due_ms = min(due_ms, max(parts.wants.next_ms, parts.desk.free_at(0)))
        return due_ms

    def _do(self, due: Due, now: Instant) -> None:
        parts = self.parts
        if due.duty == "hold":
            self._seam.look(now)
        elif due.duty in ("tail", "retry"):
            self._seam.ask_missing(due.symbols, due.duty == "tail", now)
        elif due.duty == "poll":
            self._coverage.poll(now)
        else:
            state = parts.states[due.symbols[0]]
            if due.duty == "slot":
                if due.label_ms == state.watched_ms:
                    state.watched_ms = 0
                    self._silences.watch(state, now)
            elif due.duty == "elapsed":
                self._finality.elapsed(state, due.label_ms, now)
            elif due.duty == "ahead":
                self._finality.ahead_due(state, now)
            elif due.duty == "dirty":
                self._answers.ask_around(state, due.label_ms, now.mono_ms)
            elif due.duty == "end":
                self.ends.ended(state, due.label_ms, now)
