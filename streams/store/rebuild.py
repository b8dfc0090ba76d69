"""Run the final bars of a group again, and publish what that changes.

For bars that came, changed or went beyond the correction horizon, where no engine remembers them,
for so many corrections inside it that each alone would cost more, and for settings that add or take
away facts; the store has the last version of every bar. A fresh engine takes them in order, then
one clock a symbol; its view and the stored one are compared by id. What differs is published under
the offset of a clock without effect, which is added to the log for that: `seq` names a record as
always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge

from tapeline.schemas.codec import EventDecoder, encode
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Output, Reject, Retract, content_of, retracted, revised
from tapeline.schemas.ids import ids_of
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.core.correct.corrections import Change, in_order
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.pipeline.view import fold
from tapeline.streams.store.checkpoint import RunMark
from tapeline.streams.store.keeper import Keeper
from tapeline.streams.store.layout import VIEW, bars_prefix, state_prefix, view_key
from tapeline.streams.store.strategies import GroupRebuild


def check_readable(keeper: Keeper, group: str) -> None:
    """Read all that a rebuild of a group reads, before records are committed that need one.

    Raises
    ------
    StoreDamagedError
        When a part of it cannot be read: so far nothing was added to the log.
    """
    symbols = keeper.config.members(group)
    bars = [bars_prefix(symbol) for symbol in symbols]
    for prefix in (*bars, *_view_prefixes(keeper.registry, group, symbols), state_prefix(group)):
        keeper.store.database.check(prefix)


def rebuild(
    keeper: Keeper, group: str, mark: Callable[[], RunMark | None], line: bytes | None = None
) -> bool:
    """Replace the state of a group by that of its final bars, and commit.

    Parameters
    ----------
    keeper
        With nothing left to commit.
    mark
        How far the run is when it is committed.
    line
        A clock without effect that the log has already at the next offset; None: clocks are added.

    Returns
    -------
    bool
        False: what changed does not take one offset exactly, and nothing was done.
    """
    symbols = keeper.config.members(group)
    earlier = keeper.router.group_engine(group)
    fresh = GroupEngine(plan_group(keeper.config.without_max_ahead(), group, keeper.registry))
    router = Router(
        keeper.config.without_max_ahead(),
        lambda each: GroupSlot(each, fresh),
        {0: keeper.config.members(group)},
    )
    drive = Drive(router)
    view = _FreshView()
    drive.apply_many(
        (
            (number, record, 0)
            for number, record in enumerate(_final_records(keeper, earlier, symbols))
        ),
        view,
    )
    changes = in_order(list(_changes(keeper, group, symbols, view.facts)), keeper.registry)
    shown = _shown_bars(keeper, group)
    if line is not None and max(-(-len(changes) // OUTPUTS_PER_RECORD), bool(shown)) != 1:
        return False
    slot = keeper.rebuilds.pop(group)
    revisions = dict(earlier.revisions())
    offset = keeper.store.checkpoint.log_records - 1
    published: list[Output] = []
    # Strategies must hear of bars that changed no fact, too.
    for number, change in enumerate(changes or [None] if shown else changes):
        position = number % OUTPUTS_PER_RECORD
        if position == 0:
            clock = _clock(fresh, symbols)
            offset = keeper.pass_line(encode(clock) if line is None else line)
            drive.apply(clock, offset)
        if change is None:
            break
        seq = offset * OUTPUTS_PER_RECORD + position
        corrects = None if slot is None else slot[1]
        event = _stamped(change, fresh, symbols, revisions, seq, corrects)
        keeper.publish(event, True)
        published.append(event)
    if changes or shown:
        _show(keeper, GroupRebuild(group, _watermarks(fresh, symbols), offset, changes, published))
    fresh.take_revisions(revisions)
    prefix = state_prefix(group)
    states: list[tuple[bytes, bytes | None]] = [
        (key, None) for key, _ in keeper.store.database.scan(prefix)
    ]
    keeper.begin_again(group, fresh)
    states += keeper.states(group, fresh)
    keeper.counts.rebuilt.append(group)
    keeper.write(states, mark())
    keeper.router.replace(group, fresh)
    return True


def _shown_bars(keeper: Keeper, group: str) -> bool:
    """Whether there are bars that strategies have not been shown."""
    return keeper.host is not None and bool(keeper.host.waiting_bars(group))


def _show(keeper: Keeper, found: GroupRebuild) -> None:
    """Show strategies what a rebuild led to, and publish what they make of it."""
    host = keeper.host
    if host is not None:
        after = {slot: keeper.stored_bar(*slot) for slot in host.waiting_bars(found.group)}
        for event in host.rebuilt(found, after):
            keeper.publish_hosted(event)


def _watermarks(engine: GroupEngine, symbols: tuple[str, ...]) -> dict[str, int]:
    """Watermarks of the symbols that have one."""
    marks = {symbol: engine.watermark_ms(symbol) for symbol in symbols}
    return {symbol: mark for symbol, mark in marks.items() if mark is not None}


def rebuild_changed(
    keeper: Keeper, mark: Callable[[], RunMark | None], begin: Callable[[], None] | None = None
) -> None:
    """Run again the groups whose settings differ in additions from those of their states.

    It comes before anything is taken. Which groups wait is committed first: killed on the way, the
    next run finds a clock without effect at the end of the log, and knows whose it is.

    Parameters
    ----------
    keeper
        With nothing left to commit.
    mark
        How far the run is, as in `rebuild`.
    begin
        Called before anything is written, if anything is.
    """
    groups = keeper.changed
    if not groups:
        return
    for group in groups:
        check_readable(keeper, group)
        keeper.rebuilds[group] = None
    if begin is not None:
        begin()
    keeper.commit(mark())
    for group in groups:
        keeper.counts.for_settings.append(group)
        rebuild(keeper, group, mark)


class _FreshView:
    """What the final bars of a group lead to: none of them is refused.

    Attributes
    ----------
    facts
        By id.
    """

    every = False

    def __init__(self) -> None:
        self.facts: dict[str, Event] = {}

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """Keep the last version of every fact."""
        fold(self.facts, outcome.events)
        return True

    def refused(self, item: Item, refusal: Refusal) -> None:
        """Every bar was accepted before."""
        raise BrokenPromiseError(f"a stored bar is refused: {item[1]} ({refusal.reason})")

    def passed(self, item: Item) -> None:
        """The engine is new."""
        raise BrokenPromiseError(f"a stored bar is passed over: {item[1]}")

    def resumes(self, slot: GroupSlot) -> None:
        """Nothing is held."""


def _final_records(
    keeper: Keeper, earlier: GroupEngine, symbols: tuple[str, ...]
) -> Iterator[Bar | Clock]:
    """The bars of a group by end, then symbol; then a clock a symbol at its watermark."""

    def by_end(bar: Bar) -> tuple[int, str]:
        return earlier.slot_end_ms(bar.symbol, bar.start_ms), bar.symbol

    yield from merge(*(keeper.bars(symbol) for symbol in sorted(symbols)), key=by_end)
    for symbol in sorted(symbols):
        watermark_ms = earlier.watermark_ms(symbol)
        if watermark_ms is not None:
            yield Clock(symbol, watermark_ms)


def _changes(
    keeper: Keeper, group: str, symbols: tuple[str, ...], found: dict[str, Event]
) -> Iterator[Change]:
    """What differs between the stored view of a group and another; `found` is used up."""
    decode = EventDecoder(keeper.registry).decode
    for prefix in _view_prefixes(keeper.registry, group, symbols):
        for key, line in keeper.store.database.scan(prefix):
            known = decode(line)
            assert not isinstance(known, Retract | Reject)
            new = found.pop(key[len(VIEW) :].decode(), None)
            if new is None or content_of(known) != content_of(new):
                yield Change(known, new)
    for new in found.values():
        yield Change(None, new)


def _view_prefixes(registry: Registry, group: str, symbols: tuple[str, ...]) -> list[bytes]:
    prefixes = []
    for tag in registry.facts:
        names = (group,) if registry.row(tag).scope == "group" else symbols
        prefixes += [view_key(ids_of(tag, name)) for name in names]
    return prefixes


def _clock(engine: GroupEngine, symbols: tuple[str, ...]) -> Clock:
    """A clock at a watermark that is known already."""
    for symbol in symbols:
        watermark_ms = engine.watermark_ms(symbol)
        if watermark_ms is not None:
            return Clock(symbol, watermark_ms)
    raise AssertionError("a group without a watermark has no events")


def _stamped(
    change: Change,
    engine: GroupEngine,
    symbols: tuple[str, ...],
    revisions: dict[str, tuple[int, int, int]],
    seq: int,
    corrects: int | None,
) -> Output:
    """The event of a change; `revisions` follows."""
    fact = change.fact
    of_group = engine.plan.registry.row_of(fact).scope == "group"
    known = revisions.get(fact.id)
    rev = 0 if known is None else known[0] + 1
    if change.old is not None:
        rev = max(rev, change.old.rev + 1)
    if rev:
        member = 0 if of_group else symbols.index(fact.symbol)
        revisions[fact.id] = (rev, fact.event_ms, member)
    marks = [engine.watermark_ms(symbol) for symbol in symbols]
    watermark_ms = max(mark for mark in marks if mark is not None)
    if not of_group:
        own = engine.watermark_ms(fact.symbol)
        watermark_ms = watermark_ms if own is None else own
    if change.new is not None:
        return revised(change.new, seq, rev, watermark_ms, corrects)
    return retracted(fact, seq, rev, watermark_ms, corrects)
