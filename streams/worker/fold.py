"""The fold of one partition: chunks of raw records in, messages and changed state out. Pure."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct, field

from tapeline.schemas.codec import CodecError, RecordDecoder
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.partition import partition_for
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.engine import GroupEngine, StateIncompleteError, StateVersionError
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.kafka.raw_records import Chunk, RawRecord
from tapeline.streams.kafka.snapshots import (
    CloseClock,
    SnapshotHead,
    place_message,
    snapshot_messages,
    topic,
)
from tapeline.streams.kafka.stamps import Stamps
from tapeline.streams.outputs.messages import EventMessage, Writer
from tapeline.streams.pipeline.admission import Admission, Place
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import (
    IDENTITY,
    GroupIdentity,
    IdentityError,
    restore_engine,
)
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tapeline.streams.worker.last_key import LastKey
from tapeline.streams.worker.log_digest import RecordDigest, digest_of
from tapeline.streams.worker.state_records import (
    FIRST,
    LOST,
    Checkpoint,
    GroupChange,
    StateFormatError,
    StoredGroup,
    StoredPartition,
    group_change,
    places_change,
)


class LogHoleError(BrokenPromiseError):
    """The log does not go on where the state ends; the message names both offsets."""


class Counts:
    """What became of records, and what was said, since the process began."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.rejects: Counter[str] = Counter()
        self.snapshots = 0
        self.skipped = 0
        self.untimed = 0


class Seat:
    """A group's engine and what goes with each of its outputs.

    Attributes
    ----------
    watermark_ms
        Greatest of the group; `FAR_PAST_MS` before its first bar or clock.
    closed
        Date of the session whose close the last record passed, until the state is kept: as soon as
        somebody has the time, at the latest before the next record.
    first
        As in `StoredGroup`.
    reached_ms, shown_ms
        Greatest watermark of the partition with the record that passed the close, and the key of
        that record; see `streams.kafka.shown`.
    """

    def __init__(
        self,
        config: Config,
        group: str,
        stored: StoredGroup | None,
        registry: Registry = EVENTS,
    ) -> None:
        self.group = group
        self.first = None if stored is None else stored.first
        self.reached_ms = self.shown_ms = FAR_PAST_MS
        self._first_kept = self.first is not None
        self._slots = config.kafka.snapshot_days
        self.header = ("group", group.encode())
        if stored is None:
            self.engine = GroupEngine(plan_group(config, group, registry))
            self.identity = GroupIdentity(config, self.engine)
        else:
            self.engine = _restored(config, group, stored, registry)
            self.identity = GroupIdentity(config, self.engine, stored.settings)
        plan = self.engine.plan
        marks = [self.engine.watermark_ms(each.symbol) for each in plan.instruments]
        known = [mark for mark in marks if mark is not None]
        self.watermark_ms = max(known, default=FAR_PAST_MS)
        self.closes = CloseClock(plan.instruments[0].calendar, max(known, default=None))
        self.closed: str | None = None

    def close(self, watermark_ms: int, offset: int, reached_ms: int, shown_ms: int) -> bool:
        """Whether a record passed a close with the watermark that it raised."""
        if self.first is None:
            self.first = (offset, reached_ms)
        self.reached_ms, self.shown_ms = reached_ms, shown_ms
        self.closed = self.closes.passed(watermark_ms)
        return self.closed is not None

    def snapshot(self) -> list[EventMessage]:
        """The state at the close of a session; one must have closed."""
        session, self.closed = self.closed, None
        assert session is not None
        assert self.first is not None
        engine = self.engine
        first, first_reached_ms = self.first
        head = SnapshotHead(
            group=self.group,
            session=session,
            offset=engine.offset,
            settings=self.identity.current(),
            reached_ms=self.reached_ms,
            first=first,
            first_reached_ms=first_reached_ms,
            shown_ms=self.shown_ms,
        )
        records = {IDENTITY: self.identity.record(), **engine.snapshot()}
        return snapshot_messages(head, records, self.watermark_ms, self._slots)

    def changed(self) -> dict[str, Any]:
        """State records that changed since the last call."""
        changed = self.engine.changed()
        if self.first is not None and not self._first_kept:
            changed[FIRST] = self.first
            self._first_kept = True
        record = self.identity.changed_record()
        if record is not None:
            changed[IDENTITY] = record
        return changed


def _restored(config: Config, group: str, stored: StoredGroup, registry: Registry) -> GroupEngine:
    try:
        return restore_engine(config, group, stored.settings, stored.records, registry)
    except StateVersionError as error:
        raise StateFormatError(
            f"the stored state of group {group} was made by another version of Tapeline"
            f" ({error}): build anew under another topic prefix, or run the version that wrote it"
        ) from error
    except StateIncompleteError as error:
        raise StateIncompleteError(f"{error}. {LOST}") from error
    except IdentityError as error:
        raise IdentityError(
            f"{error}. Results of the two would mix: go back to the settings and the calendars of"
            " before, or build anew under another topic prefix"
        ) from error


