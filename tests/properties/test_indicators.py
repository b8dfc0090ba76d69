"""Indicators against a naive second implementation, over random markets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.streams.core.indicators.model import Value
from tapeline.streams.core.ticks import TickScale
from tests.oracle.indicators.rows import rows
from tests.oracle.indicators.shapes import Market, Near, Number
from tests.properties.indicator_books import (
    DAILY,
    FOLLOWING,
    INTRADAY,
    IndicatorSet,
    MarketShape,
    market_of,
    market_shapes,
)

SHARE = 1e-12
TICKS = st.sampled_from(["0.25", "0.01", "0.0001", "1", "0.05"])
WHOLE = ("whole", "some", "none")
OF_VOLUMES = ("vwap", "vwma", "obv", "pvt", "volume", "avg_volume", "mfi")


def some(texts: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(texts), min_size=1, max_size=8, unique=True)


def agree(ours: Value, expected: Number, share: float = 0.0) -> bool:
    """Whether a value is equal to the bit, or near where nearness is all there is."""
    if str(ours) == "-0.0":
        return False
    if isinstance(expected, Near):
        allowed = max(SHARE, share) * expected.size
        return isinstance(ours, float) and abs(ours - expected.value) <= allowed
    if share and ours is not None and expected is not None:
        return abs(ours - expected) <= share * max(abs(expected), 1.0)
    return ours == expected and type(ours) is type(expected)


def compare(texts: Sequence[str], shape: MarketShape, tick: str, interval: str = "1m") -> None:
    bars = market_of(shape)
    market = Market(Fraction(tick))
    ours = IndicatorSet(texts, TickScale(tick, False))
    found = []
    for bar in bars:
        ours.push(bar)
        found.append(ours.row(interval))
    published = [values for values, _, _ in found]
    wanted = rows(texts, bars, market, 0, interval, published)
    for (values, cold, warming), expected in zip(found, wanted, strict=True):
        assert (cold, warming) == (expected.cold, expected.warming)
        assert list(values) == list(expected.values)
        for key, value in values.items():
            loose = shape.volumes == "fractions" and key.startswith(OF_VOLUMES)
            assert agree(value, expected.values[key], 1e-9 if loose else 0.0), (
                f"{key}: {value!r}, not {expected.values[key]!r}"
            )


@given(texts=some(INTRADAY), shape=market_shapes(70, WHOLE), tick=TICKS)
def test_an_exact_value_is_equal_to_the_bit_and_a_recursive_one_near(
    texts: list[str], shape: MarketShape, tick: str
) -> None:
    compare(texts, shape, tick)


@given(texts=some(DAILY), shape=market_shapes(40, WHOLE), tick=TICKS)
def test_values_of_days_are_equal_to_the_bit(
    texts: list[str], shape: MarketShape, tick: str
) -> None:
    compare(texts, shape, tick, "1d")


@given(texts=some(FOLLOWING), shape=market_shapes(60, WHOLE), tick=TICKS)
def test_an_indicator_of_an_indicator_is_near(
    texts: list[str], shape: MarketShape, tick: str
) -> None:
    compare(texts, shape, tick)


@given(
    texts=some([text for text in INTRADAY if text.startswith(OF_VOLUMES)]),
    shape=market_shapes(60, ["fractions"]),
    tick=TICKS,
)
def test_values_of_fractional_volumes_are_near(
    texts: list[str], shape: MarketShape, tick: str
) -> None:
    compare(texts, shape, tick)


@given(
    texts=some([*INTRADAY, *FOLLOWING, *DAILY]),
    shape=market_shapes(60, [*WHOLE, "fractions"]),
    cut=st.integers(0, 60),
)
def test_indicators_go_on_from_a_snapshot_at_any_bar(
    texts: list[str], shape: MarketShape, cut: int
) -> None:
    bars = market_of(shape)
    scale = TickScale("0.25", False)
    whole, before, after = (IndicatorSet(texts, scale) for _ in range(3))
    for bar in bars[:cut]:
        whole.push(bar)
        before.push(bar)
    # What came after is forgotten.
    for bar in bars[:9]:
        after.push(bar)
    after.restore(json.loads(json.dumps(before.snapshot())))
    for bar in bars[cut:]:
        whole.push(bar)
        after.push(bar)
        assert after.row() == whole.row()
        assert after.snapshot() == whole.snapshot()


# Two histories of every indicator, as long as the slowest forgets.
@settings(max_examples=max(3, settings().max_examples // 3))
@given(
    shape=market_shapes(1_500, ["some", "fractions"]),
    later=st.integers(1, 60),
    partial=st.booleans(),
)
def test_two_starts_agree_to_the_bit_once_a_key_is_warm(
    shape: MarketShape, later: int, partial: bool
) -> None:
    bars = market_of(shape)
    if len(bars) <= later:
        return
    texts = [*INTRADAY, *FOLLOWING]
    scale = TickScale("0.25", False)
    begin_ms = bars[later].start_ms + (1 if partial else 0)
    one, other = IndicatorSet(texts, scale), IndicatorSet(texts, scale, begin_ms)
    for position, bar in enumerate(bars):
        one.push(bar)
        if position < later:
            continue
        if position == later and partial:
            # The later history has seen a part of this bar alone.
            bar = type(bar)(
                bar.start_ms, bar.session, bar.close, bar.close, bar.close, bar.close, 1
            )
        other.push(bar)
        if position % 7:
            continue
        values, cold, warming = one.row()
        others, cold_later, warming_later = other.row()
        unsure = {*cold, *cold_later, *warming, *warming_later}
        if shape.flat:
            # Where nothing moves a parabolic stop turns at every bar, and forgets nothing.
            unsure |= {key for key in values if key.startswith("psar")}
        for key, value in values.items():
            if key not in unsure:
                assert value == others[key], key
