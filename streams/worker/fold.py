"""The fold of one partition: chunks of raw records in, messages and changed state out. Pure."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.kafka.log_digest import RecordDigest, digest_of
from tapeline.streams.kafka.raw_records import Chunk, RawRecord
from tapeline.streams.kafka.snapshots import (
    admission_message,
    topic,
)
from tapeline.streams.kafka.stamps import Stamps
from tapeline.streams.outputs.messages import EventMessage, Writer
from tapeline.streams.pipeline.admission import AdmittedSymbol
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.worker.group_state import GroupState
from tapeline.streams.worker.last_key import LastKey
from tapeline.streams.worker.state.records import (
    Checkpoint,
    GroupChange,
    StoredPartition,
    admissions_change,
    group_change,
)

DECODE = RecordDecoder().decode


class LogHoleError(BrokenPromiseError):
    """The log does not go on where the state ends; the message names both offsets."""


class Counts:
    """What became of records, and what was published, since the process began."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.snapshots = 0
        self.skipped = 0
        self.untimed = 0


class StateChange:
    """States of some groups, as of the record after which this was made.

    They are taken when they are asked for, at the latest before the groups go on: the events
    of a burst are sent before time goes into states.
    """

    def __init__(
        self, groups: Iterable[GroupState] = (), admitted: Sequence[AdmittedSymbol] = ()
    ) -> None:
        self._groups = list(groups)
        self._snapshots: deque[list[EventMessage]] = deque()
        self._changes: list[GroupChange] = [admissions_change(admitted)] if admitted else []

    def snapshot(self) -> list[EventMessage]:
        """Messages of the next snapshot that was put off; none when there are no more."""
        if self._snapshots:
            return self._snapshots.popleft()
        return next((state.snapshot() for state in self._groups if state.closed is not None), [])

    def changes(self) -> list[GroupChange]:
        """Changed state records of all groups; the same whenever they are asked for."""
        for state in self._groups:
            if state.closed is not None:
                self._snapshots.append(state.snapshot())
            engine = state.engine
            changed = state.changed()
            settings = state.identity.current()
            self._changes.append(group_change(state.group, engine.offset, changed, settings))
        self._groups.clear()
        return self._changes


class FoldStep(Struct):
    """What one chunk leaves to be written.

    Attributes
    ----------
    next_offset
        Source offset after all that is done of the chunk.
    outputs
        Messages by topic, in their order.
    state
        Of the groups that had records.
    snapshot_bytes
        Of the snapshots among the outputs.
    last
        The last record below `next_offset`, of this step or before it; None before the first.
    shown_ms
        Its key in the order of a replay; see `streams.kafka.shown`.
    symbols
        Number of symbols that are not configured and were admitted.
    """

    partition: int
    next_offset: int
    records: int
    outputs: dict[str, list[EventMessage]] = field(default_factory=dict)
    state: StateChange = field(default_factory=StateChange)
    snapshot_bytes: int = 0
    last: RecordDigest | None = None
    shown_ms: int = FAR_PAST_MS
    symbols: int = 0

    def checkpoint(self) -> Checkpoint:
        """How far the partition is after it."""
        return Checkpoint(self.next_offset, self.last, self.shown_ms, self.symbols)


