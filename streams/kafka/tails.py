"""Reads a topic from its end backwards, as far as it takes to find each symbol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.kafka.messages import NO_SYMBOL, create_time, event_time_ms
from tapeline.streams.kafka.reading import read_block, whole_spans
from tapeline.streams.kafka.resume import COMPARED, NO_TIME, Tail
from tapeline.streams.pipeline.routing import Router

FIRST_BLOCK = 2_000
GROWTH = 4


class EventTimes:
    """When records of the log end, by their content.

    Never by their CreateTime: an ordinary producer stamps the time of writing, and beside that of
    a bar of last year every bar that comes after it looks older, and as if it were there already.

    Parameters
    ----------
    router
        Its checks find what is no record: the time of such a one is nonsense.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._decode = RecordDecoder().decode

    def greatest(self, values: Sequence[bytes]) -> int:
        """The greatest of some records; `NO_TIME` when none of them can be a record."""
        return max(map(self._of, values), default=NO_TIME)

    def _of(self, value: bytes) -> int:
        try:
            record = self._decode(value)
            self._router.check(record)
        except (CodecError, RecordRejected):
            return NO_TIME
        return create_time(event_time_ms(record, self._router))


class TailReader:
    """The ends of symbols in a topic. Nothing is committed, and no group is joined.

    Parameters
    ----------
    consumer
        Started, assigned to nothing; for this use alone.
    times
        Of the records.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, times: EventTimes) -> None:
        self._consumer = consumer
        self._times = times
        self._topic = topic
        self._partitions: dict[int, _PartitionTail] = {}

    async def tail(self, symbol: str, partition: int) -> Tail | None:
        """The last messages of a symbol; None when the partition has none.

        Raises
        ------
        KafkaError
            When the broker does not answer.
        """
        read = self._partitions.get(partition)
        if read is None:
            read = await self._begin(partition)
            self._partitions[partition] = read
        while symbol not in read.tails and read.low > read.begin:
            await self._read_block(read)
        return read.tails.get(symbol)

    async def _begin(self, partition: int) -> _PartitionTail:
        read = TopicPartition(self._topic, partition)
        begin, end = (await whole_spans(self._consumer, [read]))[read]
        return _PartitionTail(read, begin, end, self._times)

    async def _read_block(self, read: _PartitionTail) -> None:
        high = read.low
        low = max(read.begin, high - read.block)
        found: dict[str, list[Any]] = {}
        for record in await read_block(self._consumer, read.partition, low, high):
            symbol = NO_SYMBOL if record.key is None else record.key.decode(errors="replace")
            found.setdefault(symbol, []).append(record)
        read.take(found)
        read.low = low
        read.block *= GROWTH


class _PartitionTail:
    """How far back one partition was read, and what was found."""

    def __init__(self, partition: TopicPartition, begin: int, end: int, times: EventTimes) -> None:
        self.partition = partition
        self.begin = begin
        self.low = end
        self.block = FIRST_BLOCK
        self.tails: dict[str, Tail] = {}
        self._times = times

    def take(self, found: dict[str, list[Any]]) -> None:
        """Records of a block that lies before all that was taken until now."""
        for symbol, records in found.items():
            all_values = [record.value or b"" for record in records]
            values = tuple(all_values[-COMPARED:])
            time_ms = self._times.greatest(all_values)
            later = self.tails.get(symbol)
            if later is not None:
                values = (values + later.values)[-COMPARED:]
                time_ms = max(time_ms, later.time_ms)
            self.tails[symbol] = Tail(values, time_ms)
