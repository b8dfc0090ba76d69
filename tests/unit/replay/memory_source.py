"""A log in memory as a source, read in pieces of any size; and what a worker made of it live."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

from tapeline.replay.sources.items import Extent, LogItem
from tapeline.replay.sources.order import TotalOrder
from tapeline.replay.sources.protocol import StateBound, StoredStates
from tapeline.replay.sources.snapshots import SnapshotSets, together
from tapeline.schemas.codec import CodecError, RecordDecoder, encode
from tapeline.schemas.config.model import Config, TimeConfig
from tapeline.schemas.events import Reject
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import input_log, snapshot_topic
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.kafka.messages import event_time_ms
from tapeline.streams.kafka.raw_records import Chunk
from tapeline.streams.kafka.shown import Shown
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.worker.fold import Counts, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition

Live = dict[int, dict[str, list[EventMessage]]]
"""By partition and topic, what a worker wrote."""


def partitioned(
    config: Config, records: Sequence[LogRecord | bytes], partitions: int
) -> dict[int, list[Any]]:
    """The records as they lie in the topic: offset, CreateTime and bytes."""
    router = Router(config)
    log: dict[int, list[Any]] = {each: [] for each in range(partitions)}
    last = dict.fromkeys(log, 0)
    for record in records:
        if isinstance(record, bytes):
            partition, value, time_ms = 0, record, last[0]
        else:
            partition = partition_for(config.group_of(record.symbol), partitions)
            value, time_ms = encode(record), last[partition]
            try:
                router.check(record)
                time_ms = event_time_ms(record, router)
            except RecordRejected:
                pass
        last[partition] = time_ms
        entries = log[partition]
        entries.append(SimpleNamespace(offset=len(entries), timestamp=time_ms, value=value))
    return log


def live(config: Config, log: Mapping[int, Sequence[Any]]) -> Live:
    """What a worker writes of it."""
    found: Live = {}
    for partition, records in log.items():
        fold = PartitionFold(config, input_log(), partition, len(log), StoredPartition(), Counts())
        found[partition] = fold.fold(Chunk(0, len(records), records)).outputs
    return found


class MemorySource:
    """A `LogSource`; pieces of each partition come in random sizes and turns."""

    def __init__(self, log: Mapping[int, Sequence[Any]], outputs: Live, seed: int) -> None:
        self.extents = {each: Extent(0, len(records)) for each, records in log.items()}
        self._log = log
        self._outputs = outputs
        self._random = Random(seed)
        self.opened = 0
        self.symbols: Collection[str] | None = None

    async def __aenter__(self) -> MemorySource:
        self.opened += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.opened -= 1

    def partition_of(self, group: str) -> int:
        return partition_for(group, len(self._log))

    async def states(self, bound: StateBound, partitions: Collection[int]) -> StoredStates:
        parts = []
        for partition in partitions:
            sets = SnapshotSets(bound, partition)
            for message in reversed(self._outputs[partition].get(snapshot_topic(), [])):
                sets.take(message.key, message.value, dict(message.headers))
            parts.append(sets.found())
        return together(parts)

    async def read(
        self,
        starts: Mapping[int, int],
        follow: bool = False,
        shown: Mapping[int, int] | None = None,
    ) -> AsyncGenerator[list[LogItem], None]:
        order = TotalOrder(starts)
        known = {} if shown is None else shown
        keys = {each: Shown(TimeConfig(), known.get(each, FAR_PAST_MS)) for each in starts}
        left = {each: list(self._log[each][start:]) for each, start in starts.items()}
        while left:
            partition = self._random.choice(sorted(left))
            size = self._random.choice((1, 10, 500))
            piece, left[partition] = left[partition][:size], left[partition][size:]
            order.add(partition, [item_of(partition, each, keys[partition]) for each in piece])
            if not left[partition]:
                del left[partition]
                order.finish(partition)
            if items := order.take():
                yield items
        assert order.done

    def letter(self, item: LogItem, refusal: Refusal) -> Reject:
        source = f"{input_log()}/{item.partition}/{item.offset}"
        return dead_letter(source, item.origin, refusal)

    def identity(self) -> dict[str, Any]:
        return {"kind": "memory"}


_DECODE = RecordDecoder().decode


def item_of(partition: int, record: Any, shown: Shown) -> LogItem:
    """A record of the topic as a source hands it over."""
    content: LogRecord | Refusal
    try:
        content = _DECODE(record.value)
    except CodecError as error:
        content = Refusal(error.code, error.reason, error.symbol)
    [key] = shown.take([content])
    return LogItem(record.offset, content, partition, key, record.value)