class PartitionFold:
    """All groups of one partition of the log.

    Parameters
    ----------
    log
        Name of the topic.
    partitions
        How many it has.
    stored
        What an earlier fold left.
    counts
        Taken on by all folds of a process.
    registry
        The types of the events.

    Attributes
    ----------
    next_offset
        Source offset of the next record; None before the first of a log without state.
    last
        The last record taken, whatever became of it; None before the first.
    groups
        By name, those that had a record.
    """

    def __init__(
        self,
        config: Config,
        log: str,
        partition: int,
        partitions: int,
        stored: StoredPartition,
        counts: Counts,
        registry: Registry = EVENTS,
    ) -> None:
        self._registry = registry
        self.next_offset = stored.checkpoint
        self.last = stored.last
        self.groups: dict[str, GroupState] = {}
        self.config = config
        self._log = log
        self._partition = partition
        self.counts = counts
        self._writer = Writer(config.kafka.topic_prefix, registry)
        self._snapshots = topic(config.kafka.topic_prefix)
        self.stamps = Stamps(config)
        self._state = StateChange()
        self._stored = dict(stored.groups)
        router = Router(
            config,
            self._slot,
            {partition: [each.symbol for each in stored.admitted]},
            lambda group: partition_for(group, partitions),
        )
        self.drive = Drive(router, counts.outcomes)
        self.admission = router.admission(partition)
        self._symbols = len(stored.admitted)
        self.key = LastKey(config.time, stored.shown_ms, RecordDecoder().decode)
        for group in stored.groups:
            router.slot(group)
        self._reached_ms = max(
            (each.watermark_ms for each in self.groups.values()), default=FAR_PAST_MS
        )

    def _slot(self, group: str) -> GroupSlot:
        state = GroupState(self.config, group, self._stored.pop(group, None), self._registry)
        self.groups[group] = state
        return state.slot

    def fold(
        self,
        chunk: Chunk,
        most_again: int | None = None,
        most_snapshot_bytes: int | None = None,
        put_off: bool = False,
    ) -> FoldStep:
        """Take the next records of the partition.

        Parameters
        ----------
        chunk
            What is below `next_offset` was taken before and is skipped; it may be without records.
        most_again
            End the step, short of the last record, after a correction that lets more bars than
            these have run again; None: no limit. What a step costs must be bounded, and a chunk of
            old corrections costs a thousand times one of new bars.
        most_snapshot_bytes
            End the step after a snapshot that makes those of the step longer than this; None: no
            limit. Sessions of a whole market close at one instant, and all states at once are as
            much again as what is held of them.
        put_off
            Leave snapshots to the writer of the step, but for those of groups that go on in the
            same chunk: outputs do not wait for them.

        Raises
        ------
        LogHoleError
            When the chunk begins above `next_offset`, or above 0 without any state.
        """
        counts = self.counts
        # Without any state the log must begin: a lost changelog is no new partition.
        expected = self.next_offset or 0
        if chunk.first > expected:
            raise log_hole(self._log, self._partition, expected, chunk.first)
        due = chunk.since(expected)
        records = due.records
        counts.skipped += len(chunk.records) - len(records)
        step = FoldStep(self._partition, due.end, len(records))
        step.shown_ms, step.symbols = self.key.key_ms, self._symbols
        if not records:
            # Markers of transactions take offsets, too: nothing but the offset goes on.
            self.next_offset = due.end
            step.last = self.last
            return step
        self._state.changes()
        before_ms = self._reached_ms
        sink = _StepSink(self, records, step, most_again, most_snapshot_bytes, put_off)
        partition = self._partition
        self.drive.apply_many(
            [(record.offset, record.value or b"", partition, record) for record in records], sink
        )
        if step.next_offset != due.end:
            step.records = sum(1 for each in records if each.offset < step.next_offset)
        self._reached_ms = sink.reach()
        step.shown_ms = self.key.end(records, step.next_offset - 1, before_ms, self._reached_ms)
        admitted = self.admission.taken()
        self._symbols += len(admitted)
        step.symbols = self._symbols
        step.state = self._state = StateChange(sink.touched.values(), admitted)
        # One hash a step: that of the last record it took, which may not be that of the chunk.
        step.last = self.last = digest_of(records[step.records - 1])
        self.next_offset = step.next_offset
        return step

    def reach(self, touched: Iterable[GroupState]) -> int:
        """Greatest watermark of the partition, some of whose groups have gone on."""
        return max([self._reached_ms, *(state.watermark_ms for state in touched)])

    def write(
        self,
        state: GroupState,
        events: list[Output],
        watermark_ms: int,
        outputs: dict[str, list[EventMessage]],
    ) -> None:
        """Add the messages of some events."""
        timestamp_ms = max(watermark_ms, 0)
        write, group, counts = self._writer.event, state.header, self.counts.events
        for event in events:
            topic, message = write(event, group, timestamp_ms)
            counts[topic] += 1
            if topic in outputs:
                outputs[topic].append(message)
            else:
                outputs[topic] = [message]

    def keep(self, state: GroupState, step: FoldStep) -> None:
        """Add a snapshot as of the close, where a replay finds it."""
        messages = state.snapshot()
        step.outputs.setdefault(self._snapshots, []).extend(messages)
        step.snapshot_bytes += sum(len(each.value or b"") for each in messages)

    def admit(self, admitted: AdmittedSymbol, item: Item, step: FoldStep) -> None:
        """Add the admission of a symbol: a replay from a later snapshot knows it."""
        message = admission_message(admitted, max(item[3].timestamp, 0))
        step.outputs.setdefault(self._snapshots, []).append(message)

    def refuse(self, item: Item, refusal: Refusal, step: FoldStep) -> None:
        """Add the dead letter of a record."""
        offset, _, _, record = item
        letter = dead_letter(
            f"{self._log}/{self._partition}/{offset}", record.value or b"", refusal
        )
        topic, message = self._writer.letter(letter, record.timestamp)
        step.outputs.setdefault(topic, []).append(message)
        self.counts.rejects[refusal.code] += 1


