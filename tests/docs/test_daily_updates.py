"""The loader's guide can be followed from top to bottom, and its commands print what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import commands
from tests.docs.test_pages import ROOT, tapeline

PAGE = ROOT / "docs" / "daily-updates.md"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder after all commands of the page, and what each of them printed."""
    workdir = tmp_path_factory.mktemp("daily")
    assert tapeline(workdir, "sample sample").returncode == 0
    printed = {}
    for command in commands(PAGE):
        done = tapeline(workdir, command.removeprefix("tapeline "))
        assert done.returncode == 0, (command, done.stderr)
        printed[command] = done.stdout
    return workdir, printed


def _printed(shown: tuple[Path, dict[str, str]], part: str) -> str:
    [found] = [text for command, text in shown[1].items() if part in command]
    return found


def _summary(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_file_that_is_known_brings_nothing_new(shown: tuple[Path, dict[str, str]]) -> None:
    assert "13335 rows: 0 new, 13335 duplicate," in _printed(shown, "run --bars NQ")


def test_corrected_history_closes_the_gaps(shown: tuple[Path, dict[str, str]]) -> None:
    assert "402 late" in _printed(shown, "run --bars ES=sample/es.csv")
    assert "Rebuilt: ES-NQ" in _printed(shown, "run --bars ES=sample/es.csv")
    assert "0 of 20 sessions miss bars." in shown[1]["tapeline gaps --store store"].splitlines()


def test_earlier_rows_are_skipped_and_nothing_is_cancelled(
    shown: tuple[Path, dict[str, str]],
) -> None:
    rows = _summary(_printed(shown, "--replace"))["rows"]
    assert rows["skipped"] > 10_000
    assert (rows["cancelled"], rows["changed"]) == (0, 0)


def test_the_view_is_that_of_one_run_over_the_final_files(
    shown: tuple[Path, dict[str, str]],
) -> None:
    workdir = shown[0]
    run = "run --bars ES=sample/es.csv --bars NQ=sample/nq.csv"
    again = "run store/log.jsonl"
    assert tapeline(workdir, f"{run} --store fresh").returncode == 0
    assert tapeline(workdir, f"{again} --store again").returncode == 0
    view = _view(tapeline(workdir, "state --store store --json").stdout)
    assert len(view) > 20_000
    assert _view(tapeline(workdir, "state --store fresh --json").stdout) == view
    assert _view(tapeline(workdir, "state --store again --json").stdout) == view


def _view(text: str) -> list[dict[str, Any]]:
    facts = [json.loads(line) for line in text.splitlines()]
    for fact in facts:
        for name in ("seq", "rev", "corrects", "watermark_ms"):
            del fact[name]
    return facts
