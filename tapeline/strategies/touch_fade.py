"""First touch of the high or low of the session before: trade against it."""

from __future__ import annotations

from fractions import Fraction

from tapeline import Needs, Now, Output, Range, Setup, Signal, Strategy, Touch
from tapeline.strategies.own_keys import check_keys, in_ticks, lots

TEMPLATE = "prior_session"
STOP_TICKS = 8


class TouchFade(Strategy):
    """Fade of the first touch of a level of the prior session.

    A touch of its high sells at the market, one of its low buys. The stop lies 8 ticks beyond the
    level, the target in the middle of the two levels, rounded down to a tick. Each level counts
    once a session; a bar that touches both counts for none. A touch that a correction brings is
    none: its time has passed.

    Keys: ``quantity`` (that of the account).
    """

    def setup(self, config: Setup) -> Needs:
        """It needs the template `prior_session` of its symbols."""
        check_keys(config, ("quantity",))
        self.quantity = lots(config, None)
        self.ticks: dict[str, Fraction] = {}
        self.any_sign: dict[str, bool] = {}
        for symbol in config.symbols:
            instrument = config.instrument(symbol)
            if TEMPLATE not in instrument.ranges:
                raise ValueError(
                    f"{symbol} has no levels of the prior session; add to its table"
                    f' [instruments.{symbol}]: ranges = ["{TEMPLATE}"]'
                )
            self.ticks[symbol] = Fraction(instrument.tick)
            self.any_sign[symbol] = instrument.negative_prices
        return Needs(events=("range", "touch"))

    def on_event(self, event: Output, now: Now) -> None:
        """Remember the levels, and trade against their touches."""
        if isinstance(event, Range) and event.kind == "Prior":
            known = self.memory.get(event.symbol, {})
            before = known["state"] if known.get("id") == event.id else "untouched"
            self.memory[event.symbol] = {
                "id": event.id,
                "high": event.high,
                "low": event.low,
                "state": event.state,
                "both": before == "untouched" and event.state == "resolved",
                "traded": known["traded"] if known.get("id") == event.id else [],
            }
        elif isinstance(event, Touch) and event.kind == "Prior" and event.corrects is None:
            self.touched(event, now)

    def touched(self, touch: Touch, now: Now) -> None:
        """Emit the signal of a touch, unless there is none."""
        known = self.memory.get(touch.symbol, {})
        if known.get("id") != touch.range or known["both"] or touch.event in known["traded"]:
            return
        if touch.level not in {"high", "low"}:
            return
        tick = self.ticks[touch.symbol]
        high, low = in_ticks(known["high"], tick), in_ticks(known["low"], tick)
        sells = touch.level == "high"
        stop = high + STOP_TICKS if sells else low - STOP_TICKS
        known["traded"].append(touch.event)
        if stop < 1 and not self.any_sign[touch.symbol]:
            # There is no price so low that the stop could lie at.
            return
        now.emit(
            Signal(
                touch.symbol,
                "sell" if sells else "buy",
                quantity=self.quantity,
                stop=float(stop * tick),
                target=float((high + low) // 2 * tick),
                bar_ms=touch.bar_ms,
                reason=f"first touch of the prior {touch.level}",
            )
        )
