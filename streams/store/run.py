"""The durable run: files into a store, which keeps what it has and takes what is new."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import msgspec

import tapeline
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config, config_hash
from tapeline.schemas.event_types import Registry
from tapeline.schemas.records import Bar, Cancel, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError, LostRowError
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.feeds.jumps import jump_of
from tapeline.streams.feeds.log_feed import LogFeed
from tapeline.streams.feeds.opening import (
    Progress,
    Source,
    in_order,
    open_feeds,
    reported,
    symbols_of,
    until_clocks,
)
from tapeline.streams.feeds.spool import spooled
from tapeline.streams.feeds.times import TimeUnit, table_times
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.refusals import (
    AHEAD,
    DEFAULT_LIMIT,
    Jump,
    Refusal,
    RejectLimit,
    RowReport,
    row_report,
)
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.store.checkpoint import RunMark
from tapeline.streams.store.counts import StoreCounts
from tapeline.streams.store.first_look import RowBounds, SlotVersions, look_over
from tapeline.streams.store.keeper import LEAST_AGAIN, Keeper
from tapeline.streams.store.layout import StoreError, check_folder
from tapeline.streams.store.opened import OpenStore, no_hook
from tapeline.streams.store.rebuild import check_readable, rebuild, rebuild_changed
from tapeline.streams.store.recovery import counts_after, recover
from tapeline.streams.store.spans import Spans
from tapeline.streams.store.strategies import configured_strategies

STEP_ROWS = 20_000


@dataclass(frozen=True)
class StoreOptions:
    """How files are taken.

    Attributes
    ----------
    until_ms
        Append a clock record at this instant for each symbol of the inputs; see `symbols_of`.
    zone
        Zone of times without offset; without it such a file is refused.
    time_unit
        Unit of times that are numbers; None: milliseconds.
    from_ms
        Ignore bars and clocks before this instant.
    replace
        Each file is the truth for its symbol and span: stored bars that it lacks are cancelled.
    max_rejects
        Rows that may be dead letters; of a delivery with more of them nothing is taken.
    step_rows
        Rows between two commits.
    least_again
        Bars that corrections may run again before all bars are run again instead; see `Keeper`.
    until_by_symbol
        Symbols that end at a time of their own: their clocks are at it, later rows are ignored.
    accept
        Strategies that begin anew; see `StoreStrategies`.
    """

    until_ms: int | None = None
    zone: str | None = None
    time_unit: TimeUnit | None = None
    from_ms: int | None = None
    replace: bool = False
    max_rejects: RejectLimit = DEFAULT_LIMIT
    step_rows: int = STEP_ROWS
    least_again: int = LEAST_AGAIN
    until_by_symbol: Mapping[str, int] = field(default_factory=dict)
    accept: Sequence[str] = ()


@dataclass(frozen=True)
class StoreResult:
    """What a run did to a store.

    Attributes
    ----------
    rows
        Rows of the inputs.
    report
        How many of them are dead letters. More than the limit are possible here, too: whether a
        row is too far ahead is known when those before it were taken.
    symbols
        By symbol of the inputs: ``last_ms`` its watermark, ``open_ranges``.
    repaired
        Whether a killed run had left something.
    resumed
        Whether this run went on where the same run was killed.
    """

    folder: Path
    rows: int
    report: RowReport
    counts: StoreCounts
    symbols: dict[str, dict[str, Any]]
    repaired: bool
    resumed: bool
    ignored_columns: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class StoreCallbacks:
    """What a run calls on its way.

    Attributes
    ----------
    progress
        Called now and then; None: never.
    explain
        Called with every correction inside the horizon and its offset.
    hook
        Called at the points of every commit; see `OpenStore`.
    """

    progress: Callable[[Progress], None] | None = None
    explain: Callable[[int, Correction], None] | None = None
    hook: Callable[[str], None] = no_hook


def run_into_store(
    config: Config,
    sources: Sequence[Source],
    folder: Path,
    options: StoreOptions = StoreOptions(),
    callbacks: StoreCallbacks = StoreCallbacks(),
    registry: Registry = EVENTS,
) -> StoreResult:
    """Take files into a store; what was killed on the way is repaired first.

    Parameters
    ----------
    registry
        The types of the events.

    Raises
    ------
    InputError
        When an input or a strategy cannot be used; nothing was written.
    TooManyRefusedError
        When more rows are refused than `StoreOptions.max_rejects`; nothing was written.
    StoreError
        When the folder is no store, in use, damaged, or of another configuration.
    FeedBroken, OSError
        When reading or writing failed on the way; the next run repairs the store.
    """
    if options.replace and any(source.is_log for source in sources):
        raise InputError("--replace needs tables of bars: a log holds its own cancels")
    check_folder(folder)
    _check_outside(sources, folder)
    times = table_times(config, options.zone, options.time_unit)
    with ExitStack() as stack:
        stack.enter_context(rare_collections())
        strategies = configured_strategies(config, options.accept)
        copies = spooled(sources, stack)
        looked = Looks(callbacks.progress)
        # What cannot be used is found before a store is made.
        bounds = RowBounds(options.from_ms, options.until_by_symbol)
        look_over(config, sources, times, bounds, options.max_rejects, copies, looked.first)
        feeds = open_feeds(sources, Router(config), times, stack, copies)
        store = stack.enter_context(OpenStore(folder, callbacks.hook, registry=registry))
        keeper = Keeper(config, store, callbacks.explain, options.least_again, strategies)
        stack.enter_context(keeper.watched())
        keeper.begin_strategies()
        fingerprint = _fingerprint(config, sources, options, copies)
        run = _StoreRun(keeper, sources, feeds, options, fingerprint)
        run.take_settings()
        rows = in_order(sources, feeds, keeper.router)
        if looked.second is not None:
            rows = reported(rows, feeds, looked.second)
        run.take_all(rows)
        run.finish()
        keeper.stop_strategies()
        return run.result()


class Looks:
    """The progress of a run that reads everything twice: half of it is the first reading.

    Attributes
    ----------
    first, second
        To be called in the first and in the second reading; None where it is not needed.
    """

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        self._progress = progress
        self._bytes = 0
        self.first = None if progress is None else self._in_first
        self.second = None if progress is None else self._in_second

    def _in_first(self, found: Progress) -> None:
        assert self._progress is not None
        self._bytes = found.bytes_read
        self._progress(Progress(found.rows, found.bytes_read // 2))

    def _in_second(self, found: Progress) -> None:
        assert self._progress is not None
        self._progress(Progress(found.rows, (self._bytes + found.bytes_read) // 2))


class _StoreRun:
    """The loop: every row becomes a record of the log, nothing, or a dead letter."""

    def __init__(
        self,
        keeper: Keeper,
        sources: Sequence[Source],
        feeds: Sequence[Feed],
        options: StoreOptions,
        fingerprint: str,
    ) -> None:
        self._keeper = keeper
        self._feeds = feeds
        self._options = options
        self._fingerprint = fingerprint
        is_log = bool(feeds) and isinstance(feeds[0], LogFeed)
        self._versions = SlotVersions(is_log, keeper.router.check)
        self._rows = 0
        self._done = 0
        self._jump: Jump | None = None
        self._symbols = set(symbols_of(keeper.config, sources, options.until_by_symbol))
        bounds = RowBounds(options.from_ms, options.until_by_symbol)
        self._is_outside = bounds.outside(keeper.router)
        mark = keeper.store.checkpoint.run
        same = mark is not None and mark.fingerprint == fingerprint
        self._repeated = mark is not None and same and mark.finished
        self._marked = same
        if mark is not None and same:
            # The same rows make the same records again: what lies beyond the checkpoint is theirs.
            keeper.counts = StoreCounts.of(mark.counts, keeper.registry)
            if mark.finished:
                keeper.counts = keeper.counts.repeated()
            self._done = mark.rows
            self._spans = Spans(feeds, mark.spans)
        else:
            recover(keeper, options.step_rows)
            keeper.counts = counts_after(keeper)
            self._spans = Spans(feeds, [])
        self._start = self._mark()

    def _mark(self, finished: bool = False) -> RunMark:
        rows = max(self._rows, self._done)
        spans = [dict(each) for each in self._spans.taken]
        return RunMark(self._fingerprint, rows, self._keeper.counts.plain(), spans, finished)

    def take_settings(self) -> None:
        """Before the rows: run groups again that the configuration adds to, or takes from."""
        rebuild_changed(self._keeper, self._mark, self._begin)

    def take_all(self, rows: Iterator[tuple[Feed, Item]]) -> None:
        """All rows of the inputs, in their order."""
        step_rows = self._options.step_rows
        before: tuple[Feed, Item] | None = None
        for feed, item, superseded in self._versions.with_later(rows):
            self._rows += 1
            content = item[0]
            if content.symbol is not None and content.symbol not in self._symbols:
                self._symbols.update(symbols_of(self._keeper.config, (), [content.symbol]))
            if self._options.replace and self._is_of_slot(content):
                self._spans.fill(content)
            if self._rows > self._done:
                self._take(feed, item, superseded, before)
                before = feed, item
                if self._rows % step_rows == 0:
                    self._commit()

    def _is_of_slot(self, content: LogRecord | Refusal) -> TypeGuard[Bar | Refusal]:
        """Whether a row means that a slot has a bar, be it refused or not."""
        if isinstance(content, Refusal):
            return bool(content.labels)
        return isinstance(content, Bar) and not self._is_outside(content)

    def _take(
        self, feed: Feed, item: Item, superseded: bool, before: tuple[Feed, Item] | None
    ) -> None:
        content, row, line = item
        if isinstance(content, Refusal):
            self._keeper.refuse(f"{feed.path}:{line}", feed.raw(row), content, feed.path)
        elif self._is_outside(content):
            self._keeper.counts.rows["skipped"] += 1
        elif superseded:
            self._keeper.pass_over(content)
            self._keeper.counts.rows["superseded"] += 1
        else:
            try:
                self._keeper.take(content)
            except RecordRejected as error:
                if error.code == AHEAD and self._jump is None:
                    self._jump = jump_of(self._keeper.router, (feed, item), before)
                refusal = Refusal(error.code, error.reason, content.symbol)
                self._keeper.refuse(f"{feed.path}:{line}", feed.raw(row), refusal, feed.path)
                return
            if self._options.replace and isinstance(content, Bar):
                self._spans.widen(feed, content)

    def _commit(self) -> None:
        """Write what there is; the run goes on."""
        if self._keeper.pending:
            self._begin()
            self._keeper.commit(self._mark())

    def _begin(self) -> None:
        """Leave a mark before the first line of the log: a run that is killed must be known."""
        if not self._marked:
            self._keeper.store.begin(self._start)
            self._marked = True

    def finish(self) -> None:
        """What follows the rows: cancels, clocks, groups that must be run again."""
        if self._repeated:
            return
        if self._options.replace:
            self._spans.check_readable(self._keeper)
            self._commit()
            for bar in self._spans.missing(self._keeper):
                self._append(Cancel(bar.symbol, bar.interval, bar.start_ms), "--replace")
        options = self._options
        ends = options.until_by_symbol
        config = self._keeper.config
        for clock in until_clocks(config, (), self._symbols, options.until_ms, ends):
            self._append(clock, "--until")
        keeper = self._keeper
        groups = sorted(keeper.rebuilds)
        if groups:
            for group in groups:
                check_readable(keeper, group)
            self._commit()
            self._begin()
            for group in groups:
                rebuild(keeper, group, partial(self._mark, group == groups[-1]))
        elif keeper.pending or self._marked:
            self._begin()
            keeper.commit(self._mark(finished=True))

    def _append(self, record: LogRecord, option: str) -> None:
        """A record that is no row of an input."""
        keeper = self._keeper
        keeper.counts.appended += 1
        try:
            keeper.take(record)
        except RecordRejected as error:
            refusal = Refusal(error.code, error.reason, record.symbol)
            keeper.refuse(f"{option} {record.symbol}:1", encode(record), refusal)

    def result(self) -> StoreResult:
        """What the run did.

        Raises
        ------
        LostRowError
            When rows and what became of them do not add up.
        """
        keeper = self._keeper
        counts = keeper.counts
        if sum(counts.rows.values()) != self._rows + counts.appended:
            raise LostRowError(f"{self._rows} rows, {counts.appended} appended: {counts.rows}")
        symbols = {}
        for symbol in sorted(self._symbols):
            engine = keeper.router.held(symbol)
            symbols[symbol] = {
                "last_ms": None if engine is None else engine.watermark_ms(symbol),
                "open_ranges": 0 if engine is None else engine.unresolved(symbol),
            }
        return StoreResult(
            keeper.store.folder,
            self._rows,
            row_report(
                [(feed.path, feed.rows) for feed in self._feeds],
                counts.refusals,
                self._options.max_rejects,
                self._jump,
            ),
            counts,
            symbols,
            keeper.store.repaired,
            self._marked and self._done > 0 and not self._repeated,
            {feed.path: feed.ignored for feed in self._feeds if feed.ignored},
        )


def _fingerprint(
    config: Config, sources: Sequence[Source], options: StoreOptions, copies: Mapping[str, str]
) -> str:
    """What distinguishes a repeated run from another: its files as they are, and its options."""
    files = []
    for source in sources:
        found = os.stat(copies.get(source.path, source.path))
        files.append([source.path, source.symbol, found.st_size, found.st_mtime_ns])
    settings = [
        options.until_ms,
        sorted(options.until_by_symbol.items()),
        options.zone,
        options.time_unit,
        options.from_ms,
        options.replace,
    ]
    content = msgspec.json.encode([tapeline.__version__, config_hash(config), files, settings])
    return hashlib.sha256(content).hexdigest()


def _check_outside(sources: Sequence[Source], folder: Path) -> None:
    store_path = os.path.realpath(folder)
    for source in sources:
        # Not `Path.resolve`, which fails at links that lead in a circle.
        if Path(os.path.realpath(source.path)).is_relative_to(store_path):
            raise StoreError(f"{source.path}: lies in the store itself; give it another --store")
