"""A first look at a delivery: what of it is refused, whatever a store already holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from schemas.config import Config
from schemas.records import Bar, Clock, LogRecord
from streams.core.rejection import RecordRejected
from streams.feeds.items import Feed, Item, Refusal
from streams.feeds.times import TableTimes
from streams.inputs import Progress, Source, in_order, open_feeds, reported
from streams.refusals import RejectLimit, RowRefusals, RowReport, row_report
from streams.routing import Router
from streams.store.keeper import content_of


class TooManyRefusedError(ValueError):
    """More rows are refused than the limit allows, and nothing was written.

    Attributes
    ----------
    report
        How many.
    rejects
        By code: number, source of the first row, its reason.
    ignored_columns
        By path, columns that are not used.
    """

    def __init__(
        self,
        report: RowReport,
        rejects: dict[str, tuple[int, str, str]],
        ignored_columns: dict[str, tuple[str, ...]],
    ) -> None:
        super().__init__(report.line(store=True))
        self.report = report
        self.rejects = rejects
        self.ignored_columns = ignored_columns

    def __reduce__(self) -> tuple[type[TooManyRefusedError], tuple[object, ...]]:
        return (type(self), (self.report, self.rejects, self.ignored_columns))


class SlotVersions:
    """Tells which row of a delivery says something else of a slot than the row before it.

    Files that do not agree are merged by slot: of two versions side by side only the later one
    is taken, or each run over the same files would change the bar to and fro.

    Parameters
    ----------
    is_log
        A log says itself what replaces what.
    check
        Raises `RecordRejected` for a bar that is a dead letter, which replaces nothing.
    """

    def __init__(self, is_log: bool, check: Callable[[LogRecord], None]) -> None:
        self._is_log = is_log
        self._check = check

    def with_next(self, rows: Iterator[tuple[Feed, Item]]) -> Iterator[tuple[Feed, Item, bool]]:
        """Each row, and whether the next one says something else of the same slot."""
        held: tuple[Feed, Item] | None = None
        for row in rows:
            if held is not None:
                yield *held, self._supersedes(row[1][0], held[1][0])
            held = row
        if held is not None:
            yield *held, False

    def _supersedes(self, later: LogRecord | Refusal, earlier: LogRecord | Refusal) -> bool:
        if not (isinstance(later, Bar) and isinstance(earlier, Bar)):
            return False
        if later.start_ms != earlier.start_ms or later.symbol != earlier.symbol:
            return False
        if self._is_log or content_of(later) == content_of(earlier):
            return False
        try:
            self._check(later)
        except RecordRejected:
            return False
        return True


def is_before(record: LogRecord, from_ms: int | None) -> bool:
    """Whether ``--from`` leaves a record out."""
    if from_ms is None:
        return False
    return (record.time_ms if isinstance(record, Clock) else record.start_ms) < from_ms


def look_over(
    config: Config,
    sources: Sequence[Source],
    times: TableTimes,
    from_ms: int | None,
    limit: RejectLimit,
    copies: dict[str, str],
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Read all rows, and refuse a delivery too much of which is refused.

    Parameters
    ----------
    from_ms
        Rows before it are not looked at.
    copies
        As of `streams.spool.spooled`.

    Raises
    ------
    TooManyRefusedError
        When it is.
    InputError, FeedBroken
        When an input cannot be used, or stops being readable.
    """
    refusals = RowRefusals()
    first: dict[str, tuple[str, str]] = {}
    with ExitStack() as stack:
        router = Router(config)
        feeds = open_feeds(sources, router, times, stack, copies)
        check = Router(config).check
        rows = in_order(sources, feeds, router)
        if progress is not None:
            rows = reported(rows, feeds, progress)
        versions = SlotVersions(sources[0].is_log, check)
        for feed, (content, _, line), superseded in versions.with_next(rows):
            if isinstance(content, Refusal):
                code, reason = content.code, content.reason
            elif superseded or is_before(content, from_ms):
                continue
            else:
                try:
                    check(content)
                    continue
                except RecordRejected as error:
                    code, reason = error.code, error.reason
            refusals.add(feed.path, code)
            if code not in first:
                first[code] = (f"{feed.path}:{line}", reason)
        report = row_report([(feed.path, feed.rows) for feed in feeds], refusals, limit)
        ignored = {feed.path: feed.ignored for feed in feeds if feed.ignored}
    if report.exceeded:
        rejects = {code: (refusals.codes[code], *found) for code, found in first.items()}
        raise TooManyRefusedError(report, rejects, ignored)
