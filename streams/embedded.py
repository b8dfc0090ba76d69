"""The embedded run: files in, a run directory out, one process, no broker."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streams
from schemas.codec import encode
from schemas.config import Config, config_hash
from schemas.events import Reject
from schemas.ids import reject_id
from schemas.records import Clock, LogRecord
from streams.calendars import calendar_checksum, load_zone, time_zone_version
from streams.core.calendar import ZoneTable
from streams.core.rejection import RecordRejected
from streams.feeds.csv_feed import CsvFeed, shown
from streams.feeds.items import Feed, FeedBroken, InputError, Refusal
from streams.feeds.log_feed import LogFeed
from streams.feeds.merge import in_sequence, merged
from streams.feeds.parquet_feed import ParquetFeed
from streams.routing import Router, SlotEnds
from streams.run_directory import RunDirectory
from streams.summary import RunSummary

LOG_SUFFIXES = (".jsonl", ".jsonl.gz")
CSV_SUFFIXES = (".csv", ".csv.gz")
PROGRESS_ROWS = 2_000


class LostRowError(AssertionError):
    """The run cannot say what became of every row: a bug, and nothing is written."""


@dataclass(frozen=True)
class Source:
    """One input as named: a path, and the symbol of the whole file where it is given."""

    path: str
    symbol: str | None = None

    @property
    def is_log(self) -> bool:
        """Whether it holds log records rather than a table of bars."""
        return self.path.endswith(LOG_SUFFIXES)


@dataclass(frozen=True)
class Progress:
    """How far a run is: rows, bytes of the inputs read, and the label of the last record."""

    rows: int
    bytes_read: int


@dataclass
class RunResult:
    """What a run leaves: the manifest it wrote, and counts for people."""

    manifest: dict[str, Any]
    summary: RunSummary
    folder: Path
    ignored_columns: dict[str, tuple[str, ...]]


def run_files(
    config: Config,
    sources: Sequence[Source],
    folder: Path,
    until_ms: int | None = None,
    zone: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Run the engine over files and write the run directory.

    Parameters
    ----------
    until_ms
        Append a clock record at this instant for each symbol of the input.
    zone
        Zone of times without offset; without it such a file is refused.
    progress
        Called now and then.

    Raises
    ------
    InputError
        When an input cannot be used; nothing was written.
    FeedBroken, OSError
        When reading or writing failed on the way; an earlier run in `folder` is as it was.
    LostRowError
        When rows and what became of them do not add up.
    """
    router = Router(config)
    zone_table = None if zone is None else load_zone(zone)
    with ExitStack() as stack:
        feeds = open_feeds(sources, router, zone_table, stack)
        directory = stack.enter_context(RunDirectory(folder))
        run = _Run(router, directory)
        for feed, item in _ordered(sources, feeds, router):
            run.take(feed.path, item.line, item.raw, item.content)
            if progress is not None and run.rows % PROGRESS_ROWS == 0:
                progress(Progress(run.rows, sum(feed.bytes_read for feed in feeds)))
        rows = run.rows
        if until_ms is not None:
            run.clocks(until_ms)
        counts, hashes = directory.finish()
        manifest = _manifest(config, feeds, run, rows, until_ms, counts, hashes)
        if zone is not None:
            manifest["options"]["tz"] = zone
        directory.commit(manifest)
    ignored = {feed.path: feed.ignored for feed in feeds if feed.ignored}
    return RunResult(manifest, run.summary, folder, ignored)


def open_feeds(
    sources: Sequence[Source], router: Router, zone: ZoneTable | None, stack: ExitStack
) -> list[Feed]:
    """Open every input; all that can be known to be unusable is found here.

    Parameters
    ----------
    stack
        Closes the inputs.

    Raises
    ------
    InputError
        Naming the file, what is wrong with it and the way out.
    """
    if not sources:
        raise InputError("no input: name a file, or --bars SYMBOL=FILE")
    if len({source.is_log for source in sources}) > 1:
        raise InputError("logs (.jsonl) and tables of bars cannot be mixed in one run")
    feeds = []
    for source in sources:
        feed = _open_feed(source, router, zone)
        stack.callback(feed.close)
        feeds.append(feed)
    return feeds


