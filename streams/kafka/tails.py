"""Reads a topic from its end backwards, as far as it takes to find each symbol."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.blocks import read_block
from streams.kafka.messages import NOBODY
from streams.kafka.resume import COMPARED, Tail

FIRST_BLOCK = 2_000
GROWTH = 4


class TailReader:
    """The ends of symbols in a topic. Nothing is committed, and no group is joined.

    Parameters
    ----------
    consumer
        Started, assigned to nothing; used by nobody else.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
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
        place = TopicPartition(self._topic, partition)
        begin = (await self._consumer.beginning_offsets([place]))[place]
        end = (await self._consumer.end_offsets([place]))[place]
        return _PartitionTail(place, begin, end)

    async def _read_block(self, read: _PartitionTail) -> None:
        high = read.low
        low = max(read.begin, high - read.block)
        found: dict[str, list[Any]] = {}
        for record in await read_block(self._consumer, read.place, low, high):
            symbol = NOBODY if record.key is None else record.key.decode(errors="replace")
            found.setdefault(symbol, []).append(record)
        read.take(found)
        read.low = low
        read.block *= GROWTH


class _PartitionTail:
    """How far back one partition was read, and what was found."""

    def __init__(self, place: TopicPartition, begin: int, end: int) -> None:
        self.place = place
        self.begin = begin
        self.low = end
        self.block = FIRST_BLOCK
        self.tails: dict[str, Tail] = {}

    def take(self, found: dict[str, list[Any]]) -> None:
        """Records of a block that lies before all that was taken until now."""
        for symbol, records in found.items():
            values = tuple(record.value or b"" for record in records[-COMPARED:])
            time_ms = max(record.timestamp for record in records)
            later = self.tails.get(symbol)
            if later is not None:
                values = (values + later.values)[-COMPARED:]
                time_ms = max(time_ms, later.time_ms)
            self.tails[symbol] = Tail(values, time_ms)
