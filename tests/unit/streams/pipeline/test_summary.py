"""The summary: counted while events pass, equal to counts of the folded files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.calendars import load_calendar
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import CONFIGURATION, sample_book, with_holes
from tapeline.streams.pipeline.summary import FIRST_GAPS, RunResult
from tests.unit.streams.embedded.books import HEADER, lines, write

SESSIONS = 8


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run of eight sessions of three books with holes."""
    folder = tmp_path_factory.mktemp("summary")
    books = {"ES": ("CME_EQUITY", 24_000, 0.25), "NQ": ("CME_EQUITY", 90_000, 0.25)}
    books["ACME"] = ("XNYS", 12_000, 0.01)
    sources = []
    for seed, (symbol, (calendar, ticks, tick)) in enumerate(books.items()):
        walk = sample_book(
            symbol, load_calendar(calendar), "2025-11-20", SESSIONS, seed, ticks, tick
        )
        rows = (
            f"{bar.start_ms},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"
            for bar in with_holes(list(walk), seed)
        )
        sources.append(Source(str(write(folder / f"{symbol}.csv", rows, HEADER)), symbol))
    return run_files(read_config(CONFIGURATION, "test"), sources, folder / "out")


def _view(result: RunResult, topic: str, symbol: str) -> list[dict[str, Any]]:
    """Last version of every fact of a symbol."""
    folded = {event["id"]: event for event in lines(result, topic)}
    return [fact for fact in folded.values() if fact["symbol"] == symbol]


@pytest.mark.parametrize("symbol", ["ES", "NQ", "ACME"])
def test_counts_of_a_symbol_are_those_of_the_folded_files(result: RunResult, symbol: str) -> None:
    totals = result.summary.totals(symbol)
    touches = [fact["event"] for fact in _view(result, "touches", symbol)]
    gaps = _view(result, "gaps", symbol)
    qualities = [fact["quality"] for fact in _view(result, "quality", symbol)]
    swings = Counter(str(fact["class"]) for fact in _view(result, "swings", symbol))
    ranges = Counter(
        "expired" if fact["expired"] else fact["state"] for fact in _view(result, "ranges", symbol)
    )
    assert totals == {
        "derived_bars": Counter(fact["interval"] for fact in _view(result, "bars.derived", symbol)),
        "indicators": {},
        "sessions": sum(fact["state"] == "closed" for fact in _view(result, "sessions", symbol)),
        "quality_mean": pytest.approx(sum(qualities) / len(qualities)),
        "quality_worst": min(qualities),
        "gaps": len(gaps),
        "missing_slots": sum(gap["missing"] for gap in gaps),
        "ranges": ranges,
        "touches": len(touches) - touches.count("expired"),
        "expired": touches.count("expired"),
        "swings": swings,
        # The books end with the close of a session.
        "running": None,
    }
    assert totals["gaps"] > 3
    assert totals["touches"] > 3
    assert len(ranges) > 1
    assert set(swings) >= {"1", "2", "3"}


def test_pairs_are_counted_once_however_often_they_are_published(result: RunResult) -> None:
    published = [event["id"] for event in lines(result, "pairs")]
    assert result.summary.pairs == {"ES-NQ": len(set(published))}
    assert len(published) > len(set(published)) > 0


def test_the_first_gaps_are_shown_with_their_last_extent(result: RunResult) -> None:
    published = lines(result, "gaps")
    first = list(dict.fromkeys(event["id"] for event in published))[:FIRST_GAPS]
    assert list(result.summary.first_gaps) == first
    last = {event["id"]: event for event in published}
    for found in result.summary.first_gaps.values():
        assert (found.missing, found.state) == (last[found.id]["missing"], last[found.id]["state"])


def test_of_each_code_the_first_dead_letter_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", ["a,1,1,1,1,1", "b,1,1,1,1,1", "0,1,1,1,1,1"])
    result = run_files(read_config("", "test"), [Source(str(path), "ES")], tmp_path / "out")
    assert result.summary.rejects == {"schema_error": 2, "implausible_time": 1}
    first = result.summary.first_reject["schema_error"]
    assert first == (f"{path}:2", "start_ms: 'a' is no time")


OPEN_MS = 1_764_685_800_000
"""2025-12-02 09:30 New York."""


def running(folder: Path, minutes: list[int], **options: Any) -> RunResult:
    """A run of one day of XNYS that has bars in some of its minutes, a price of 10 + minute."""
    rows = (
        f"{OPEN_MS + minute * 60_000},{10 + minute},{11 + minute},{9 + minute},{10 + minute},5"
        for minute in minutes
    )
    source = Source(str(write(folder / "acme.csv", rows, HEADER)), "ACME")
    config = read_config(CONFIGURATION, "test")
    return run_files(config, [source], folder / "out", **options)


def test_a_session_that_is_open_is_as_of_its_last_bar(tmp_path: Path) -> None:
    result = running(tmp_path, [0, 1, 3, 4])
    totals = result.summary.totals("ACME")
    assert totals["running"] == {
        "session": "2025-12-02",
        "open_ms": OPEN_MS,
        "close_ms": OPEN_MS + 390 * 60_000,
        "as_of_ms": OPEN_MS + 5 * 60_000,
        "bars": 4,
        "due": 5,
        "high": 15.0,
        "low": 9.0,
        "quality": 80.0,
    }
    # What was published is of the gap, when two of three slots had a bar.
    assert [event["quality"] for event in lines(result, "quality")][-1] < 70
    assert (totals["quality_mean"], totals["quality_worst"]) == (80.0, 80.0)


def test_a_session_that_was_closed_is_not_running(tmp_path: Path) -> None:
    close_ms = OPEN_MS + 390 * 60_000
    totals = running(tmp_path, [0, 1], until_ms=close_ms).summary.totals("ACME")
    assert totals["running"] is None
    assert totals["sessions"] == 1
