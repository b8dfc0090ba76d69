"""The latest snapshot of every group before the start of a stretch, out of their topic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from aiokafka import TopicPartition
from msgspec import Struct

from tapeline.replay.sources.protocol import Lacking, StateBound, StoredState, StoredStates
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.reading import read_block, whole_spans
from tapeline.streams.kafka.snapshots import (
    SnapshotLabel,
    SnapshotPart,
    admission_of,
    group_of_key,
    joined,
    label_of,
)
from tapeline.streams.pipeline.admission import AdmittedSymbol

FIRST_BLOCK = 16
GROWTH = 2

SetKey = tuple[str, str, int]
"""Group, session date and source offset of a set."""


class SnapshotReader:
    """Reads partitions of the topic of snapshots backwards, whole: only so every group is met.

    What is kept of them is one set a group.

    Parameters
    ----------
    consumer
        Started, assigned to nothing; for this use alone.
    """

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    async def before(self, bound: StateBound, partitions: Collection[int]) -> StoredStates:
        """What partitions of the log begin with; see `LogSource.states`.

        Raises
        ------
        KafkaError
            When the broker does not answer.
        """
        return together([await self._of_partition(bound, each) for each in sorted(partitions)])

    async def _of_partition(self, bound: StateBound, partition: int) -> StoredStates:
        tp = TopicPartition(self._topic, partition)
        begin, low = (await whole_spans(self._consumer, [tp]))[tp]
        sets = SnapshotSets(bound, partition)
        block = FIRST_BLOCK
        while low > begin:
            high, low = low, max(begin, low - block)
            for record in reversed(await read_block(self._consumer, tp, low, high)):
                sets.take(record.key, record.value, dict(record.headers))
            block *= GROWTH
        return sets.found()


def together(parts: Iterable[StoredStates]) -> StoredStates:
    """What was found of several partitions."""
    states: dict[str, StoredState] = {}
    lacking: dict[int, Lacking] = {}
    admitted: dict[int, Sequence[AdmittedSymbol]] = {}
    older = 0
    for part in parts:
        states.update(part.states)
        lacking.update(part.lacking)
        admitted.update(part.admitted)
        older += part.older
    return StoredStates(states, lacking, older, admitted)


class _Began(Struct, frozen=True):
    """The first watermark of a group: offset, and greatest watermark of the partition."""

    offset: int
    reached_ms: int


class _Set(Struct):
    """Parts of a set that is not whole yet; `values` is empty where its state is of no use."""

    label: SnapshotLabel
    wanted: bool
    numbers: set[int] = msgspec.field(default_factory=set)
    values: dict[int, bytes] = msgspec.field(default_factory=dict)


class SnapshotSets:
    """Messages of one partition, from the newest to the oldest; chosen states are decoded last."""

    def __init__(self, bound: StateBound, partition: int) -> None:
        self._bound = bound
        self._partition = partition
        self._limit = bound.offsets.get(partition)
        self._open: dict[SetKey, _Set] = {}
        self._chosen: dict[str, _Set] = {}
        self._began: dict[str, _Began] = {}
        self._oldest: dict[str, tuple[int, str]] = {}
        self._older: set[tuple[str, bytes | None]] = set()
        self._buried: set[bytes] = set()
        self._admitted: dict[str, AdmittedSymbol] = {}

    def take(self, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """One message; a tombstone takes those of its key back that lie before it."""
        if key is None or key in self._buried:
            return
        if value is None:
            self._buried.add(key)
            return
        label = label_of(key, headers)
        if label is None:
            admission = admission_of(key, headers)
            if admission is not None:
                self._admitted[admission.symbol] = admission
            elif headers.get("type") == b"snapshot":
                self._older.add((group_of_key(key), headers.get("offset")))
            return
        group = label.group
        self._began[group] = _Began(label.first, label.first_reached_ms)
        this_set = (group, label.session, label.offset)
        found = self._open.get(this_set)
        if found is None:
            known = self._chosen.get(group)
            newer = known is None or known.label.offset < label.offset
            wanted = newer and self._is_before(label.offset, label.reached_ms)
            found = self._open[this_set] = _Set(label, wanted)
        if label.part in found.numbers:
            # Written twice by a worker that was killed in between.
            return
        found.numbers.add(label.part)
        if found.wanted:
            found.values[label.part] = value
        if len(found.numbers) == label.parts:
            del self._open[this_set]
            self._keep(found)

    def _keep(self, found: _Set) -> None:
        label = found.label
        group = label.group
        oldest = self._oldest.get(group)
        if oldest is None or label.offset < oldest[0]:
            self._oldest[group] = label.offset, label.session
        known = self._chosen.get(group)
        if found.wanted and (known is None or known.label.offset < label.offset):
            self._chosen[group] = found

    def _is_before(self, offset: int, reached_ms: int) -> bool:
        """Whether a record lies before the first one of the stretch."""
        if self._bound.time_ms is not None:
            return reached_ms <= self._bound.time_ms
        return self._limit is not None and offset < self._limit

    def found(self) -> StoredStates:
        """States of all groups that have records before the stretch, or why there are none."""
        states: dict[str, StoredState] = {}
        lacking = []
        for group, began in sorted(self._began.items()):
            chosen = self._chosen.get(group)
            if chosen is not None:
                states[group] = _state(chosen)
            elif self._is_before(began.offset, began.reached_ms):
                lacking.append(Lacking(group, self._oldest.get(group, (0, None))[1]))
        # Where a group began, earlier versions did not write.
        lacking += [Lacking(group) for group, _ in sorted(self._older) if group not in self._began]
        older, admitted = len(self._older), {}
        if self._admitted:
            taken = sorted(self._admitted.values(), key=lambda each: each.offset)
            admitted[self._partition] = taken
        if lacking:
            return StoredStates({}, {self._partition: lacking[0]}, older, admitted)
        return StoredStates(states, {}, older, admitted)


def _state(chosen: _Set) -> StoredState:
    label = chosen.label
    try:
        parts = [msgspec.json.decode(value, type=SnapshotPart) for value in chosen.values.values()]
        records = joined(parts)
    except msgspec.DecodeError:
        records = None
    if records is None:
        raise InputError(
            f"the snapshot of group {label.group} at {label.session} is not what a worker writes:"
            " only workers may write there. Leave snapshots out by --no-snapshots"
        )
    return StoredState(label.offset, label.session, parts[0].settings, records, label.shown_ms)
