"""`tapeline report` writes a page, JSON and tables, and prints where they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tapeline.streams.cli.main import main
from tests.unit.replay.report.test_reading import run as run  # its fixture

Captured = pytest.CaptureFixture[str]


def test_it_prints_the_headlines_first_and_the_path_last(
    run: Path, tmp_path: Path, capsys: Captured
) -> None:
    config = str(run.parent / "with.toml")
    assert main(["report", str(run), "--config", config, "--out", str(tmp_path / "report")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Account default: costs: slippage 2 ticks")
    assert "no max_buying_power" in lines[1]
    assert lines[-1] == f"Report: {tmp_path / 'report' / 'report.html'}"
    assert (tmp_path / "report" / "report.html").exists()


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    config = str(run.parent / "with.toml")
    for name in ("one", "two"):
        out = str(tmp_path / name)
        assert main(["report", str(run), "--config", config, "--out", out, "--parquet"]) == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 10
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_net_is_what_the_account_reports(run: Path, tmp_path: Path, capsys: Captured) -> None:
    config = str(run.parent / "with.toml")
    out = str(tmp_path / "report")
    assert main(["report", str(run), "--config", config, "--out", out, "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["runs"]
    lines = (run / "tape.account.v1.jsonl").read_text().splitlines()
    last = [each for each in map(json.loads, lines) if each["type"] == "account"][-1]
    [account] = found["accounts"]
    figures = account["figures"]
    assert figures["end"]["value"] == last["equity"]
    assert figures["trades"]["value"] == last["trades"]
    assert figures["commission"]["value"] == last["commission"]
    nets = sum(trade["net"] for trade in account["trades"])
    assert nets == pytest.approx(last["equity"] - 100_000)


def test_without_out_the_report_lies_beside_the_run(run: Path, capsys: Captured) -> None:
    config = str(run.parent / "with.toml")
    assert main(["report", str(run), "--config", config]) == 0
    assert re.search("Report: .*run-report/report.html", capsys.readouterr().out)
    # The run can still be replaced: nothing was written into it.
    assert not (run / "report.html").exists()


def test_two_runs_of_one_kind_are_refused(run: Path, capsys: Captured) -> None:
    config = str(run.parent / "with.toml")
    assert main(["report", str(run), str(run), "--config", config]) == 2
    assert "both are as lived" in capsys.readouterr().err
