"""Fills, costs and equity of paper accounts a second time: fractions and plain loops.

It takes signals with their decisions and the bars of a run, and knows docs/rules.md 21 alone. Of
entries it knows those at the market, with stop and target or without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Terms:
    """Money of an account, and what a tick of a lot of each symbol is worth."""

    cash: Fraction
    tick: Fraction
    tick_value: Mapping[str, Fraction]
    slippage: int
    per_unit: Fraction
    per_order: Fraction
    bps: Fraction
    ambiguous: str


@dataclass
class Working:
    """An order that may fill: `price` in ticks, None at the market; lots, side 1 or -1."""

    id: str
    signal: str
    kind: str
    side: int
    lots: int
    price: int | None
    placed_ms: int
    valid_until_ms: int | None
    stop: int | None = None
    target: int | None = None


@dataclass
class Lots:
    """What is held of a symbol."""

    lots: int = 0
    cost: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    commission: Fraction = Fraction(0)
    mark: int = 0
    trades: int = 0
    working: list[Working] = field(default_factory=list)


def cents(money: Fraction) -> Fraction:
    """To hundredths, half away from zero."""
    rounded = (abs(money) * 100 + Fraction(1, 2)) // 1
    return Fraction(rounded, 100) * (1 if money >= 0 else -1)


class PaperMoney:
    """One account.

    Attributes
    ----------
    fills
        What each order filled for: id of the order to (lots, price, commission, start of the bar,
        ambiguous).
    waits
        Exits that waited in the bar of their entry because it reached both.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.held = {symbol: Lots() for symbol in terms.tick_value}
        self.fills: dict[str, tuple[int, Fraction, Fraction, int, bool]] = {}
        self.waits = 0

    def bar(self, bar: Event) -> None:
        """A bar in order, in session."""
        held = self.held[bar["symbol"]]
        prices = [int(Fraction(str(bar[name])) / self.terms.tick) for name in PRICES]
        entered: set[str] = set()
        held.mark = prices[3]
        for order in list(held.working):
            if order.kind not in {"entry", "flatten"} or bar["start_ms"] < order.placed_ms:
                continue
            held.working.remove(order)
            ends = order.valid_until_ms
            if ends is not None and bar["start_ms"] >= ends:
                continue
            price = self._slipped(prices[0], order.side)
            self._fill(bar, held, order, price, False)
            if order.kind == "entry" and held.lots * order.side > 0:
                entered.add(order.signal)
                self._protect(held, order, bar["start_ms"])
        for signal in sorted({each.signal for each in held.working}):
            self._exit(bar, held, signal, prices, signal in entered)

    def _protect(self, held: Lots, entry: Working, placed_ms: int) -> None:
        for kind, price in (("stop", entry.stop), ("target", entry.target)):
            if price is not None:
                name = f"order|{entry.signal}|{kind}"
                made = Working(
                    name, entry.signal, kind, -entry.side, entry.lots, price, placed_ms, None
                )
                held.working.append(made)

    def _exit(self, bar: Event, held: Lots, signal: str, prices: list[int], in_entry: bool) -> None:
        exits = {each.kind: each for each in held.working if each.signal == signal}
        stop, target = exits.get("stop"), exits.get("target")
        first, high, low, _ = prices
        hit: dict[str, int] = {}
        for kind, order in (("stop", stop), ("target", target)):
            if order is None or order.price is None:
                continue
            # A long position is left downwards by its stop, upwards by its target.
            downwards = (order.side < 0) == (kind == "stop")
            if (first <= order.price) if downwards else (first >= order.price):
                hit[kind] = first
            elif (low <= order.price) if downwards else (high >= order.price):
                hit[kind] = order.price
        if not hit:
            return
        if in_entry and len(hit) == 2:
            self.waits += 1
            return
        gapped = [kind for kind, price in hit.items() if price == first]
        ambiguous = len(hit) == 2 and not gapped
        if gapped:
            kind = gapped[0]
        elif len(hit) == 1:
            [kind] = hit
        else:
            assert stop is not None
            kind = self._ambiguous(stop.side, first, high, low)
        order = exits[kind]
        price = self._slipped(hit[kind], order.side) if kind == "stop" else hit[kind]
        held.working.remove(order)
        self._fill(bar, held, order, price, ambiguous)
        # Of its bracket the other one is over, whether anything is left or not.
        held.working = [each for each in held.working if each.signal != signal]

    def _ambiguous(self, exit_side: int, first: int, high: int, low: int) -> str:
        mode = self.terms.ambiguous
        if mode != "adaptive":
            return "stop" if mode == "pessimistic" else "target"
        up, down = high - first, first - low
        to_stop, to_target = (down, up) if exit_side < 0 else (up, down)
        return "target" if to_target < to_stop else "stop"

    def _slipped(self, price: int, side: int) -> int:
        return max(price + side * self.terms.slippage, 1)

    def _fill(self, bar: Event, held: Lots, order: Working, price: int, ambiguous: bool) -> None:
        terms = self.terms
        lots = order.lots
        if order.kind != "entry":
            lots = min(lots, max(-held.lots * order.side, 0))
            if lots == 0:
                return
        value = terms.tick_value[bar["symbol"]]
        worth = price * value * lots
        commission = cents(lots * terms.per_unit + terms.per_order + worth * terms.bps / 10_000)
        held.commission += commission
        if held.lots * order.side >= 0:
            held.cost += order.side * worth
        else:
            assert lots <= abs(held.lots)
            released = cents(held.cost * lots / abs(held.lots))
            held.cost -= released
            held.realised += -order.side * worth - released
        held.lots += order.side * lots
        if held.lots == 0:
            held.trades += 1
            held.working = [each for each in held.working if each.kind not in {"stop", "target"}]
        at_price = price * terms.tick
        self.fills[order.id] = (lots, at_price, commission, bar["start_ms"], ambiguous)

    def place(self, signal: Event, lots: int) -> None:
        """An approved signal, with the lots of its decision."""
        held = self.held[signal["symbol"]]
        placed_ms, name = signal["event_ms"], signal["id"]
        side = {"buy": 1, "sell": -1}.get(signal["action"], 0)
        if held.lots * side < 0 or (signal["action"] == "close" and held.lots):
            closing = -1 if held.lots > 0 else 1
            order = f"order|{name}|flatten"
            made = Working(order, name, "flatten", closing, abs(held.lots), None, placed_ms, None)
            held.working.append(made)
        if side:
            assert signal["order"] == "market"
            stop, target = (self._ticks(signal[each]) for each in ("stop", "target"))
            until_ms, order = signal["valid_until_ms"], f"order|{name}|entry"
            entry = Working(order, name, "entry", side, lots, None, placed_ms, until_ms)
            entry.stop, entry.target = stop, target
            held.working.append(entry)

    def _ticks(self, price: float | None) -> int | None:
        return None if price is None else int(Fraction(str(price)) / self.terms.tick)

    def money(self) -> dict[str, Fraction]:
        """What an event of the account says of it now."""
        terms = self.terms
        realised = sum((each.realised for each in self.held.values()), Fraction(0))
        commission = sum((each.commission for each in self.held.values()), Fraction(0))
        open_ = sum(
            (each.lots * each.mark * terms.tick_value[symbol] - each.cost)
            for symbol, each in self.held.items()
        )
        cash = terms.cash + realised - commission
        return {
            "realised": realised,
            "commission": commission,
            "open": Fraction(open_),
            "cash": cash,
            "equity": cash + open_,
            "positions": Fraction(sum(each.lots != 0 for each in self.held.values())),
            "trades": Fraction(sum(each.trades for each in self.held.values())),
        }


PRICES = ("open", "high", "low", "close")
