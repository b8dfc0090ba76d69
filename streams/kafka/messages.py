"""Rows of files as messages of the log: value, key, partition and CreateTime.

Tables become canonical records; a row that cannot be one becomes a dead letter. A log is published
as it is, line by line, readable or not, so that offsets are those of the log it came from: what
is wrong in it, the worker reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Reject
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.feeds.clocked_feed import Marks
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.pipeline.refusals import Refusal, RowRefusals, dead_letter
from tapeline.streams.pipeline.routing import Router

NO_SYMBOL = ""
"""Symbol of a line that names none; such lines lie in partition 0, without key."""
LATEST_MS = 2**63 - 1


class Message(NamedTuple):
    """One message for the input log.

    Attributes
    ----------
    kind
        ``bar``, ``cancel``, ``clock``, ``added_clock`` (of no row) or ``unreadable``.
    time_ms
        CreateTime: end of the bar, end of the cancelled slot, time of the clock; never below 0.
    """

    kind: str
    symbol: str
    partition: int
    key: bytes | None
    value: bytes
    time_ms: int


class Letter(NamedTuple):
    """One dead letter, and the partition of the record it refuses."""

    partition: int
    reject: Reject


class Destinations:
    """Key and partition of each symbol's messages."""

    def __init__(self, config: Config, partitions: int) -> None:
        self._config = config
        self._partitions = partitions
        self._known: dict[str, tuple[int, bytes | None]] = {NO_SYMBOL: (0, None)}

    def __call__(self, symbol: str) -> tuple[int, bytes | None]:
        """Partition of the symbol's group, and the symbol as key."""
        destination = self._known.get(symbol)
        if destination is None:
            group = self._config.group_of(symbol)
            destination = partition_for(group, self._partitions), symbol.encode()
            self._known[symbol] = destination
        return destination


def table_messages(
    rows: Iterator[tuple[Feed, Item]],
    router: Router,
    destination: Destinations,
    refusals: RowRefusals,
) -> Iterator[Message | Letter]:
    """Messages of merged tables, whose feeds are `ClockedFeed`.

    A clock of one file that the bars of another have overtaken means nothing, and is left out.
    """
    marks = Marks(router)
    end_of = router.slot_end_ms
    for feed, (content, row, line) in rows:
        if isinstance(content, Refusal):
            refusals.add(feed.path, content.code)
            partition, _ = destination(content.symbol or NO_SYMBOL)
            letter = dead_letter(f"{feed.path}:{line}", feed.raw(row), content)
            yield Letter(partition, letter)
            continue
        assert not isinstance(content, Cancel)
        raised = marks.take(content)
        symbol = content.symbol
        partition, key = destination(symbol)
        if isinstance(content, Clock):
            if raised:
                time_ms = create_time(content.time_ms)
                yield Message("added_clock", symbol, partition, key, encode(content), time_ms)
            continue
        time_ms = create_time(end_of(symbol, content.start_ms))
        yield Message("bar", symbol, partition, key, encode(content), time_ms)


def log_messages(
    rows: Iterator[tuple[Feed, Item]],
    router: Router,
    destination: Destinations,
    refusals: RowRefusals,
) -> Iterator[Message]:
    """Messages of logs: every line as it is; refusals are those that any worker will make of them.

    What cannot be read, or cannot be a record of its symbol, has the time of the line before in its
    partition: a time that is nonsense would mislead a look-up of records by time.
    """
    last: dict[int, int] = {}
    for feed, (content, row, _) in rows:
        value = feed.raw(row).removesuffix(b"\r")
        symbol = content.symbol or NO_SYMBOL
        partition, key = destination(symbol)
        time_ms, kind = last.get(partition, 0), "unreadable"
        if isinstance(content, Refusal):
            refusals.add(feed.path, content.code)
        else:
            kind = _kind(content)
            try:
                router.check(content)
            except RecordRejected as error:
                refusals.add(feed.path, error.code)
            else:
                time_ms = create_time(event_time_ms(content, router))
        last[partition] = time_ms
        yield Message(kind, symbol, partition, key, value, time_ms)


def event_time_ms(record: LogRecord, router: Router) -> int:
    """End of a bar or of a cancelled slot, time of a clock."""
    if isinstance(record, Clock):
        return record.time_ms
    return router.slot_end_ms(record.symbol, record.start_ms)


def create_time(event_ms: int) -> int:
    """CreateTime of an instant: a message's time cannot be negative, and -1 means none."""
    return min(max(event_ms, 0), LATEST_MS)


def _kind(record: LogRecord) -> str:
    if isinstance(record, Bar):
        return "bar"
    return "clock" if isinstance(record, Clock) else "cancel"
