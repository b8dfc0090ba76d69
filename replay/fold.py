"""The fold of a replay: records in the total order in, releases inside the bounds out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from tapeline.replay.sources.items import LogItem, Release
from tapeline.replay.sources.protocol import LogSource, StoredState
from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import names_of
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.admission import Admission
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import IdentityError, restore_engine
from tapeline.streams.pipeline.refusals import Refusal


class ReplayWindow(Struct, frozen=True):
    """Bounds of a replay.

    The output is that of the records with start <= offset < stop. A bound in time is the first
    record after which the greatest watermark of its partition exceeds it (docs/rules.md 15.2).

    Attributes
    ----------
    from_ms, to_ms
        Bounds in event time.
    starts, stops
        Bounds as offsets, by partition; they take the place of those in time.
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
    """How a partition stands.

    Attributes
    ----------
    start
        First offset inside the bounds, None before it was met.
    stop
        First offset beyond them, None before it was met.
    next_offset
        One above the last record that was looked at.
    inside
        Whether a record can meet no bound but the greatest watermark's.
    """

    next_offset: int
    watermark_ms: int = FAR_PAST_MS
    start: int | None = None
    stop: int | None = None
    inside: bool = False


class _Seat:
    """A group: its engine, and whether it is wanted."""

    __slots__ = ("engine", "group", "partition", "wanted", "watermark_ms")

    def __init__(
        self, group: str, partition: int | None, engine: GroupEngine | None, wanted: bool
    ) -> None:
        self.group = group
        self.partition = partition
        self.engine = engine
        self.wanted = wanted
        self.watermark_ms = FAR_PAST_MS


class _Route:
    """The short way of the bars of one symbol, once one of them has gone the long way."""

    __slots__ = ("engine", "outcomes", "partition", "seat", "span")

    def __init__(
        self,
        seat: _Seat,
        engine: GroupEngine,
        partition: int,
        span: PartitionSpan,
        outcomes: Counter[str],
    ) -> None:
        self.seat = seat
        self.engine = engine
        self.span = span
        self.partition = partition
        self.outcomes = outcomes


