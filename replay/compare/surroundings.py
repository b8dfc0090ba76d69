"""The log around the first difference of two runs, and where the two logs part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

from msgspec import Struct

from tapeline.replay.compare.events import Difference
from tapeline.replay.compare.recorded import NO_SEQ, Coverage, Recorded, RecordedError
from tapeline.replay.sources.items import LogItem
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.codec import plain
from tapeline.schemas.errors import InputOutputError, UnusableError
from tapeline.streams.pipeline.refusals import Refusal

AWAY = (UnusableError, InputOutputError, OSError)


class LoggedRecord(Struct, frozen=True):
    """One record of a log; `refused` is the reason why one that cannot be read is none."""

    offset: int
    record: dict[str, Any] | None
    refused: str | None = None


class LogPart(Struct, frozen=True):
    """Records of one side's log; `away` is the reason why there are none."""

    records: list[LoggedRecord]
    away: str | None = None


class Surroundings(Struct, frozen=True):
    """The logs around a difference.

    Attributes
    ----------
    a, b
        The record that published it and a few before and after.
    parted
        The first record in which the logs differ, up to that one, on each side: None when they do
        not, or when one of them is not at hand.
    """

    partition: int
    record: int
    a: LogPart
    b: LogPart
    parted: tuple[LoggedRecord | None, LoggedRecord | None] | None


async def surroundings(
    a: Recorded, b: Recorded, first: Difference, stretch: Coverage, reach: int
) -> Surroundings | None:
    """The logs of both sides around the first difference; None where its record is unknown."""
    if first.record == NO_SEQ or first.partition < 0:
        return None
    parts = [
        await _part(side, first.partition, record, reach)
        for side, record in ((a, first.record), (b, first.record_b))
    ]
    parted = None
    if not any(part.away for part in parts):
        begin = stretch.starts.get(first.partition, 0)
        # What made the difference may lie far before what was published first.
        parted = await _parting(a.log(), b.log(), first.partition, begin, first.record + reach)
    return Surroundings(first.partition, first.record, parts[0], parts[1], parted)


async def _part(side: Recorded, partition: int, record: int, reach: int) -> LogPart:
    found: list[LoggedRecord] = []
    try:
        async with side.log() as source:
            partition = _partition(source, partition)
            begin = max(record - reach, _begin(source, partition))
            async for item in _items(source, partition, begin):
                if item.offset > record + reach:
                    break
                found.append(_logged(item))
    except AWAY as error:
        return LogPart([], str(error))
    if not any(each.offset == record for each in found):
        return LogPart(found, f"{side.name}: its log has no offset {record} in {partition}")
    return LogPart(found)


def _partition(source: LogSource, partition: int) -> int:
    """That of a log in which records of a partition lie: files have one, topics of a run more."""
    return next(iter(source.extents)) if len(source.extents) == 1 else partition


def _begin(source: LogSource, partition: int) -> int:
    if partition not in source.extents:
        raise RecordedError(f"its log has no partition {partition}")
    return source.extents[partition].begin


async def _items(source: LogSource, partition: int, begin: int) -> AsyncIterator[LogItem]:
    batches = cast(Any, source.read({partition: begin}))
    async with aclosing(batches) as reading:
        async for items in reading:
            for item in items:
                if item.offset >= begin:
                    yield item


async def _parting(
    a: LogSource, b: LogSource, partition: int, begin: int, last: int
) -> tuple[LoggedRecord | None, LoggedRecord | None] | None:
    async with AsyncExitStack() as stack:
        try:
            for source in (a, b):
                await stack.enter_async_context(source)
            partitions = [_partition(each, partition) for each in (a, b)]
            start = max(begin, _begin(a, partitions[0]), _begin(b, partitions[1]))
            first = await stack.enter_async_context(aclosing(_closable(a, partitions[0], start)))
            second = await stack.enter_async_context(aclosing(_closable(b, partitions[1], start)))
            while True:
                left, right = await anext(first, None), await anext(second, None)
                if left is None and right is None:
                    return None
                if left is None or right is None or not _equal(left, right):
                    return _logged_or_none(left), _logged_or_none(right)
                if left.offset >= last:
                    return None
        except AWAY:
            return None


def _equal(left: LogItem, right: LogItem) -> bool:
    """Whether two logs have the same record at the same offset.

    Not every offset of a topic has a record: markers of transactions take offsets, too, and what
    follows them in one log alone is published with another `seq`.
    """
    return left.offset == right.offset and left.content == right.content


def _closable(source: LogSource, partition: int, begin: int) -> Any:
    return _items(source, partition, begin)


def _logged_or_none(item: LogItem | None) -> LoggedRecord | None:
    return None if item is None else _logged(item)


def _logged(item: LogItem) -> LoggedRecord:
    content = item.content
    if isinstance(content, Refusal):
        return LoggedRecord(item.offset, None, f"{content.code}: {content.reason}")
    return LoggedRecord(item.offset, plain(content))
