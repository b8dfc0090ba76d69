"""Two sequences of events compared: added, missing, changed, reordered. No I/O.

A log record publishes an id at most once, so an event is known by its id and its record
(its ``seq`` without the index); where ``seq`` is ignored, by id, watermark and revision. Both
sequences are read side by side, the one that is behind in market time first, and only what has not
met its partner is kept.

An event is reordered when it breaks the order that each side promises, rising ``seq`` in its
partition, on one side and not on the other.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import fields

from tapeline.replay.compare.recorded import NO_PARTITION, Entry, plain, without
from tapeline.schemas.event_types import Registry
from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS
from tapeline.schemas.registry import EVENTS

What = Literal["missing", "added", "changed", "reordered"]
PENDING_LIMIT = 100_000
"""Events of one side that may wait for their partner; beyond it, the oldest have none."""
DEFAULT_LIMIT = 20
BYTES = "bytes"
OF_A_MESSAGE = ("partition", "group", "time_ms")
"""Compared beside the fields of the event where both sides can know them."""


def ignorable_fields(registry: Registry = EVENTS) -> frozenset[str]:
    """Everything that may be ignored."""
    structs = [registry.row(tag).struct for tag in (*registry.folded, *registry.hosted)]
    names = (each.encode_name for struct in structs for each in fields(struct))
    return frozenset((BYTES, *OF_A_MESSAGE, *names))


class Difference(Struct, frozen=True):
    """One event that is not the same on both sides.

    Attributes
    ----------
    what
        ``missing``: A alone has it. ``added``: B alone has it.
    record
        Offset of the log record that caused it (A's, unless it is added), -1 if that is unknown.
    fields
        Of a changed event, what differs: values of A and of B. Of a reordered one ``after``: the
        ids that come right before it.
    a, b
        The event on each side.
    """

    what: What
    type: str
    id: str
    partition: int
    record: int
    record_b: int
    watermark_ms: int | None
    fields: dict[str, tuple[Any, Any]]
    a: dict[str, Any] | None
    b: dict[str, Any] | None


class TypeResult(Struct):
    """Counts of one type of events.

    Attributes
    ----------
    a, b
        Events compared of each side.
    superseded
        Events that a compacted side lacks, but of whose id it has a later version: not a
        difference.
    fields
        How often each field differed.
    """

    a: int = 0
    b: int = 0
    equal: int = 0
    missing: int = 0
    added: int = 0
    changed: int = 0
    reordered: int = 0
    superseded: int = 0
    fields: dict[str, int] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return not (self.missing or self.added or self.changed or self.reordered)


class Differences:
    """The first differences in order of publication, no more than a limit."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        # The first one is always wanted.
        self._limit = max(limit, 1)
        self._kept: list[tuple[tuple[int, int, str, str], Difference]] = []

    def add(
        self,
        what: What,
        kind: str,
        a: Entry | None,
        b: Entry | None,
        changed: dict[str, tuple[Any, Any]],
    ) -> None:
        """Another one; `changed` has the fields that differ."""
        entry = a if a is not None else b
        assert entry is not None
        mark = FAR_FUTURE_MS if entry.watermark_ms == FAR_PAST_MS else entry.watermark_ms
        order_key = (mark, entry.seq, entry.id, what)
        if len(self._kept) >= self._limit and order_key >= self._kept[-1][0]:
            return
        found = Difference(
            what,
            kind,
            entry.id,
            entry.partition,
            entry.record,
            entry.record if b is None else b.record,
            None if mark == FAR_FUTURE_MS else mark,
            changed,
            None if a is None else plain(a),
            None if b is None else plain(b),
        )
        insort(self._kept, (order_key, found), key=_order_key)
        del self._kept[self._limit :]

    def listed(self) -> list[Difference]:
        """In order of watermark, then seq; dead letters last."""
        return [found for _, found in self._kept]


def _order_key(kept: tuple[tuple[int, int, str, str], Difference]) -> tuple[int, int, str, str]:
    return kept[0]


class _Held(NamedTuple):
    """An event that waits; `after` names the one before it if their order is not that of seq."""

    entry: Entry
    after: str | None


class _Side:
    """What is known of one sequence."""

    def __init__(self) -> None:
        self.pending: dict[tuple[Any, ...], deque[_Held]] = {}
        self.waiting = 0
        self.by_id: dict[str, set[tuple[Any, ...]]] = {}
        self.reached = FAR_PAST_MS
        self._last: dict[int, tuple[int, str]] = {}

    def held(self, entry: Entry) -> _Held:
        """The next event of the side, with its position in the order."""
        before = self._last.get(entry.partition)
        self._last[entry.partition] = (entry.seq, entry.id)
        if before is not None and entry.seq < before[0]:
            return _Held(entry, before[1])
        return _Held(entry, None)

    def put(self, key: tuple[Any, ...], held: _Held) -> None:
        """Let an event wait."""
        self.pending.setdefault(key, deque()).append(held)
        self.by_id.setdefault(held.entry.id, set()).add(key)
        self.waiting += 1

    def take(self, key: tuple[Any, ...]) -> _Held:
        """The first that waits under a key."""
        queue = self.pending[key]
        held = queue.popleft()
        self.waiting -= 1
        if not queue:
            del self.pending[key]
            keys = self.by_id[held.entry.id]
            keys.discard(key)
            if not keys:
                del self.by_id[held.entry.id]
        return held

    def take_oldest(self) -> _Held:
        """What has waited longest."""
        return self.take(next(iter(self.pending)))

    def take_before(self, later: Entry) -> Iterable[_Held]:
        """What waits of an id and is older than a version of it."""
        for key in list(self.by_id.get(later.id, ())):
            if _version(self.pending[key][0].entry) < _version(later):
                yield self.take(key)


def _version(entry: Entry) -> tuple[int, int]:
    return entry.watermark_ms, entry.seq


class Piece(Struct):
    """A piece of one side: events that were read, and whether more may come."""

    items: Sequence[Entry] = ()
    at: int = 0
    ended: bool = False


class TypeComparison:
    """Compares the events of one type.

    Parameters
    ----------
    ignored
        Fields that may differ.
    compacted
        Of A and B, whether superseded versions may be gone.
    group_of
        Group of a symbol, where messages are compared with lines; None: not compared.
    partitions_known
        Whether both sides know in which partitions their events lie.
    pending_limit
        Events of a side that may wait for their partner.

    Attributes
    ----------
    result
        Complete after `finish`.
    """

    def __init__(
        self,
        kind: str,
        differences: Differences,
        ignored: frozenset[str] = frozenset(),
        compacted: tuple[bool, bool] = (False, False),
        group_of: Callable[[str], str] | None = None,
        pending_limit: int = PENDING_LIMIT,
        partitions_known: bool = True,
    ) -> None:
        self.result = TypeResult()
        self._kind = kind
        self._differences = differences
        self._ignored = ignored
        self._compacted = compacted
        self._group_of = group_of
        self._pending_limit = pending_limit
        self._partitions_known = partitions_known
        self._sides = (_Side(), _Side())
        self._fields: Counter[str] = Counter()

    def run(self, a: Piece, b: Piece) -> None:
        """Compare until one side that may have more needs it."""
        first, second = self._sides
        while True:
            has_a, has_b = a.at < len(a.items), b.at < len(b.items)
            if not (has_a or a.ended) or not (has_b or b.ended) or not (has_a or has_b):
                return
            if has_a and has_b:
                left, right = a.items[a.at], b.items[b.at]
                if self._key(left) == self._key(right) and not first.waiting + second.waiting:
                    a.at += 1
                    b.at += 1
                    self._count(left, right)
                    self._pair(first.held(left), second.held(right))
                    continue
                first.reached = max(first.reached, left.watermark_ms)
                second.reached = max(second.reached, right.watermark_ms)
                of_a = (first.reached, first.waiting) <= (second.reached, second.waiting)
            else:
                of_a = has_a
            side, source = (0, a) if of_a else (1, b)
            self.take(side, source.items[source.at])
            source.at += 1

    def _count(self, a: Entry | None, b: Entry | None) -> None:
        self.result.a += a is not None
        self.result.b += b is not None

    def take(self, side: int, entry: Entry) -> None:
        """The next event of a side (0 is A)."""
        ours, theirs = self._sides[side], self._sides[1 - side]
        self._count(*((entry, None) if side == 0 else (None, entry)))
        held = ours.held(entry)
        key = self._key(entry)
        if key in theirs.pending:
            other = theirs.take(key)
            self._pair(*((held, other) if side == 0 else (other, held)))
        else:
            ours.put(key, held)
            if ours.waiting > self._pending_limit:
                self._alone(side, ours.take_oldest())
        self.later(side, entry)

    def later(self, side: int, entry: Entry) -> None:
        """A side has this version of an id, compared or not: older ones may be gone there."""
        if self._compacted[side]:
            for _ in self._sides[1 - side].take_before(entry):
                self.result.superseded += 1

    def finish(self) -> TypeResult:
        """What never met a partner."""
        for side, ours in enumerate(self._sides):
            while ours.pending:
                self._alone(side, ours.take_oldest())
        self.result.fields = dict(sorted(self._fields.items()))
        return self.result

    def _alone(self, side: int, held: _Held) -> None:
        if side == 0:
            self.result.missing += 1
            self._differences.add("missing", self._kind, held.entry, None, {})
        else:
            self.result.added += 1
            self._differences.add("added", self._kind, None, held.entry, {})

    def _pair(self, a: _Held, b: _Held) -> None:
        left, right = a.entry, b.entry
        moved = (a.after is None) != (b.after is None)
        if moved:
            self.result.reordered += 1
            order = {"after": (a.after, b.after)}
            self._differences.add("reordered", self._kind, left, right, order)
        changed = self._changed(left, right)
        if changed:
            self.result.changed += 1
            self._fields.update(changed.keys())
            self._differences.add("changed", self._kind, left, right, changed)
        elif not moved:
            self.result.equal += 1

    def _key(self, entry: Entry) -> tuple[Any, ...]:
        ignored = self._ignored
        if "seq" not in ignored:
            return entry.id, entry.record
        # A tombstone's time is that of its group.
        mark = "retract" if entry.gone else entry.watermark_ms
        return (
            entry.id,
            None if "watermark_ms" in ignored else mark,
            None if "rev" in ignored else entry.rev,
        )

    def _changed(self, a: Entry, b: Entry) -> dict[str, tuple[Any, Any]]:
        """Fields of two versions that differ."""
        same = a.raw == b.raw
        if same and a.headers is None and b.headers is None and a.partition == b.partition:
            return {}
        left, right = without(plain(a), self._ignored), without(plain(b), self._ignored)
        shared: Iterable[str] = left.keys() | right.keys()
        if a.raw is None or b.raw is None:
            # A tombstone holds less than a line.
            shared = left.keys() & right.keys()
        left, right = self._with_message(a, left), self._with_message(b, right)
        shared = [*shared, *(name for name in OF_A_MESSAGE if name in left and name in right)]
        found = {
            name: (left.get(name), right.get(name))
            for name in sorted(set(shared))
            if left.get(name) != right.get(name) and name not in self._ignored
        }
        if not (found or same or self._ignored) and a.raw is not None and b.raw is not None:
            found[BYTES] = (a.raw.decode(), b.raw.decode())
        return found

    def _with_message(self, entry: Entry, event: dict[str, Any]) -> dict[str, Any]:
        """Fields of an event, and what its message holds beside its value."""
        found = dict(event)
        known = self._partitions_known and entry.partition != NO_PARTITION
        if known and "seq" not in self._ignored:
            found["partition"] = entry.partition
        if entry.time_ms is not None:
            found["time_ms"] = entry.time_ms
        if entry.headers is not None:
            found["group"] = entry.headers.get("group")
        elif self._group_of is not None and entry.symbol is not None:
            found["group"] = self._group_of(entry.symbol)
        return found
