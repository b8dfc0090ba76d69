"""One base bar on the orders of one account and symbol (docs/rules.md 21.4 to 21.10)."""

from __future__ import annotations

from msgspec.structs import replace

from tapeline.schemas.host_events import Account, Fill, Order, Position
from tapeline.streams.host.accounts.fills import (
    BarTicks,
    ChosenExit,
    Reached,
    chosen_exit,
    exit_of_entry_bar,
    reached,
    slipped,
)
from tapeline.streams.host.accounts.ledger import SymbolLedger
from tapeline.streams.host.accounts.model import (
    RecordTime,
    WorkingOrder,
    session_date,
)
from tapeline.streams.host.accounts.orders import (
    BRACKET,
    FLAT,
    MONEY,
    OrderEvents,
    OrderFill,
    exit_orders,
)
from tapeline.streams.host.accounts.paper import PaperAccount
from tapeline.streams.host.market import Market


class BarExecution:
    """Fills of one bar: entries and flattens in the order of placing, then exits by signal.

    Parameters
    ----------
    start_ms
        Label of the bar.
    now
        When it is handled.
    """

    def __init__(
        self,
        account: PaperAccount,
        ledger: SymbolLedger,
        bar: BarTicks,
        start_ms: int,
        now: RecordTime,
        market: Market,
    ) -> None:
        contract = ledger.contract
        self._account = account
        self._ledger = ledger
        self._bar = bar
        self._start_ms = start_ms
        self._now = now
        self._time: RecordTime | None = None
        self._market = market
        self._made = OrderEvents(account.name, contract.symbol, contract.scale)
        # Entries that this bar filled, by signal: their kind, and whether at the open.
        self._entered: dict[str, tuple[WorkingOrder, bool]] = {}
        self._traded = False
        self._events: list[Order | Fill | Position | Account] = []

    def run(self) -> list[Order | Fill | Position | Account]:
        """What the bar leads to; position last, the account is its caller's."""
        for order in list(self._ledger.working):
            self._try_working(order)
        # Fills may end the exits of other signals.
        for signal in sorted(self._ledger.exits):
            self._try_exits(signal)
        if self._traded:
            self._events.append(self._account.position_event(self._ledger, self._at))
        return self._events

    @property
    def _at(self) -> RecordTime:
        """When it is handled, in the session that holds the bar: few bars publish anything."""
        if self._time is None:
            symbol = self._ledger.contract.symbol
            session = session_date(self._market.calendar(symbol), self._start_ms)
            self._time = replace(self._now, session=session)
        return self._time

    @property
    def traded(self) -> bool:
        """Whether an order was filled."""
        return self._traded

    def _try_working(self, order: WorkingOrder) -> None:
        # The bar may have begun before what the order follows from was known: of a symbol that is
        # behind others.
        if self._start_ms < order.placed_ms:
            return
        until = order.valid_until_ms
        if until is not None and self._start_ms >= until:
            return
        at = self._reached(order)
        if at is not None:
            self._ledger.working.remove(order)
            self._fill(order, at, False)

    def _try_exits(self, signal: str) -> None:
        ledger = self._ledger
        stop: WorkingOrder | None = None
        target: WorkingOrder | None = None
        for order in ledger.exits.get(signal, ()):
            if order.role == "stop":
                stop = order
            else:
                target = order
        chosen = self._chosen(signal, stop, target)
        if chosen is None:
            return
        filled = stop if chosen.is_stop else target
        assert filled is not None, "it was reached"
        rest = target if chosen.is_stop else stop
        if rest is None:
            del ledger.exits[signal]
        else:
            ledger.exits[signal] = [rest]
        self._fill(filled, chosen.reached, chosen.ambiguous)

    def _chosen(
        self, signal: str, stop: WorkingOrder | None, target: WorkingOrder | None
    ) -> ChosenExit | None:
        """Which of the exits of a signal the bar fills."""
        at_stop = None if stop is None else self._reached(stop)
        at_target = None if target is None else self._reached(target)
        if at_stop is None and at_target is None:
            return None
        entered = self._entered.get(signal)
        if entered is not None:
            entry, at_open = entered
            return exit_of_entry_bar(entry.kind, at_open, at_stop, at_target)
        either = stop if stop is not None else target
        assert either is not None, "one of them was reached"
        rule = self._account.settings.ambiguous
        return chosen_exit(at_stop, at_target, either.side == "sell", self._bar, rule)

    def _reached(self, order: WorkingOrder) -> Reached | None:
        through = self._account.settings.limit_through
        return reached(order.kind, order.side == "buy", order.ticks, through, self._bar)

    def _fill(self, order: WorkingOrder, at: Reached, ambiguous: bool) -> None:
        """Trade an order that is no longer among those that wait; or cancel it."""
        account, ledger = self._account, self._ledger
        contract = ledger.contract
        buys = order.side == "buy"
        quantity = order.quantity
        if order.role != "entry":
            held = -ledger.lots.quantity if buys else ledger.lots.quantity
            quantity = min(quantity, held)
            if quantity <= 0:
                self._cancel(order, FLAT)
                return
        ticks = at.ticks
        if order.kind != "limit":
            slippage = account.settings.slippage_ticks
            ticks = slipped(ticks, buys, slippage, contract.any_sign)
        signed = quantity if buys else -quantity
        commission = account.commission_of.units(quantity, ledger.notional(quantity, ticks))
        if not account.can_trade(ledger, signed, ticks, commission):
            self._cancel(order, MONEY)
            return
        ended = account.trade(ledger, signed, ticks, commission, self._start_ms)
        self._traded = True
        done = OrderFill(
            quantity=quantity,
            ticks=ticks,
            slippage=abs(ticks - at.ticks),
            start_ms=self._start_ms,
            commission=account.unit.number(commission),
            ambiguous=ambiguous,
            quality=self._market.quality(contract.symbol),
        )
        self._events.append(self._made.order(order, self._at, "filled"))
        self._events.append(self._made.fill(order, self._at, done))
        self._note_fill(order)
        self._end_exits(order, ended)
        if order.role == "entry":
            self._enter(order, at.at_open)

    def _note_fill(self, order: WorkingOrder) -> None:
        ledger = self._ledger
        if order.signal is not None:
            starts = ledger.filled.setdefault(order.signal, [])
            if self._start_ms not in starts:
                starts.append(self._start_ms)
        guard = self._account.settings.stop_guard
        if order.role == "stop" and guard is not None:
            oldest = ledger.bars - guard.bars
            ledger.stop_bars = [each for each in ledger.stop_bars if each > oldest]
            ledger.stop_bars.append(ledger.bars)

    def _end_exits(self, order: WorkingOrder, ended: bool) -> None:
        """Cancel what has nothing left to close; of a part that was closed, its other exit."""
        ledger = self._ledger
        if ended:
            ledger.exposed.clear()
            for signal in sorted(ledger.exits):
                for each in ledger.exits[signal]:
                    self._cancel(each, FLAT)
            ledger.exits.clear()
        elif order.signal is not None and order.role in {"stop", "target"}:
            ledger.exposed.pop(order.signal, None)
            for each in ledger.exits.pop(order.signal, []):
                self._cancel(each, BRACKET)

    def _enter(self, entry: WorkingOrder, at_open: bool) -> None:
        """Place the exits of an entry, unless it only took from a position of the other side."""
        ledger = self._ledger
        if entry.signal is None or entry.signed * ledger.lots.quantity <= 0:
            return
        ledger.exposed[entry.signal] = entry.strategy
        exits = exit_orders(entry, self._at.ms)
        if not exits:
            return
        self._entered[entry.signal] = (entry, at_open)
        ledger.exits[entry.signal] = exits
        for each in exits:
            self._events.append(self._made.order(each, self._at, "working"))

    def _cancel(self, order: WorkingOrder, reason: str) -> None:
        self._ledger.changed = True
        self._events.append(self._made.order(order, self._at, "cancelled", reason))
