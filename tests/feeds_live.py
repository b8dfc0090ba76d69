"""A provider of bars on a virtual clock, and a feed that listens to it: for tests of live feeds.

The provider is data: versions of bars and when each was published. Its stream and its history can
fail. The feed is the content side of the engine; its destination keeps what was appended, also when
the feed is killed, and a new one goes on from that alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from msgspec.structs import replace

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Output
from tapeline.schemas.feed_events import Connection, FeedEvent, Hole, HoleCause, Quiet
from tapeline.schemas.ids import connection_id
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.feeds.live.engine.content import ContentSide
from tapeline.streams.feeds.live.engine.letters import Letters
from tapeline.streams.feeds.live.engine.parts import ROOM, Room
from tapeline.streams.feeds.live.engine.signals import Heard, Signal, WentDown, WentLive
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Alive,
    Answered,
    Append,
    FeedLetter,
    Fetch,
    HistoryPage,
    HistoryRequest,
    Instant,
    Meaning,
    Notice,
    Report,
    Statement,
    Timer,
    Unanswered,
)
from tapeline.streams.feeds.live.transports.answers import retry_after_of
from tapeline.streams.pipeline.log_writer import KnownLog, KnownSymbol, LogEntry
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.routing import Router
from tests.feeds_live_provider import FakeMapping, Provider, Version, scaled


class World:
    """A virtual clock, a provider, a feed and its destination.

    Attributes
    ----------
    log
        Records that the destination holds.
    reports
        Events of operations.
    """

    def __init__(
        self,
        config: Config,
        settings: FeedConfig,
        provider: Provider,
        start_ms: int,
        random: Random | None = None,
        room: Room = ROOM,
    ) -> None:
        self.room = room
        self.config = config
        self.settings = settings
        self.provider = provider
        self.random = random or Random(1)
        self.mono_ms = 1_000_000
        self.offset_ms = start_ms - self.mono_ms
        self.step_ms = 0
        self.log: list[LogEntry] = []
        self.written_ms: list[int] = []
        self.reports: list[FeedEvent] = []
        self.letters: list[FeedLetter] = []
        self.requests: list[tuple[int, str]] = []
        self.life = 0
        self.lives: list[int] = []
        self.heard: list[tuple[int, int, Meaning]] = []
        self.answers: list[tuple[int, HistoryRequest]] = []
        self.connected: dict[int, tuple[int, int | None]] = {}
        self.loss = 0.0
        self.unflagged = False
        self.calm_ms: int | None = None
        self.latency_ms = (20, 200)
        self.ack_ms = (1, 50)
        self._number = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._connection = 0
        self.up: int | None = None
        self._last: Instant | None = None
        self._outstanding: Append | None = None
        self.mapping = FakeMapping(
            settings.history is not None,
            settings.history.per_request if settings.history else 1,
        )
        self.side = self._new_side()

    # Time.

    @property
    def time_ms(self) -> int:
        """True time, UTC."""
        return self.mono_ms + self.offset_ms

    @property
    def now(self) -> Instant:
        """Both clocks of the feed."""
        return Instant(self.mono_ms, self.time_ms + self.step_ms)

    def at(self, time_ms: int, call: Callable[[], None]) -> None:
        """Do something at a time."""
        self._number += 1
        heapq.heappush(self._heap, (time_ms - self.offset_ms, self._number, call))

    def run(self, until_ms: int) -> None:
        """Let time pass."""
        end = until_ms - self.offset_ms
        turns = 0
        while True:
            first = self._heap[0][0] if self._heap else end + 1
            due = max(self.side.next_ms, self.mono_ms)
            if min(first, due) > end:
                break
            if first <= due:
                mono_ms, _, call = heapq.heappop(self._heap)
                self.mono_ms = max(self.mono_ms, mono_ms)
                call()
                turns = 0
            else:
                turns = turns + 1 if due == self.mono_ms else 0
                assert turns < 1_000, "the feed asks for timers without end"
                self.mono_ms = due
                self._carry_out(self.side.handle(Timer(), self.now))
        self.mono_ms = end

    # The feed and its destination.

    def known(self) -> KnownLog:
        """What a new process reads back."""
        known = KnownLog()
        for symbol in self.settings.symbols:
            engine = self.engine(symbol)
            seen: dict[int, Bar | None] = {}
            for entry in self.log:
                record = entry.record
                if record.symbol == symbol and not isinstance(record, Clock):
                    seen[record.start_ms] = record if isinstance(record, Bar) else None
            known.symbols[symbol] = KnownSymbol(engine.watermark_ms(symbol), seen)
        for event in self.reports:
            known.take(event)
        return known

    def engine(self, symbol: str) -> GroupEngine:
        """The engine of a symbol after the log."""
        engine = GroupEngine(plan_group(self.config, symbol))
        self.events: list[Output] = []
        for offset, entry in enumerate(self.log):
            if entry.record.symbol == symbol:
                self.events += engine.apply(entry.record, offset).events
        return engine

    def _new_side(self) -> ContentSide:
        self.life += 1
        letters = Letters(self.settings.name)
        known = self.known()
        feed = self.settings.name
        self.reports.append(
            Connection(connection_id(feed, 1), feed, None, self.now.wall_ms, "connecting", "", 1)
        )
        return ContentSide(
            self.settings,
            self.mapping,
            Router(self.config),
            known,
            letters,
            self.room,
        )

    def kill(self) -> None:
        """End the feed at once; of the batch on its way a part may be held."""
        if self._outstanding is not None:
            entries = self._outstanding.entries
            self._hold(entries[: self.random.randint(0, len(entries))])
            self._outstanding = None
        if self.up is not None:
            self.connected[self.up] = (self.connected[self.up][0], self.time_ms)
        self.up = None
        self.side = self._new_side()

    def signal(self, signal: Signal) -> None:
        """Hand a signal to the feed."""
        self._carry_out(self.side.on_signal(signal, self.now))

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Append):
                assert self._outstanding is None, "a batch before the last was acknowledged"
                self._outstanding = action
                self._later(self.ack_ms, partial(self._acknowledge, action))
            elif isinstance(action, Report):
                self.reports.append(action.event)
            elif isinstance(action, FeedLetter):
                self.letters.append(action)
            elif isinstance(action, Fetch):
                self.requests.append((self.mono_ms, action.http.url))
                self.lives.append(self.life)
                answer = partial(self._answer, action, self.life, self.time_ms)
                self._later(self.latency_ms, answer)
            else:
                raise AssertionError(action)

    def _later(self, span: tuple[int, int], call: Callable[[], None]) -> None:
        self.at(self.time_ms + self.random.randint(*span), call)

    def _acknowledge(self, batch: Append) -> None:
        if self._outstanding is not batch:
            return
        self._outstanding = None
        self._hold(batch.entries)
        self._carry_out(self.side.handle(Acknowledged(batch.batch), self.now))

    def _hold(self, entries: Iterable[LogEntry]) -> None:
        for entry in entries:
            self.log.append(entry)
            self.written_ms.append(self.time_ms)

    # The provider.

    def _answer(self, fetch: Fetch, life: int, sent_ms: int) -> None:
        if life != self.life:
            return
        status = self.provider.trouble(sent_ms)
        if status == 0:
            self._carry_out(self.side.handle(Unanswered(fetch.request, "timeout"), self.now))
            return
        if status is not None:
            headers = self.provider.headers(self.time_ms)
            pause_ms = retry_after_of(headers, self.now.wall_ms)
            event = Answered(fetch.request, status, b"", retry_after_ms=pause_ms)
            self._carry_out(self.side.handle(event, self.now))
            return
        _, _, _, symbols, low, high, page = fetch.http.url.split("/")
        body = fetch.http.url.encode()
        request = HistoryRequest(
            tuple(symbols.split(",")), int(low), int(high), fetch.http, int(page)
        )
        self.mapping.pages[body] = self._page(request, sent_ms)
        self.answers.append((sent_ms, request))
        self._carry_out(self.side.handle(Answered(fetch.request, 200, body), self.now))

    def _page(self, request: HistoryRequest, sent_ms: int) -> HistoryPage:
        provider = self.provider
        rows = []
        for symbol in request.symbols:
            for label in sorted(provider.versions.get(symbol, {})):
                if request.from_ms <= label <= request.to_ms:
                    bar = provider.row(symbol, label, sent_ms)
                    if bar is not None:
                        rows.append(scaled(bar, provider.scale))
                        if (symbol, label) in provider.doubled:
                            rows.append(replace(rows[-1], volume=1))
            if provider.open_row:
                label = sent_ms - sent_ms % provider.base_ms
                rows.append(Bar(symbol, "1m", label, 1.0, 1.0, 1.0, 1.0, 1))
        begin = (request.page - 1) * provider.rows_a_page
        chosen = rows[begin : begin + provider.rows_a_page]
        more = len(rows) > begin + provider.rows_a_page
        following = self.mapping.next_page(request) if more else None
        return HistoryPage(tuple(chosen), next=following)

    def connect(self) -> None:
        """The provider acknowledges all symbols on a new connection."""
        self._connection += 1
        self.up = self._connection
        self._last = self.now
        self.connected[self._connection] = (self.time_ms, None)
        self.signal(WentLive(self._connection, tuple(self.settings.symbols), self.now, True))

    def reconnect(self) -> None:
        """Connect where no connection is there."""
        if self.up is None:
            self.connect()

    def take_over(self, after_ms: int) -> None:
        """Open a second connection, and close the first one after a while."""
        first = self.up
        if first is not None:
            heard = self._last or self.now
            self.connect()
            ended = partial(self._replaced, first, self._connection, self.life, heard)
            self.at(self.time_ms + after_ms, ended)

    def _replaced(self, first: int, second: int, life: int, heard: Instant) -> None:
        if self.life != life:
            return
        if self.up != second:
            # The second one was cut meanwhile, and the first one has given nothing since.
            self.connected[first] = (self.connected[first][0], self.time_ms)
            self.signal(WentDown(first, "disconnect", heard))
        else:
            begun, _ = self.connected[first]
            self.connected[first] = (begun, self.time_ms)
            # It has the symbols since the first one had them.
            self.connected[second] = (begun, None)
            self.signal(WentDown(first, "disconnect", self.now, second))

    def step_clock(self, by_ms: int) -> None:
        """Our clock shows the time by so much ahead, from now on."""
        self.step_ms = by_ms

    def disconnect(self, cause: HoleCause = "disconnect") -> None:
        """The connection is gone."""
        if self.up is not None:
            number, self.up = self.up, None
            self.connected[number] = (self.connected[number][0], self.time_ms)
            assert self._last is not None
            self.signal(WentDown(number, cause, self._last))

    def hear(self, *meanings: Meaning) -> None:
        """A message comes, where a connection is there."""
        lossy = self.calm_ms is None or self.time_ms < self.calm_ms
        if self.loss and lossy and self.random.random() < self.loss:
            return
        if self.up is not None:
            self._last = self.now
            self.heard.extend((self.time_ms, self.up, meaning) for meaning in meanings)
            self.signal(Heard(self.up, meanings))

    def stream(self, until_ms: int, in_progress: bool = False) -> None:
        """Schedule the stream's messages of all versions up to a time.

        With ``unflagged`` none of them names the end of its slot.
        """
        for slots in self.provider.versions.values():
            for label, versions in slots.items():
                for number, version in enumerate(versions):
                    if self.time_ms <= version.at_ms < until_ms:
                        self._schedule(label, version, versions[max(number - 1, 0)])
                if in_progress and versions[0].bar is not None and label + 30_000 < until_ms:
                    state = Statement(versions[0].bar, None if self.unflagged else False)
                    self.at(label + 30_000, partial(self.hear, state))

    def _schedule(self, label: int, version: Version, before: Version) -> None:
        if version.bar is not None:
            statement = Statement(version.bar, None if self.unflagged else True)
            self.at(version.at_ms, lambda: self.hear(statement))
        else:
            assert before.bar is not None
            notice = Notice("dirty", before.bar.symbol, label)
            self.at(version.at_ms, lambda: self.hear(notice))

    def beats(self, from_ms: int, until_ms: int, every_ms: int) -> None:
        """Schedule heartbeats."""
        for time_ms in range(from_ms, until_ms, every_ms):
            self.at(time_ms, lambda: self.hear(Alive()))

    # What is in the log.

    def records(self, symbol: str) -> list[Bar | Clock | Cancel]:
        """Records of a symbol, in order."""
        return [entry.record for entry in self.log if entry.record.symbol == symbol]

    def bars(self, symbol: str) -> list[Bar]:
        """Bars of a symbol, in order of the log."""
        return [record for record in self.records(symbol) if isinstance(record, Bar)]

    def clocks(self, symbol: str) -> list[tuple[int, str]]:
        """Times and evidence of the clocks of a symbol."""
        return [
            (entry.record.time_ms, entry.via)
            for entry in self.log
            if isinstance(entry.record, Clock) and entry.record.symbol == symbol
        ]

    def holes(self) -> dict[str, Hole]:
        """The last state of each hole."""
        return {event.id: event for event in self.reports if isinstance(event, Hole)}

    def quiet(self, symbol: str) -> list[Quiet]:
        """Quiet runs of a symbol."""
        return [e for e in self.reports if isinstance(e, Quiet) and e.symbol == symbol]
