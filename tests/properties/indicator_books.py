"""Random bars of one interval: markets that move, stand still, jump, and lose bars and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import strategies as st
from msgspec import Struct

from tapeline.schemas.indicators.sets import read_set
from tapeline.schemas.indicators.specification import Specification
from tapeline.streams.core.indicators.making import IndicatorInputs, make_all
from tapeline.streams.core.indicators.model import BarRing, Indicator, Value
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.core.tracker import ClosedBar
from tests.oracle.indicators.shapes import PlainBar

MINUTE_MS = 60_000
INTRADAY = (
    "sma(5)", "ema(4)", "wma(4)", "dema(3)", "tema(3)", "hma(9)", "kama(4, 2, 5)", "vwap",
    "vwap(anchor=history)", "twap", "twap(anchor=history)", "vwma(4)",
    "keltner(4, atr_period=3)", "keltner(3, atr_period=5, multiplier=1.5, smoothing=simple)",
    "rsi(4)", "rsi(4, smoothing=simple)", "macd(3, 5, 3)", "stochastic(4)",
    "stochastic(3, smooth=2)", "cci(5)", "roc(4)", "mom(4)", "williams_r(5)",
    "ultimate_osc(2, 4, 7)", "mfi(4)", "cmo(4)", "aroon(5)", "atr(4)", "atr(4, smoothing=simple)",
    "bbands(5)", "bbands(4, num_std=2.5)", "stddev(4)", "donchian(5)", "high_low(3)", "histvol(4)",
    "range_ratio(4)", "obv", "obv(anchor=history)", "pvt", "volume_sma(4)", "volume_ratio(4)",
    "adx(3)", "psar", "psar(step=0.05, maximum=0.1)", "supertrend(3, 1.5)", "ichimoku(2, 4, 7)",
    "pivot_points", "swing_high(2)", "swing_low(1)",
)  # fmt: skip
DAILY = (
    "avg_volume(3)", "avg_range(3)", "atr_daily(3)", "atr_daily(3, smoothing=wilder)",
    "gap_stats(4, threshold=1.5)",
)  # fmt: skip
FOLLOWING = (
    "sma(3, of=rsi_4)", "ema(3, of=macd_3_5_3.signal)", "wma(3, of=atr_4)", "dema(2, of=sma_5)",
    "hma(4, of=cci_5)", "kama(3, 2, 5, of=obv)", "rsi(3, of=sma_5)",
    "rsi(3, smoothing=simple, of=vwap)", "macd(2, 3, 2, of=ema_4)", "roc(2, of=sma_5)",
    "mom(2, of=cmo_4)", "bbands(3, of=ema_4)", "stddev(3, of=rsi_4)", "cmo(3, of=ema_4)",
    "histvol(3, of=donchian_5.upper)", "tema(2, of=pivot_points.pp)", "sma(2, of=sma_3_of_rsi_4)",
)  # fmt: skip


class MarketShape(Struct, frozen=True):
    """How a market behaves; a number draws the rest.

    Attributes
    ----------
    flat, jump, lost
        Shares of bars, in per cent: that do not move, that jump, that are missing.
    volumes
        ``whole``, ``some`` (others are null), ``none`` or ``fractions``.
    """

    seed: int
    bars: int
    start: int
    flat: int
    jump: int
    lost: int
    volumes: str
    session_bars: int


def market_shapes(most: int, volumes: Sequence[str]) -> st.SearchStrategy[MarketShape]:
    """Shapes of at most so many bars."""
    return st.builds(
        MarketShape,
        seed=st.integers(0, 10_000),
        bars=st.integers(1, most),
        start=st.sampled_from([40, 1_000, 24_000, 2_000_000]),
        flat=st.sampled_from([0, 30, 90, 100]),
        jump=st.sampled_from([0, 5]),
        lost=st.sampled_from([0, 20]),
        volumes=st.sampled_from(volumes),
        session_bars=st.sampled_from([7, 30, 1_000]),
    )


def market_of(shape: MarketShape) -> list[PlainBar]:
    """Bars of a shape; prices stay above 0."""
    random = Random(shape.seed)
    close = shape.start
    found = []
    still = False
    for number in range(shape.bars):
        if random.random() * 12 < 1:
            still = random.random() * 100 < shape.flat
        if random.random() * 100 < shape.lost:
            continue
        if shape.flat == 100 or still:
            opened = high = low = close
        else:
            spread = 200 if random.random() * 100 < shape.jump else 9
            opened = max(1, close + random.randint(-2, 2))
            close = max(1, opened + random.randint(-spread, spread))
            high = max(opened, close) + random.randint(0, 5)
            low = max(1, min(opened, close) - random.randint(0, 5))
        day = 1 + number // shape.session_bars
        session = f"2025-{1 + day // 28:02}-{1 + day % 28:02}"
        volume = _volume(random, shape.volumes)
        found.append(PlainBar(number * MINUTE_MS, session, opened, high, low, close, volume))
    return found


def _volume(random: Random, kind: str) -> int | float | None:
    if kind == "none" or (kind in ("some", "fractions") and random.random() < 0.3):
        return None
    if kind == "fractions" and random.random() < 0.2:
        return random.randint(1, 9_999) / 1_000
    return random.randint(0, 5_000)


def closed(bar: PlainBar, interval: str = "1m") -> ClosedBar:
    """The bar as trackers are handed it."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    span = (bar.start_ms, bar.start_ms + MINUTE_MS)
    return ClosedBar(interval, bar.session, (*span, *prices), bar.volume, 1, 1)


class IndicatorSet:
    """Indicators of a set over the bars of one interval."""

    def __init__(self, texts: Sequence[str], scale: TickScale, begin_ms: int = 0) -> None:
        self.made: tuple[Specification, ...] = read_set(texts)
        self.ring = BarRing()
        self.ring.begin_ms = begin_ms
        inputs = IndicatorInputs(scale, 252.0)
        self.all: list[Indicator] = make_all(self.made, self.ring, inputs)

    def push(self, bar: PlainBar) -> None:
        """The next bar."""
        self.ring.push(closed(bar))
        index = len(self.ring.closes) - 1
        for each in self.all:
            each.update(index, self.ring.count)

    def row(self, interval: str = "1m") -> tuple[dict[str, Value], list[str], list[str]]:
        """Values by key, and sorted keys that are cold and warming."""
        values: dict[str, Value] = {}
        cold: list[str] = []
        warming: list[str] = []
        for made, each in zip(self.made, self.all, strict=True):
            keys = made.keys(interval)
            if self.ring.count < each.first:
                cold += keys
                values.update(dict.fromkeys(keys))
                continue
            if self.ring.counted < each.warm_from:
                warming += keys
            values.update({key: each.value(number) for number, key in enumerate(keys)})
        return dict(sorted(values.items())), sorted(cold), sorted(warming)

    def snapshot(self) -> list[object]:
        """Plain data of the ring, then of each."""
        return [self.ring.snapshot(), [each.snapshot() for each in self.all]]

    def restore(self, data: list[object]) -> None:
        """Go to a snapshot."""
        ring, states = data
        assert isinstance(ring, list)
        assert isinstance(states, list)
        self.ring.restore(ring)
        for each, state in zip(self.all, states, strict=True):
            each.restore(state)
