"""What users of other libraries report about indicators, by name, and what holds here."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from tapeline.schemas.indicators.counts import warm_count
from tapeline.schemas.indicators.specification import parse_specification
from tapeline.streams.core.ticks import TickScale
from tests.oracle.indicators.shapes import PlainBar
from tests.properties.indicator_books import (
    INTRADAY,
    MINUTE_MS,
    IndicatorSet,
    MarketShape,
    market_of,
)

CENTS = TickScale("0.01", False)
SHAPE = MarketShape(
    seed=7, bars=2_400, start=24_000, flat=20, jump=3, lost=0, volumes="whole", session_bars=400
)


def flat(bars: int, close: int = 5_000, session: str = "2025-07-02") -> list[PlainBar]:
    return [PlainBar(n * MINUTE_MS, session, close, close, close, close, 10) for n in range(bars)]


def last_row(texts: list[str], bars: list[PlainBar]) -> dict[str, object]:
    indicators = IndicatorSet(texts, CENTS)
    for bar in bars:
        indicators.push(bar)
    return dict(indicators.row()[0])


def test_start_date_changes_rsi() -> None:
    bars = market_of(SHAPE)
    long, short = IndicatorSet(["rsi(14)"], CENTS), IndicatorSet(["rsi(14)"], CENTS)
    differed = 0
    for position, bar in enumerate(bars):
        long.push(bar)
        if position < 300:
            continue
        short.push(bar)
        values, cold, warming = short.row()
        if cold or warming:
            differed += long.row()[0] != values
        else:
            assert long.row()[0] == values
    assert differed > 100
    assert not warming


def test_unstable_period_says_zero() -> None:
    assert warm_count(parse_specification("rsi(14)")) == 15 + 2 * 497
    assert warm_count(parse_specification("sma(14)")) == 14


def test_old_streaming_differs_from_batch() -> None:
    bars = market_of(SHAPE)[:600]
    live = IndicatorSet(INTRADAY, CENTS)
    for bar in bars:
        live.push(bar)
    batch = IndicatorSet(INTRADAY, CENTS)
    for bar in bars:
        batch.push(bar)
        batch.row()
    assert live.row() == batch.row()
    assert live.snapshot() == batch.snapshot()


@pytest.mark.parametrize(
    "text", ["macd(0, 26, 9)", "macd(26, 12, 9)", "rsi(0)", "bbands(20, num_std=-1)"]
)
def test_undefined_parameter_gives_random_values(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|is asked for"):
        parse_specification(text)


def test_vwap_resets_each_session() -> None:
    today = [
        PlainBar(MINUTE_MS * 900, "2025-07-03", 100, 100, 100, 100, 4),
        PlainBar(MINUTE_MS * 901, "2025-07-03", 200, 200, 200, 200, 4),
    ]
    row = last_row(["vwap", "twap", "obv", "vwap(anchor=history)"], [*flat(20), *today])
    assert row["vwap_1m"] == row["twap_1m"] == 1.5
    assert row["obv_1m"] == 4
    assert row["vwap_history_1m"] != 1.5


def test_fill_forward_feeds_nothing() -> None:
    bars = market_of(SHAPE)[:300]
    holes = [bar for position, bar in enumerate(bars) if position % 3]
    moved = [PlainBar(n * MINUTE_MS, *_but_start(bar)) for n, bar in enumerate(holes)]
    texts = list(INTRADAY)
    assert last_row(texts, holes) == last_row(texts, moved)


def _but_start(bar: PlainBar) -> tuple[str, int, int, int, int, int | float | None]:
    return bar.session, bar.open, bar.high, bar.low, bar.close, bar.volume


def test_one_missing_bar_leaves_the_rest() -> None:
    bars = market_of(SHAPE)
    row = last_row(list(INTRADAY), bars[:500] + bars[501:])
    lacking = [key for key, value in row.items() if value is None]
    assert [key for key in lacking if not key.startswith("swing")] == []


def test_million_bars_no_drift() -> None:
    # A short form: a running sum of doubles is off by then, one of ticks is not.
    random = Random(3)
    texts = ["sma(20)", "bbands(20)", "stddev(50)", "wma(30)", "cci(20)", "vwma(20)", "mfi(14)"]
    indicators = IndicatorSet(texts, CENTS)
    close = 21_205
    bars = []
    drifting = 0.0
    for n in range(60_000):
        close = max(1, close + random.randint(-40, 40))
        bar = PlainBar(
            n * MINUTE_MS, "2025-07-02", close, close + 3, max(1, close - 2), close, n % 97
        )
        indicators.push(bar)
        bars.append(bar)
        drifting += close / 100 - (bars[n - 20].close / 100 if n >= 20 else 0.0)
    assert indicators.row()[0] == last_row(texts, bars[-80:])
    mean = float(Fraction(sum(bar.close for bar in bars[-20:]), 2_000))
    assert indicators.row()[0]["sma_20_1m"] == mean
    assert drifting / 20 != mean


@pytest.mark.parametrize("close", [1, 5_000, 123_456_789, 2**40 + 1])
def test_constant_price_no_negative_variance(close: int) -> None:
    row = last_row(["bbands(20)", "stddev(20)", "histvol(20)", "cci(20)"], flat(60, close))
    assert row["stddev_20_1m"] == row["histvol_20_1m"] == row["cci_20_1m"] == 0.0
    assert row["bbands_20_1m.bandwidth"] == 0.0
    assert row["bbands_20_1m.upper"] == row["bbands_20_1m.lower"] == row["bbands_20_1m.middle"]


def test_data_dependent_warm_up() -> None:
    indicators = IndicatorSet(["sma(3)", "ema(200)"], CENTS)
    for bar in flat(3):
        indicators.push(bar)
    values, cold, _ = indicators.row()
    assert values == {"ema_200_1m": None, "sma_3_1m": 50.0}
    assert cold == ["ema_200_1m"]


def test_a_market_that_stands_still_forgets_what_it_did() -> None:
    bars = market_of(SHAPE)[:200]
    close = bars[-1].close
    still = [
        PlainBar(bars[-1].start_ms + n * MINUTE_MS, "2025-12-02", close, close, close, close, 0)
        for n in range(1, 1_200)
    ]
    row = last_row(["rsi(14)", "atr(14)", "adx(14)", "ema(50)", "keltner(20)"], [*bars, *still])
    assert (row["rsi_14_1m"], row["atr_14_1m"], row["adx_14_1m"]) == (50.0, 0.0, 0.0)
    assert row["ema_50_1m"] == row["keltner_20_1m.upper"] == close / 100
