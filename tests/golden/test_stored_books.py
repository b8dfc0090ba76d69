"""Two real weeks as daily files in a store: overlapping, first wrong, one symbol a day behind."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tests.unit.streams.store.killing import Kill, run_until_killed
from tests.unit.streams.store.stores import DELIVERY, folded, load, view

BOOKS = {symbol: f"{symbol.lower()}_1m_2025-12-07_2025-12-19.csv" for symbol in ("ES", "NQ")}
DAYS = 10
WRONG_DAY = 3
OVERLAP_MS = 12 * 3_600_000
BREAK_MS = 45 * 60_000
POINTS = ("before_log", "after_log", "after_outputs", "after_state")
BUILT_IN: dict[str, Any] = {"toml": ""}


def _daily(path: Path, folder: Path, symbol: str) -> list[Path]:
    """One file a session, each beginning half a day before its session does."""
    header, *lines = path.read_text("utf-8").splitlines()
    rows = [(_ms(line), line) for line in lines]
    opens = [rows[0][0]]
    opens += [later for (earlier, _), (later, _) in pairwise(rows) if later - earlier > BREAK_MS]
    assert len(opens) == DAYS
    edges = [*opens, rows[-1][0] + 1]
    files = []
    for day in range(DAYS):
        held = [line for at, line in rows if edges[day] - OVERLAP_MS <= at < edges[day + 1]]
        files.append(folder / f"{symbol}-{day}.csv")
        files[-1].write_text("\n".join([header, *held]) + "\n", "utf-8")
    return files


def _ms(line: str) -> int:
    return int(datetime.fromisoformat(line.split(",")[0]).timestamp()) * 1000


def _wrong(path: Path, folder: Path) -> Path:
    """The file without its tenth hundred of rows, and with highs that are too high."""
    header, *lines = path.read_text("utf-8").splitlines()
    names = header.split(",")
    high = names.index("high")
    for number in (900, 950, 1_250):
        cells = lines[number].split(",")
        cells[high] = str(float(cells[high]) + 40)
        lines[number] = ",".join(cells)
    wrong = folder / "wrong.csv"
    wrong.write_text("\n".join([header, *lines[:1_000], *lines[1_100:]]) + "\n", "utf-8")
    return wrong


@pytest.fixture(scope="module")
def steps(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The runs, each with its files: NQ comes a day after ES."""
    workdir = tmp_path_factory.mktemp("daily")
    es, nq = (_daily(data_folder / name, workdir, symbol) for symbol, name in BOOKS.items())
    found: list[list[Any]] = []
    for day in range(DAYS):
        first = _wrong(es[day], workdir) if day == WRONG_DAY else es[day]
        found.append([("ES", first), *([("NQ", nq[day - 1])] if day else [])])
    found.append([("ES", es[WRONG_DAY]), ("NQ", nq[DAYS - 1])])
    return found


@pytest.fixture(scope="module")
def final(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The view of one run over the final files."""
    folder = tmp_path_factory.mktemp("final") / "out"
    sources = [Source(str(data_folder / name), symbol) for symbol, name in BOOKS.items()]
    run_files(read_config("", "built in"), sources, folder)
    found = {}
    for path in folder.glob("tape.*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            fact = json.loads(line)
            found[fact["id"]] = {name: fact[name] for name in fact if name not in DELIVERY}
    return found


def test_daily_files_leave_the_view_of_the_final_books(
    steps: list[list[Any]], final: dict[str, Any], tmp_path: Path
) -> None:
    for files in steps:
        load(tmp_path / "S", *files, **BUILT_IN)
    assert view(tmp_path / "S") == final
    assert folded(tmp_path / "S") == final


def test_so_do_daily_runs_that_are_killed_and_repeated(
    steps: list[list[Any]], final: dict[str, Any], tmp_path: Path
) -> None:
    options = {**BUILT_IN, "step_rows": 500}
    for number, files in enumerate(steps):
        point = POINTS[number % 4]
        torn = number if point in ("after_log", "after_outputs") else None
        kill = Kill(point, nth=1 + number % 3, torn=torn)
        assert run_until_killed(tmp_path / "S", files, options, kill)
        load(tmp_path / "S", *files, **options)
    assert view(tmp_path / "S") == final
    assert folded(tmp_path / "S") == final
