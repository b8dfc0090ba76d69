"""Indicators of bars that are a path: each value follows from the one before."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.indicators.bars import OF_PREFIX
from tests.oracle.indicators.shapes import (
    NEAR,
    Bars,
    Cell,
    Market,
    average,
    ema,
    near,
    reach,
    shorter,
)

Args = dict[str, int | str]


def wilder_atr(bars: Bars, n: int) -> list[Fraction | None]:
    """Average true range in ticks; of the first bar there is none."""
    reaches = [Fraction(reach(bars, t)) for t in range(1, len(bars))]
    return [None, *average(reaches, n, Fraction(1, n))][: len(bars)]


def simple_atr(bars: Bars, n: int) -> list[Fraction | None]:
    """Mean of the last n true ranges in ticks."""
    return [
        None if t < n else Fraction(sum(reach(bars, i) for i in range(t - n + 1, t + 1)), n)
        for t in range(len(bars))
    ]


def atr(args: Args, bars: Bars, market: Market) -> list[Cell]:
    """Average true range; `smoothing` decides how."""
    n = int(args["n"])
    if args["smoothing"] == "simple":
        return [None if e is None else (market.price(e),) for e in simple_atr(bars, n)]
    return [
        None if e is None else (near(e * market.tick, e * market.tick),)
        for e in wilder_atr(bars, n)
    ]


def keltner(args: Args, bars: Bars, market: Market) -> list[Cell]:
    """A band of true ranges around an average."""
    tick = market.tick
    middles = ema([Fraction(bar.close) for bar in bars], int(args["n"]))
    simple = args["smoothing"] == "simple"
    ranges = (simple_atr if simple else wilder_atr)(bars, int(args["atr_period"]))
    times = Fraction(str(args["multiplier"]))
    found: list[Cell] = []
    for middle, band in zip(middles, ranges, strict=True):
        if middle is None or band is None:
            found.append(None)
            continue
        lines = (middle + times * band, middle, middle - times * band)
        size = max(abs(middle), times * band) * tick
        found.append(tuple(near(line * tick, size) for line in lines))
    return found


def adx(args: Args, bars: Bars, market: Market) -> list[Cell]:
    """Strength of a trend."""
    n = int(args["n"])
    sums = [Fraction(0), Fraction(0), Fraction(0)]
    indices: list[Fraction] = []
    for t in range(1, len(bars)):
        up = bars[t].high - bars[t - 1].high
        down = bars[t - 1].low - bars[t].low
        moved = (
            up if up > max(down, 0) else 0,
            down if down > max(up, 0) else 0,
            reach(bars, t),
        )
        for position, x in enumerate(moved):
            if t < n:
                sums[position] += x
            else:
                after = shorter(sums[position] - sums[position] / n + x)
                sums[position] = Fraction(0) if after < NEAR else after
        if t >= n:
            plus, minus, path = sums
            both = plus + minus
            indices.append(100 * abs(plus - minus) / both if path and both else Fraction(0))
    found: list[Cell] = [None] * min(n, len(bars))
    for e in average(indices, n, Fraction(1, n)):
        found.append(None if e is None else (near(e, 100),))
    return found


def supertrend(args: Args, bars: Bars, market: Market) -> list[Cell]:
    """A stop that follows the trend, and its direction."""
    tick = market.tick
    times = Fraction(str(args["multiplier"]))
    found: list[Cell] = []
    upper = lower = Fraction(0)
    direction = 0
    for t, band in enumerate(wilder_atr(bars, int(args["n"]))):
        if band is None:
            found.append(None)
            continue
        middle = Fraction(bars[t].high + bars[t].low, 2)
        basic_upper, basic_lower = middle + times * band, middle - times * band
        if direction == 0:
            upper, lower, direction = basic_upper, basic_lower, 1
            found.append((near(lower * tick, lower * tick), direction))
            continue
        before = bars[t - 1].close
        upper = basic_upper if basic_upper < upper or before > upper else upper
        lower = basic_lower if basic_lower > lower or before < lower else lower
        if direction == 1 and bars[t].close < lower:
            direction = -1
        elif direction == -1 and bars[t].close > upper:
            direction = 1
        line = lower if direction == 1 else upper
        found.append((near(line * tick, line * tick), direction))
    return found


def psar(args: Args, bars: Bars, market: Market) -> list[Cell]:
    """Parabolic stop and reverse."""
    return [cell for cell, _ in psar_path(args, bars, market)]


def psar_path(args: Args, bars: Bars, market: Market) -> list[tuple[Cell, bool]]:
    """Stops, and whether each bar turned its side."""
    lead, most = Fraction(str(args["step"])), Fraction(str(args["maximum"]))
    found: list[tuple[Cell, bool]] = [(None, False)] * min(1, len(bars))
    if len(bars) < 2:
        return found
    fall, rise = bars[0].low - bars[1].low, bars[1].high - bars[0].high
    long = not (fall > 0 and fall > rise)
    stop = Fraction(bars[0].low if long else bars[0].high)
    extreme = bars[1].high if long else bars[1].low
    factor = lead
    for t in range(1, len(bars)):
        pair = bars[max(t - 1, 1) : t + 1]
        turned = bars[t].low <= stop if long else bars[t].high >= stop
        if turned:
            long = not long
            stop = _beyond(Fraction(extreme), long, pair)
            extreme = bars[t].high if long else bars[t].low
            factor = lead
        elif (bars[t].high > extreme) if long else (bars[t].low < extreme):
            extreme = bars[t].high if long else bars[t].low
            factor = min(factor + lead, most)
        found.append(((near(stop * market.tick, stop * market.tick),), turned))
        stop = shorter(_beyond(stop + factor * (extreme - stop), long, pair))
    return found


def _beyond(stop: Fraction, long: bool, pair: Bars) -> Fraction:
    if long:
        return min(stop, *(Fraction(bar.low) for bar in pair))
    return max(stop, *(Fraction(bar.high) for bar in pair))


def over_bars(name: str, args: Args, bars: Bars, market: Market) -> list[Cell]:
    """Values of an indicator that looks at more than closes."""
    if name in OF_PREFIX:
        return [OF_PREFIX[name](args, bars[: t + 1], market) for t in range(len(bars))]
    return {
        "atr": atr,
        "atr_daily": atr,
        "keltner": keltner,
        "adx": adx,
        "supertrend": supertrend,
        "psar": psar,
    }[name](args, bars, market)
