"""The engine of one group: a fold over log records.

docs/rules.md 14.1: `apply(record, offset) -> outcome`, `snapshot() -> plain data`, `restore(data)`.
Same log and configuration, same events, in any batch size and after any restart.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.events import Event
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord, field_values
from tapeline.streams.core.correct.corrections import Revisions
from tapeline.streams.core.history.blocks import RecordSlots
from tapeline.streams.core.indicators.tracker import IndicatorTracker
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.plan import GroupPlan
from tapeline.streams.core.ranges.schedule import RangeSchedule
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.state import StateSlots, SymbolState, stored_present
from tapeline.streams.core.symbol import SymbolEngine
from tapeline.streams.core.tracks import SymbolTracks
from tapeline.streams.core.volume import GREATEST_VOLUME, WHOLE_BITS, written_volume

STATE_VERSION: Final = 3
RULES_VERSION: Final = 1
"""Raised when the same log leads to other events: states of before do not go on."""
HOT: Final = "hot"
REVISIONS: Final = 64
# Final names of a module are variables of C once compiled; imported ones are looked up.
_values: Final = field_values


class StateIncompleteError(BrokenPromiseError, ValueError):
    """Records of a state are missing, or do not go together: some were lost."""


class StateVersionError(BrokenPromiseError, ValueError):
    """State that another version of the core made."""


def check_state_version(group: str, records: dict[str, Any]) -> None:
    """Raise `StateVersionError` when another version of the core made these state records.

    Raises
    ------
    StateIncompleteError
        When the record is missing that holds the version.
    """
    hot = records.get(HOT)
    if hot is None:
        raise StateIncompleteError(f"the state of group {group} is incomplete: there is no {HOT!r}")
    found = hot["v"]
    if found != STATE_VERSION:
        raise StateVersionError(f"state version {found} is not {STATE_VERSION}")


def stored_watermarks(group: str, hot: dict[str, Any]) -> dict[str, int | None]:
    """Watermark of each symbol of a group by its record `HOT`, without the state as a whole.

    Raises
    ------
    StateVersionError
        When another version of the core made it.
    """
    check_state_version(group, {HOT: hot})
    return {symbol: state[0] for symbol, state in hot["symbols"].items()}


def stored_bar_counts(plan: GroupPlan, hot: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Bars that indicators have taken, by symbol and interval, by the record `HOT` of a group.

    Parameters
    ----------
    plan
        That the state was made with.
    """
    engine = GroupEngine(plan)
    found: dict[str, dict[str, int]] = {}
    for symbol, state in hot["symbols"].items():
        present = stored_present(state)
        if present is None:
            continue
        rules = engine.tracks(symbol).rules
        for tracker in rules.added:
            if isinstance(tracker, IndicatorTracker):
                found[symbol] = tracker.bars_at(present.part(rules.all, tracker.name))
    return found


