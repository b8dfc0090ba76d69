"""Indicators of closes: of ticks, or of the values of another one (with a tick of 1)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from tests.oracle.indicators.shapes import (
    Cell,
    Market,
    Near,
    Number,
    average,
    ema,
    near,
    of_known,
    step,
    wma,
)


def over_closes(
    name: str, args: dict[str, int | str], xs: Sequence[Fraction], market: Market
) -> list[Cell]:
    """Values of an indicator of closes."""
    tick = market.tick
    if name == "macd":
        return _macd(args, xs, tick)
    n = int(args["n"])
    if name in ("ema", "dema", "tema"):
        one = ema(xs, n)
        two = of_known(one, lambda known: ema(known, n))
        three = of_known(two, lambda known: ema(known, n))
        found: list[Cell] = []
        for a, b, c in zip(one, two, three, strict=True):
            if a is None or (name != "ema" and b is None) or (name == "tema" and c is None):
                found.append(None)
                continue
            value = a
            if name == "dema" and b is not None:
                value = 2 * a - b
            if name == "tema" and b is not None and c is not None:
                value = 3 * a - 3 * b + c
            found.append((near(value * tick, a * tick),))
        return found
    if name == "kama":
        return _kama(args, xs, tick)
    if name == "rsi" and args["smoothing"] == "wilder":
        return _wilder_rsi(n, xs)
    return [_of_window(name, args, xs, t, market) for t in range(len(xs))]


def _macd(args: dict[str, int | str], xs: Sequence[Fraction], tick: Fraction) -> list[Cell]:
    fast, slow = ema(xs, int(args["fast"])), ema(xs, int(args["slow"]))
    lines = [None if a is None or b is None else a - b for a, b in zip(fast, slow, strict=True)]
    signals = of_known(lines, lambda known: ema(known, int(args["signal"])))
    found: list[Cell] = []
    for a, b, line, signal in zip(fast, slow, lines, signals, strict=True):
        if a is None or b is None or line is None or signal is None:
            found.append(None)
            continue
        size = max(abs(a), abs(b)) * tick
        found.append(
            (
                near(line * tick, size),
                near(signal * tick, size),
                near((line - signal) * tick, size),
            )
        )
    return found


def _kama(args: dict[str, int | str], xs: Sequence[Fraction], tick: Fraction) -> list[Cell]:
    n = int(args["n"])
    fast, slow = Fraction(2, int(args["fast"]) + 1), Fraction(2, int(args["slow"]) + 1)
    found: list[Cell] = []
    e = Fraction(0)
    for t, x in enumerate(xs):
        if t < n:
            found.append(None)
            continue
        if t == n:
            e = xs[t - 1]
        path = sum((abs(xs[i] - xs[i - 1]) for i in range(t - n + 1, t + 1)), Fraction(0))
        efficiency = Fraction(1) if path == 0 else abs(x - xs[t - n]) / path
        e = step(e, x, (efficiency * (fast - slow) + slow) ** 2)
        found.append((near(e * tick, e * tick),))
    return found


def _wilder_rsi(n: int, xs: Sequence[Fraction]) -> list[Cell]:
    moves = [b - a for a, b in itertools.pairwise(xs)]
    gains = average([max(each, Fraction(0)) for each in moves], n, Fraction(1, n))
    losses = average([max(-each, Fraction(0)) for each in moves], n, Fraction(1, n))
    found: list[Cell] = [None]
    for gain, loss in zip(gains, losses, strict=True):
        if gain is None or loss is None:
            found.append(None)
        elif gain + loss == 0:
            found.append((near(50, 100),))
        else:
            found.append((near(100 * gain / (gain + loss), 100),))
    return found[: len(xs)]


def _of_window(
    name: str, args: dict[str, int | str], xs: Sequence[Fraction], t: int, market: Market
) -> Cell:
    n = int(args["n"])
    window = xs[t - n + 1 : t + 1]
    total = sum(window, Fraction(0))
    if name in ("sma", "wma", "bbands", "stddev"):
        if t < n - 1:
            return None
        if name == "sma":
            return (market.price(total / n),)
        if name == "wma":
            return (market.price(wma(xs, t, n)),)
        return _deviation(name, args, window, market)
    if name == "hma":
        root = math.isqrt(n)
        if t < n + root - 2:
            return None
        raw = [2 * wma(xs, i, n // 2) - wma(xs, i, n) for i in range(t - root + 1, t + 1)]
        return (market.price(wma(raw, root - 1, root)),)
    if t < n:
        return None
    change = xs[t] - xs[t - n]
    if name == "mom":
        return (market.price(change),)
    if name == "roc":
        return (None if xs[t - n] == 0 else float(100 * change / xs[t - n]),)
    moves = [xs[i] - xs[i - 1] for i in range(t - n + 1, t + 1)]
    if name == "histvol":
        return (_histvol([(xs[i - 1], xs[i]) for i in range(t - n + 1, t + 1)], market),)
    gain = sum((each for each in moves if each > 0), Fraction(0))
    loss = -sum((each for each in moves if each < 0), Fraction(0))
    if name == "rsi":
        return (float(100 * gain / (gain + loss)) if gain + loss else 50.0,)
    assert name == "cmo"
    return (float(100 * (gain - loss) / (gain + loss)) if gain + loss else 0.0,)


def _deviation(
    name: str, args: dict[str, int | str], window: Sequence[Fraction], market: Market
) -> Cell:
    n = len(window)
    tn, td = market.tick.numerator, market.tick.denominator
    total = sum(window, Fraction(0))
    square = n * sum((x * x for x in window), Fraction(0)) - total * total
    root = math.sqrt(square)
    if name == "stddev":
        return (root * tn / (n * td),)
    k = float(args["num_std"])
    whole = int(total) if total.denominator == 1 else float(total)
    return (
        (whole + k * root) * tn / (n * td),
        market.price(total / n),
        (whole - k * root) * tn / (n * td),
        0.0 if total == 0 else 2 * k * root / whole,
    )


def _histvol(moves: Sequence[tuple[Fraction, Fraction]], market: Market) -> Number:
    if any(a <= 0 or b <= 0 for a, b in moves):
        return None
    logs = [math.log(b / a) if abs(b - a) * 8 > a else math.log1p((b - a) / a) for a, b in moves]
    mean = math.fsum(logs) / len(logs)
    variance = math.fsum((each - mean) ** 2 for each in logs) / len(logs)
    times = math.sqrt(market.periods_a_year) * 100
    return Near(math.sqrt(variance) * times, max(map(abs, logs), default=0.0) * times)