def _open_feed(source: Source, router: Router, zone: ZoneTable | None) -> Feed:
    path = source.path
    if source.is_log:
        if source.symbol is not None:
            raise InputError(f"{path}: a log names its symbols itself; give it without --bars")
        return LogFeed(path)
    if path.endswith(CSV_SUFFIXES):
        return CsvFeed(path, source.symbol, router.base_of, zone)
    if path.endswith(".parquet"):
        return ParquetFeed(path, source.symbol, router.base_of, zone)
    known = ", ".join((*CSV_SUFFIXES, *LOG_SUFFIXES, ".parquet"))
    raise InputError(f"{path}: the name must end in one of {known}")


def _ordered(
    sources: Sequence[Source], feeds: Sequence[Feed], router: Router
) -> Iterator[tuple[Feed, Any]]:
    if sources[0].is_log:
        return in_sequence(feeds)
    return merged(feeds, SlotEnds(router))


class _Run:
    """The loop's state: offset of the next record, and where everything goes."""

    def __init__(self, router: Router, directory: RunDirectory) -> None:
        self.rows = 0
        self.summary = RunSummary()
        self._router = router
        self._directory = directory

    def take(self, path: str, line: int, raw: bytes, content: LogRecord | Refusal) -> None:
        """One row: its events, or its dead letter."""
        offset = self.rows
        self.rows += 1
        if isinstance(content, Refusal):
            self._refuse(f"{path}:{line}", raw, content)
            return
        try:
            events = self._router.apply(content, offset)
        except RecordRejected as error:
            refusal = Refusal(error.code, error.reason, content.symbol)
            self._refuse(f"{path}:{line}", raw, refusal)
            return
        if events:
            self._directory.write(events)
            self.summary.add(events)

    def clocks(self, until_ms: int) -> None:
        """One clock for each symbol, in order of name."""
        for symbol in self._router.symbols():
            clock = Clock(symbol, until_ms)
            self.take(f"--until {symbol}", 1, encode(clock), clock)

    def _refuse(self, source: str, raw: bytes, refusal: Refusal) -> None:
        letter = Reject(
            reject_id(source),
            refusal.code,
            refusal.reason,
            source,
            base64.b64encode(shown(raw)).decode("ascii"),
            refusal.symbol,
        )
        self._directory.write([letter])
        self.summary.add([letter])


def _manifest(
    config: Config,
    feeds: Sequence[Feed],
    run: _Run,
    rows: int,
    until_ms: int | None,
    counts: dict[str, int],
    hashes: dict[str, str],
) -> dict[str, Any]:
    router = run._router
    symbols = {symbol: router.engine(symbol).counters(symbol) for symbol in router.symbols()}
    totals: dict[str, int] = {}
    for counters in symbols.values():
        for name, count in counters.items():
            totals[name] = totals.get(name, 0) + count
    rejected = sum(run.summary.rejects.values())
    if run.rows != rejected + sum(totals.values()):
        raise LostRowError(f"{run.rows} rows, but {totals} and {rejected} dead letters")
    calendars = sorted({_calendar(config, symbol) for symbol in symbols})
    return {
        "inputs": [
            {"path": feed.path, "sha256": file_hash(feed.path), "rows": feed.rows} for feed in feeds
        ],
        "options": {"until_ms": until_ms},
        "config_hash": config_hash(config),
        "calendars": {calendar: calendar_checksum(calendar) for calendar in calendars},
        "time_zone_version": time_zone_version(),
        "code_version": streams.__version__,
        "counters": {
            "rows": rows,
            **totals,
            "rejects": dict(sorted(run.summary.rejects.items())),
            "symbols": symbols,
        },
        "topics": counts,
        "output_sha256": hashes,
    }


def _calendar(config: Config, symbol: str) -> str:
    instrument = config.instrument(symbol)
    assert instrument is not None
    return instrument.calendar


def file_hash(path: str) -> str:
    """SHA-256 of a file.

    Raises
    ------
    FeedBroken
        When it cannot be read any more.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FeedBroken(f"{path}: {error.strerror or error}") from error
