"""Breakout of the first half hour of a session."""

from __future__ import annotations

from fractions import Fraction

from tapeline import DerivedBar, Needs, Now, Setup, Signal, Strategy
from tapeline.strategies.own_keys import check_keys, in_ticks, lots, text

MINUTES = 30
MINUTE_MS = 60 * 1000


class OpeningRange(Strategy):
    """Trade with the first close outside the range of the first 30 minutes of a session.

    A bar of 5m that closes above the range buys at the market, one that closes below sells. The
    stop is the other side of the range, the target lies one width of it beyond the side that broke.
    One trade a session; none where a bar of the first half hour is missing when it ends.

    Keys: ``interval`` ("5m"), ``quantity`` (that of the account).
    """

    def setup(self, config: Setup) -> Needs:
        """It needs the bars of half an hour."""
        check_keys(config, ("interval", "quantity"))
        self.interval = text(config, "interval", "5m")
        length = self.interval.removesuffix("m")
        minutes = int(length) if length != self.interval and length.isdecimal() else 0
        if minutes == 0 or MINUTES % minutes:
            raise ValueError(
                f"interval = {self.interval!r}: {MINUTES} minutes must be a multiple of it"
            )
        self.length_ms = minutes * MINUTE_MS
        self.count = MINUTES // minutes
        self.quantity = lots(config, None)
        instruments = {symbol: config.instrument(symbol) for symbol in config.symbols}
        self.ticks = {symbol: Fraction(each.tick) for symbol, each in instruments.items()}
        self.any_sign = {symbol: each.negative_prices for symbol, each in instruments.items()}
        return Needs(bars={self.interval: self.count}, events=("session",))

    def on_bars(self, symbol: str, interval: str, bar: DerivedBar, now: Now) -> None:
        """Remember the range where the half hour ends, then compare closes with it."""
        known = self.memory.get(symbol)
        if known is not None and known["session"] == bar.session:
            if not known["low"] <= bar.close <= known["high"]:
                del self.memory[symbol]
                self.broken(bar, known["high"], known["low"], now)
            return
        session = now.view.session(symbol)
        if session is None or session.session != bar.session:
            return
        first_ms = session.open_ms
        if bar.start_ms != first_ms + (self.count - 1) * self.length_ms:
            return
        bars = now.view.bars(symbol, interval)
        if bars[0].start_ms == first_ms and all(each.complete for each in bars):
            self.memory[symbol] = {
                "session": bar.session,
                "high": max(each.high for each in bars),
                "low": min(each.low for each in bars),
            }

    def broken(self, bar: DerivedBar, high: float, low: float, now: Now) -> None:
        """Emit the signal of a break; a range without width has none."""
        tick = self.ticks[bar.symbol]
        top, bottom = in_ticks(high, tick), in_ticks(low, tick)
        width = top - bottom
        buys = bar.close > high
        target = top + width if buys else bottom - width
        if width == 0 or (target < 1 and not self.any_sign[bar.symbol]):
            # There is no room for a stop, or no price so low that the target could lie at.
            return
        now.emit(
            Signal(
                bar.symbol,
                "buy" if buys else "sell",
                quantity=self.quantity,
                stop=low if buys else high,
                target=float(target * tick),
                interval=bar.interval,
                bar_ms=bar.start_ms,
                reason=f"close {'above' if buys else 'below'} the first {MINUTES} minutes",
            )
        )
