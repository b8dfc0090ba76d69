"""Whether a base bar fills an order, and at which price: whole ticks (docs/rules.md 21.5 to 21.8).

A bar is open, high, low and close; what came first inside of it is not known. All levels are
inclusive.
"""

from __future__ import annotations

from tapeline.schemas.config.accounts import Ambiguous
from tapeline.schemas.host_events import OrderKind

LEAST_PRICE = 1
"""In ticks: below it slippage takes no price that may not be negative."""


class BarTicks:
    """Prices of a base bar in ticks."""

    def __init__(self, opened: int, high: int, low: int, close: int) -> None:
        self.open = opened
        self.high = high
        self.low = low
        self.close = close


class Reached:
    """A price at which a bar fills an order, without slippage.

    Attributes
    ----------
    ticks
        The level, or the open.
    at_open
        Whether the bar opened at it or beyond it.
    """

    def __init__(self, ticks: int, at_open: bool) -> None:
        self.ticks = ticks
        self.at_open = at_open


class ChosenExit:
    """Which of stop and target a bar fills."""

    def __init__(self, is_stop: bool, reached: Reached, ambiguous: bool) -> None:
        self.is_stop = is_stop
        self.reached = reached
        self.ambiguous = ambiguous


def reached(
    kind: OrderKind, buys: bool, level: int | None, through: int, bar: BarTicks
) -> Reached | None:
    """Where a bar fills an order; None if it does not.

    Parameters
    ----------
    level
        In ticks; None for a market order.
    through
        Ticks by which a limit must be passed.
    """
    if kind == "market" or level is None:
        return Reached(bar.open, True)
    if kind == "stop":
        return _stop(buys, level, bar)
    return _limit(buys, level, through, bar)


def _stop(buys: bool, level: int, bar: BarTicks) -> Reached | None:
    if buys:
        if bar.open >= level:
            return Reached(bar.open, True)
        return Reached(level, False) if bar.high >= level else None
    if bar.open <= level:
        return Reached(bar.open, True)
    return Reached(level, False) if bar.low <= level else None


def _limit(buys: bool, level: int, through: int, bar: BarTicks) -> Reached | None:
    if buys:
        if bar.open <= level - through:
            return Reached(bar.open, True)
        return Reached(level, False) if bar.low <= level - through else None
    if bar.open >= level + through:
        return Reached(bar.open, True)
    return Reached(level, False) if bar.high >= level + through else None


def chosen_exit(
    stop: Reached | None, target: Reached | None, sells: bool, bar: BarTicks, rule: Ambiguous
) -> ChosenExit | None:
    """Which of the two a bar fills, of a position that it began with.

    Parameters
    ----------
    sells
        Whether the exits sell: the stop then lies below the target.
    rule
        What fills where both lie inside the bar.
    """
    if stop is not None and (target is None or stop.at_open):
        return ChosenExit(True, stop, False)
    if target is None:
        return None
    if stop is None or target.at_open:
        return ChosenExit(False, target, False)
    takes_target = rule == "optimistic"
    if rule == "adaptive":
        below = bar.open - bar.low
        above = bar.high - bar.open
        takes_target = above < below if sells else below < above
    return ChosenExit(not takes_target, target if takes_target else stop, True)


def exit_of_entry_bar(
    kind: OrderKind, at_open: bool, stop: Reached | None, target: Reached | None
) -> ChosenExit | None:
    """Which of the two the bar of the entry fills: only what certainly came after the entry.

    Parameters
    ----------
    kind, at_open
        Of the entry, and whether the bar's open filled it.

    Notes
    -----
    After an entry at the open both may have come first, so one alone fills. A limit inside the bar
    lies between open and stop: the way to the stop led over it, the target may have been before.
    Of a stop inside the bar the same is true of the target.
    """
    if at_open:
        if stop is not None and target is not None:
            return None
    elif kind == "limit":
        target = None
    else:
        stop = None
    if stop is not None:
        return ChosenExit(True, stop, False)
    return None if target is None else ChosenExit(False, target, False)


def slipped(ticks: int, buys: bool, slippage: int, any_sign: bool) -> int:
    """A price with ticks against the account, never below `LEAST_PRICE` unless of any sign."""
    if buys:
        return ticks + slippage
    worse = ticks - slippage
    return worse if any_sign or worse >= LEAST_PRICE else min(ticks, LEAST_PRICE)
