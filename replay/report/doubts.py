"""What is not sure of the fills of a run: both extremes, waits, delays, thin data."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from msgspec import Struct

from tapeline.replay.report.amounts import Instruments
from tapeline.replay.report.book import HostBook
from tapeline.schemas.config.accounts import AccountConfig
from tapeline.schemas.host_events import Fill, Order
from tapeline.schemas.ids import order_role

GOOD_QUALITY: Final = 95.0
STOP: Final = "stop"
TARGET: Final = "target"
_BASIS_POINTS: Final = 10_000


class BothWays(Struct, frozen=True):
    """What the ambiguous fills of an account could have changed, in units of money.

    Attributes
    ----------
    fills
        Number of those whose bar held both the stop and the target.
    worst, best
        To be added to the result: with the worse, and with the better of the two in each of them.
        What later orders would have done is not followed.
    """

    fills: int
    worst: int
    best: int


class Doubts(Struct, frozen=True):
    """Counts of fills and bars.

    Attributes
    ----------
    waits
        Exits that the bar of their entry touched and that waited, as its order is not known.
    delayed
        Market orders that filled later than at the time they were placed: bars were missing.
    thin
        Fills in sessions under 95 % quality, or of none.
    behind_clocks
        Bars of symbols of the account that came after a clock had passed them: no hook, no fill.
    """

    extremes: BothWays
    waits: int
    delayed: int
    thin: int
    behind_clocks: int


def doubts_of(book: HostBook, instruments: Instruments, account: AccountConfig) -> Doubts:
    """What is not sure of the fills of one account."""
    behind = {} if book.bars is None else book.bars.behind_clocks
    protections = _protections(book)
    kinds = {order.id: order.kind for order in book.orders.values()}
    worst = best = ambiguous = 0
    for fill in book.fills:
        if fill.ambiguous and fill.signal is not None:
            ambiguous += 1
            other = _other_way(fill, protections[fill.signal], instruments, account)
            worst += min(other, 0)
            best += max(other, 0)
    return Doubts(
        BothWays(ambiguous, worst, best),
        _waits(book, protections),
        sum(1 for each in book.fills if each.delay_ms > 0 and kinds[each.order] == "market"),
        sum(1 for each in book.fills if each.quality is None or each.quality < GOOD_QUALITY),
        sum(behind.get(symbol, 0) for symbol in book.symbols()),
    )


def _protections(book: HostBook) -> dict[str, dict[str, Order]]:
    """Stop and target of each signal that has some, by their role."""
    found: dict[str, dict[str, Order]] = {}
    for key, order in book.orders.items():
        role = order_role(key)
        if order.signal is not None and role in {STOP, TARGET}:
            found.setdefault(order.signal, {})[role] = order
    return found


def _other_way(
    fill: Fill, orders: dict[str, Order], instruments: Instruments, account: AccountConfig
) -> int:
    """What the other one of stop and target would have earned more, in units of money."""
    symbol = fill.symbol
    assert symbol is not None
    sign = 1 if fill.side == "buy" else -1
    was_stop = order_role(fill.order) == STOP
    level = orders[TARGET if was_stop else STOP].price
    assert level is not None
    ticks = instruments.ticks(symbol, level)
    if not was_stop:
        ticks = max(ticks + sign * account.slippage_ticks, 1)
    more_paid = ticks - instruments.ticks(symbol, fill.price)
    value = instruments.value(symbol) * fill.quantity
    rate = Fraction(str(account.commission_bps)) / _BASIS_POINTS
    return -sign * more_paid * value - round(more_paid * value * rate)


def _waits(book: HostBook, protections: dict[str, dict[str, Order]]) -> int:
    """Exits that the bar of their entry touched, and that did not fill in it."""
    if book.bars is None:
        return 0
    filled_in = {fill.order: fill.bar_ms for fill in book.fills}
    count = 0
    for fill in book.fills:
        if fill.signal is None or order_role(fill.order) != "entry" or fill.symbol is None:
            continue
        seen = book.bars.symbols.get(fill.symbol)
        at = None if seen is None else seen.position(fill.bar_ms)
        if seen is None or at is None:
            continue
        low, high = seen.lows[at], seen.highs[at]
        for role, order in protections.get(fill.signal, {}).items():
            level = order.price
            if level is None or filled_in.get(order.id) == fill.bar_ms:
                continue
            # A stop to sell and a limit to buy wait for a fall.
            falls = (role == STOP) == (order.side == "sell")
            count += level >= low if falls else level <= high
    return count
