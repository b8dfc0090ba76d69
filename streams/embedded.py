"""The embedded run: files in, a run directory out, one process, no broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.records import Clock, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.outcome import OUTCOMES, Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError, LostRowError
from tapeline.streams.feeds.cut import SymbolCuts
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.feeds.jumps import jump_of
from tapeline.streams.feeds.opening import (
    Progress,
    Source,
    in_order,
    open_feeds,
    reported,
    until_clocks,
)
from tapeline.streams.feeds.times import TimeUnit, table_times
from tapeline.streams.outputs.run_bars import KEPT, BarLine
from tapeline.streams.outputs.run_folder import RunDirectory, check_outside
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.drive import Item as DriveItem
from tapeline.streams.pipeline.final_bars import FinalBars
from tapeline.streams.pipeline.manifest import COUNTERS, WORK, counters, input_file, made_with
from tapeline.streams.pipeline.refusals import (
    AHEAD,
    DEFAULT_LIMIT,
    Jump,
    Refusal,
    RejectLimit,
    RowRefusals,
    dead_letter,
    row_report,
)
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.pipeline.summary import RunResult, RunSummary


def run_files(
    config: Config,
    sources: Sequence[Source],
    folder: Path,
    until_ms: int | None = None,
    zone: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    as_corrected: bool = False,
    explain: Callable[[int, Correction], None] | None = None,
    max_rejects: RejectLimit = DEFAULT_LIMIT,
    time_unit: TimeUnit | None = None,
    registry: Registry = EVENTS,
    until_by_symbol: Mapping[str, int] | None = None,
) -> RunResult:
    """Run the engine over files and write the run directory.

    Parameters
    ----------
    until_ms
        Append a clock record at this instant for each symbol of the inputs; see `symbols_of`.
    zone
        Zone of times without offset; without it such a file is refused.
    progress
        Called now and then.
    as_corrected
        Sort what the logs hold first: the last version of every bar, by end, then symbol.
    explain
        Called with every correction and its offset.
    max_rejects
        Rows that may be dead letters; `RunResult.report` shows whether they were more.
    time_unit
        Unit of times that are numbers; None: milliseconds.
    registry
        The types of the events: every topic that a fold writes has a file.
    until_by_symbol
        Symbols that end at a time of their own: their clocks are at it, and rows after it (bars
        that end after it, clocks later than it) are left out.

    Raises
    ------
    InputError
        When an input cannot be used; nothing was written.
    ForeignFolderError
        When the folder cannot be replaced, or an input lies in it; nothing was written.
    FeedBroken, OSError
        When reading or writing failed on the way; an earlier run in `folder` is as it was.
    LostRowError
        When rows and what became of them do not add up.
    """
    router = Router(config, registry=registry)
    symbol_ends = until_by_symbol or {}
    times = table_times(config, zone, time_unit)
    if as_corrected and not all(source.is_log for source in sources):
        raise InputError(
            "--as-corrected sorts a log (.jsonl); tables are sorted anyway, leave it out"
        )
    with ExitStack() as stack:
        stack.enter_context(rare_collections())
        feeds = open_feeds(sources, router, times, stack)
        summary = RunSummary()
        check_outside(folder, [source.path for source in sources])
        directory = stack.enter_context(RunDirectory(folder, summary.add, registry))
        run = _EmbeddedRun(router, directory, summary, explain)
        ordered = in_order(sources, feeds, router)
        ordered = SymbolCuts(symbol_ends, router.slot_end_ms).kept(ordered)
        if progress is not None:
            ordered = reported(ordered, feeds, progress)
        rows = 0
        reader = router
        if as_corrected:
            final = FinalBars(config, router)
            rows = run.sort(ordered, final)
            router = Router(config.without_max_ahead(), registry=registry)
            run.take_final(final, router)
        else:
            rows = run.take_all(ordered)
        if until_ms is not None or symbol_ends:
            met = run.refused_symbols.union(reader.met())
            run.clocks(until_clocks(config, sources, met, until_ms, symbol_ends))
        written = directory.finish()
        manifest = {
            "inputs": [
                {**input_file(feed.path, source.symbol, feed.sha256()), "rows": feed.rows}
                for source, feed in zip(sources, feeds, strict=True)
            ],
            **made_with(config, config, router.symbols(), router.engines),
            "options": {
                "until_ms": until_ms,
                "until_by_symbol": dict(symbol_ends),
                "tz": zone,
                "time_unit": time_unit,
                "as_corrected": as_corrected,
            },
            COUNTERS: _counters(router, summary, rows, run),
            **written,
        }
        if symbol_ends:
            manifest[COUNTERS]["left_out"] = sum(feed.rows for feed in feeds) - rows
        directory.commit(manifest)
        summary.end(router)
    ignored = {feed.path: feed.ignored for feed in feeds if feed.ignored}
    inputs = [(feed.path, feed.rows) for feed in feeds]
    report = row_report(inputs, run.rows_refused, max_rejects, run.jump)
    return RunResult(manifest, summary, folder, ignored, report)


class _EmbeddedRun:
    """Every row gets the next offset, and becomes events or a dead letter.

    What goes through the drive is ``(offset, content, 0, feed, row, line)``; a clock that was
    appended has no feed.
    """

    # The bar of a record that changes nothing in the view is written, too.
    every = True

    def __init__(
        self,
        router: Router,
        directory: RunDirectory,
        summary: RunSummary,
        explain: Callable[[int, Correction], None] | None,
    ) -> None:
        self.offset = 0
        self.drive = Drive(router)
        self.until_clocks = 0
        self.superseded = 0
        self.refused_symbols: set[str] = set()
        self.rows_refused = RowRefusals()
        self.jump: Jump | None = None
        self._row: tuple[Feed, Item] | None = None
        self._before: tuple[Feed, Item] | None = None
        self._directory = directory
        self._write = directory.files.write
        self._add_bar = directory.bars.add
        self._summary = summary
        self._explain = explain

    def take_all(self, rows: Iterator[tuple[Feed, Item]]) -> int:
        """All rows of the inputs, in their order; returns their number."""
        self.drive.apply_many(self._numbered(rows), self)
        return self.offset

    def _numbered(self, rows: Iterator[tuple[Feed, Item]]) -> Iterator[DriveItem]:
        offset = self.offset
        before: tuple[Feed, Item] | None = None
        for each in rows:
            feed, (content, row, line) = each
            self._row, self._before = each, before
            yield offset, content, 0, feed, row, line
            before = each
            offset += 1
        self.offset = offset

    def took(self, item: DriveItem, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """Write the bar of a row, and what it changed."""
        if outcome.kind in KEPT:
            self._add_bar(BarLine(item[0], outcome.kind, record))
        correction = outcome.correction
        if correction is not None:
            if correction.changes:
                # What it replaces must have been counted.
                self._directory.files.flush()
                self._summary.corrected(correction.changes)
            if self._explain is not None:
                self._explain(item[0], correction)
        if outcome.events:
            self._write(outcome.events)
        return True

    def refused(self, item: DriveItem, refusal: Refusal) -> None:
        """Write the dead letter of a row, or of a clock that was appended."""
        _, content, _, feed, row, line = item
        if feed is not None:
            if refusal.code == AHEAD and self.jump is None and self._row is not None:
                self.jump = jump_of(self.drive.router, self._row, self._before)
            self._refuse_row(feed, row, line, refusal)
        else:
            self._refuse(f"--until {refusal.symbol}:1", encode(content), refusal)

    def passed(self, item: DriveItem) -> None:
        """Every group has an engine, and none a record twice."""
        raise BrokenPromiseError(f"row {item[0]} was passed over")

    def resumes(self, slot: GroupSlot) -> None:
        """Nothing is held."""

    def sort(self, rows: Iterator[tuple[Feed, Item]], final: FinalBars) -> int:
        """Read everything into `final`; returns the number of rows."""
        count = 0
        for feed, (content, row, line) in rows:
            count += 1
            if isinstance(content, Refusal):
                self._refuse_row(feed, row, line, content)
                continue
            try:
                final.add(content)
            except RecordRejected as error:
                refusal = Refusal(error.code, error.reason, content.symbol)
                self._refuse_row(feed, row, line, refusal)
        return count

    def take_final(self, final: FinalBars, router: Router) -> None:
        """The bars of `final`, then its clocks, by engines of their own."""
        self.drive = Drive(router)
        bars = final.bars()
        self.superseded = final.taken - len(bars)
        self._append(bars)
        self.until_clocks += self._append(final.clocks())

    def clocks(self, clocks: Iterable[Clock]) -> None:
        """Clocks after all rows."""
        self.until_clocks += self._append(clocks)

    def _append(self, records: Iterable[LogRecord]) -> int:
        """Records that are no rows; returns their number."""
        first = self.offset
        self.drive.apply_many(self._without_feed(records), self)
        return self.offset - first

    def _without_feed(self, records: Iterable[LogRecord]) -> Iterator[DriveItem]:
        for record in records:
            yield self.offset, record, 0, None, None, 0
            self.offset += 1

    def _refuse_row(self, feed: Feed, row: Any, line: int, refusal: Refusal) -> None:
        self.rows_refused.add(feed.path, refusal.code)
        self._refuse(f"{feed.path}:{line}", feed.raw(row), refusal)

    def _refuse(self, source: str, raw: bytes, refusal: Refusal) -> None:
        if refusal.symbol is not None:
            self.refused_symbols.add(refusal.symbol)
        self._directory.files.write_letter(dead_letter(source, raw, refusal))


def _counters(router: Router, summary: RunSummary, rows: int, run: _EmbeddedRun) -> dict[str, Any]:
    """What became of the rows.

    Rows and the clocks that were appended together have one outcome each: accepted, off session,
    late, changed, cancelled, duplicate, clock, idle (a clock or cancel without effect), superseded
    by a later version (``--as-corrected``), or dead letter.

    Raises
    ------
    LostRowError
        When they do not add up.
    """
    found = counters(
        {symbol: router.counters(symbol) for symbol in router.symbols()},
        summary,
        rows=rows,
        until_clocks=run.until_clocks,
        superseded=run.superseded,
    )
    totals = {kind: found[kind] for kind in (*OUTCOMES, *WORK)}
    rejected = sum(summary.rejects.values())
    explained = sum(totals[kind] for kind in OUTCOMES) + run.superseded + rejected
    if rows + run.until_clocks != explained:
        raise LostRowError(f"{rows} rows, but {totals} and {rejected} dead letters")
    return found
