"""The shipped rules keep the contract that added ones keep."""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec.structs import replace

from tapeline.schemas.config.indicator_sets import IndicatorSet, SetPart
from tapeline.schemas.config.model import Config
from tests.contract.tracker import TrackerContract
from tests.properties.books import SLOT_WINDOWS, WINDOWS


class TestSessions(TrackerContract):
    name = "sessions"
    types = ("session", "quality", "gap")


class TestDerivedBars(TrackerContract):
    name = "bars"
    types = ("derived_bar",)


class TestRanges(TrackerContract):
    name = "ranges"
    types = ("range", "touch")


class TestPairs(TrackerContract):
    name = "pairs"
    types = ("pair",)


class TestSwings(TrackerContract):
    name = "swings"
    types = ("swing",)
    # Each of the swings that may still change names the touch it links to.
    hot_bytes = 2_048


MANY = (
    "sma(3)", "ema(4)", "sma(2, of=rsi_3)", "macd(2, 3, 2)", "bbands(4)", "atr(3)", "stochastic(3)",
    "donchian(4)", "vwap", "obv", "adx(2)", "kama(3)", "psar", "supertrend(3)", "histvol(3)",
    "pivot_points", "mfi(3)", "swing_high(1)", "rvol(1)",
)  # fmt: skip


class OfIndicators(TrackerContract):
    """Indicators of base bars, of derived bars that are published and of some that are not."""

    name = "indicators"
    types = ("indicators",)
    # Bars of look-backs in six intervals, and rows of the latest bars.
    hot_bytes = 3_072
    publish: ClassVar[Literal["rows", "latest"]]
    on_incomplete: ClassVar[Literal["use", "skip"]]

    def config(self, given: Config) -> Config:
        every = IndicatorSet(
            parts=(SetPart(MANY, ("60m", "240m")), SetPart(("sma(3)", "ema(4)"), ("1d", "1w"))),
            publish=self.publish,
            on_incomplete=self.on_incomplete,
        )
        fine = IndicatorSet(parts=(SetPart(("sma(2)", "ema(3)"), ("1m", "7m")),))
        instruments = {
            symbol: replace(
                instrument,
                indicators=("every", "fine") if instrument.base == "1m" else ("every",),
            )
            for symbol, instrument in given.instruments.items()
        }
        return replace(
            given,
            instruments=instruments,
            indicators={**given.indicators, "every": every, "fine": fine},
        )


class TestRowsOfIndicators(OfIndicators):
    publish = "rows"
    on_incomplete = "use"


class TestLatestIndicators(OfIndicators):
    publish = "latest"
    on_incomplete = "skip"


class TestWindows(TrackerContract):
    name = "windows"
    types = ("window",)
    toml = WINDOWS + SLOT_WINDOWS
