"""Indicators of a recorded day, against numbers that were computed from the same file elsewhere."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pytest

from tapeline.streams.core.indicators.model import Value
from tapeline.streams.core.ticks import TickScale
from tests.oracle.indicators.shapes import PlainBar
from tests.properties.indicator_books import IndicatorSet

MINUTE_MS = 60_000
SHARE = 1e-12
"""The numbers were computed of prices in doubles, so they are exact but for their last digits."""
OF_DIFFERENCE = 1e-9
MINUTES = {"vwap_1m": "vwap_1m", "twap_1m": "twap_1m"}
FIVE_MINUTES = {
    "sma_20_5m": "sma_20_5m",
    "ema_9_5m": "ema_9_5m",
    "rsi_14_5m_simple": "rsi_14_simple_5m",
    "rsi_14_5m_wilder": "rsi_14_5m",
    "atr_14_5m_simple": "atr_14_simple_5m",
    "atr_14_5m_wilder": "atr_14_5m",
    "bbands_20_2_5m.upper": "bbands_20_5m.upper",
    "bbands_20_2_5m.middle": "bbands_20_5m.middle",
    "bbands_20_2_5m.lower": "bbands_20_5m.lower",
    "macd_12_26_9_5m.macd": "macd_12_26_9_5m.macd",
    "macd_12_26_9_5m.signal": "macd_12_26_9_5m.signal",
    "macd_12_26_9_5m.histogram": "macd_12_26_9_5m.histogram",
    "obv_5m": "obv_5m",
}
"""Keys of the file, and what they are called here."""
SPECIFICATIONS = (
    "sma(20)", "ema(9)", "rsi(14)", "rsi(14, smoothing=simple)", "atr(14)",
    "atr(14, smoothing=simple)", "bbands(20)", "macd", "obv",
)  # fmt: skip


def regular_minutes(path: Path, golden: dict[str, str]) -> list[PlainBar]:
    """Bars of the regular session, prices in units of 0.0001."""
    first_ms, last_ms = (
        int(datetime.fromisoformat(golden[name]).timestamp()) * 1_000
        for name in ("first_regular", "last_regular")
    )
    scale = TickScale("0.0001", False)
    with path.open(encoding="utf-8", newline="") as file:
        return [
            PlainBar(
                int(row["start_ms"]),
                "2025-07-02",
                scale.ticks(float(row["open"])),
                scale.ticks(float(row["high"])),
                scale.ticks(float(row["low"])),
                scale.ticks(float(row["close"])),
                int(row["volume"]),
            )
            for row in csv.DictReader(file)
            if first_ms <= int(row["start_ms"]) <= last_ms
        ]


def five_minutes(bars: list[PlainBar]) -> list[PlainBar]:
    """Windows of five minutes from the open on."""
    found = []
    for start in range(0, len(bars), 5):
        part = bars[start : start + 5]
        found.append(
            PlainBar(
                part[0].start_ms,
                part[0].session,
                part[0].open,
                max(bar.high for bar in part),
                min(bar.low for bar in part),
                part[-1].close,
                sum(bar.volume or 0 for bar in part),
            )
        )
    return found


def flat_keys(values: dict[str, object]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found.update({f"{key}.{name}": each for name, each in value.items()})
        else:
            assert isinstance(value, int | float)
            found[key] = value
    return found


def at_close(texts: tuple[str, ...], bars: list[PlainBar], interval: str) -> dict[str, Value]:
    indicators = IndicatorSet(texts, TickScale("0.0001", False))
    for bar in bars:
        indicators.push(bar)
    return indicators.row(interval)[0]


@pytest.mark.parametrize("symbol", ["AAPL", "RIVN"])
def test_values_at_the_close_are_those_that_were_computed_elsewhere(
    symbol: str, data_folder: Path
) -> None:
    golden = json.loads((data_folder / "golden-2025-07-02.json").read_text("utf-8"))
    of_symbol = golden["symbols"][symbol]
    minutes = regular_minutes(data_folder / of_symbol["file"], of_symbol)
    assert len(minutes) == of_symbol["regular_rows"]
    found = {
        **at_close(("vwap", "twap"), minutes, "1m"),
        **at_close(SPECIFICATIONS, five_minutes(minutes), "5m"),
    }
    expected = flat_keys(of_symbol["at_close"])
    names = {**MINUTES, **FIVE_MINUTES}
    assert set(expected) == set(names)
    for key, value in expected.items():
        share = OF_DIFFERENCE if key.endswith("histogram") else SHARE
        assert found[names[key]] == pytest.approx(value, rel=share, abs=0), key