class ReplayFold:
    """All groups of a replay.

    Parameters
    ----------
    source
        Names the partition of a group and makes dead letters.
    starts
        Where each partition is read from.
    states
        States to begin with, by group.
    placed
        By partition, the symbols that have a place when reading begins; see `Admission`.
    registry
        The types of the events.

    Attributes
    ----------
    spans
        By partition.
    outcomes
        What became of the records inside the bounds, by symbol.
    """

    def __init__(
        self,
        config: Config,
        source: LogSource,
        starts: Mapping[int, int],
        window: ReplayWindow,
        selection: Selection,
        states: Mapping[str, StoredState],
        placed: Mapping[int, Iterable[str]],
        registry: Registry = EVENTS,
    ) -> None:
        self._registry = registry
        self.spans = {
            partition: PartitionSpan(start) for partition, start in sorted(starts.items())
        }
        self.outcomes: dict[str, Counter[str]] = {}
        self._config = config
        self._source = source
        self._window = window
        self._selection = selection
        self._seats: dict[str, _Seat] = {}
        self._by_symbol: dict[str, _Seat] = {}
        self._routes: dict[str, _Route] = {}
        self._passed: set[str] = set()
        self._admissions = {each: Admission(config, placed.get(each, ())) for each in self.spans}
        for group, state in states.items():
            self._restore(group, state)

    @property
    def done(self) -> bool:
        """Whether every partition has met its end."""
        return all(span.stop is not None for span in self.spans.values())

    def engines(self) -> dict[str, GroupEngine]:
        """Engines of the groups that are wanted, by group."""
        return {
            group: seat.engine
            for group, seat in sorted(self._seats.items())
            if seat.wanted and seat.engine is not None
        }

    def take_all(self, items: Iterable[LogItem]) -> list[Release]:
        """The next records; `take` for each, which most of them do not need.

        A bar of a known symbol, inside the bounds: that is nearly every record of a long replay.
        """
        out: list[Release] = []
        add, routes = out.append, self._routes
        for item in items:
            partition, offset, _, content, _, _ = item
            route = routes.get(content.symbol) if type(content) is Bar else None
            if route is None or route.partition != partition or not route.span.inside:
                release = self.take(item)
                if release is not None:
                    add(release)
                continue
            engine, span = route.engine, route.span
            if engine.offset >= offset:
                span.next_offset = offset + 1
                continue
            try:
                outcome = engine.apply(content, offset)  # type: ignore[arg-type]
            except RecordRejected as error:
                span.next_offset = offset + 1
                refused = self._refuse(item, Refusal(error.code, error.reason, content.symbol))
                if refused is not None:
                    add(refused)
                continue
            seat = route.seat
            mark = outcome.watermark_ms
            if mark > seat.watermark_ms:
                seat.watermark_ms = mark
                if mark > span.watermark_ms and self._passes(span, mark, offset):
                    continue
            span.next_offset = offset + 1
            route.outcomes[outcome.kind] += 1
            add(
                Release(
                    item,
                    outcome.events,
                    None,
                    seat.group,
                    seat.watermark_ms,
                    outcome.correction,
                )
            )
        return out

    def take(self, item: LogItem) -> Release | None:
        """The next record; None when it lies outside the bounds or belongs to nobody wanted."""
        partition, offset = item.partition, item.offset
        span = self.spans[partition]
        if span.stop is not None:
            return None
        stops = self._window.stops
        if stops is not None and offset >= stops.get(partition, offset + 1):
            span.stop = offset
            return None
        span.next_offset = offset + 1
        starts = self._window.starts
        if span.start is None and (
            offset >= starts.get(partition, 0)
            if starts is not None
            else self._window.from_ms is None
        ):
            span.start = offset
        content = item.content
        if isinstance(content, Refusal):
            return self._refuse(item, content)
        symbol = content.symbol
        try:
            seat = self._by_symbol.get(symbol) or self._find(symbol, partition, offset)
            if seat.partition is not None and seat.partition != partition:
                raise RecordRejected(
                    "wrong_partition",
                    f"records of group {seat.group} belong in partition {seat.partition},"
                    f" not {partition}",
                )
            engine = seat.engine
            if engine is None or engine.offset >= offset:
                return None
            outcome = engine.apply(content, offset)
        except RecordRejected as error:
            return self._refuse(item, Refusal(error.code, error.reason, symbol))
        mark = outcome.watermark_ms
        if mark > seat.watermark_ms:
            seat.watermark_ms = mark
            if mark > span.watermark_ms and self._passes(span, mark, offset):
                return None
        if span.start is None or not seat.wanted:
            return None
        outcomes = self.outcomes.get(symbol)
        if outcomes is None:
            outcomes = self.outcomes[symbol] = Counter()
        outcomes[outcome.kind] += 1
        names = self._selection.names
        if stops is None and names is None:
            span.inside = True
            if symbol not in self._routes and symbol in self._by_symbol:
                self._routes[symbol] = _Route(seat, engine, partition, span, outcomes)
        events = outcome.events
        if names is not None and events:
            events = [event for event in events if event.symbol in names]
        known = None if seat.watermark_ms == FAR_PAST_MS else seat.watermark_ms
        return Release(item, events, None, seat.group, known, outcome.correction)

    def _passes(self, span: PartitionSpan, mark: int, offset: int) -> bool:
        """Raise the watermark of a partition; whether the record lies beyond the end."""
        window = self._window
        span.watermark_ms = mark
        if window.stops is None and window.to_ms is not None and mark > window.to_ms:
            span.stop = span.next_offset = offset
            span.inside = False
            return True
        from_ms = window.from_ms
        if span.start is None and window.starts is None and from_ms is not None and mark > from_ms:
            span.start = offset
        return False

    def _refuse(self, item: LogItem, refusal: Refusal) -> Release | None:
        partition = item.partition
        if self.spans[partition].start is None:
            return None
        group = None
        if refusal.symbol is None:
            wanted = self._selection.takes_unknown(partition)
        else:
            group = self._config.group_of(refusal.symbol)
            names = self._selection.names
            known = names is None or refusal.symbol in names
            wanted = known and self._selection.takes(group)
        if not wanted:
            return None
        letter = self._source.letter(item, refusal)
        return Release(item, [], letter, group, None, None)

    def pass_over(self, item: LogItem) -> None:
        """A record before all bounds, which takes part in nothing but the count of symbols."""
        self.spans[item.partition].next_offset = item.offset + 1
        content = item.content
        if isinstance(content, Refusal) or content.symbol in self._passed:
            return
        try:
            self._admit(content.symbol, item.partition, item.offset)
            self._passed.add(content.symbol)
        except RecordRejected:
            # Nobody wants its dead letter: it lies before the start.
            return

    def _admit(self, symbol: str, partition: int, offset: int) -> str:
        """Group of a symbol without a seat, which has a place then; see `Admission.admit`."""
        config = self._config
        if config.instrument(symbol) is None:
            raise RecordRejected("unknown_symbol", f"symbol {symbol!r} is not configured")
        group = config.group_of(symbol)
        due = self._source.partition_of(group)
        if due is not None and due != partition:
            raise RecordRejected(
                "wrong_partition",
                f"records of group {group} belong in partition {due}, not {partition}",
            )
        self._admissions[partition].admit(symbol, offset)
        return group

    def _find(self, symbol: str, partition: int, offset: int) -> _Seat:
        config = self._config
        group = self._admit(symbol, partition, offset)
        seat = self._seats.get(group)
        if seat is None:
            wanted = self._selection.takes(group)
            # What nobody wants may still decide where the replay begins and ends.
            needed = wanted or self._window.timed
            engine = GroupEngine(plan_group(config, group, self._registry)) if needed else None
            seat = self._seats[group] = _Seat(
                group, self._source.partition_of(group), engine, wanted
            )
        self._by_symbol[symbol] = seat
        return seat

    def _restore(self, group: str, state: StoredState) -> None:
        partition = self._source.partition_of(group)
        wanted = self._selection.takes(group)
        if not (wanted or self._window.timed):
            self._seats[group] = _Seat(group, partition, None, False)
            return
        engine = self._engine_of(group, state)
        seat = self._seats[group] = _Seat(group, partition, engine, wanted)
        marks = [engine.watermark_ms(symbol) for symbol in self._config.members(group)]
        seat.watermark_ms = max((mark for mark in marks if mark is not None), default=FAR_PAST_MS)
        span = self.spans.get(partition or 0)
        if span is not None:
            span.watermark_ms = max(span.watermark_ms, seat.watermark_ms)

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