class _StepSink:
    """Takes what becomes of the records of a chunk into its step.

    What goes through the drive is ``(offset, bytes, partition, record)``.

    Attributes
    ----------
    touched
        Groups that had a record, by name.
    """

    every = True

    def __init__(
        self,
        fold: PartitionFold,
        records: Sequence[RawRecord],
        step: FoldStep,
        most_again: int | None,
        most_snapshot_bytes: int | None,
        put_off: bool,
    ) -> None:
        self.touched: dict[str, GroupState] = {}
        self._fold = fold
        self._records = records
        self._before_ms = fold.reach(())
        self._admitted = fold.admission.new
        self._admissions = len(self._admitted)
        self._groups = fold.groups
        self._differs = fold.stamps.differs
        self._step = step
        self._left = sys.maxsize if most_again is None else most_again
        self._most_bytes = sys.maxsize if most_snapshot_bytes is None else most_snapshot_bytes
        self._put_off = put_off

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """Messages of a record; the limits of the step end the batch."""
        fold, step = self._fold, self._step
        if len(self._admitted) != self._admissions:
            self._publish_admission(item)
        state = self._groups[slot.group]
        if outcome is not state.slot.engine.in_order:  # type: ignore[union-attr]
            fold.key.note(record)
        # A bar in order ends at the watermark: of one with its CreateTime no more is asked.
        stamp_ms = item[3].timestamp
        if stamp_ms != outcome.watermark_ms and self._differs(record, stamp_ms):
            fold.counts.untimed += 1
        self.touched[slot.group] = state
        known = slot.watermark_ms
        if known == FAR_PAST_MS:
            return True
        if outcome.events:
            fold.write(state, outcome.events, known, step.outputs)
        close_ms = state.closes.next_ms
        if close_ms is None or known >= close_ms:
            reached_ms = self.reach()
            shown_ms = fold.key.after(self._records, item[0], self._before_ms, reached_ms)
            if state.close(known, item[0], reached_ms, shown_ms):
                fold.counts.snapshots += 1
                if self._put_off:
                    fold.drive.hold(slot)
                else:
                    fold.keep(state, step)
        if outcome.correction is not None:
            self._left -= outcome.correction.bars_again
        if self._left < 0 or step.snapshot_bytes > self._most_bytes:
            step.next_offset = item[0] + 1
            return False
        return True

    def resumes(self, slot: GroupSlot) -> None:
        """Keep a state that was put off: it is that as of the close."""
        state = self._groups[slot.group]
        if state.closed is not None:
            self._fold.keep(state, self._step)

    def refused(self, item: Item, refusal: Refusal) -> None:
        """The dead letter of a record."""
        if len(self._admitted) != self._admissions:
            self._publish_admission(item)
        self._note(item)
        self._fold.refuse(item, refusal, self._step)
        if refusal.symbol is not None:
            group = self._fold.config.group_of(refusal.symbol)
            state = self._groups.get(group)
            # An engine that refuses a record has taken its offset.
            if state is not None and state.engine.offset == item[0]:
                self.touched[group] = state

    def passed(self, item: Item) -> None:
        """A record that a state includes."""
        self._note(item)
        self._fold.counts.skipped += 1

    def _note(self, item: Item) -> None:
        """Let the key see a record that no engine took."""
        try:
            record = DECODE(item[1])
        except CodecError:
            return
        self._fold.key.note(record)

    def _publish_admission(self, item: Item) -> None:
        """Publish an admission, before any snapshot that includes the record that took it."""
        self._admissions = len(self._admitted)
        self._fold.admit(self._admitted[-1], item, self._step)

    def reach(self) -> int:
        """Greatest watermark of the partition, some of whose groups went on in this chunk."""
        return self._fold.reach(self.touched.values())


def log_hole(log: str, partition: int, expected: int, found: int) -> LogHoleError:
    """The error of a log that goes on at `found`, above what the state expects."""
    return LogHoleError(
        f"{log} partition {partition}: the state ends before offset {expected}, the log goes on "
        f"at {found}. Records in between were deleted, never kept, or the topic or the state is "
        "not the one of before; or the changelog was lost. Restore what was lost, or delete the "
        "topics of this prefix and publish again"
    )
