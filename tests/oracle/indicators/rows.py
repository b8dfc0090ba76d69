"""Rows of a set of indicators: values, and which of them are cold or still show the beginning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tapeline.schemas.indicators.sets import followed, read_set
from tapeline.schemas.indicators.specification import Specification
from tests.oracle.indicators.closes import over_closes
from tests.oracle.indicators.paths import over_bars, psar_path, supertrend
from tests.oracle.indicators.shapes import Bars, Cell, Market, Near, Number

CLOSES = frozenset(
    [
        *("sma", "ema", "wma", "dema", "tema", "hma", "kama", "rsi", "macd"),
        *("roc", "mom", "bbands", "stddev", "histvol", "cmo"),
    ]
)


@dataclass(frozen=True)
class Row:
    """Values of one bar by key, and sorted keys."""

    values: dict[str, Number]
    cold: list[str]
    warming: list[str]


def rows(
    texts: Sequence[str],
    bars: Bars,
    market: Market,
    begin_ms: int,
    interval: str,
    published: Sequence[Mapping[str, float | int | None]] | None = None,
) -> list[Row]:
    """A row for each bar.

    Parameters
    ----------
    begin_ms
        Label of history's first bar.
    published
        Values of each bar as they were published: what follows a value that is near follows the
        one that was published.
    """
    made = {each.stem: each for each in read_set(texts)}
    cells: dict[str, list[Cell]] = {}
    for stem, each in made.items():
        cells[stem] = _cells(each, made, cells, bars, market)
        if published is not None:
            keys = each.keys(interval)
            cells[stem] = [
                _as_published(cell, [row[key] for key in keys])
                for cell, row in zip(cells[stem], published, strict=True)
            ]
    warm = {stem: _warm(stem, made, bars, begin_ms) for stem in made}
    found = []
    for t in range(len(bars)):
        values: dict[str, Number] = {}
        cold: list[str] = []
        warming: list[str] = []
        for stem, each in made.items():
            keys = each.keys(interval)
            cell = cells[stem][t]
            values.update(zip(keys, cell or [None] * len(keys), strict=True))
            if cell is None:
                cold += keys
            elif not warm[stem][t]:
                warming += keys
        found.append(Row(dict(sorted(values.items())), sorted(cold), sorted(warming)))
    return found


def _args(each: Specification) -> dict[str, int | str]:
    names = [parameter.name for parameter in each.kind.parameters]
    return dict(zip(names, each.arguments, strict=True))


def _as_published(cell: Cell, published: Sequence[float | int | None]) -> Cell:
    """Values with what was published of those that are near beside them."""
    if cell is None:
        return None
    return tuple(
        Near(each.value, each.size, value) if isinstance(each, Near) else each
        for each, value in zip(cell, published, strict=True)
    )


def _cells(
    each: Specification,
    made: dict[str, Specification],
    cells: dict[str, list[Cell]],
    bars: Bars,
    market: Market,
) -> list[Cell]:
    if each.of:
        inner, number = followed(each, made)
        return _of_values(each, cells[inner.stem], number, market)
    if each.name in CLOSES:
        closes = [Fraction(bar.close) for bar in bars]
        return over_closes(each.name, _args(each), closes, market)
    return over_bars(each.name, _args(each), bars, market)


def _of_values(each: Specification, inner: list[Cell], number: int, market: Market) -> list[Cell]:
    """An indicator over the published values of another: all near."""
    known = [cell[number] for cell in inner if cell is not None]
    given = [Fraction(x.fed if isinstance(x, Near) else x) for x in known if x is not None]
    outside = Market(Fraction(1), market.periods_a_year)
    size = float(max(map(abs, given), default=0))
    followers = iter(over_closes(each.name, _args(each), given, outside))
    found: list[Cell] = []
    for cell in inner:
        if cell is None:
            found.append(None)
        elif cell[number] is None:
            found.append((None,) * (len(each.kind.values) or 1))
        else:
            found.append(_all_near(next(followers), max(size, 100.0)))
    return found


def _all_near(cell: Cell, size: float) -> Cell:
    if cell is None:
        return None
    return tuple(
        None if x is None else Near(x.value if isinstance(x, Near) else float(x), size)
        for x in cell
    )


def _warm(
    stem: str,
    made: dict[str, Specification],
    bars: Bars,
    begin_ms: int,
) -> list[bool]:
    """Whether history's beginning no longer shows, by bar."""
    each = made[stem]
    counted = [bar.start_ms >= begin_ms for bar in bars]
    if each.of:
        inner, _ = followed(each, made)
        counted = _warm(inner.stem, made, bars, begin_ms)
    elif each.name in ("vwap", "twap", "obv", "pvt", "pivot_points"):
        sessions = list(dict.fromkeys(bar.session for bar in bars))
        partial = sessions[: 2 if each.name == "pivot_points" else 1]
        by_history = "history" in each.arguments
        return [not by_history and bar.session not in partial for bar in bars]
    elif each.name == "psar":
        path = psar_path(_args(each), bars, Market(Fraction(1)))
        return _after_turns([turned for _, turned in path], 25)
    elif each.name == "supertrend":
        return _supertrend_warm(each, bars, counted)
    needed = _first(each) + 2 * _bound(each)
    seen = 0
    found = []
    for counts in counted:
        seen += counts
        found.append(seen >= needed)
    return found


def _after_turns(turns: list[bool], needed: int) -> list[bool]:
    seen = 0
    found = []
    for turn in turns:
        seen += turn
        found.append(seen >= needed)
    return found


def _supertrend_warm(each: Specification, bars: Bars, counted: list[bool]) -> list[bool]:
    n = each.whole("n")
    needed = n + 1 + 2 * (_forgets(1 / n) + 1)
    directions = [
        0 if cell is None else cell[1]
        for cell in supertrend(_args(each), bars, Market(Fraction(1)))
    ]
    seen = 0
    warm = False
    found = []
    before: Number = 1
    for counts, direction in zip(counted, directions, strict=True):
        seen += counts
        if direction != 0:
            warm = warm or (direction != before and seen >= needed)
            before = direction
        found.append(warm)
    return found


def _first(each: Specification) -> int:
    """Bars until its first value: the expressions of the table are Python."""
    names = {"isqrt": math.isqrt, "max": max}
    found: int = eval(each.kind.first, names, dict(_args(each)))
    return found


def _forgets(share: float) -> int:
    return 0 if share == 1 else math.ceil(math.log(2**53) / -math.log(1 - share))


def _bound(each: Specification) -> int:
    args = _args(each)
    name = each.name
    if name in ("ema", "dema", "tema"):
        return _forgets(2 / (int(args["n"]) + 1)) * ["ema", "dema", "tema"].index(name) + _forgets(
            2 / (int(args["n"]) + 1)
        )
    if name == "macd":
        return sum(_forgets(2 / (int(args[each]) + 1)) for each in ("slow", "signal"))
    if name == "kama":
        return _forgets((2 / (int(args["slow"]) + 1)) ** 2)
    if name == "adx":
        return 2 * _forgets(1 / int(args["n"])) + 1
    if name == "keltner":
        middle = _forgets(2 / (int(args["n"]) + 1))
        if args["smoothing"] == "simple":
            return middle
        return max(middle, _forgets(1 / int(args["atr_period"])) + 1)
    if args.get("smoothing") == "wilder":
        return _forgets(1 / int(args["n"])) + 1
    return 0
