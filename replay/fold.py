"""The fold of a replay: records in the total order in, releases inside the bounds out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from tapeline.replay.hosting import Hosting
from tapeline.replay.sources.items import LogItem, Release
from tapeline.replay.sources.protocol import LogSource, StoredState
from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import names_of
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import OUTCOMES, Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import IdentityError, restore_engine
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot

NONE_OUTSIDE: Counter[str] = Counter()
NOTHING: tuple[HostEvent, ...] = ()


class ReplayWindow(Struct, frozen=True):
    """Bounds of a replay.

    The output is that of the records with start <= offset < stop. A bound in time is the first
    record after which the greatest watermark of its partition exceeds it (docs/rules.md 15.2).

    Attributes
    ----------
    from_ms, to_ms
        Bounds in event time.
    starts, stops
        Bounds as offsets, by partition; they replace those in time.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    starts: Mapping[int, int] | None = None
    stops: Mapping[int, int] | None = None

    @property
    def timed(self) -> bool:
        """Whether the watermarks of all groups of a partition decide a bound."""
        from_time = self.starts is None and self.from_ms is not None
        to_time = self.stops is None and self.to_ms is not None
        return from_time or to_time


class Selection(Struct, frozen=True):
    """Which groups are replayed.

    Attributes
    ----------
    groups
        Only these; None: all.
    names
        Only events of these symbols and groups; None: all.
    share
        Number of this process, and how many share the groups.
    """

    groups: frozenset[str] | None = None
    names: frozenset[str] | None = None
    share: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name in ("groups", "names"):
            given = getattr(self, name)
            if given is not None:
                names_of(name, given)

    def takes(self, group: str) -> bool:
        """Whether the results of a group are wanted here."""
        if self.groups is not None and group not in self.groups:
            return False
        return self.share is None or shared_number(group) % self.share[1] == self.share[0]

    def takes_unknown(self, partition: int) -> bool:
        """Whether records whose symbol cannot be read are wanted here."""
        if self.groups is not None:
            return False
        return self.share is None or partition % self.share[1] == self.share[0]


def shared_number(group: str) -> int:
    """A number of a group that is the same in every process."""
    return sum(position * byte for position, byte in enumerate(group.encode(), 1))


class PartitionSpan(Struct):
    """How far a partition is.

    Attributes
    ----------
    start
        First offset inside the bounds, None before it was met.
    stop
        First offset beyond them, None before it was met.
    next_offset
        One above the last record that was looked at.
    """

    next_offset: int
    watermark_ms: int = FAR_PAST_MS
    start: int | None = None
    stop: int | None = None


class ReplayStart(Struct, frozen=True):
    """Where a replay begins, and with what.

    Attributes
    ----------
    starts
        Where each partition is read from.
    states
        States to begin with, by group.
    admitted
        By partition, the symbols that are admitted when reading begins; see `Admission`.
    """

    starts: Mapping[int, int]
    states: Mapping[str, StoredState] = {}
    admitted: Mapping[int, Iterable[str]] = {}


