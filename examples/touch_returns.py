"""A strategy on touches of session ranges.

    tapeline replay --bars ES=sample/es.csv --strategy examples/touch_returns.py:TouchReturns

The rule: when a range's True Open is touched again after a first break (`return`), trade back
towards the side that was broken first, for half an hour. One position a symbol. It shows how a
strategy sees the log, it is no advice.
"""

from __future__ import annotations

from typing import Literal

from tapeline import Bar, Needs, Now, Output, Range, Setup, Signal, Strategy, Touch

MINUTE_MS = 60_000


class TouchReturns(Strategy):
    """Decides on events; the account trades at the open of the bar that comes next."""

    def setup(self, config: Setup) -> Needs:
        self.hold_ms = config.settings.get("hold_minutes", 30) * MINUTE_MS
        return Needs(events=["range", "touch"], cold=True)

    def on_event(self, event: Output, now: Now) -> None:
        if not isinstance(event, Touch) or event.event != "return" or event.corrects is not None:
            return
        ranges = {each.id: each for each in now.view.ranges(event.symbol)}
        side = side_of_first_break(ranges.get(event.range))
        # Two ranges may be touched in one bar; the order of the first is not filled yet.
        ordered = self.memory.get(event.symbol) == now.ms
        if side and not ordered and not now.view.position(event.symbol).quantity:
            self.memory[event.symbol] = now.ms
            now.mark()
            action: Literal["buy", "sell"] = "buy" if side > 0 else "sell"
            now.emit(Signal(event.symbol, action, bar_ms=event.bar_ms, reason=event.name))

    def on_bar(self, bar: Bar, now: Now) -> None:
        held = now.view.position(bar.symbol)
        if held.opened_ms is not None and bar.start_ms + MINUTE_MS >= held.opened_ms + self.hold_ms:
            now.emit(Signal(bar.symbol, "close", reason="held long enough"))


def side_of_first_break(found: Range | None) -> int:
    """+1 when the level that was broken first lies above the True Open, -1 below, 0 unknown."""
    if found is None or found.true_open is None:
        return 0
    level = {"PoC": found.poc, "RPP": found.rpp}.get(found.side or "")
    if level is None or level == found.true_open:
        return 0
    return 1 if level > found.true_open else -1
