"""`tapeline feed reconcile`: the log of a session against the provider's history of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import InputOutputError
from tapeline.schemas.instants import MINUTE_MS, SECOND_MS, day_of
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.comparison import (
    ComparedSlots,
    ComparedSymbol,
    Stated,
    absent_in_both,
    compare,
    mending,
)
from tapeline.streams.feeds.live.engine.history import HistoryAnswer, HistoryDesk
from tapeline.streams.feeds.live.engine.slots import SlotGrid
from tapeline.streams.feeds.live.engine.statements import nearest_tick
from tapeline.streams.feeds.live.engine.wants import Ask
from tapeline.streams.feeds.live.model import (
    Answered,
    FeedMapping,
    Fetch,
    Report,
    Unanswered,
)
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.ingest.broker import feed_logs
from tapeline.streams.ingest.file_view import differing_ids
from tapeline.streams.ingest.ingest import feed_mapping, feed_named, refuse_other_writers
from tapeline.streams.ingest.store_log import StoreFeedLog, StoreThread
from tapeline.streams.pipeline.log_writer import KnownLog, LogBatch, LogEntry, LogWriter
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.store.layout import StoreInUseError, writer_of
from tapeline.streams.store.live import LiveStore

LEASE_S: Final = 30.0
MOST_OFFSET_MS: Final = 5 * MINUTE_MS
BATCH: Final = 500


class HistoryError(InputOutputError):
    """The history of a provider gives no answer."""


class ReconcileOptions(Struct, frozen=True, kw_only=True):
    """What is compared, and what follows.

    Attributes
    ----------
    session
        ISO date.
    store
        Folder of the store; None: the log of the broker.
    publish
        Append what differs.
    verify
        Compare the view of the store with that of the provider's bars, too.
    lease_s
        After how long without a sign of life another process of the feed counts as gone.
    """

    session: str
    store: Path | None = None
    publish: bool = False
    verify: bool = False
    lease_s: float = LEASE_S


class Reconciliation(Struct, frozen=True, kw_only=True):
    """What was found, and what became of it.

    Attributes
    ----------
    comparisons
        In the order of the symbols of the feed; with publishing as it was before.
    cancelled
        Symbol and label of bars that two complete answers lacked, and that were taken back.
    published
        Records appended, clocks included; None: nothing was to be.
    left
        Differences that were not published.
    view
        Ids in which the view of the store differs from that of the provider's bars; None: not
        asked for.
    """

    feed: str
    session: str
    comparisons: tuple[ComparedSymbol, ...]
    cancelled: frozenset[tuple[str, int]] = frozenset()
    published: int | None = None
    left: int = 0
    view: tuple[str, ...] | None = None

    @property
    def same(self) -> bool:
        """Whether log and history are the same now."""
        return not self.left and not self.view


async def reconcile(
    config: Config, name: str, options: ReconcileOptions, environment: Mapping[str, str]
) -> Reconciliation:
    """Compare the log of a session with the provider's history of it.

    Raises
    ------
    InputError
        When there is no such feed or session, the feed has no history, or another process writes.
    BrokenPromiseError
        When another feed writes the symbols, and this one is to publish.
    HistoryError
        When the history gives no answer.
    BrokerError, StoreError, OSError
        When the log cannot be used.
    """
    feed = feed_named(config, name)
    mapping = feed_mapping(feed, config, environment)
    if not mapping.has_history:
        raise InputError(f"feed {name}: has no history to compare with")
    if options.verify and options.store is None:
        raise InputError("--verify compares the view of a store; name it with --store")
    router = Router(config)
    stretches = _stretches(feed, router, options.session, read_clocks().wall_ms)
    first_ms = min(stretch.open_ms for stretch in stretches)
    async with AsyncExitStack() as stack:
        log = await _log_of(stack, config, feed, options, first_ms)
        known = await _read_back(log, feed, options)
        if options.publish:
            refuse_other_writers(feed, known)
        run = _Run(feed, mapping, router, known, log if options.publish else None)
        stack.push_async_callback(run.stop)
        stated = await run.ask(stretches)
        comparisons = [
            compare(
                run.reached[each.symbol],
                _held(known, run.reached[each.symbol]),
                stated[each.symbol],
            )
            for each in stretches
        ]
        cancelled: set[tuple[str, int]] = set()
        published = None
        left = _left(comparisons, cancelled, published=False)
        if options.publish:
            comparisons, stated, cancelled = await run.ask_again(comparisons, stated)
            published = await run.publish(comparisons, cancelled)
            left = _left(comparisons, cancelled, published=True)
            if options.store is not None:
                left += await _refused(log, feed, comparisons, stated, left)
    view = None
    if options.verify and options.store is not None:
        answers = {
            each.stretch.symbol: (each.stretch, stated[each.stretch.symbol]) for each in comparisons
        }
        view = tuple(differing_ids(config, options.store, answers))
    return Reconciliation(
        feed=name,
        session=options.session,
        comparisons=tuple(comparisons),
        cancelled=frozenset(cancelled),
        published=published,
        left=left,
        view=view,
    )


def _left(
    comparisons: Iterable[ComparedSymbol], cancelled: set[tuple[str, int]], *, published: bool
) -> int:
    """Differences that the log still has."""
    left = 0
    for each in comparisons:
        left += each.unreadable
        for found in each.differences:
            key = (found.symbol, found.start_ms)
            mended = found.kind in ("changed", "missing") or key in cancelled
            left += not (published and mended)
    return left


async def _refused(
    log: LogWriter,
    feed: FeedConfig,
    comparisons: Sequence[ComparedSymbol],
    stated: Mapping[str, Stated],
    left: int,
) -> int:
    """Bars that a store refused, as a dead letter: more differences than were left."""
    known = await log.read_back(feed.name, tuple(feed.symbols))
    now = [
        compare(each.stretch, _held(known, each.stretch), stated[each.stretch.symbol])
        for each in comparisons
    ]
    return max(0, _left(now, set(), published=False) - left)


def _stretches(feed: FeedConfig, router: Router, session: str, wall_ms: int) -> list[ComparedSlots]:
    try:
        day = day_of(session)
    except ValueError:
        raise InputError(f"--session {session}: is no ISO date") from None
    lag_ms = (feed.history or HistoryConfig()).lag_ms
    found = []
    for symbol in feed.symbols:
        plan = router.plan(symbol)
        index = plan.calendar.index_of_day(day)
        if index < 0:
            continue
        open_ms, close_ms = plan.calendar.open_ms(index), plan.calendar.close_ms(index)
        until_ms = SlotGrid(plan.calendar, plan.base_ms).last_end(wall_ms - lag_ms)
        if until_ms > open_ms:
            found.append(ComparedSlots(symbol, open_ms, close_ms, min(until_ms, close_ms)))
    if not found:
        raise InputError(f"--session {session}: no symbol of feed {feed.name} has bars of it yet")
    return found


async def _log_of(
    stack: AsyncExitStack,
    config: Config,
    feed: FeedConfig,
    options: ReconcileOptions,
    first_ms: int,
) -> LogWriter:
    if options.store is None:
        make_log = await feed_logs(config, options.lease_s if options.publish else None, first_ms)
        log = make_log(feed)
        stack.push_async_callback(log.close)
        return log
    if not options.store.exists():
        raise InputError(f"--store {options.store}: is not there")
    store = LiveStore(config, options.store)
    thread = StoreThread(store)
    try:
        await thread.start()
    except StoreInUseError:
        writer = writer_of(options.store)
        by = "another process" if writer is None else f"process {writer}"
        raise InputError(
            f"{options.store}: the store is in use by {by}; stop its ingest, and try again"
        ) from None
    stack.push_async_callback(thread.stop)
    return StoreFeedLog(store, thread, feed.name, first_ms)


async def _read_back(log: LogWriter, feed: FeedConfig, options: ReconcileOptions) -> KnownLog:
    # A lease is free when its last holder is gone for that long.
    patience_s = 2 * options.lease_s if options.publish and options.store is None else None
    try:
        async with asyncio.timeout(patience_s):
            return await log.read_back(feed.name, tuple(feed.symbols))
    except TimeoutError:
        raise InputError(
            f"feed {feed.name}: another process holds its lease; stop its ingest, and try again"
        ) from None


def _held(known: KnownLog, stretch: ComparedSlots) -> dict[int, Bar]:
    return {
        label: bar
        for label, bar in known.symbols[stretch.symbol].seen.items()
        if bar is not None and stretch.open_ms <= label < stretch.until_ms
    }


class _Run:
    """Asks the history of one feed, and appends what differs.

    Parameters
    ----------
    log
        Where to append; None: nothing is written.

    Attributes
    ----------
    reached
        By symbol the stretch that the last answer covers.
    """

    def __init__(
        self,
        feed: FeedConfig,
        mapping: FeedMapping,
        router: Router,
        known: KnownLog,
        log: LogWriter | None,
    ) -> None:
        self.reached: dict[str, ComparedSlots] = {}
        self._feed = feed
        self._lag_ms = (feed.history or HistoryConfig()).lag_ms
        self._router = router
        self._known = known
        self._log = log
        self._inbox = Inbox()
        self._requests = HttpRequests(self._inbox)
        self._desk = HistoryDesk(feed, mapping, known, read_clocks())
        self._behind_ms = 0

    async def stop(self) -> None:
        """End all requests."""
        await self._requests.stop()

    async def ask(self, stretches: Sequence[ComparedSlots]) -> dict[str, Stated]:
        """What the history states of stretches, by symbol."""
        spans: dict[tuple[int, int], list[ComparedSlots]] = {}
        for stretch in stretches:
            spans.setdefault((stretch.open_ms, stretch.until_ms), []).append(stretch)
        for (open_ms, until_ms), group in spans.items():
            symbols = tuple(each.symbol for each in group)
            self._desk.take(Ask(symbols, open_ms, until_ms - 1, "end"))
        answers = await self._answers(len(spans))
        by_symbol = {symbol: answer for answer in answers for symbol in answer.ask.symbols}
        return {each.symbol: self._stated(each, by_symbol[each.symbol]) for each in stretches}

    async def _answers(self, count: int) -> list[HistoryAnswer]:
        answers: list[HistoryAnswer] = []
        while len(answers) < count:
            now = read_clocks()
            for action in self._desk.send(now, now.wall_ms):
                await self._do(action)
            now = read_clocks()
            wait_ms = max(0, self._desk.next_ms(now.mono_ms) - now.mono_ms)
            for event, at in await self._inbox.take(wait_ms / SECOND_MS):
                if isinstance(event, Answered):
                    self._learn_time(event.date_ms, at.wall_ms)
                    answer, actions = self._desk.answered(event, at)
                    for action in actions:
                        await self._do(action)
                    if answer is not None:
                        answers.append(answer)
                elif isinstance(event, Unanswered):
                    self._desk.unanswered(event, at)
            if self._desk.failed:
                symbols = ", ".join(self._desk.failed[0].symbols)
                raise HistoryError(
                    f"feed {self._feed.name}: its history gives no answer to {symbols}"
                )
        return answers

    async def _do(self, action: object) -> None:
        if isinstance(action, Fetch):
            self._requests.fetch(action)
        elif isinstance(action, Report) and self._log is not None:
            await self._log.write(LogBatch((action.event,)))

    def _learn_time(self, date_ms: int | None, wall_ms: int) -> None:
        """How far the provider's clock is behind ours, at most."""
        if date_ms is not None:
            # A date has whole seconds.
            behind_ms = wall_ms - date_ms - SECOND_MS
            self._behind_ms = max(self._behind_ms, min(behind_ms, MOST_OFFSET_MS))

    def _stated(self, asked: ComparedSlots, answer: HistoryAnswer) -> Stated:
        """Rows of finished bars, as the log may have them."""
        symbol = asked.symbol
        plan = self._router.plan(symbol)
        reached_ms = SlotGrid(plan.calendar, plan.base_ms).last_end(
            answer.sent_ms - self._behind_ms - self._lag_ms
        )
        stretch = ComparedSlots(
            symbol, asked.open_ms, asked.close_ms, min(asked.until_ms, reached_ms)
        )
        self.reached[symbol] = stretch
        stated = Stated()
        stated.unreadable = sum(each.symbol in (None, symbol) for each in answer.unreadable)
        for label, (bar, _) in sorted(answer.rows.get(symbol, {}).items()):
            if not stretch.open_ms <= label < stretch.until_ms:
                continue
            if (symbol, label) in answer.conflicts:
                stated.unclear[label] = "two pages of the history differ"
            elif self._feed.truth.skip_empty and bar.volume == 0:
                stated.empty.add(label)
            else:
                self._take(stated, bar, plan.scale.tick)
        return stated

    def _take(self, stated: Stated, bar: Bar, tick: str) -> None:
        try:
            try:
                self._router.check(bar)
            except RecordRejected as error:
                if error.code != "off_tick" or self._feed.truth.tick != "nearest":
                    raise
                bar = nearest_tick(bar, tick)
                self._router.check(bar)
        except RecordRejected as error:
            stated.unclear[bar.start_ms] = f"{error.code}: {error.reason}"
            return
        stated.bars[bar.start_ms] = bar

    async def ask_again(
        self, comparisons: Sequence[ComparedSymbol], first: Mapping[str, Stated]
    ) -> tuple[list[ComparedSymbol], dict[str, Stated], set[tuple[str, int]]]:
        """Ask once more for what has extra bars: one answer without a bar means nothing.

        Returns the comparisons with the second answers, these, and what both answers lack.
        """
        again = [
            each.stretch
            for each in comparisons
            if any(found.kind == "extra" for found in each.differences)
        ]
        stated = dict(first)
        cancelled: set[tuple[str, int]] = set()
        if not again:
            return list(comparisons), stated, cancelled
        await asyncio.sleep(self._lag_ms / SECOND_MS)
        stated |= await self.ask(again)
        compared = []
        for each in comparisons:
            symbol = each.stretch.symbol
            if each.stretch in again:
                stretch = self.reached[symbol]
                each = compare(stretch, _held(self._known, stretch), stated[symbol])
                extra = [found.start_ms for found in each.differences if found.kind == "extra"]
                absent = absent_in_both(stretch, extra, first[symbol], stated[symbol])
                cancelled |= {(symbol, label) for label in absent}
            compared.append(each)
        return compared, stated, cancelled

    async def publish(
        self, comparisons: Sequence[ComparedSymbol], cancelled: set[tuple[str, int]]
    ) -> int:
        """Append what differs; returns how many records."""
        assert self._log is not None
        entries: list[LogEntry] = []
        for each in comparisons:
            symbol = each.stretch.symbol
            labels = {label for name, label in cancelled if name == symbol}
            known_ms = self._known.symbols[symbol].watermark_ms
            for record in mending(each, labels, self._router.plan(symbol), known_ms):
                via = "bar" if isinstance(record, Clock) else "history"
                entries.append(LogEntry(record, via, read_clocks().wall_ms))
        for at in range(0, len(entries), BATCH):
            await self._log.write(LogBatch(tuple(entries[at : at + BATCH])))
        return len(entries)
