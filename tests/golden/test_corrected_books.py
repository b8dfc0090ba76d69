"""Two real weeks that arrive wrong, late, twice and in disorder fold to the clean books' view."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tests.properties.disorder import disordered

BOOKS = {symbol: f"{symbol.lower()}_1m_2025-12-07_2025-12-19.csv" for symbol in ("ES", "NQ")}
PRICES = ("open", "high", "low", "close")
NEW_YORK = ZoneInfo("America/New_York")
MINUTE_MS = 60_000
DAY_MS = 86_400_000
DELIVERY = ("seq", "rev", "corrects", "watermark_ms")

View = dict[str, dict[str, Any]]


def at(text: str) -> int:
    """Epoch milliseconds of a wall time of New York."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1000


@pytest.fixture(scope="module")
def config() -> Config:
    return read_config("", "built in")


@pytest.fixture(scope="module")
def bars(data_folder: Path) -> list[Bar]:
    """The clean books, by start and symbol."""
    found = []
    for symbol, name in BOOKS.items():
        with (data_folder / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                start_ms = int(datetime.fromisoformat(row["time"]).timestamp()) * 1000
                open_, high, low, close = (float(row[name]) for name in PRICES)
                found.append(Bar(symbol, "1m", start_ms, open_, high, low, close))
    return sorted(found, key=lambda bar: (bar.start_ms, bar.symbol))


class Run:
    """A run over a log, and what its files hold."""

    def __init__(self, config: Config, log: Sequence[LogRecord], folder: Path) -> None:
        path = folder / "log.jsonl"
        path.write_bytes(msgspec.json.Encoder().encode_lines(log))
        self.manifest = run_files(config, [Source(str(path))], folder / "out").manifest
        self.view: View = {}
        self.lines: list[dict[str, Any]] = []
        for file in sorted((folder / "out").glob("tape.*.jsonl")):
            for line in file.read_text("utf-8").splitlines():
                self._fold(json.loads(line))

    def _fold(self, fact: dict[str, Any]) -> None:
        assert fact["type"] != "reject", fact
        self.lines.append(dict(fact))
        if fact["op"] == "retract":
            del self.view[fact["id"]]
            return
        for name in DELIVERY:
            del fact[name]
        self.view[fact["id"]] = fact

    def corrected(self) -> Counter[tuple[str, str]]:
        """How many lines of each type and operation a correction caused."""
        return Counter(
            (line["type"], line["op"]) for line in self.lines if line["corrects"] is not None
        )


@pytest.fixture(scope="module")
def clean(config: Config, bars: list[Bar], tmp_path_factory: pytest.TempPathFactory) -> View:
    """The view of the clean books, in order."""
    run = Run(config, bars, tmp_path_factory.mktemp("clean"))
    assert run.corrected() == Counter()
    return run.view


def assert_equal_views(found: View, expected: View) -> None:
    """Same ids; every field has the same text, so that 1, 1.0 and true differ."""
    assert found.keys() == expected.keys()
    different = [key for key in found if json.dumps(found[key]) != json.dumps(expected[key])]
    assert different == []


def with_bar_later(bars: list[Bar], bar: Bar, comes_ms: int) -> list[LogRecord]:
    """The log in which one more bar comes before those labelled with an instant."""
    index = next(number for number, each in enumerate(bars) if each.start_ms >= comes_ms)
    return [*bars[:index], bar, *bars[index:]]


@pytest.mark.parametrize("put_right", ["2025-12-10 06:32", "2025-12-10 11:00", "2025-12-18 18:05"])
def test_a_high_forty_points_too_high_leaves_no_trace_once_it_is_put_right(
    config: Config, bars: list[Bar], clean: View, tmp_path: Path, put_right: str
) -> None:
    label = at("2025-12-10 06:30")
    index = next(
        number for number, bar in enumerate(bars) if (bar.symbol, bar.start_ms) == ("ES", label)
    )
    right = bars[index]
    wrong = msgspec.structs.replace(right, high=right.high + 40)
    log = with_bar_later([*bars[:index], wrong, *bars[index + 1 :]], right, at(put_right))

    run = Run(config, log, tmp_path)

    assert_equal_views(run.view, clean)
    assert run.corrected()["swing", "retract"] >= 1
    assert {line["corrects"] for line in run.lines} == {None, label}


def test_a_hole_of_thirty_minutes_filled_two_days_later_leaves_no_trace(
    config: Config, bars: list[Bar], clean: View, tmp_path: Path
) -> None:
    first, last = at("2025-12-09 10:00"), at("2025-12-09 10:29")
    hole = [bar for bar in bars if bar.symbol == "ES" and first <= bar.start_ms <= last]
    assert len(hole) == 30
    log: list[LogRecord] = [bar for bar in bars if bar not in hole]
    index = next(
        number
        for number, bar in enumerate(log)
        if isinstance(bar, Bar) and bar.start_ms >= last + 2 * DAY_MS
    )
    log[index:index] = hole

    run = Run(config, log, tmp_path)

    assert_equal_views(run.view, clean)
    # Filled from its first minute on: the gap begins, and so is named, a minute later each time.
    assert run.corrected()["gap", "retract"] == 30
    assert {line["corrects"] for line in run.lines} - {None} == {bar.start_ms for bar in hole}


@pytest.mark.parametrize("seed", [1, 2])
def test_two_weeks_in_disorder_fold_to_the_view_of_the_clean_books(
    config: Config, bars: list[Bar], clean: View, tmp_path: Path, seed: int
) -> None:
    log = disordered(bars, config, seed, behind_ms={"NQ": DAY_MS})

    run = Run(config, log, tmp_path)

    assert_equal_views(run.view, clean)
    counters = run.manifest["counters"]
    for kind in ("late", "changed", "cancelled", "duplicates", "clocks"):
        assert counters[kind] > 20, kind