class StateChange:
    """States of some groups, as of the record after which this was made.

    They are taken when they are asked for, at the latest before the groups go on: what a burst has
    to say is on its way before anybody spends time on states.
    """

    def __init__(self, seats: Iterable[Seat] = (), places: Sequence[Place] = ()) -> None:
        self._seats = list(seats)
        self._snapshots: deque[list[EventMessage]] = deque()
        self._changes: list[GroupChange] = [places_change(places)] if places else []

    def snapshot(self) -> list[EventMessage]:
        """Messages of the next snapshot that was put off; none when there are no more."""
        if self._snapshots:
            return self._snapshots.popleft()
        return next((seat.snapshot() for seat in self._seats if seat.closed is not None), [])

    def changes(self) -> list[GroupChange]:
        """Changed state records of all groups; the same whenever they are asked for."""
        for seat in self._seats:
            if seat.closed is not None:
                self._snapshots.append(seat.snapshot())
            engine = seat.engine
            changed = seat.changed()
            settings = seat.identity.current()
            self._changes.append(group_change(seat.group, engine.offset, changed, settings))
        self._seats.clear()
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
        Number of symbols that are not configured and have a place.
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
        self.seats: dict[str, Seat] = {}
        self._config = config
        self._log = log
        self._partition = partition
        self._partitions = partitions
        self._counts = counts
        self._writer = Writer(config.kafka.topic_prefix, registry)
        self._snapshots = topic(config.kafka.topic_prefix)
        self._decode = RecordDecoder().decode
        self._stamps = Stamps(config)
        self._by_symbol: dict[str, Seat] = {}
        self._state = StateChange()
        self._admission = Admission(config, (each.symbol for each in stored.places))
        self._symbols = len(stored.places)
        self._key = LastKey(config.time, stored.shown_ms, self._decode)
        for group, records in stored.groups.items():
            self.seats[group] = Seat(config, group, records, registry)
        self._reached_ms = max(
            (each.watermark_ms for each in self.seats.values()), default=FAR_PAST_MS
        )

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
            Leave snapshots to whoever writes the step, but for those of groups that go on in the
            same chunk: outputs do not wait for them.

        Raises
        ------
        LogHoleError
            When the chunk begins above `next_offset`, or above 0 without any state.
        """
        counts = self._counts
        # Without any state the log must begin: a lost changelog is no new partition.
        expected = self.next_offset or 0
        if chunk.first > expected:
            raise log_hole(self._log, self._partition, expected, chunk.first)
        due = chunk.since(expected)
        records = due.records
        counts.skipped += len(chunk.records) - len(records)
        step = FoldStep(self._partition, due.end, len(records))
        step.shown_ms, step.symbols = self._key.key_ms, self._symbols
        if not records:
            # Markers of transactions take offsets, too: nothing but the offset goes on.
            self.next_offset = due.end
            step.last = self.last
            return step
        self._state.changes()
        touched = self._take(records, step, most_again, most_snapshot_bytes, put_off)
        places = self._admission.taken()
        self._symbols += len(places)
        step.symbols = self._symbols
        step.state = self._state = StateChange(touched, places)
        # One hash a step: that of the last record it took, which may not be that of the chunk.
        step.last = self.last = digest_of(records[step.records - 1])
        self.next_offset = step.next_offset
        return step

    def _take(
        self,
        records: Sequence[RawRecord],
        step: FoldStep,
        most_again: int | None,
        most_snapshot_bytes: int | None,
        put_off: bool,
    ) -> list[Seat]:
        """Give every record to its engine, or some of them; the groups that had one."""
        counts, decode, seats = self._counts, self._decode, self._by_symbol
        outcomes, differs, key = counts.outcomes, self._stamps.differs, self._key
        touched: dict[str, Seat] = {}
        left = sys.maxsize if most_again is None else most_again
        most_bytes = sys.maxsize if most_snapshot_bytes is None else most_snapshot_bytes
        # One loop without calls of our own: a bar without events costs no more than its engine.
        for record in records:
            symbol = None
            offset = record.offset
            try:
                parsed = decode(record.value or b"")
                symbol = parsed.symbol
                seat = seats.get(symbol)
                if seat is None:
                    seat = self._find(record, symbol, step)
                engine = seat.engine
                if engine.offset >= offset:
                    counts.skipped += 1
                    key.note(parsed)
                    continue
                touched[seat.group] = seat
                if seat.closed is not None:
                    self._keep(seat, step)
                outcome = engine.apply(parsed, offset)
            except CodecError as error:
                self._refuse(record, error.code, error.reason, error.symbol, step)
                continue
            except RecordRejected as error:
                key.note(parsed)
                self._refuse(record, error.code, error.reason, symbol, step)
                continue
            outcomes[outcome.kind] += 1
            if outcome is not engine.in_order:
                key.note(parsed)
            known = seat.watermark_ms
            mark_ms = outcome.watermark_ms
            # A bar in order ends at the watermark: of one with its CreateTime no more is asked.
            stamp_ms = record.timestamp
            if stamp_ms != mark_ms and differs(parsed, stamp_ms):
                counts.untimed += 1
            if mark_ms > known:
                seat.watermark_ms = known = mark_ms
            elif known == FAR_PAST_MS:
                continue
            if outcome.events:
                self._say(seat, outcome.events, known, step.outputs)
            close_ms = seat.closes.next_ms
            if close_ms is None or known >= close_ms:
                reached_ms = self._reach(touched.values())
                shown_ms = key.after(records, offset, self._reached_ms, reached_ms)
                if seat.close(known, offset, reached_ms, shown_ms):
                    counts.snapshots += 1
                    if not put_off:
                        self._keep(seat, step)
            if outcome.correction is not None:
                left -= outcome.correction.bars_again
            if left < 0 or step.snapshot_bytes > most_bytes:
                step.next_offset = offset + 1
                step.records = sum(1 for each in records if each.offset <= offset)
                break
        before_ms, self._reached_ms = self._reached_ms, self._reach(touched.values())
        step.shown_ms = key.end(records, step.next_offset - 1, before_ms, self._reached_ms)
        return list(touched.values())

    def _reach(self, touched: Iterable[Seat]) -> int:
        """Greatest watermark of the partition, some of whose groups went on in this chunk."""
        return max([self._reached_ms, *(seat.watermark_ms for seat in touched)])

    def _say(
        self,
        seat: Seat,
        events: list[Output],
        watermark_ms: int,
        outputs: dict[str, list[EventMessage]],
    ) -> None:
        timestamp_ms = max(watermark_ms, 0)
        write, group, counts = self._writer.event, seat.header, self._counts.events
        for event in events:
            topic, message = write(event, group, timestamp_ms)
            counts[topic] += 1
            if topic in outputs:
                outputs[topic].append(message)
            else:
                outputs[topic] = [message]

    def _keep(self, seat: Seat, step: FoldStep) -> None:
        # The state as of the close, whatever else the chunk holds: a replay finds it there.
        messages = seat.snapshot()
        step.outputs.setdefault(self._snapshots, []).extend(messages)
        step.snapshot_bytes += sum(len(each.value or b"") for each in messages)

    def _find(self, record: RawRecord, symbol: str, step: FoldStep) -> Seat:
        config = self._config
        if config.instrument(symbol) is None:
            raise RecordRejected("unknown_symbol", f"symbol {symbol!r} is not configured")
        group = config.group_of(symbol)
        due = partition_for(group, self._partitions)
        if due != self._partition:
            raise RecordRejected(
                "wrong_partition",
                f"records of group {group} belong in partition {due}, not {self._partition}",
            )
        if not self._admission.holds(symbol):
            self._admission.admit(symbol, record.offset)
            # Before any snapshot that includes the record: a replay from that knows the place.
            place = place_message(Place(symbol, record.offset), max(record.timestamp, 0))
            step.outputs.setdefault(self._snapshots, []).append(place)
        seat = self.seats.get(group)
        if seat is None:
            seat = self.seats[group] = Seat(config, group, None, self._registry)
        self._by_symbol[symbol] = seat
        return seat

    def _refuse(
        self, record: RawRecord, code: str, reason: str, symbol: str | None, step: FoldStep
    ) -> None:
        source = f"{self._log}/{self._partition}/{record.offset}"
        letter = dead_letter(source, record.value or b"", Refusal(code, reason, symbol))
        topic, message = self._writer.letter(letter, max(record.timestamp, 0))
        step.outputs.setdefault(topic, []).append(message)
        self._counts.rejects[code] += 1


def log_hole(log: str, partition: int, expected: int, found: int) -> LogHoleError:
    """The error of a log that goes on at `found`, above what the state expects."""
    return LogHoleError(
        f"{log} partition {partition}: the state ends before offset {expected}, the log goes on "
        f"at {found}. Records in between were deleted, never kept, or the topic or the state is "
        "not the one of before; or the changelog was lost. Restore what was lost, or delete the "
        "topics of this prefix and publish again"
    )