class ReplayFold:
    """All groups of a replay.

    Parameters
    ----------
    source
        Names the partition of a group and makes dead letters.
    registry
        The types of the events.
    make_hosting
        Makes what calls strategies from the router of the fold; None: there are none. Hosts begin
        with the first record inside the bounds.

    Attributes
    ----------
    spans
        By partition.
    hosting
        What calls strategies.
    """

    every = True

    def __init__(
        self,
        config: Config,
        source: LogSource,
        start: ReplayStart,
        window: ReplayWindow,
        selection: Selection,
        registry: Registry = EVENTS,
        make_hosting: Callable[[Router], Hosting] | None = None,
    ) -> None:
        self._registry = registry
        self.spans = {
            partition: PartitionSpan(first) for partition, first in sorted(start.starts.items())
        }
        self._config = config
        self._source = source
        self._window = window
        self._selection = selection
        self._names = selection.names
        self._states = start.states
        self._out: list[Release] = []
        self._ended = False
        self._narrow = window.stops is not None
        self._for_bounds: set[str] = set()
        self._outside: dict[str, Counter[str]] = {}
        self._passed: set[str] = set()
        self._router = Router(
            config,
            self._slot,
            partition_of=source.partition_of,
            admitted=start.admitted,
            registry=registry,
        )
        self.hosting = None if make_hosting is None else make_hosting(self._router)
        self._drive = Drive(self._router)
        for group in start.states:
            slot = self._router.slot(group)
            span = self.spans.get(slot.partition)
            if span is not None:
                span.watermark_ms = max(span.watermark_ms, slot.watermark_ms)
        # They are large, and the engines have them now.
        self._states = {}

    @property
    def done(self) -> bool:
        """Whether every partition has met its end."""
        return all(span.stop is not None for span in self.spans.values())

    @property
    def outcomes(self) -> dict[str, Counter[str]]:
        """What became of the records inside the bounds, by symbol."""
        found = {}
        for symbol in self._router.symbols():
            if not self._selection.takes(self._config.group_of(symbol)):
                continue
            counted = self._router.counters(symbol)
            outside = self._outside.get(symbol, NONE_OUTSIDE)
            inside = {kind: counted[kind] - outside.get(kind, 0) for kind in OUTCOMES}
            if any(inside.values()):
                found[symbol] = Counter({kind: count for kind, count in inside.items() if count})
        return found

    def engines(self) -> dict[str, GroupEngine]:
        """Engines of the groups that are wanted, by group."""
        return {
            group: engine
            for group, engine in sorted(self._router.engines.items())
            if group not in self._for_bounds
        }

    def take_all(self, items: Iterable[LogItem]) -> list[Release]:
        """The next records, without those that lie outside the bounds or that nothing asks for."""
        out = self._out = []
        rest: Iterator[Item] = iter(items)
        while True:
            self._ended = False
            self._drive.apply_many(filter(self._is_due, rest) if self._narrow else rest, self)
            if not self._ended:
                return out

    def take(self, item: LogItem) -> Release | None:
        """The next record alone; see `take_all`."""
        out = self.take_all((item,))
        return out[0] if out else None

    def _is_due(self, item: Item) -> bool:
        """Whether a record lies before the end of its partition, as far as its offset shows."""
        offset, partition = item[0], item[2]
        span = self.spans[partition]
        if span.stop is not None:
            return False
        stops = self._window.stops
        if stops is not None and offset >= stops.get(partition, offset + 1):
            span.stop = offset
            return False
        return True

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """Release what lies inside the bounds; the end of a partition ends the batch."""
        offset = item[0]
        span = self.spans[item[2]]
        if span.start is None:
            self._begin(span, item)
        group, known = slot.group, slot.watermark_ms
        if known > span.watermark_ms and self._passes(span, known, offset):
            self._leave_out(record.symbol, outcome.kind)
            self._ended = self._narrow = True
            return False
        span.next_offset = offset + 1
        if span.start is None or group in self._for_bounds:
            self._leave_out(record.symbol, outcome.kind)
            return True
        hosted: Sequence[HostEvent] = NOTHING
        marked = False
        if self.hosting is not None:
            hosted = self.hosting.take(item, record, outcome, group)
            marked = self.hosting.marked
        events = outcome.events
        if self._names is not None:
            events = [event for event in events if event.symbol in self._names]
        self._out.append(
            Release(
                item,  # type: ignore[arg-type]
                events,
                None,
                group,
                None if known == FAR_PAST_MS else known,
                outcome.correction,
                outcome.kind,
                hosted,
                marked,
            )
        )
        return True

    def _begin(self, span: PartitionSpan, item: Item) -> None:
        """Begin a partition at the first record, or at the offset that was asked for."""
        starts = self._window.starts
        if (
            item[0] >= starts.get(item[2], 0)
            if starts is not None
            else self._window.from_ms is None
        ):
            span.start = item[0]

    def _leave_out(self, symbol: str, kind: str) -> None:
        """The engines count all records, a replay those inside its bounds."""
        outside = self._outside.get(symbol)
        if outside is None:
            outside = self._outside[symbol] = Counter()
        outside[kind] += 1

    def _passes(self, span: PartitionSpan, mark: int, offset: int) -> bool:
        """Raise the watermark of a partition; whether the record lies beyond the end."""
        window = self._window
        span.watermark_ms = mark
        if window.stops is None and window.to_ms is not None and mark > window.to_ms:
            span.stop = span.next_offset = offset
            return True
        from_ms = window.from_ms
        if span.start is None and window.starts is None and from_ms is not None and mark > from_ms:
            span.start = offset
        return False

    def passed(self, item: Item) -> None:
        """A state has the record already, or nothing asks for its group."""
        span = self.spans[item[2]]
        if span.start is None:
            self._begin(span, item)
        span.next_offset = item[0] + 1

    def refused(self, item: Item, refusal: Refusal) -> None:
        """Release a dead letter that is asked for."""
        self.passed(item)
        partition = item[2]
        if self.spans[partition].start is None:
            return
        group = None
        if refusal.symbol is None:
            wanted = self._selection.takes_unknown(partition)
        else:
            group = self._config.group_of(refusal.symbol)
            known = self._names is None or refusal.symbol in self._names
            wanted = known and self._selection.takes(group)
        if wanted:
            letter = self._source.letter(item, refusal)  # type: ignore[arg-type]
            self._out.append(Release(item, [], letter, group, None, None))  # type: ignore[arg-type]

    def resumes(self, slot: GroupSlot) -> None:
        """Nothing is held."""

    def pass_over(self, item: LogItem) -> None:
        """A record before all bounds, which takes part in nothing but the count of symbols."""
        self.spans[item.partition].next_offset = item.offset + 1
        content = item.content
        if isinstance(content, Refusal) or content.symbol in self._passed:
            return
        try:
            self._router.meet(content, item.offset, item.partition)
            self._passed.add(content.symbol)
        except RecordRejected:
            # Its dead letter lies before the start.
            return

    def _slot(self, group: str) -> GroupSlot:
        wanted = self._selection.takes(group)
        if not (wanted or self._window.timed):
            return GroupSlot(group, None)
        if not wanted:
            # Its watermark may decide where the replay begins and ends.
            self._for_bounds.add(group)
        state = self._states.get(group)
        if state is None:
            return GroupSlot(group, GroupEngine(plan_group(self._config, group, self._registry)))
        return GroupSlot(group, self._engine_of(group, state))

    def _engine_of(self, group: str, state: StoredState) -> GroupEngine:
        try:
            return restore_engine(
                self._config, group, state.settings, state.records, self._registry
            )
        except IdentityError as error:
            raise InputError(
                f"the snapshot of session {state.session}: {error}; go back to what it was made"
                " with, or leave snapshots out by --no-snapshots"
            ) from error
        except ValueError as error:
            raise InputError(
                f"the snapshot of group {group} at {state.session} cannot be used ({error}): leave"
                " snapshots out by --no-snapshots"
            ) from error


def selected(config: Config, symbols: Collection[str], groups: Collection[str]) -> Selection:
    """What was named: groups with all of theirs, symbols with the pairs of their group.

    Raises
    ------
    InputError
        When a name is neither configured nor accepted.
    TypeError
        When one text is given instead of a collection.
    """
    symbols, groups = names_of("symbols", symbols), names_of("groups", groups)
    if not symbols and not groups:
        return Selection()
    for symbol in symbols:
        if config.instrument(symbol) is None:
            raise InputError(f"--symbols {symbol}: is not configured")
    names = set(symbols)
    for group in groups:
        members = config.members(group)
        if any(config.instrument(member) is None for member in members):
            raise InputError(f"--groups {group}: is not configured")
        names.update(members)
    found = frozenset((*groups, *(config.group_of(symbol) for symbol in symbols)))
    return Selection(found, frozenset(names) | found)