class GroupEngine:
    """All symbols of one group, in one order.

    Parameters
    ----------
    plan
        Settings of the group; a restored engine needs the plan its state was made with.

    Attributes
    ----------
    offset
        Source offset of the last record.
    in_order
        What `apply` answers to the next bar of an unbroken run, which ends at its watermark; to any
        other record it answers another object.
    """

    __slots__ = (
        "_members", "_outcome", "_revision_slots", "_revisions", "_stamp", "_states", "_symbols",
        "_tracked", "_tracks", "in_order", "offset", "plan",
    )  # fmt: skip

    def __init__(self, plan: GroupPlan) -> None:
        self.plan = plan
        self.offset = -1
        # Two, so that the fast path sets no more than what changes from bar to bar.
        self.in_order = Outcome()
        self._outcome = Outcome()
        self._stamp = Stamp()
        self._symbols: dict[str, SymbolEngine] = {}
        self._tracks: dict[str, SymbolTracks] = {}
        self._members: list[SymbolEngine] = []
        self._states: list[SymbolState] = []
        self._revisions = Revisions(plan.registry)
        self._revision_slots = RecordSlots(REVISIONS)
        self._tracked = False
        paired = len(plan.instruments) == 2
        schedule: RangeSchedule | None = None
        for number, instrument in enumerate(plan.instruments):
            if schedule is None:
                schedule = RangeSchedule(instrument.calendar, instrument.base_ms, instrument.kinds)
            added = [make(instrument) for make in plan.trackers]
            member = SymbolEngine(
                instrument,
                schedule,
                (plan.group, number) if paired else None,
                number,
                self._stamp,
                self._revisions,
                self._outcome,
                added,
            )
            self._members.append(member)
            self._symbols[instrument.symbol] = member
            self._tracks[instrument.symbol] = member.tracks
            self._states.append(SymbolState(member, instrument.horizon_sessions))
        if paired:
            for member in self._members:
                member.join(self._members[1 - member.number])

    def apply(self, record: LogRecord, offset: int) -> Outcome:
        """Take one record of the group's partition.

        Parameters
        ----------
        record
            Next record of the log.
        offset
            Its source offset, greater than that of the record before; part of every `seq`.

        Returns
        -------
        Outcome
            All that is to be known of it, valid until the next record.

        Raises
        ------
        RecordRejected
            The record must become a dead letter; the view is as before, and the offset counts as
            taken.
        """
        # The fast path: the next bar of an unbroken run, and nearly all are.
        interval: str
        label: int
        open_: int
        high: int
        low: int
        close: int
        try:
            symbol, interval, start, open_price, high_price, low_price, close_price, volume, _ = (
                _values(record)
            )
            tracks = self._tracks[symbol]
        except (ValueError, KeyError):
            # Other records have fewer fields.
            return self._apply_any(record, offset)
        label = start
        if label != tracks.fast_path_ms or interval != tracks.base:
            return self._apply_any(record, offset)
        if type(volume) is int:
            # Nothing is left of one that is neither negative nor too large.
            if volume >> WHOLE_BITS:
                return self._apply_any(record, offset)
        else:
            if volume is not None:
                if not 0 <= volume < GREATEST_VOLUME:
                    return self._apply_any(record, offset)
                volume = written_volume(volume)
            tracks.whole = False
        ticks = tracks.ticks
        try:
            row = (
                start, ticks[open_price], ticks[high_price], ticks[low_price], ticks[close_price],
                volume,
            )  # fmt: skip
        except KeyError:
            row = (start, *self._unseen_prices(record, offset), volume)
        _, open_, high, low, close, _ = row
        if open_ < low or open_ > high or close < low or close > high:
            return self._apply_any(record, offset)
        self.offset = offset
        end = label + tracks.base_ms
        out: list[Any] = tracks.apply_next(row, high, low, end, offset)
        if self._revisions.known:
            self._revise(tracks, out)
        outcome = self.in_order
        outcome.events = out
        outcome.watermark_ms = end
        return outcome

    def _unseen_prices(self, bar: LogRecord, offset: int) -> tuple[int, int, int, int]:
        """Prices in ticks that are not remembered, or are none."""
        assert isinstance(bar, Bar)
        try:
            return self._symbols[bar.symbol].checks.prices(bar)
        except RecordRejected:
            self.offset = offset
            raise

    def _apply_any(self, record: LogRecord, offset: int) -> Outcome:
        """Any record, whatever it does."""
        self.offset = offset
        outcome = self._outcome
        outcome.begin()
        member = self._symbols.get(record.symbol)
        if member is None:
            raise RecordRejected("unknown_symbol", f"symbol {record.symbol!r} is not in the group")
        out: list[Any]
        if isinstance(record, Bar):
            out = member.bar(record, offset)
        elif isinstance(record, Clock):
            out = member.clock(record, offset)
        else:
            assert isinstance(record, Cancel)
            out = member.cancel(record, offset)
        if outcome.correction is None and self._revisions.known:
            self._revise(member.tracks, out)
        outcome.events = out
        outcome.watermark_ms = member.tracks.watermark_ms
        return outcome

    def check(self, record: LogRecord) -> None:
        """Check a record for all that does not depend on the state.

        Raises
        ------
        RecordRejected
            As `apply` would.
        """
        self._symbols[record.symbol].check(record)

    def _revise(self, tracks: SymbolTracks, out: list[Event]) -> None:
        """Events in order keep the revisions that corrections gave their ids."""
        self._revisions.mark(out)
        if not tracks.session_begun:
            return
        tracks.session_begun = False
        ids: set[str] = set()
        for each in self._members:
            ids.update(each.tracks.open_ids())
        horizons = [each.tracks.horizon_ms() for each in self._members]
        self._revisions.forget_final(horizons, ids)

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol; None before its first bar or clock."""
        return self._symbols[symbol].watermark_ms()

    def slot_end_ms(self, symbol: str, start_ms: int) -> int:
        """End of the base bar of a symbol labelled `start_ms`."""
        tracks = self._symbols[symbol].tracks
        return tracks.calendar.slot_end(start_ms, tracks.base_ms)

    def tracks(self, symbol: str) -> SymbolTracks:
        """What follows the bars of a symbol: to be looked at, not to be changed."""
        return self._symbols[symbol].tracks

    def bars_from(self, symbol: str, first_ms: int) -> list[tuple[int, float, float]]:
        """Label, high and low of the in-session bars that are kept of a symbol, from a label on."""
        member = self._symbols[symbol]
        member.tracks.flush()
        [price] = [plan.scale.price for plan in self.plan.instruments if plan.symbol == symbol]
        return [(row[0], price(row[2]), price(row[3])) for row in member.book.rows_from(first_ms)]

    def quality(self, symbol: str) -> float | None:
        """100 x actual / due slots of the session with open < W <= close, so far.

        At a close it is that of the session which closes. None before the first due slot, where W
        lies in no session, and at a close whose bars the horizon of 0 sessions has forgotten; 100
        where quality is switched off.
        """
        return self._symbols[symbol].quality()

    def counters(self, symbol: str) -> dict[str, int]:
        """What became of the records of a symbol since this engine was made."""
        return self._symbols[symbol].counters()

    def unresolved(self, symbol: str) -> int:
        """Number of ranges of a symbol that are neither resolved nor expired."""
        return len(self._symbols[symbol].tracks.ranges.alive)

    def swings_by_class(self, symbol: str) -> dict[int, int]:
        """Swings of a symbol's whole history by class, without the classes that have none."""
        counts = self._symbols[symbol].tracks.swings.counts
        return {number: count for number, count in enumerate(counts) if count}

    def revisions(self) -> dict[str, tuple[int, int, int]]:
        """By id that a correction changed: revision, event_ms, number of the symbol."""
        return self._revisions.known

    def take_revisions(self, known: dict[str, tuple[int, int, int]]) -> None:
        """Go on counting where another engine of the same group stopped; before `changed`."""
        self._revisions.known = known

    def snapshot(self) -> dict[str, Any]:
        """All state records by key: plain data, all that decides the outputs to come.

        ``hot`` holds the version, the offset and what changes with every record. Equal states give
        equal bytes; they are not to be mixed with the records of `changed`, whose slots depend on
        what was there before.
        """
        found: dict[str, Any] = {}
        hot: dict[str, Any] = {}
        for member, state in zip(self._members, self._states, strict=True):
            slots = StateSlots()
            found.update(state.snapshot(slots))
            hot[member.symbol] = state.hot(slots)
        table = RecordSlots(REVISIONS)
        self._add_revisions(found, table, sorted(self._revisions.known))
        found[HOT] = self._hot(table, hot)
        return found

    def changed(self) -> dict[str, Any]:
        """State records that differ since the last call; all of them the first time.

        A table that takes each of them under its key holds what `restore` needs.
        """
        found: dict[str, Any] = {}
        for state in self._states:
            found.update(state.changed())
        revisions = self._revisions
        if not self._tracked:
            revisions.track()
        ids = list(revisions.touched) if self._tracked else sorted(revisions.known)
        self._add_revisions(found, self._revision_slots, ids)
        revisions.touched.clear()
        hot = {
            member.symbol: state.hot()
            for member, state in zip(self._members, self._states, strict=True)
        }
        found[HOT] = self._hot(self._revision_slots, hot)
        self._tracked = True
        return found

    def _hot(self, revisions: RecordSlots, symbols: dict[str, Any]) -> dict[str, Any]:
        return {
            "v": STATE_VERSION,
            "offset": self.offset,
            "revisions": revisions.record_count(),
            "symbols": symbols,
        }

    def _add_revisions(self, found: dict[str, Any], table: RecordSlots, ids: list[str]) -> None:
        known = self._revisions.known
        for fact_id in ids:
            if fact_id in known:
                table.put(fact_id)
            else:
                table.drop(fact_id)
        for number in table.take_changed():
            values = []
            for kept in table.record(number):
                values.append(None if kept is None else [kept, *known[kept]])
            found[f"revisions/{number}"] = values

    @staticmethod
    def restore(plan: GroupPlan, records: dict[str, Any]) -> GroupEngine:
        """The engine whose records these are.

        Parameters
        ----------
        records
            Those of a `snapshot`, or the latest of every key that `changed` gave.

        Raises
        ------
        StateVersionError
            When the state is of another version.
        StateIncompleteError
            When records are missing, or do not go together.
        ValueError
            When it is of other symbols than the plan.
        """
        try:
            return GroupEngine._restored(plan, records)
        except KeyError as error:
            what = f"there is no {error.args[0]!r}"
        except (AssertionError, AttributeError, IndexError, TypeError) as error:
            what = f"its records do not go together ({type(error).__name__}: {error})"
        raise StateIncompleteError(f"the state of group {plan.group} is incomplete: {what}")

    @staticmethod
    def _restored(plan: GroupPlan, records: dict[str, Any]) -> GroupEngine:
        check_state_version(plan.group, records)
        engine = GroupEngine(plan)
        hot = records[HOT]
        if list(hot["symbols"]) != [member.symbol for member in engine._members]:
            raise ValueError(f"state is of {list(hot['symbols'])}, not of group {plan.group}")
        engine.offset = hot["offset"]
        for member, state in zip(engine._members, engine._states, strict=True):
            state.restore(hot["symbols"][member.symbol], records)
        keys: list[Any] = []
        for number in range(hot["revisions"]):
            for values in records[f"revisions/{number}"]:
                keys.append(None if values is None else values[0])
                if values is not None:
                    engine._revisions.known[values[0]] = (values[1], values[2], values[3])
        engine._revision_slots.restore(keys)
        engine._revisions.track()
        engine._tracked = True
        return engine
