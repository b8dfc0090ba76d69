"""The engine over recorded books gives the expected views, fact by fact."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.pipeline.summary import RunResult

WEEK_ONE_ENDS = datetime.fromisoformat("2025-12-12T17:00-05:00")
EQUITIES = '[instruments.AAPL]\ncalendar = "XNYS"\n[instruments.RIVN]\ncalendar = "XNYS"\n'
View = dict[str, dict[str, Any]]
DELIVERY = ("seq", "rev", "corrects", "watermark_ms")


def folded(folder: Path) -> View:
    """The view of a folder of events, without the fields of delivery."""
    view: View = {}
    for path in sorted(folder.glob("tape.*.jsonl")):
        if "rejects" in path.name:
            continue
        for line in path.read_text().splitlines():
            fact = json.loads(line)
            for name in DELIVERY:
                fact.pop(name, None)
            view[fact["id"]] = fact
    return view


def assert_equal_views(
    found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]
) -> None:
    """Same ids, every field equal."""
    assert found.keys() == expected.keys()
    assert [identity for identity in found if found[identity] != expected[identity]] == []


def _first_week(source: Path, target: Path) -> Path:
    """The rows of a book before the end of the first week."""
    with source.open() as file:
        rows = list(csv.reader(file))
    kept = [row for row in rows[1:] if datetime.fromisoformat(row[0]) < WEEK_ONE_ENDS]
    target.write_text("\n".join(",".join(row) for row in [rows[0], *kept]) + "\n")
    return target


@pytest.fixture(scope="module")
def week_one(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The first week of ES and NQ."""
    folder = tmp_path_factory.mktemp("week")
    sources = [
        Source(str(_first_week(data_folder / name, folder / f"{symbol}.csv")), symbol)
        for symbol, name in (
            ("ES", "es_1m_2025-12-07_2025-12-19.csv"),
            ("NQ", "nq_1m_2025-12-07_2025-12-19.csv"),
        )
    ]
    return run_files(read_config("", "built in"), sources, folder / "out")


@pytest.fixture(scope="module")
def equities(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """One day of AAPL and RIVN, with extended hours."""
    folder = tmp_path_factory.mktemp("equities")
    span = "1m-2025-07-01T16h00_to_2025-07-02T15h59-et.csv"
    sources = [Source(str(data_folder / f"{name}-{span}")) for name in ("aapl", "rivn")]
    return run_files(read_config(EQUITIES, "equities"), sources, folder / "out")


def test_week_one_of_es_and_nq(week_one: RunResult, data_folder: Path) -> None:
    assert_equal_views(folded(week_one.folder), folded(data_folder / "expected-week-1"))


def test_the_equities_day(equities: RunResult, data_folder: Path) -> None:
    expected = folded(data_folder / "expected-equities-2025-07-02")
    assert_equal_views(folded(equities.folder), expected)


@pytest.mark.parametrize("symbol", ["AAPL", "RIVN"])
def test_bars_and_sessions_of_the_equities_day_computed_elsewhere(
    equities: RunResult, data_folder: Path, symbol: str
) -> None:
    golden = json.loads((data_folder / "golden-2025-07-02.json").read_text())["symbols"][symbol]
    view = folded(equities.folder)
    session = view[f"session|{symbol}|2025-07-02"]
    assert session["bars"] == golden["regular_rows"]
    for name in ("high", "low", "volume"):
        assert session[name] == golden["session"][name]
    bars = [
        fact for fact in view.values() if fact["type"] == "derived_bar" and fact["symbol"] == symbol
    ]
    for interval, (windows, complete) in golden["derived_counts_session_anchored"].items():
        found = [bar for bar in bars if bar["interval"] == interval]
        if not found:
            assert interval in ("10m", "120m")
            continue
        assert len(found) == windows
        assert sum(bar["complete"] and not bar["truncated"] for bar in found) == complete
    for name in ("first_5m", "last_5m", "last_15m"):
        interval = name.split("_")[1]
        found = sorted(
            (bar for bar in bars if bar["interval"] == interval), key=lambda bar: bar["start_ms"]
        )
        bar = found[0] if name.startswith("first") else found[-1]
        values = [bar[field] for field in ("open", "high", "low", "close", "volume")]
        assert values == golden[name][1:]


def test_extended_hours_change_no_quality(equities: RunResult) -> None:
    counters = equities.manifest["counters"]["symbols"]
    assert (counters["AAPL"]["off_session"], counters["RIVN"]["off_session"]) == (472, 227)
    view = folded(equities.folder)
    for symbol in ("AAPL", "RIVN"):
        assert view[f"quality|{symbol}|1m|2025-07-02"]["quality"] == 100.0
