"""How far the price went for and against a trade, and how many bars it lasted."""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct

from tapeline.replay.report.amounts import Instruments
from tapeline.replay.report.book import HostBook
from tapeline.replay.report.seen_bars import SeenBars
from tapeline.replay.report.trades import RoundTrip
from tapeline.schemas.host_events import Fill


class Excursion(Struct, frozen=True):
    """Of one trade, in ticks from the average price of its entry.

    Attributes
    ----------
    bars
        Base bars from that of the entry to that of the exit, both included.
    against, in_favour
        Greatest excursions (MAE, MFE), not below 0.
    """

    bars: int
    against: Fraction
    in_favour: Fraction


def excursion(
    trade: RoundTrip, seen: SeenBars, instruments: Instruments, book: HostBook
) -> Excursion | None:
    """Excursions of a trade over the bars that the run saw; None where its entry has no bar.

    Of the bar of the entry counts what must have come after it: all of it for a fill at its open;
    of a limit order inside the bar the extreme that it waited for, of a stop order the one beyond
    it; and the close. Of the bar of the exit only the fill counts.
    """
    first = seen.position(trade.entry.bar_ms)
    if first is None:
        return None
    last = len(seen.starts)
    ended = trade.exit
    if ended is not None:
        found = seen.position(ended.bar_ms)
        if found is None:
            return None
        last = found
    symbol = trade.symbol
    entry = trade.average_ticks(instruments, True)
    low, high = _extremes_of_entry(trade.entry, seen, first, instruments, book)
    if last <= first:
        # It ended in the bar that it began in.
        low, high = entry, entry
    if last > first + 1:
        low = min(low, instruments.exact_ticks(symbol, min(seen.lows[first + 1 : last])))
        high = max(high, instruments.exact_ticks(symbol, max(seen.highs[first + 1 : last])))
    fills = [Fraction(instruments.ticks(symbol, fill.price)) for fill in trade.fills()]
    low, high = min(low, *fills), max(high, *fills)
    against, in_favour = (
        (entry - low, high - entry) if trade.sign > 0 else (high - entry, entry - low)
    )
    bars = min(last + 1, len(seen.starts)) - first
    return Excursion(bars, max(against, Fraction(0)), max(in_favour, Fraction(0)))


def _extremes_of_entry(
    fill: Fill, seen: SeenBars, at: int, instruments: Instruments, book: HostBook
) -> tuple[Fraction, Fraction]:
    symbol = fill.symbol
    assert symbol is not None
    low, high, close, opened = (
        instruments.exact_ticks(symbol, each[at])
        for each in (seen.lows, seen.highs, seen.closes, seen.opens)
    )
    sign = 1 if fill.side == "buy" else -1
    before_slippage = instruments.ticks(symbol, fill.price) - sign * fill.slippage_ticks
    order = book.orders.get(fill.order)
    kind = "market" if order is None else order.kind
    if kind == "market" or before_slippage == opened:
        return low, high
    # A limit to buy and a stop to sell wait for a fall: what lies below came with it or after it.
    if (kind == "limit") == (fill.side == "buy"):
        return low, close
    return close, high
