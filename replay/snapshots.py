"""The latest snapshots of all groups before given offsets, out of the topic of snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import TopicPartition

from replay.sources import StoredState
from streams.kafka.blocks import read_block
from streams.kafka.snapshots import FORMAT, SnapshotPart, joined

FIRST_BLOCK = 16
GROWTH = 2

SetKey = tuple[str, str, int]
"""Group, session date and source offset of a set."""


class SnapshotReader:
    """Reads partitions of the topic of snapshots backwards, as far as needed.

    A group whose first watermark was reached has a snapshot, and all its later ones lie behind it:
    so every group with records before an offset has one, but only the whole partition tells which
    groups there are. What is kept of it is one set a group.

    Parameters
    ----------
    consumer
        Started, assigned to nothing; used by nobody else.
    """

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    async def latest(self, before: Mapping[int, int]) -> dict[str, StoredState]:
        """By group, the last whole set with only records below the partition's offset.

        Raises
        ------
        KafkaError
            When the broker does not answer.
        """
        found: dict[str, StoredState] = {}
        for partition, limit in sorted(before.items()):
            found.update(await self._of_partition(partition, limit))
        return found

    async def _of_partition(self, partition: int, limit: int) -> dict[str, StoredState]:
        place = TopicPartition(self._topic, partition)
        begin = (await self._consumer.beginning_offsets([place]))[place]
        low = (await self._consumer.end_offsets([place]))[place]
        sets = _Sets(limit)
        block = FIRST_BLOCK
        while low > begin:
            high, low = low, max(begin, low - block)
            for value in reversed(await read_block(self._consumer, place, low, high)):
                sets.take(value)
            block *= GROWTH
        return sets.states()


class _Sets:
    """Parts of sets, met from the newest to the oldest; complete ones are decoded at the end."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: dict[SetKey, dict[int, bytes]] = {}
        self._whole: dict[str, tuple[SetKey, list[bytes]]] = {}

    def take(self, record: Any) -> None:
        """One message."""
        headers = dict(record.headers)
        offset, count = int(headers["offset"]), int(headers["parts"])
        group, session, number = record.key.decode().rsplit("|", 2)
        known = self._whole.get(group)
        if offset >= self._limit or (known is not None and known[0][2] >= offset):
            return
        key = (group, session, offset)
        parts = self._parts.setdefault(key, {})
        parts.setdefault(int(number), record.value)
        if len(parts) == count:
            del self._parts[key]
            self._whole[group] = key, [parts[each] for each in sorted(parts)]

    def states(self) -> dict[str, StoredState]:
        """What was found, by group."""
        found = {}
        for group, ((_, session, offset), values) in self._whole.items():
            parts = [msgspec.json.decode(value, type=SnapshotPart) for value in values]
            records = joined(parts)
            if records is None or any(part.v != FORMAT for part in parts):
                continue
            found[group] = StoredState(offset, session, parts[0].settings, records)
        return found
