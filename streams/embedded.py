"""The embedded run: files in, a run directory out, one process, no broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tapeline
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config, config_hash
from tapeline.schemas.event_types import Registry
from tapeline.schemas.records import Clock
from tapeline.schemas.registry import EVENTS
from tapeline.streams.calendars import calendar_checksum, time_zone_version
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.outcome import OUTCOMES
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError, LostRowError
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.feeds.jumps import jump_of
from tapeline.streams.feeds.opening import (
    Progress,
    Source,
    in_order,
    open_feeds,
    reported,
    symbols_of,
)
from tapeline.streams.feeds.times import TimeUnit, table_times
from tapeline.streams.outputs.run_folder import MANIFEST_MARK, RunDirectory, check_outside
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.final_bars import FinalBars
from tapeline.streams.pipeline.manifest_identity import identities
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
from tapeline.streams.pipeline.summary import RunResult, RunSummary

WORK = ("rebuilds", "bars_again")
"""Counters of the engines that are no outcomes of records."""


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
        Rows that may be dead letters; `RunResult.report` says whether they were more.
    time_unit
        Unit of times that are numbers; None: milliseconds.
    registry
        The types of the events: every topic that a fold writes has a file.

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
        if progress is not None:
            ordered = reported(ordered, feeds, progress)
        rows = 0
        reader = router
        if as_corrected:
            final = FinalBars(config, router)
            rows = run.sort(ordered, final)
            router = run.router = Router(config.without_max_ahead(), registry=registry)
            run.take_final(final)
        else:
            rows = run.take_all(ordered)
        if until_ms is not None:
            met = run.refused.union(reader.met())
            run.clocks(until_ms, symbols_of(config, sources, met))
        counts, hashes = directory.files.finish()
        manifest = {
            **_inputs(config, sources, feeds, router),
            "options": {
                "until_ms": until_ms,
                "tz": zone,
                "time_unit": time_unit,
                "as_corrected": as_corrected,
            },
            "counters": _counters(router, summary, rows, run),
            "topics": counts,
            MANIFEST_MARK: hashes,
        }
        directory.commit(manifest)
        summary.swings = {symbol: router.swings_by_class(symbol) for symbol in router.symbols()}
    ignored = {feed.path: feed.ignored for feed in feeds if feed.ignored}
    inputs = [(feed.path, feed.rows) for feed in feeds]
    report = row_report(inputs, run.rows_refused, max_rejects, run.jump)
    return RunResult(manifest, summary, folder, ignored, report)


class _EmbeddedRun:
    """The loop: every row gets the next offset, and becomes events or a dead letter."""

    def __init__(
        self,
        router: Router,
        directory: RunDirectory,
        summary: RunSummary,
        explain: Callable[[int, Correction], None] | None,
    ) -> None:
        self.offset = 0
        self.router = router
        self.until_clocks = 0
        self.superseded = 0
        self.refused: set[str] = set()
        self.rows_refused = RowRefusals()
        self.jump: Jump | None = None
        self._directory = directory
        self._summary = summary
        self._explain = explain

    def take_all(self, rows: Iterator[tuple[Feed, Item]]) -> int:
        """All rows of the inputs, in their order; returns their number."""
        router, write = self.router, self._directory.files.write
        apply = router.apply
        offset = self.offset
        before: tuple[Feed, Item] | None = None
        for each in rows:
            feed, (content, row, line) = each
            if type(content) is Refusal:
                self._refuse_row(feed, row, line, content)
            else:
                try:
                    outcome = apply(content, offset)  # type: ignore[arg-type]
                except RecordRejected as error:
                    if error.code == AHEAD and self.jump is None:
                        self.jump = jump_of(router, each, before)
                    refusal = Refusal(error.code, error.reason, content.symbol)
                    self._refuse_row(feed, row, line, refusal)
                else:
                    if outcome.correction is not None:
                        self._corrected(offset, outcome.correction)
                    if outcome.events:
                        write(outcome.events)
            before = each
            offset += 1
        self.offset = offset
        return offset

    def _corrected(self, offset: int, correction: Correction) -> None:
        if correction.changes:
            # What it replaces must have been counted.
            self._directory.files.flush()
            self._summary.corrected(correction.changes)
        if self._explain is not None:
            self._explain(offset, correction)

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

    def take_final(self, final: FinalBars) -> None:
        """The bars of `final`, then its clocks."""
        bars = final.bars()
        self.superseded = final.taken - len(bars)
        for bar in bars:
            self._directory.files.write(self.router.apply(bar, self.offset).events)
            self.offset += 1
        for clock in final.clocks():
            self._directory.files.write(self.router.apply(clock, self.offset).events)
            self.offset += 1
            self.until_clocks += 1

    def clocks(self, until_ms: int, symbols: Iterable[str]) -> None:
        """One clock for each symbol."""
        for symbol in symbols:
            self.until_clocks += 1
            clock = Clock(symbol, until_ms)
            try:
                self._directory.files.write(self.router.apply(clock, self.offset).events)
            except RecordRejected as error:
                refusal = Refusal(error.code, error.reason, symbol)
                self._refuse(f"--until {symbol}:1", encode(clock), refusal)
            self.offset += 1

    def _refuse_row(self, feed: Feed, row: Any, line: int, refusal: Refusal) -> None:
        self.rows_refused.add(feed.path, refusal.code)
        self._refuse(f"{feed.path}:{line}", feed.raw(row), refusal)

    def _refuse(self, source: str, raw: bytes, refusal: Refusal) -> None:
        if refusal.symbol is not None:
            self.refused.add(refusal.symbol)
        self._directory.files.write_letter(dead_letter(source, raw, refusal))


def _inputs(
    config: Config, sources: Sequence[Source], feeds: Sequence[Feed], router: Router
) -> dict[str, Any]:
    """The part of the manifest that decides the other: what the run was made from."""
    used = (config.instrument(symbol) for symbol in router.symbols())
    calendars = sorted({instrument.calendar for instrument in used if instrument is not None})
    return {
        "inputs": [
            {"path": feed.path, "symbol": source.symbol, "sha256": feed.sha256(), "rows": feed.rows}
            for source, feed in zip(sources, feeds, strict=True)
        ],
        "config_hash": config_hash(config),
        **identities(config, router.engines),
        "calendars": {calendar: calendar_checksum(calendar) for calendar in calendars},
        "time_zone_version": time_zone_version(),
        "code_version": tapeline.__version__,
    }


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
    symbols = {symbol: router.counters(symbol) for symbol in router.symbols()}
    totals = dict.fromkeys((*OUTCOMES, *WORK), 0)
    for counters in symbols.values():
        for name, count in counters.items():
            totals[name] += count
    rejected = sum(summary.rejects.values())
    explained = sum(totals[kind] for kind in OUTCOMES) + run.superseded + rejected
    if rows + run.until_clocks != explained:
        raise LostRowError(f"{rows} rows, but {totals} and {rejected} dead letters")
    return {
        "rows": rows,
        "until_clocks": run.until_clocks,
        "superseded": run.superseded,
        **totals,
        "ids_changed": {
            kind: changed.totals() for kind, changed in sorted(summary.ids_changed.items())
        },
        "rejects": dict(sorted(summary.rejects.items())),
        "symbols": symbols,
    }
