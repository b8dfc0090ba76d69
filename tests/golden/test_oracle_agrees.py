"""The naive second implementation gives the recorded expectations, in every id and field."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from tapeline.schemas.config.model import Config, InstrumentConfig, built_in_config
from tapeline.schemas.records import Bar
from tests.oracle import Plan, view

WEEK_ONE_END_MS = 1_765_576_800_000
"""2025-12-12T17:00 New York."""

MINUTE_MS = 60_000
EQUITIES = "expected-equities-2025-07-02"
WEEK_ONE = "expected-week-1"


def expected_view(folder: Path) -> dict[str, dict[str, object]]:
    facts: dict[str, dict[str, object]] = {}
    for path in sorted(folder.glob("tape.*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            fact = json.loads(line)
            assert fact["id"] not in facts
            facts[fact["id"]] = fact
    return facts


def bars_of(path: Path, symbol: str) -> Iterator[Bar]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            volume = row.get("volume")
            yield Bar(
                symbol=symbol,
                interval="1m",
                start_ms=_start_ms(row),
                open=float(row["open"]),
                high=float(row["high"]),
                low=float(row["low"]),
                close=float(row["close"]),
                volume=int(volume) if volume else None,
            )


def _start_ms(row: dict[str, str]) -> int:
    if "start_ms" in row:
        return int(row["start_ms"])
    return int(datetime.fromisoformat(row["time"]).timestamp()) * 1_000


@pytest.fixture(scope="module")
def week_one(data_folder: Path) -> dict[str, list[Bar]]:
    return {
        symbol: [
            bar
            for bar in bars_of(
                data_folder / f"{symbol.lower()}_1m_2025-12-07_2025-12-19.csv", symbol
            )
            if bar.start_ms < WEEK_ONE_END_MS
        ]
        for symbol in ("ES", "NQ")
    }


@pytest.fixture
def equities_config() -> Config:
    instrument = InstrumentConfig(tick="0.0001", calendar="XNYS")
    return msgspec.structs.replace(built_in_config(), instruments={}, groups={}, default=instrument)


def test_first_week_of_es_and_nq_is_as_expected(
    data_folder: Path, week_one: dict[str, list[Bar]]
) -> None:
    found = view(
        Plan(built_in_config(), "ES-NQ"), week_one, dict.fromkeys(week_one, WEEK_ONE_END_MS)
    )

    assert_equal(found, expected_view(data_folder / WEEK_ONE))


def test_order_of_the_bars_does_not_matter(week_one: dict[str, list[Bar]]) -> None:
    plan, watermarks = Plan(built_in_config(), "ES-NQ"), dict.fromkeys(week_one, WEEK_ONE_END_MS)
    last_session = {symbol: bars[-1380:] for symbol, bars in week_one.items()}
    backwards = {symbol: bars[::-1] for symbol, bars in last_session.items()}

    assert_equal(view(plan, backwards, watermarks), view(plan, last_session, watermarks))


@pytest.mark.parametrize("symbol", ["AAPL", "RIVN"])
def test_day_of_an_equity_with_extended_hours_is_as_expected(
    symbol: str, data_folder: Path, equities_config: Config
) -> None:
    name = f"{symbol.lower()}-1m-2025-07-01T16h00_to_2025-07-02T15h59-et.csv"
    bars = list(bars_of(data_folder / name, symbol))
    watermark_ms = max(bar.start_ms for bar in bars) + MINUTE_MS

    found = view(Plan(equities_config, symbol), {symbol: bars}, {symbol: watermark_ms})

    expected = expected_view(data_folder / EQUITIES)
    of_symbol = {key: fact for key, fact in expected.items() if fact["symbol"] == symbol}
    assert of_symbol
    assert_equal(found, of_symbol)


def assert_equal(
    found: dict[str, dict[str, object]], expected: dict[str, dict[str, object]]
) -> None:
    """Compare by id, then by field, so that a failure names what differs."""
    assert Counter(str(fact["type"]) for fact in found.values()) == Counter(
        str(fact["type"]) for fact in expected.values()
    )
    assert sorted(found) == sorted(expected)
    different = {
        key: (found[key], fact)
        for key, fact in expected.items()
        if _text(found[key]) != _text(fact)
    }
    assert different == {}


def _text(fact: dict[str, object]) -> str:
    """As JSON: 1, 1.0 and true are different fields."""
    return json.dumps(fact, sort_keys=True)
