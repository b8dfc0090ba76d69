"""Strategies that raise, read a clock, peek or hang: each ends by itself, or is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tapeline.streams.cli.main import main
from tests.unit.replay.hosting.strategies import FILES, events, write

SECONDS = 180


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The strategies, the log and the configuration: the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


def tapeline(*arguments: str) -> int:
    return main(list(arguments))


def test_one_that_raises_is_faulted_at_that_record_and_the_others_go_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("replay", "log.jsonl", "--strategy", "trader", "--out", "alone") == 0
    named = "trader,raises.py:Raises"
    assert tapeline("replay", "log.jsonl", "--strategy", named, "--out", "out") == 0
    out = folder / "out"
    [name] = {each["strategy"] for each in events(out, "strategy")} - {"trader"}
    fault = next(each for each in events(out, "strategy") if each["state"] == "faulted")
    assert (fault["strategy"], fault["error_type"]) == (name, "ZeroDivisionError")
    assert "the 25th bar" in fault["error"]
    assert fault["record"] == {"partition": 0, "offset": fault["step"]}
    signals = [each for each in events(out, "signal") if each["strategy"] == name]
    assert signals, "it emitted before it failed"
    last = {each["id"]: each for each in signals}
    assert {each["close_reason"] for each in last.values()} <= {"strategy_fault", "expired"}
    at = fault["cause"]["0"]
    assert not [e for e in signals if e["state"] == "issued" and e["cause"]["0"] >= at]
    others = [each for each in events(out, "signal") if each["strategy"] == "trader"]
    alone = events(folder / "alone", "signal")
    assert [each["id"] for each in others] == [each["id"] for each in alone]
    printed = capsys.readouterr().out
    assert f"{name} stopped at partition 0, offset {at}: ZeroDivisionError" in printed


def test_one_that_uses_the_clock_is_refused_and_unsafe_stands_in_the_manifest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("replay", "log.jsonl", "--strategy", "clocked.py:Clocked", "--out", "out")
    assert tapeline(*named) == 2
    message = capsys.readouterr().err
    assert "clocked.py" in message
    assert "time" in message
    assert not (folder / "out").exists()
    assert tapeline(*named, "--unsafe") == 0
    manifest = json.loads((folder / "out" / "manifest.json").read_bytes())
    assert [each["unsafe"] for each in manifest["strategies"].values()] == [True]
    assert {each["unsafe"] for each in events(folder / "out", "strategy")} == {True}
    assert "its code was not checked" in capsys.readouterr().out


def test_one_that_uses_the_clock_is_found_by_verify_determinism(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ("verify", "determinism", "log.jsonl", "--to-offset", "60")
    assert tapeline(*verify, "--strategy", "clocked.py:Clocked", "--unsafe", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    different = [each["difference"] for each in report["outcomes"][1:]]
    assert all(each["what"].startswith("tape.signals.v1 line ") for each in different)


def test_pure_ones_are_deterministic_over_hash_seeds_zones_and_fetch_sizes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ("verify", "determinism", "log.jsonl", "--strategy", "all")
    assert tapeline(*verify) == 0
    assert "Deterministic: 4 runs, equal to the byte." in capsys.readouterr().out


def test_one_that_peeks_is_found_by_verify_causality_and_an_honest_one_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ("verify", "causality", "log.jsonl", "--prefixes", "6", "--json")
    assert tapeline(*verify, "--strategy", "peeks.py:Peeks") == 1
    report = json.loads(capsys.readouterr().out)
    assert len(report["different_prefixes"]) == 6
    assert tapeline(*verify, "--strategy", "all") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rewritten"], report["different_prefixes"]) == ({}, [])


def test_a_later_version_of_a_host_event_is_growth_in_its_own_fields_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stretch = ("--from-offset", "90", "--prefixes", "3")
    verify = ("verify", "causality", "log.jsonl", *stretch, "--strategy", "trader,raises.py:Raises")
    assert tapeline(*verify) == 0
    assert ": 0 rewritten readings." in capsys.readouterr().out


def test_one_that_hangs_ends_the_process_and_its_line_is_named(folder: Path) -> None:
    command = ("replay", "log.jsonl", "--strategy", "trader,hangs.py:Hangs", "--out", "out")
    done = subprocess.run(
        [sys.executable, "-m", "tapeline", *command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 70, done.stderr
    line = FILES["hangs.py"].lstrip().split("\n").index("        while count == 7:") + 1
    assert "has not returned for 1 s, at partition 0, offset " in done.stderr
    assert f"hangs.py, line {line}" in done.stderr or f"hangs.py, line {line + 1}" in done.stderr
    assert not (folder / "out").exists()
    # The next run to the folder removes what it left beside it.
    assert tapeline("replay", "log.jsonl", "--strategy", "trader", "--out", "out") == 0
    folders = {each.name for each in folder.iterdir() if each.is_dir()}
    assert folders - {"__pycache__"} == {"out"}
