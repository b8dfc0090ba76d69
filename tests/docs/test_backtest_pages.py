"""The pages on backtests can be followed: commands, the strategy they show, recipes in pandas."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks, commands
from tests.docs.test_pages import ROOT
from tests.docs.test_replay_page import STEP, is_shown, run

PAGE = ROOT / "docs" / "backtesting.md"
RECIPES = ROOT / "docs" / "recipes.md"
PROGRAM = re.compile(r"^```python\n((?:(?!```).)*)```\n(?:\n```text\n(.*?)^```)?", re.M | re.S)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder in which the page was followed, and what each command printed."""
    folder = tmp_path_factory.mktemp("backtesting")
    shutil.copy(ROOT / "examples" / "backtest.toml", folder)
    [program] = blocks(PAGE, "python")
    (folder / "three_down.py").write_text(program)
    return folder, {command: run(folder, command) for command in commands(PAGE)}


def test_the_commands_print_what_the_page_shows(followed: tuple[Path, dict[str, str]]) -> None:
    _, printed = followed
    shown = [
        (lines.splitlines()[-1], text) for lines, text in STEP.findall(PAGE.read_text()) if text
    ]
    assert shown
    for line, text in shown:
        command = line.removeprefix("$ ")
        assert is_shown(text, printed[command]), printed[command]


def test_each_report_names_its_page(followed: tuple[Path, dict[str, str]]) -> None:
    folder, printed = followed
    reports = [text for command, text in printed.items() if " report " in command]
    assert len(reports) == 3
    for text in reports:
        [path] = re.findall("^Report: (.*)$", text, re.MULTILINE)
        assert (folder / path).read_text().startswith("<!doctype html>")


def test_the_own_strategy_trades(followed: tuple[Path, dict[str, str]]) -> None:
    folder, _ = followed
    trades = (folder / "mine-report" / "trades.csv").read_text().splitlines()[1:]
    assert trades
    assert all("first rising close" in line or ",open," in line for line in trades)


def test_recipes_with_output_print_it(followed: tuple[Path, dict[str, str]]) -> None:
    pytest.importorskip("pandas")
    folder, _ = followed
    programs = [(text, shown) for text, shown in PROGRAM.findall(RECIPES.read_text()) if shown]
    assert len(programs) == 4
    path = f"PYTHONPATH={ROOT} " if (ROOT / "streams").is_dir() else ""
    for number, (text, shown) in enumerate(programs):
        (folder / f"recipe{number}.py").write_text(text)
        printed = run(folder, f"{path}{sys.executable} recipe{number}.py")
        assert is_shown(shown, printed), printed
