"""The commands that verify: what they print, and exit codes that a pipeline can act on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import tapeline
from tapeline.schemas.codec import RecordDecoder, encode
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.cli.main import main
from tapeline.streams.feeds.samples import FIRST_SESSION, sample_book, write_samples

BOOKS = ("books.jsonl",)
SHORT = ("--to", "2025-11-20T06:00Z")


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_samples(tmp_path, 2, 7)
    late = (tmp_path / "es-late.jsonl").read_bytes().splitlines()
    books = [[RecordDecoder().decode(line) for line in late], *map(book, ("NQ", "ACME"))]
    monkeypatch.chdir(tmp_path)
    Path("books.jsonl").write_bytes(b"".join(encode(bar) + b"\n" for bar in as_they_arrive(books)))
    return tmp_path


def book(symbol: str) -> list[LogRecord]:
    calendar = load_calendar("XNYS" if symbol == "ACME" else "CME_EQUITY")
    return list(sample_book(symbol, calendar, FIRST_SESSION, 2, 7))


def as_they_arrive(books: Sequence[Sequence[LogRecord]]) -> list[LogRecord]:
    """Each book in its own order, a bar when its time has come to all of them."""
    arrivals = []
    for index, bars in enumerate(books):
        latest = 0
        for number, bar in enumerate(bars):
            assert isinstance(bar, Bar)
            latest = max(latest, bar.start_ms)
            arrivals.append((latest, index, number, bar))
    return [arrival[3] for arrival in sorted(arrivals, key=lambda arrival: arrival[:3])]


def test_causality_of_books_with_late_bars_is_clean(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "causality", *BOOKS, *SHORT, "--prefixes", "3"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("3 prefixes of ")
    assert text.endswith(" events: 0 rewritten readings.\n")
    assert main(["verify", "causality", *BOOKS, *SHORT, "--prefixes", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clean"], found["rewritten"], len(found["ends"])) == (True, {}, 3)
    assert found["records"] > 500
    assert main(["verify", "causality", *BOOKS, *SHORT, "--seed", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ends"][:3] != found["ends"]


def test_determinism_of_books_is_shown_run_by_run(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "determinism", *BOOKS, *SHORT]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["equal"] * 5 + ["Deterministic:"]


REPAINTING = (
    "replay/fold.py",
    "        events = outcome.events\n",
    """        import msgspec
        old, self.old = getattr(self, "old", []), outcome.events[:1]
        events = [
            *outcome.events, *(msgspec.structs.replace(each, session="1999-01-01") for each in old)
        ]
""",
)
UNSTABLE = (
    "streams/outputs/run_folder.py",
    "for event in events:",
    "for event in sorted(events, key=lambda each: hash(each.id)):",
)


def tampered(folder: Path, module: str, text: str, instead: str) -> dict[str, str]:
    """Environment of processes that run with a copy of the package that has a fault."""
    copy = folder / "code" / "tapeline"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(tapeline.__file__).parent, copy, ignore=ignored)
    path = copy / module
    assert path.read_text().count(text) == 1
    path.write_text(path.read_text().replace(text, instead))
    return {**os.environ, "PYTHONPATH": str(folder / "code")}


def verify(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "tapeline", "verify", *arguments, *BOOKS, *SHORT]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_code_that_repaints_ends_with_1_and_shows_what(books: Path) -> None:
    environment = tampered(books, *REPAINTING)
    printed = verify(environment, "causality", "--prefixes", "2")
    assert (printed.returncode, printed.stderr) == (1, "")
    assert "rewritten readings." in printed.stdout
    assert ", changed session (record " in printed.stdout
    found = json.loads(verify(environment, "causality", "--prefixes", "2", "--json").stdout)
    assert found["rewritten"]["derived_bar"] > 50
    assert found["findings"][0]["new"]["session"] == "1999-01-01"


def test_code_that_depends_on_hashes_ends_with_1_and_names_the_line(books: Path) -> None:
    environment = tampered(books, *UNSTABLE)
    printed = verify(environment, "determinism")
    assert (printed.returncode, printed.stderr) == (1, "")
    assert "first difference: tape." in printed.stdout
    assert printed.stdout.endswith("NOT deterministic.\n")


@pytest.mark.parametrize("check", ["causality", "determinism"])
def test_what_cannot_be_read_is_no_finding(
    books: Path, capsys: pytest.CaptureFixture[str], check: str
) -> None:
    assert main(["verify", check, "nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err


def test_a_replay_by_several_processes_is_one_folder(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", *BOOKS, *SHORT, "--out", "one"]) == 0
    one = capsys.readouterr().out
    assert main(["replay", *BOOKS, *SHORT, "--out", "many", "--processes", "2"]) == 0
    assert capsys.readouterr().out == one.replace("Results: one ", "Results: many ")
    for path in (books / "one").glob("*.jsonl"):
        assert path.read_bytes() == (books / "many" / path.name).read_bytes()
    assert main(["replay", *BOOKS, "--processes", "2"]) == 2
    assert main(["replay", *BOOKS, "--processes", "2", "--out", "many", "--speed", "5"]) == 2
    assert "--processes: needs --out" in capsys.readouterr().err


def test_recursion_is_measured_by_key_and_refused_without_indicators(
    books: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.toml").write_text(
        '[indicators.own]\nlist = ["sma(3)", "ema(2)"]\nintervals = ["60m"]\n'
        '[instruments.ES]\nindicators = ["own"]\n'
    )
    command = ["verify", "recursion", "--bars", "ES=es.csv", "--config", "own.toml"]
    assert main([*command, "--starts", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("ES: run again from 2025-11-21\n")
    assert text.endswith("0 values differ that are neither cold nor warming.\n")
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["key"] for each in found["keys"]] == ["ema_2_60m", "sma_3_60m"]
    assert found["keys"][1]["equal_from"] == 3
    assert found["clean"]
    assert main(["verify", "recursion", "--bars", "ES=es.csv"]) == 2
    assert "no symbol of it has indicators" in capsys.readouterr().err
