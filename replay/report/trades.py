"""Round trips of an account: from no position to none again, made of its fills alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from msgspec import Struct

from tapeline.replay.report.amounts import Instruments
from tapeline.replay.report.book import HostBook
from tapeline.schemas.host_events import Fill, IssuedSignal
from tapeline.schemas.ids import order_role


class FillPart(Struct, frozen=True):
    """The part of a fill that belongs to one trade; whole unless the fill turned the position.

    Attributes
    ----------
    commission
        Its share, in units of money.
    opens
        Whether it adds to the position.
    """

    fill: Fill
    quantity: int
    commission: int
    opens: bool

    @property
    def sign(self) -> int:
        """+1 bought, -1 sold."""
        return 1 if self.fill.side == "buy" else -1


class RoundTrip(Struct, frozen=True):
    """A trade: the parts of fills between two times without a position.

    Attributes
    ----------
    closed
        Whether the position returned to 0; the last trade of a symbol may be open.
    """

    symbol: str
    parts: tuple[FillPart, ...]
    closed: bool

    @property
    def entry(self) -> Fill:
        """The fill that opened it."""
        return self.parts[0].fill

    @property
    def exit(self) -> Fill | None:
        """The fill that closed it."""
        return self.parts[-1].fill if self.closed else None

    @property
    def sign(self) -> int:
        """+1 long, -1 short."""
        return self.parts[0].sign

    @property
    def quantity(self) -> int:
        """Quantity that was opened in all."""
        return sum(part.quantity for part in self.parts if part.opens)

    @property
    def held(self) -> int:
        """Quantity that is still held, never below 0."""
        return sum(part.quantity if part.opens else -part.quantity for part in self.parts)

    @property
    def commission(self) -> int:
        """In units of money."""
        return sum(part.commission for part in self.parts)

    def fills(self) -> list[Fill]:
        """Its fills in order."""
        return [part.fill for part in self.parts]

    def average_ticks(self, instruments: Instruments, opening: bool) -> Fraction:
        """Average price in ticks of what opened it, or of what closed it so far."""
        parts = [part for part in self.parts if part.opens == opening]
        total = sum(
            instruments.ticks(self.symbol, part.fill.price) * part.quantity for part in parts
        )
        return Fraction(total, sum(part.quantity for part in parts))

    def slippage(self, instruments: Instruments) -> int:
        """What slippage cost, in units of money."""
        ticks = sum(part.fill.slippage_ticks * part.quantity for part in self.parts)
        return ticks * instruments.value(self.symbol)

    def profit(self, instruments: Instruments, marked_price: float | None = None) -> int:
        """What it earned at the prices of its fills, before commission, in units of money.

        Parameters
        ----------
        marked_price
            Of an open trade: what the rest is worth; without it the rest counts nothing.
        """
        held = self.held
        if held and marked_price is None:
            return self._realised(instruments)
        ticks = sum(
            -part.sign * part.quantity * instruments.ticks(self.symbol, part.fill.price)
            for part in self.parts
        )
        if held and marked_price is not None:
            ticks += self.sign * held * instruments.ticks(self.symbol, marked_price)
        return ticks * instruments.value(self.symbol)

    def _realised(self, instruments: Instruments) -> int:
        """Of the part that is closed, against the average of what opened it."""
        if self.held == self.quantity:
            return 0
        gone = self.quantity - self.held
        step = self.average_ticks(instruments, False) - self.average_ticks(instruments, True)
        return round(self.sign * step * gone * instruments.value(self.symbol))


def round_trips(fills: Iterable[Fill], commissions: Mapping[str, int]) -> list[RoundTrip]:
    """Trades of one account by the fill that opened them.

    Parameters
    ----------
    fills
        In order of publication.
    commissions
        Of each fill by its id, in units of money.
    """
    done: list[RoundTrip] = []
    running: dict[str, list[FillPart]] = {}
    for fill in fills:
        symbol = fill.symbol
        assert symbol is not None
        parts = running.setdefault(symbol, [])
        sign = 1 if fill.side == "buy" else -1
        left, commission = fill.quantity, commissions[fill.id]
        if parts and parts[0].sign != sign:
            held = sum(part.quantity if part.opens else -part.quantity for part in parts)
            closing = min(held, left)
            share = commission * closing // left
            parts.append(FillPart(fill, closing, share, False))
            left -= closing
            commission -= share
            if closing == held:
                done.append(RoundTrip(symbol, tuple(parts), True))
                parts.clear()
        if left:
            parts.append(FillPart(fill, left, commission, True))
    done += [RoundTrip(symbol, tuple(parts), False) for symbol, parts in running.items() if parts]
    return sorted(done, key=lambda trade: (trade.entry.seq, trade.symbol))


def exit_reason(trade: RoundTrip, book: HostBook) -> str:
    """Why a trade ended: its stop, its target, a signal, or the end of its strategy."""
    fill = trade.exit
    if fill is None:
        return "open"
    role = order_role(fill.order)
    if role in {"stop", "target"}:
        return role
    signal = signal_of(fill, book)
    if signal is None:
        return "strategy stopped"
    return signal.reason or signal.action


def signal_of(fill: Fill, book: HostBook) -> IssuedSignal | None:
    """The signal of a fill; None of one that ended a strategy."""
    return None if fill.signal is None else book.signals.get(fill.signal)


def signals_of(trade: RoundTrip) -> list[str]:
    """Ids of the signals that its fills belong to, each once, in order."""
    return list(dict.fromkeys(fill.signal for fill in trade.fills() if fill.signal is not None))
