"""RSI at an extreme: buy what was sold too far, sell what was bought too far."""

from __future__ import annotations

from tapeline import DerivedBar, Needs, Now, Setup, Signal, Strategy
from tapeline.strategies.own_keys import check_keys, level, lots, text, whole

BARS = 24
"""It waits for so many bars, however short the period is."""


class Rsi(Strategy):
    """RSI of closes, 14 bars of 5m, levels 30 and 70, unless its keys say otherwise.

    It buys below the low level and sells above the high one, and then waits until the RSI was back
    between both, levels included. The confidence grows with the distance beyond the level: 0.5 +
    distance / room, at most 1, where the room is what lies beyond the level.

    Keys: ``period`` (14), ``low`` (30), ``high`` (70), ``interval`` ("5m"), ``quantity`` (10).
    """

    def setup(self, config: Setup) -> Needs:
        """It needs the RSI, and 24 bars."""
        check_keys(config, ("period", "low", "high", "interval", "quantity"))
        self.interval = text(config, "interval", "5m")
        self.low, self.high = level(config, "low", 30.0), level(config, "high", 70.0)
        if self.low >= self.high:
            raise ValueError(f"low = {self.low}, high = {self.high}: low must be the lower one")
        self.key = f"rsi_{whole(config, 'period', 14)}_{self.interval}"
        self.quantity = lots(config, 10)
        return Needs(bars={self.interval: BARS}, indicators=(self.key,))

    def on_bars(self, symbol: str, interval: str, bar: DerivedBar, now: Now) -> None:
        """Look at the RSI of the bar."""
        value = now.view.indicator(symbol, self.key)
        if value is None:
            return
        if self.low <= value <= self.high:
            self.memory[symbol] = "armed"
            return
        if self.memory.get(symbol, "armed") != "armed":
            return
        self.memory[symbol] = "waiting"
        below = value < self.low
        if below:
            distance = (self.low - value) / self.low
        else:
            distance = (value - self.high) / (100.0 - self.high)
        now.emit(
            Signal(
                symbol,
                "buy" if below else "sell",
                quantity=self.quantity,
                confidence=min(0.5 + distance, 1.0),
                interval=interval,
                bar_ms=bar.start_ms,
                reason=self.key + (f" below {self.low:g}" if below else f" above {self.high:g}"),
            )
        )
