"""The host: one record of the log in, what strategies and accounts make of it out.

Of one record, in this order (docs/rules.md 19.3): signals that its bar finds expired, fills, other
expiries, accounts at closes, calls, notes. What a call emitted is published when it returns.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from tapeline.schemas.events import DerivedBar, Retract, Session
from tapeline.schemas.host_events import Fill, HostEvent, IssuedSignal, Order
from tapeline.schemas.instants import FAR_FUTURE_MS, OUTPUTS_PER_RECORD
from tapeline.streams.core.outcome import ACCEPTED
from tapeline.streams.host.calling import Caller
from tapeline.streams.host.errors import LookAheadError, SetupError
from tapeline.streams.host.lanes import SymbolLane, closes, followers
from tapeline.streams.host.market import HostRecord, Market
from tapeline.streams.host.notes import CorrectedInputs
from tapeline.streams.host.noting import DueNote, Noting
from tapeline.streams.host.plan import HostPlan, LoadedStrategy
from tapeline.streams.host.running import RunningStrategy
from tapeline.streams.host.state import HostState
from tapeline.streams.host.trading import StrategyName, Trading, name_of

OFF_SESSION = "off_session"
REBUILT = "rebuilt"


class Host:
    """Strategies of one book, and their accounts.

    Parameters
    ----------
    plan
        What decides what it does.
    market
        The engines that folded the records which `take` gets.

    Attributes
    ----------
    groups
        Groups of the symbols of its strategies: their records are what it is for.
    missed
        By strategy, bars that came late because a clock was ahead of them: calls that were lost.
    """

    def __init__(self, plan: HostPlan, market: Market) -> None:
        strategies = sorted(plan.strategies, key=_name)
        self._plan = plan
        self._market = market
        self._trading = Trading(plan.config, strategies, market)
        self._running = {
            loaded.name: RunningStrategy(loaded, plan.config, self._trading)
            for loaded in strategies
        }
        sessions = {loaded.name: loaded.note_sessions for loaded in strategies}
        self._noting = Noting(self._trading, sessions)
        self._caller = Caller(self._trading, plan.check_memory)
        self._state = HostState(self._running, self._trading)
        self._starting = [loaded.name for loaded in strategies]
        self._accepting: list[str] = []
        self._disabled: list[StrategyName] = []
        self._met: dict[str, bool] = {}
        self.missed: dict[str, int] = {}
        self._lanes: dict[str, SymbolLane] = {}
        groups: list[str] = []
        for running in self._running.values():
            groups += self._follow(running)
        self.groups = frozenset(groups)
        self._look()

    def _follow(self, running: RunningStrategy) -> list[str]:
        """Lanes of all symbols whose facts a strategy may get; its groups."""
        config = self._plan.config
        groups = sorted({config.group_of(symbol) for symbol in running.symbols})
        for group in groups:
            for symbol in config.members(group):
                lane = self._lanes.get(symbol)
                if lane is None:
                    instrument = config.instrument(symbol)
                    if instrument is None:
                        raise SetupError(f"symbol {symbol} of group {group} is not configured")
                    names_group = group == symbol and len(config.members(group)) > 1
                    lane = self._lanes[symbol] = SymbolLane(symbol, instrument.base, names_group)
                lane.of_group.append(running)
                if symbol in running.viewed:
                    lane.running.append(running)
        return groups

    def _look(self) -> None:
        for lane in self._lanes.values():
            lane.look()

    @property
    def marked(self) -> bool:
        """Whether a strategy marked the last record."""
        return self._trading.is_marked

    def take(self, record: HostRecord) -> list[HostEvent]:
        """The next record: what it leads to, numbered, in the order of publication.

        Records of other groups than `groups` lead to nothing, and do not move time.

        Raises
        ------
        LookAheadError
            When a fact holds what lies after market time: a bug.
        """
        trading = self._trading
        trading.is_marked = False
        if record.group not in self.groups:
            return []
        if record.watermark_ms > trading.time_ms:
            trading.time_ms = record.watermark_ms
        if record.group not in self._met:
            self._meet(record.group)
        trading.step = record.step
        trading.partition = record.partition
        trading.offset = record.offset
        if self._starting or self._accepting or self._disabled:
            self._start()
        lane = self._lanes.get(record.record.symbol)
        if lane is not None:
            if record.events:
                self._take(lane, record)
            elif lane.running:
                first_ms = trading.book.first_expiry.get(lane.symbol, FAR_FUTURE_MS)
                if record.kind == ACCEPTED and record.watermark_ms < first_ms:
                    self._take_bar(lane, record)
                else:
                    self._take(lane, record)
        return self._numbered() if trading.out else []

    def start(self, step: int, partition: int, offset: int) -> list[HostEvent]:
        """Publish that strategies run, as of a record that is about to be taken.

        `take` does it by itself with its record; this is for what ends before any comes.
        """
        trading = self._trading
        trading.step, trading.partition, trading.offset = step, partition, offset
        self._start()
        return self._numbered() if trading.out else []

    def _meet(self, group: str) -> None:
        """Market time begins with what the engine of a group has seen, where it began before."""
        self._met[group] = True
        for symbol in self._plan.config.members(group):
            watermark_ms = self._market.watermark_ms(symbol)
            if watermark_ms is not None and watermark_ms > self._trading.time_ms:
                self._trading.time_ms = watermark_ms

    def _start(self) -> None:
        trading = self._trading
        for named in self._disabled:
            trading.strategy_fact(named, "disabled")
        for name in sorted({*self._accepting, *self._starting}):
            if name in self._accepting:
                trading.close_all(name, "version")
            trading.strategy_fact(name_of(self._running[name].loaded), "running")
        self._disabled, self._accepting, self._starting = [], [], []

    def _take_bar(self, lane: SymbolLane, record: HostRecord) -> None:
        """The fast path: a bar in order that led to no fact, before anything expires."""
        bar: Any = record.record
        lane.newest_ms = bar.start_ms
        fills = self._trading.fill(lane.symbol, bar, record.watermark_ms)
        for ring in lane.rings:
            ring.put(bar)
        if not lane.is_warm:
            lane.warm_up()
        if fills:
            self._call_ends(fills, [])
        if lane.hearing:
            self._call_bar(lane, bar)

    def _take(self, lane: SymbolLane, record: HostRecord) -> None:
        """A record of a symbol whose facts strategies may get."""
        kind = record.kind
        in_order = kind in {ACCEPTED, OFF_SESSION}
        fills: list[Fill] = []
        expired: list[IssuedSignal] = []
        closed: list[Session] = []
        if lane.running:
            if kind == ACCEPTED:
                expired, fills = self._fill(lane.symbol, record)
            expired += self._expire(lane.symbol, record.watermark_ms)
            if record.events and kind != REBUILT:
                closed = closes(record.events)
            for session in closed:
                self._trading.close_session(lane.symbol, session.session)
        inputs: CorrectedInputs | None = None
        due: list[DueNote] = []
        if record.correction is not None:
            inputs = CorrectedInputs(record.correction, lane.base)
            due = self._noting.due(inputs)
        self._see(lane, record, in_order, bool(closed))
        if kind != REBUILT:
            self._call_ends(fills, expired)
            self._call(lane, record, in_order)
        if inputs is not None:
            self._note(due, inputs, kind != REBUILT)
        if closed:
            self._after_close(lane)

    def _fill(self, symbol: str, record: HostRecord) -> tuple[list[IssuedSignal], list[Fill]]:
        """A bar in order, in session: what ended by its start, then what it fills."""
        bar: Any = record.record
        expired = self._expire(symbol, bar.start_ms)
        return expired, self._trading.fill(symbol, bar, record.watermark_ms)

    def _expire(self, symbol: str, instant_ms: int) -> list[IssuedSignal]:
        first_ms = self._trading.book.first_expiry.get(symbol, FAR_FUTURE_MS)
        return [] if instant_ms < first_ms else self._trading.expire(symbol, instant_ms)

    def _see(self, lane: SymbolLane, record: HostRecord, in_order: bool, has_closed: bool) -> None:
        """Take a record into all views before any call."""
        symbol = lane.symbol
        if in_order:
            bar: Any = record.record
            lane.newest_ms = bar.start_ms
            if record.kind == ACCEPTED:
                for ring in lane.rings:
                    ring.put(bar)
        elif record.correction is not None and lane.running:
            self._see_correction(lane, record)
        if record.events:
            self._see_events(lane, record)
            for running in lane.running:
                if has_closed or not running.view.facts.forgets(symbol):
                    self._forget_sessions(running, symbol, record)
        if not lane.is_warm:
            lane.warm_up()

    def _see_events(self, lane: SymbolLane, record: HostRecord) -> None:
        now_ms = self._trading.time_ms
        for event in record.events:
            if event.watermark_ms > now_ms or event.event_ms > now_ms:
                raise LookAheadError(
                    f"{event.id} of {event.watermark_ms} came at {now_ms}: offset"
                    f" {record.offset} of partition {record.partition}"
                )
            for running in followers(lane, event):
                running.see_event(running.own(lane.symbol, record.group), event)

    def _see_correction(self, lane: SymbolLane, record: HostRecord) -> None:
        correction = record.correction
        assert correction is not None
        traded = self._trading.traded(lane.symbol)
        start_ms = correction.start_ms
        if traded.calendar.is_slot(start_ms, traded.base_ms):
            for running in lane.running:
                running.see_correction(running.viewed[lane.symbol], start_ms, correction.after)
        if correction.before is None and start_ms > lane.newest_ms:
            for running in lane.running:
                self.missed[running.name] = self.missed.get(running.name, 0) + 1

    def _forget_sessions(self, running: RunningStrategy, symbol: str, record: HostRecord) -> None:
        dates = self._trading.dates(symbol)
        oldest = dates.kept_from(record.watermark_ms, running.needs.sessions)
        if oldest is not None:
            running.view.facts.keep_from(symbol, oldest)
            running.view.facts.keep_from(record.group, oldest)

    def _call_ends(self, fills: list[Fill], expired: list[IssuedSignal]) -> None:
        """Calls with fills, then with signals that expired."""
        for fill in fills:
            running = self._running.get(str(fill.strategy))
            if running is not None:
                self._caller.call(running, running.strategy.on_fill, (fill,), fill)
        for signal in expired:
            running = self._running.get(str(signal.strategy))
            if running is not None:
                self._caller.call(running, running.strategy.on_signal_closed, (signal,), signal)

    def _call(self, lane: SymbolLane, record: HostRecord, in_order: bool) -> None:
        """Calls with a correction or bar, then with facts: for each item strategies by name."""
        symbol = lane.symbol
        correction = record.correction
        if correction is not None and correction.before != correction.after and lane.running:
            start_ms = correction.start_ms
            span = (symbol, lane.base, start_ms, self._trading.traded(symbol).end_of(start_ms))
            arguments = (correction.after, start_ms, symbol)
            for running in lane.running:
                if running.is_called_for(symbol):
                    hook = running.strategy.on_correction
                    self._caller.call(running, hook, arguments, None, span)
        elif in_order:
            self._call_bar(lane, record.record)
        for event in record.events:
            self._call_event(lane, record.group, event)

    def _call_bar(self, lane: SymbolLane, bar: Any) -> None:
        symbol = lane.symbol
        span: tuple[str, str, int, int] | None = None
        for running in lane.hearing:
            if running.is_called_for(symbol):
                if span is None:
                    end_ms = self._trading.traded(symbol).end_of(bar.start_ms)
                    span = (symbol, lane.base, bar.start_ms, end_ms)
                self._caller.call(running, running.strategy.on_bar, (bar,), None, span)

    def _call_event(self, lane: SymbolLane, group: str, event: Any) -> None:
        """Calls with one fact: its own hook where it is no correction, then `on_event`."""
        caller = self._caller
        is_new = event.corrects is None and not isinstance(event, Retract)
        is_bar = is_new and isinstance(event, DerivedBar)
        is_session = is_new and isinstance(event, Session)
        for running in followers(lane, event):
            hears_bar = is_bar and running.is_for_bars(event.interval)
            hears_session = is_session and running.hears_session
            hears_event = running.hears_event and running.is_for_hook(event)
            if not (hears_bar or hears_session or hears_event):
                continue
            if not running.is_called_for(running.own_symbol(lane.symbol, group)):
                continue
            strategy = running.strategy
            if hears_bar:
                arguments = (event.symbol, event.interval, event)
                caller.call(running, strategy.on_bars, arguments, event)
            elif hears_session:
                caller.call(running, strategy.on_session, (event,), event)
            if hears_event:
                caller.call(running, strategy.on_event, (event,), event)

    def _note(self, due: list[DueNote], inputs: CorrectedInputs, has_calls: bool) -> None:
        """Publish all notes of the record, then call with each."""
        notes = [self._noting.write(each, inputs) for each in due]
        if not has_calls:
            return
        for note in notes:
            running = self._running.get(str(note.strategy))
            if running is not None:
                self._caller.call(running, running.strategy.on_note, (note,), note)

    def _after_close(self, lane: SymbolLane) -> None:
        """A session closed: memories are looked at, and signals forgotten that are over."""
        for running in lane.running:
            self._caller.check_memory(running)
        self._forget_signals()

    def _forget_signals(self) -> None:
        for signal_id in self._trading.book.forget(self._noting.is_over):
            self._trading.accounts.forget(signal_id)

    def _numbered(self) -> list[HostEvent]:
        """The events of the record with `seq` and `cause`, each id once but for orders."""
        trading, numbering = self._trading, self._plan.numbering
        found = trading.out
        trading.out = []
        if len(found) > 1:
            last = {event.id: number for number, event in enumerate(found)}
            found = [
                event
                for number, event in enumerate(found)
                if isinstance(event, Order) or last[event.id] == number
            ]
        cause = {str(trading.partition) if numbering.by_partition else "0": trading.offset}
        first = trading.step * OUTPUTS_PER_RECORD + numbering.base
        return [replace(event, seq=seq, cause=cause) for seq, event in enumerate(found, first)]

    # State.

    def changed(self) -> dict[str, Any]:
        """State records that differ since the last call; None: the record is gone.

        Raises
        ------
        MemoryRefusedError
            When the memory of a strategy is no plain data.
        """
        self._forget_signals()
        waiting = sorted({*self._accepting, *self._starting})
        return self._state.changed(waiting, sorted(self._accepting), bool(self._disabled))

    def restore(self, records: Mapping[str, Any], accept: Collection[str] = ()) -> None:
        """Go on where the state was written; before the first record.

        Parameters
        ----------
        records
            The latest of every key that `changed` gave.
        accept
            Strategies that begin anew, because they failed or the state is of another version; see
            `accept`.

        Raises
        ------
        OtherVersionError
            When it is of another version of a strategy that is not accepted.
        HostStateError
            When records are missing.
        """
        restored = self._state.restore(records, accept)
        begun = restored.begun.difference(restored.starting)
        self._starting = [name for name in self._running if name not in begun]
        self._accepting = [name for name in restored.accepting if name in self._running]
        self._disabled = list(restored.disabled)
        self.accept(accept)

    def accept(self, names: Collection[str]) -> None:
        """Begin strategies anew at the next record: memory and view are empty, signals closed."""
        for name in sorted(names):
            running = self._running.get(name)
            if running is not None:
                running.begin()
                running.is_running = True
                if name not in self._accepting:
                    self._accepting.append(name)
        self._look()

    def end(self, step: int) -> None:
        """The replay is over: `on_end`, then `stop`; nothing is published, nothing closed.

        Raises
        ------
        Exception
            What a strategy raises.
        """
        self._trading.step = step
        for running in self._running.values():
            if running.is_running:
                running.is_ending = True
                running.begin_call(None, None, self._trading.time_ms, step)
                running.strategy.on_end(running.at)
        self.stop()

    def stop(self) -> None:
        """The process ends: `teardown` of the strategies that run; a live host calls no more."""
        for running in self._running.values():
            if running.is_running:
                running.strategy.teardown()


def _name(loaded: LoadedStrategy) -> str:
    return loaded.name
