"""Sets of indicators in the configuration, and what they come to for one instrument."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from tapeline.schemas.indicators.sets import read_set, unite
from tapeline.schemas.indicators.specification import Specification, check_interval
from tapeline.schemas.intervals import is_coarser_multiple, parse_interval

Publish = Literal["rows", "latest"]
OnIncomplete = Literal["use", "skip"]


class SetPart(Struct, frozen=True):
    """Specifications, and the intervals that all of them are computed in."""

    specifications: tuple[str, ...]
    intervals: tuple[str, ...]


class IndicatorSet(Struct, frozen=True, kw_only=True):
    """A named list of indicators.

    Attributes
    ----------
    parts
        One, of a set in a file.
    publish
        ``rows``: one fact a bar; ``latest``: one fact of an interval, which grows.
    on_incomplete
        Whether bars with missing members are used or passed over.
    """

    parts: tuple[SetPart, ...]
    publish: Publish = "rows"
    on_incomplete: OnIncomplete = "use"


BUILT_IN_SETS: dict[str, IndicatorSet] = {
    "common": IndicatorSet(
        parts=(
            SetPart(
                (
                    "sma(20)", "ema(9)", "ema(20)", "rsi(14)", "macd(12, 26, 9)", "bbands(20)",
                    "atr(14)", "stochastic(14)", "donchian(20)", "roc(10)",
                ),
                ("5m", "1d"),
            ),
            SetPart(("vwap", "obv"), ("5m",)),
        )
    ),
}  # fmt: skip
"""Sets that need no table of their own, in those of their intervals that the base has."""


class IntervalIndicators(Struct, frozen=True):
    """All indicators of one instrument in one interval.

    Attributes
    ----------
    interval
        Normalised name.
    specifications
        Each once; one that follows another one comes after it.
    sets
        Names of the sets that ask for them.
    """

    interval: str
    specifications: tuple[Specification, ...]
    publish: Publish
    on_incomplete: OnIncomplete
    sets: tuple[str, ...]


def indicators_of(
    sets: Iterable[tuple[str, IndicatorSet]], base: str
) -> tuple[IntervalIndicators, ...]:
    """What sets come to for an instrument, by ascending length of interval.

    Parameters
    ----------
    sets
        By name, in order.
    base
        Interval of the instrument's bars, normalised.

    Raises
    ------
    ValueError
        When an interval is none of the base, a key means two things, or one interval is published
        in two ways; the message says what is allowed.
    """
    return _indicators_of(tuple(sets), base)


@lru_cache(maxsize=256)
def _indicators_of(
    sets: tuple[tuple[str, IndicatorSet], ...], base: str
) -> tuple[IntervalIndicators, ...]:
    found: dict[str, IntervalIndicators] = {}
    for name, each in sets:
        for part in each.parts:
            resolved = read_set(part.specifications)
            for interval in part.intervals:
                if not _fits(interval, base):
                    if BUILT_IN_SETS.get(name) == each:
                        continue
                    raise ValueError(
                        f"sets in intervals that are {base}, which is the base, or multiples of it,"
                        f" 1d, 1w; {name} is in {interval}"
                    )
                new = IntervalIndicators(
                    interval, resolved, each.publish, each.on_incomplete, (name,)
                )
                known = found.get(interval)
                found[interval] = new if known is None else _united(known, new)
    return tuple(found[interval] for interval in sorted(found, key=parse_interval))


def _fits(interval: str, base: str) -> bool:
    return interval == base or is_coarser_multiple(parse_interval(interval), parse_interval(base))


def _united(known: IntervalIndicators, new: IntervalIndicators) -> IntervalIndicators:
    """What two sets ask for in one interval; equal specifications are one."""
    [name] = new.sets
    for key in ("publish", "on_incomplete"):
        one, other = getattr(known, key), getattr(new, key)
        if one != other:
            raise ValueError(
                f"sets of one {key} in each interval; in {new.interval} {known.sets[0]} has"
                f' "{one}", {name} "{other}"'
            )
    united = unite((known.specifications, new.specifications))
    sets = known.sets if name in known.sets else (*known.sets, name)
    return IntervalIndicators(new.interval, united, known.publish, known.on_incomplete, sets)


def check_set(part: SetPart) -> None:
    """Raise `ValueError` where a list contradicts itself, or does not go with an interval."""
    for interval in part.intervals:
        for each in read_set(part.specifications):
            check_interval(each, interval)
