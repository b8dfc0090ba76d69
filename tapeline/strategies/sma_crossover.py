"""Two simple moving averages: buy where the fast one crosses above the slow one, sell below."""

from __future__ import annotations

from tapeline import DerivedBar, Needs, Now, Setup, Signal, Strategy
from tapeline.strategies.own_keys import check_keys, lots, text, whole


class SmaCrossover(Strategy):
    """Crossover of averages of closes, 5 and 20 bars of 5m unless its keys say otherwise.

    It buys when the fast average was not above the slow one at the bar before and is above it now,
    sells when it was not below and is below, and says no side twice in a row of one symbol. The
    confidence grows with the distance: 0.5 + 10 x abs(fast - slow) / slow, at most 1.

    Keys: ``fast`` (5), ``slow`` (20), ``interval`` ("5m"), ``quantity`` (10).
    """

    def setup(self, config: Setup) -> Needs:
        """It needs both averages, and one bar more than the slow one is long."""
        check_keys(config, ("fast", "slow", "interval", "quantity"))
        fast, slow = whole(config, "fast", 5), whole(config, "slow", 20)
        if fast >= slow:
            raise ValueError(f"fast = {fast}, slow = {slow}: fast must be the shorter one")
        self.interval = text(config, "interval", "5m")
        self.fast = f"sma_{fast}_{self.interval}"
        self.slow = f"sma_{slow}_{self.interval}"
        self.quantity = lots(config, 10)
        return Needs(bars={self.interval: slow + 1}, indicators=(self.fast, self.slow))

    def on_bars(self, symbol: str, interval: str, bar: DerivedBar, now: Now) -> None:
        """Compare the averages with those of the bar before."""
        view = now.view
        fast, slow = view.indicator(symbol, self.fast), view.indicator(symbol, self.slow)
        fast_before = view.indicator(symbol, self.fast, 1)
        slow_before = view.indicator(symbol, self.slow, 1)
        if fast is None or slow is None or fast_before is None or slow_before is None:
            return
        if fast_before <= slow_before and fast > slow:
            side, reason = "buy", "above"
        elif fast_before >= slow_before and fast < slow:
            side, reason = "sell", "below"
        else:
            return
        if self.memory.get(symbol) == side:
            return
        self.memory[symbol] = side
        now.emit(
            Signal(
                symbol,
                "buy" if side == "buy" else "sell",
                quantity=self.quantity,
                confidence=min(0.5 + 10 * (abs(fast - slow) / slow), 1.0),
                interval=interval,
                bar_ms=bar.start_ms,
                reason=f"{self.fast} crossed {reason} {self.slow}",
            )
        )
