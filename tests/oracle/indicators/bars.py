"""Indicators of bars whose value follows from the bars up to one, each time anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

from tests.oracle.indicators.shapes import Bars, Cell, Market, near, reach


def since_anchor(args: dict[str, int | str], bars: Bars) -> Bars:
    """Bars since the first one of the last bar's session, or of history."""
    if args["anchor"] == "history":
        return bars
    return [bar for bar in bars if bar.session == bars[-1].session]


def _vwap(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    part = since_anchor(args, bars)
    volume = sum((bar.amount for bar in part), Fraction(0))
    if volume == 0:
        return (market.price(bars[-1].close),)
    money = sum((bar.typical * bar.amount for bar in part), Fraction(0))
    return (market.price(money / (3 * volume)),)


def _twap(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    part = since_anchor(args, bars)
    return (market.price(Fraction(sum(bar.close for bar in part), len(part))),)


def _obv(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    part = since_anchor(args, bars)
    total: int | float = 0
    for before, bar in itertools.pairwise(part):
        sign = (bar.close > before.close) - (bar.close < before.close)
        total += sign * (bar.volume or 0)
    return (total,)


def _pvt(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    part = since_anchor(args, bars)
    steps = [
        bar.amount * (bar.close - before.close) / before.close
        for before, bar in itertools.pairwise(part)
        if before.close != 0
    ]
    return (near(sum(steps, Fraction(0)), sum(map(abs, steps), Fraction(0))),)


def _vwma(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    volume = sum((bar.amount for bar in bars[-n:]), Fraction(0))
    if volume == 0:
        return (market.price(bars[-1].close),)
    return (market.price(sum((bar.close * bar.amount for bar in bars[-n:]), Fraction(0)) / volume),)


def _volumes(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    total = sum((bar.amount for bar in bars[-n:]), Fraction(0))
    return (float(total / n),)


def _volume_ratio(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    total = sum((bar.amount for bar in bars[-n:]), Fraction(0))
    return (float(bars[-1].amount * n / total) if total else 1.0,)


def _extremes(bars: Bars, n: int) -> tuple[int, int]:
    return max(bar.high for bar in bars[-n:]), min(bar.low for bar in bars[-n:])


def _stochastic(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n, smooth = int(args["n"]), int(args["smooth"])
    if len(bars) < n + smooth - 1:
        return None
    found = []
    for until in range(len(bars) - smooth + 1, len(bars) + 1):
        high, low = _extremes(bars[:until], n)
        position = Fraction(100 * (bars[until - 1].close - low), high - low) if high > low else 50
        found.append(float(position))
    total = found[0]
    for each in found[1:]:
        total = total + each
    return (found[-1], total / smooth)


def _cci(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    typical = [Fraction(bar.typical, 3) for bar in bars[-n:]]
    mean = sum(typical, Fraction(0)) / n
    apart = sum((abs(each - mean) for each in typical), Fraction(0)) / n
    return (float((typical[-1] - mean) / (Fraction(15, 1000) * apart)) if apart else 0.0,)


def _williams_r(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    high, low = _extremes(bars, n)
    return (float(Fraction(-100 * (high - bars[-1].close), high - low)) if high > low else -50.0,)


def _ultimate_osc(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    if len(bars) < int(args["long"]) + 1:
        return None
    shares = []
    for name in ("short", "medium", "long"):
        last = range(len(bars) - int(args[name]), len(bars))
        pressure = sum(bars[t].close - min(bars[t].low, bars[t - 1].close) for t in last)
        path = sum(reach(bars, t) for t in last)
        if path == 0:
            return (50.0,)
        shares.append(float(Fraction(pressure, path)))
    a, b, c = shares
    return (100 * (4 * a + 2 * b + c) / 7,)


def _mfi(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n + 1:
        return None
    rose = fell = Fraction(0)
    for before, bar in zip(bars[-n - 1 :], bars[-n:], strict=False):
        if bar.typical > before.typical:
            rose += bar.typical * bar.amount
        elif bar.typical < before.typical:
            fell += bar.typical * bar.amount
    return (float(100 * rose / (rose + fell)) if rose + fell else 50.0,)


def _aroon(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n + 1:
        return None
    last = list(reversed(bars[-n - 1 :]))
    high, low = _extremes(bars, n + 1)
    up = [bar.high for bar in last].index(high)
    down = [bar.low for bar in last].index(low)
    return (float(Fraction(100 * (n - up), n)), float(Fraction(100 * (n - down), n)))


def _donchian(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    high, low = _extremes(bars, n)
    return (market.price(high), market.price(Fraction(high + low, 2)), market.price(low))


def _high_low(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    found = _donchian(args, bars, market)
    return None if found is None else (found[0], found[2])


def _ichimoku(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    if len(bars) < int(args["span"]):
        return None
    middles = [
        Fraction(sum(_extremes(bars, int(args[name]))), 2)
        for name in ("conversion", "base", "span")
    ]
    cloud = (middles[0] + middles[1]) / 2
    return tuple(market.price(each) for each in (middles[0], middles[1], cloud, middles[2]))


def _bar_range(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    return (market.price(Fraction(sum(bar.high - bar.low for bar in bars[-n:]), n)),)


def _range_ratio(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n:
        return None
    total = sum(bar.high - bar.low for bar in bars[-n:])
    return (float(Fraction((bars[-1].high - bars[-1].low) * n, total)) if total else 1.0,)


def _simple_atr(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n + 1:
        return None
    last = range(len(bars) - n, len(bars))
    return (market.price(Fraction(sum(reach(bars, t) for t in last), n)),)


def _gap_stats(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < n + 1:
        return None
    gaps = [b.open - a.close for a, b in zip(bars[-n - 1 :], bars[-n:], strict=False)]
    threshold = Fraction(str(args["threshold"]))
    return (
        market.price(Fraction(sum(gaps), n)),
        sum(abs(gap) * market.tick > threshold for gap in gaps),
        sum(gap > 0 for gap in gaps),
        sum(gap < 0 for gap in gaps),
    )


def _pivot_points(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    sessions = list(dict.fromkeys(bar.session for bar in bars))
    if len(sessions) < 2:
        return None
    before = [bar for bar in bars if bar.session == sessions[-2]]
    high, low = max(bar.high for bar in before), min(bar.low for bar in before)
    close = before[-1].close
    pivot = Fraction(high + low + close, 3)
    levels = (
        pivot,
        2 * pivot - low,
        pivot + high - low,
        high + 2 * (pivot - low),
        2 * pivot - high,
        pivot - high + low,
        low - 2 * (high - pivot),
    )
    return tuple(market.price(level) for level in levels)


def _swing_high(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < 2 * n + 1:
        return None
    centre = bars[-1 - n].high
    highest = all(centre >= bar.high for bar in bars[-2 * n - 1 :])
    return (market.price(centre) if highest else None,)


def _swing_low(args: dict[str, int | str], bars: Bars, market: Market) -> Cell:
    n = int(args["n"])
    if len(bars) < 2 * n + 1:
        return None
    centre = bars[-1 - n].low
    lowest = all(centre <= bar.low for bar in bars[-2 * n - 1 :])
    return (market.price(centre) if lowest else None,)


Formula = Callable[[dict[str, int | str], Bars, Market], Cell]
OF_PREFIX: dict[str, Formula] = {
    "vwap": _vwap,
    "twap": _twap,
    "obv": _obv,
    "pvt": _pvt,
    "vwma": _vwma,
    "volume_sma": _volumes,
    "avg_volume": _volumes,
    "volume_ratio": _volume_ratio,
    "stochastic": _stochastic,
    "cci": _cci,
    "williams_r": _williams_r,
    "ultimate_osc": _ultimate_osc,
    "mfi": _mfi,
    "aroon": _aroon,
    "donchian": _donchian,
    "high_low": _high_low,
    "ichimoku": _ichimoku,
    "avg_range": _bar_range,
    "range_ratio": _range_ratio,
    "gap_stats": _gap_stats,
    "pivot_points": _pivot_points,
    "swing_high": _swing_high,
    "swing_low": _swing_low,
}
