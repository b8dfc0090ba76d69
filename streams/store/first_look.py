"""A first look at a delivery: what of it is refused, whatever a store already holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import CheckFailedError
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.feeds.cut import SymbolCuts
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.feeds.opening import Progress, Source, in_order, open_feeds, reported
from tapeline.streams.feeds.times import TableTimes
from tapeline.streams.pipeline.refusals import (
    Refusal,
    RejectLimit,
    RowRefusals,
    RowReport,
    row_report,
)
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.summary import FirstLetter
from tapeline.streams.store.counts import RefusedRows
from tapeline.streams.store.keeper import content_of

MOST_HELD = 1 << 16
"""Rows that are looked at together; more symbols than any partition takes."""


class TooManyRefusedError(CheckFailedError):
    """More rows are refused than the limit allows, and nothing was written.

    Attributes
    ----------
    report
        How many.
    rejects
        Refused rows by code.
    ignored_columns
        By path, columns that are not used.
    """

    def __init__(
        self,
        report: RowReport,
        rejects: dict[str, RefusedRows],
        ignored_columns: dict[str, tuple[str, ...]],
    ) -> None:
        super().__init__(report.line(store=True))
        self.report = report
        self.rejects = rejects
        self.ignored_columns = ignored_columns

    def __reduce__(self) -> tuple[type[TooManyRefusedError], tuple[object, ...]]:
        return (type(self), (self.report, self.rejects, self.ignored_columns))


class SlotVersions:
    """Finds which rows of a delivery are replaced by a later row of the same slot.

    Rows that do not agree about a bar are near each other, since tables are sorted and merged by
    the ends of their bars, but not always side by side: bars of other symbols may lie between. Only
    the last version is taken, or each run over the same files would change the bar to and fro.

    Parameters
    ----------
    is_log
        A log holds itself what replaces what.
    check
        Raises `RecordRejected` for a bar that is a dead letter, which replaces nothing.
    """

    def __init__(self, is_log: bool, check: Callable[[LogRecord], None]) -> None:
        self._is_log = is_log
        self._check = check

    def with_later(self, rows: Iterable[tuple[Feed, Item]]) -> Iterator[tuple[Feed, Item, bool]]:
        """Each row, and whether a later one of the same slot differs."""
        held: list[tuple[Feed, Item]] = []
        labels: dict[str, int] = {}
        for row in rows:
            content = row[1][0]
            if type(content) is Bar:
                symbol, start_ms = content.symbol, content.start_ms
                # The next slot of one symbol: of the ends before it no row can follow.
                if labels.get(symbol, start_ms) != start_ms:
                    yield from self._marked(held, len(labels))
                    held, labels = [], {}
                labels[symbol] = start_ms
            if self._is_log or len(held) == MOST_HELD:
                yield from self._marked(held, len(labels))
                held, labels = [], {}
            held.append(row)
        yield from self._marked(held, len(labels))

    def _marked(
        self, held: list[tuple[Feed, Item]], slots: int
    ) -> Iterator[tuple[Feed, Item, bool]]:
        """Rows of which no later one is of an earlier one's slot."""
        if len(held) <= max(slots, 1):
            for feed, item in held:
                yield feed, item, False
            return
        for (feed, item), superseded in zip(held, self._superseded(held), strict=True):
            yield feed, item, superseded

    def _superseded(self, held: list[tuple[Feed, Item]]) -> list[bool]:
        found = [False] * len(held)
        last: dict[str, tuple[object, ...]] = {}
        others: set[str] = set()
        for at in reversed(range(len(held))):
            bar = held[at][1][0]
            if type(bar) is not Bar:
                continue
            content = content_of(bar)
            if bar.symbol in others or last.get(bar.symbol, content) != content:
                found[at] = True
            # Of three versions the first is replaced by the second though the third is equal to it.
            if last.get(bar.symbol) != content and self._is_taken(bar):
                if bar.symbol in last:
                    others.add(bar.symbol)
                else:
                    last[bar.symbol] = content
        return found

    def _is_taken(self, bar: Bar) -> bool:
        try:
            self._check(bar)
        except RecordRejected:
            return False
        return True


class RowBounds(NamedTuple):
    """Which rows of a delivery are ignored: those before ``--from``, those after a symbol's end.

    Attributes
    ----------
    until
        By symbol; see `SymbolCuts`.
    """

    from_ms: int | None
    until: Mapping[str, int]

    def outside(self, router: Router) -> Callable[[LogRecord], bool]:
        """Whether a record is ignored."""
        cuts, from_ms = SymbolCuts(self.until, router.slot_end_ms), self.from_ms

        def is_outside(record: LogRecord) -> bool:
            time_ms = record.time_ms if isinstance(record, Clock) else record.start_ms
            return (from_ms is not None and time_ms < from_ms) or cuts.leaves_out(record)

        return is_outside


def look_over(
    config: Config,
    sources: Sequence[Source],
    times: TableTimes,
    bounds: RowBounds,
    limit: RejectLimit,
    copies: dict[str, str],
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Read all rows, and refuse a delivery too much of which is refused.

    Parameters
    ----------
    bounds
        Rows outside are not looked at.
    copies
        As of `streams.feeds.spool.spooled`.

    Raises
    ------
    TooManyRefusedError
        When it is.
    InputError, FeedBroken
        When an input cannot be used, or stops being readable.
    """
    refusals = RowRefusals()
    first: dict[str, FirstLetter] = {}
    with ExitStack() as stack:
        router = Router(config)
        feeds = open_feeds(sources, router, times, stack, copies)
        check = Router(config).check
        is_outside = bounds.outside(router)
        rows = in_order(sources, feeds, router)
        if progress is not None:
            rows = reported(rows, feeds, progress)
        versions = SlotVersions(sources[0].is_log, check)
        for feed, (content, _, line), superseded in versions.with_later(rows):
            if isinstance(content, Refusal):
                code, reason = content.code, content.reason
            elif superseded or is_outside(content):
                continue
            else:
                try:
                    check(content)
                    continue
                except RecordRejected as error:
                    code, reason = error.code, error.reason
            refusals.add(feed.path, code)
            if code not in first:
                first[code] = FirstLetter(f"{feed.path}:{line}", reason)
        report = row_report([(feed.path, feed.rows) for feed in feeds], refusals, limit)
        ignored = {feed.path: feed.ignored for feed in feeds if feed.ignored}
    if report.exceeded:
        rejects = {code: RefusedRows(refusals.codes[code], *found) for code, found in first.items()}
        raise TooManyRefusedError(report, rejects, ignored)
