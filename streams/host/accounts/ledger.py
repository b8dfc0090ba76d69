"""What an account keeps of one symbol: position, mark, orders, and counters of bars."""

from __future__ import annotations

from tapeline.schemas.errors import UnusableError
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.host.accounts.model import Holding, LedgerRecord, WorkingOrder
from tapeline.streams.host.accounts.money import MoneyUnit, power_of_ten
from tapeline.streams.host.accounts.positions import Lots


class AccountStateError(UnusableError, ValueError):
    """State of an account that its configuration cannot go on with."""


class Contract:
    """How a symbol is traded in an account.

    Attributes
    ----------
    tick_units
        What a tick of a lot is worth, in units of the account.
    any_sign
        Whether prices may be zero or negative.
    """

    def __init__(
        self, symbol: str, interval: str, scale: TickScale, tick_units: int, any_sign: bool
    ) -> None:
        self.symbol = symbol
        self.interval = interval
        self.scale = scale
        self.tick_units = tick_units
        self.any_sign = any_sign


class SymbolLedger:
    """State of an account in one symbol.

    Attributes
    ----------
    mark
        Close of the last bar in order, in ticks; a correction does not move it.
    open
        Result of the open lots at the mark, in units.
    bars
        Bars in order and in session, so far.
    flat_bar
        `bars` when the position last came to zero, or through it.
    stop_bars
        `bars` at each stop that filled, as far back as the guard counts.
    working
        Entries and orders that flatten, in the order in which they were placed.
    exits
        Stop and target by signal.
    exposed
        Signals whose entry filled and whose position is not closed, with their strategy.
    filled
        Starts of the bars that filled orders of a signal.
    changed
        Whether it differs from its last record.
    """

    def __init__(self, contract: Contract, unit: MoneyUnit) -> None:
        self.contract = contract
        self.unit = unit
        self.lots = Lots()
        self.mark: int | None = None
        self.open = 0
        self.bars = 0
        self.flat_bar: int | None = None
        self.stop_bars: list[int] = []
        self.working: list[WorkingOrder] = []
        self.exits: dict[str, list[WorkingOrder]] = {}
        self.exposed: dict[str, str] = {}
        self.filled: dict[str, list[int]] = {}
        self.changed = False

    def value(self, ticks: int) -> int:
        """Units of a lot at a price."""
        return ticks * self.contract.tick_units

    def notional(self, quantity: int, ticks: int) -> int:
        """Units of so many lots at a price, of whatever sign either is."""
        return abs(quantity * ticks) * self.contract.tick_units

    def reopen(self) -> int:
        """Reckon the open result anew, at the mark; by how much it changed."""
        before = self.open
        mark = self.mark
        self.open = 0 if mark is None else self.lots.result(self.value(mark))
        return self.open - before

    def projected(self) -> int:
        """Position once all working entries and flattens have filled."""
        quantity = self.lots.quantity
        for order in self.working:
            quantity = after_order(quantity, order.signed, order.role == "entry")
        return quantity

    def cooled_bars(self) -> int | None:
        """Bars since the position was last closed; None if it never was."""
        return None if self.flat_bar is None else self.bars - self.flat_bar

    def stops_within(self, bars: int) -> int:
        """Stops that filled in the last so many bars, the present one included."""
        return len([each for each in self.stop_bars if each > self.bars - bars])

    def holding(self) -> Holding:
        """The position as numbers of the wire."""
        lots, unit = self.lots, self.unit
        marked = self.mark if lots.quantity else None
        return Holding(
            quantity=lots.quantity,
            cost=unit.number(lots.cost),
            realised=unit.number(lots.realised),
            commission=unit.number(lots.commission),
            opened_ms=lots.opened_ms,
            marked_price=None if marked is None else self.contract.scale.price(marked),
            open=unit.number(self.open),
        )

    def record(self) -> LedgerRecord:
        """All of it, for the state."""
        lots = self.lots
        return LedgerRecord(
            decimals=self.unit.decimals,
            quantity=lots.quantity,
            cost=lots.cost,
            realised=lots.realised,
            commission=lots.commission,
            opened_ms=lots.opened_ms,
            mark=self.mark,
            bars=self.bars,
            flat_bar=self.flat_bar,
            stop_bars=list(self.stop_bars),
            working=list(self.working),
            exits=[order for orders in self.exits.values() for order in orders],
            exposed=dict(self.exposed),
            filled={signal: list(starts) for signal, starts in self.filled.items()},
        )

    def take(self, record: LedgerRecord) -> None:
        """Go on from a record.

        Raises
        ------
        AccountStateError
            When the unit of the account became coarser than amounts of the record.
        """
        lots = self.lots
        lots.quantity = record.quantity
        lots.cost = rescaled(record.cost, record.decimals, self.unit.decimals)
        lots.realised = rescaled(record.realised, record.decimals, self.unit.decimals)
        lots.commission = rescaled(record.commission, record.decimals, self.unit.decimals)
        lots.opened_ms = record.opened_ms
        self.mark = record.mark
        self.bars = record.bars
        self.flat_bar = record.flat_bar
        self.stop_bars = list(record.stop_bars)
        self.working = list(record.working)
        self.exits = {}
        for order in record.exits:
            if order.signal is not None:
                self.exits.setdefault(order.signal, []).append(order)
        self.exposed = dict(record.exposed)
        self.filled = {signal: list(starts) for signal, starts in record.filled.items()}
        self.reopen()


def after_order(quantity: int, signed: int, opens: bool) -> int:
    """Position after a fill; what does not open trades no more than there is to close."""
    if opens:
        return quantity + signed
    if quantity * signed >= 0:
        return quantity
    return quantity + signed if abs(signed) < abs(quantity) else 0


def rescaled(amount: int, decimals: int, wanted: int) -> int:
    """An amount in units of 10^-wanted.

    Raises
    ------
    AccountStateError
        When it is no whole number of them.
    """
    if wanted >= decimals:
        return amount * power_of_ten(wanted - decimals)
    whole, rest = divmod(amount, power_of_ten(decimals - wanted))
    if rest:
        raise AccountStateError(
            f"an amount of 10^-{decimals} is no whole number of 10^-{wanted}, the unit of the"
            " account now: leave its symbols, their ticks, multipliers and lots as they were"
        )
    return whole
