"""How many bars an indicator needs until it has a value, and until history's beginning is gone."""

from __future__ import annotations

from math import ceil, isqrt, log, log1p

from tapeline.schemas.indicators.specification import Specification

BY_EVENTS = -1
"""No number of bars: what happens decides, such as the end of a session or a turn of a stop."""


def first_count(made: Specification) -> int:
    """Bars until its first value, without those of what it follows; `BY_EVENTS` of pivot points."""
    name = made.name
    if name in ("vwap", "twap", "obv", "pvt", "rvol"):
        return 1
    if name == "pivot_points":
        return BY_EVENTS
    if name == "psar":
        return 2
    if name == "macd":
        return made.whole("slow") + made.whole("signal") - 1
    if name == "ultimate_osc":
        return made.whole("long") + 1
    if name == "ichimoku":
        return made.whole("span")
    n = made.whole("n")
    if name == "stochastic":
        return n + made.whole("smooth") - 1
    if name == "keltner":
        return max(n, made.whole("atr_period") + 1)
    return _FIRST.get(name, (1, 0))[0] * n + _FIRST.get(name, (1, 0))[1] + _root(made)


# Bars as a multiple of n, and a number beyond it; all others have n.
_FIRST = {
    "dema": (2, -1),
    "tema": (3, -2),
    "hma": (1, -1),
    "kama": (1, 1),
    "rsi": (1, 1),
    "roc": (1, 1),
    "mom": (1, 1),
    "mfi": (1, 1),
    "cmo": (1, 1),
    "aroon": (1, 1),
    "atr": (1, 1),
    "atr_daily": (1, 1),
    "histvol": (1, 1),
    "gap_stats": (1, 1),
    "supertrend": (1, 1),
    "adx": (2, 0),
    "swing_high": (2, 1),
    "swing_low": (2, 1),
}


def _root(made: Specification) -> int:
    return isqrt(made.whole("n")) if made.name == "hma" else 0


def warm_count(made: Specification) -> int:
    """The bar, counted from 1 from history's beginning, at which the beginning is gone.

    `BY_EVENTS` where no number of bars decides. Of one that follows another it is counted from the
    bar at which that one is warm.
    """
    if made.name in ("vwap", "twap", "obv", "pvt", "rvol", "pivot_points", "psar", "supertrend"):
        return BY_EVENTS
    return first_count(made) + 2 * _bound(made)


def _bound(made: Specification) -> int:
    """Bars after which two averages that began apart are equal to the bit; 0 of exact ones."""
    name = made.name
    if name == "macd":
        return ema_bound(made.whole("slow")) + ema_bound(made.whole("signal"))
    if name == "kama":
        return bound((2 / (made.whole("slow") + 1)) ** 2)
    if name in ("ema", "dema", "tema"):
        return ("ema", "dema", "tema").index(name) * ema_bound(made.whole("n")) + ema_bound(
            made.whole("n")
        )
    if name == "adx":
        return 2 * wilder_bound(made.whole("n")) + 1
    if name == "keltner":
        middle = ema_bound(made.whole("n"))
        if made.text("smoothing") == "simple":
            return middle
        return max(middle, wilder_bound(made.whole("atr_period")) + 1)
    if name in ("rsi", "atr", "atr_daily") and made.text("smoothing") == "wilder":
        return wilder_bound(made.whole("n")) + 1
    return 0


def ema_bound(n: int) -> int:
    """Bound of an exponential average of n."""
    return bound(2 / (n + 1))


def wilder_bound(n: int) -> int:
    """Bound of an average of Wilder of n."""
    return bound(1 / n)


def bound(share: float) -> int:
    """Bars until what an average was counts less than a unit in its last digit.

    Parameters
    ----------
    share
        Of a bar in the average.
    """
    return 0 if share >= 1 else ceil(53 * log(2) / -log1p(-share))


def range_warm_count(n: int) -> int:
    """The bar at which an average true range of n by Wilder is warm."""
    return n + 1 + 2 * (wilder_bound(n) + 1)
