"""The page of historical windows can be followed, and shows what its commands lead to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.pages import blocks, commands
from tests.docs.test_pages import ROOT, tapeline
from tests.unit.streams.core.windows.test_spans import dates

PAGE = ROOT / "docs" / "windows.md"
ROW = re.compile(r"^\| \w+ (\d{4}-\d\d-\d\d) \| `(\w+)` \| (.*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command of the page prints, one after the other."""
    workdir: Path = tmp_path_factory.mktemp("windows")
    assert tapeline(workdir, "sample sample").returncode == 0
    [toml] = blocks(PAGE, "toml")
    (workdir / "windows.toml").write_text(toml)
    found = {}
    for command in commands(PAGE):
        done = tapeline(workdir, command.removeprefix("tapeline "))
        assert done.returncode == 0, (command, done.stderr)
        found[command] = done.stdout
    return found


def test_the_event_that_is_shown_is_in_the_store(printed: dict[str, str]) -> None:
    [state] = [text for command, text in printed.items() if "--json" in command]
    [shown] = blocks(PAGE, "json")
    assert shown.strip() in state.splitlines()
    ids = {json.loads(line)["id"].split("|")[2] for line in state.splitlines()}
    assert ids == {"avg_volume_5d", "high_1w", "volume_by_minute"}


def test_the_summary_names_what_was_run_again(printed: dict[str, str]) -> None:
    [line] = re.findall(r"^```\n(Rebuilt: .*)\n```", PAGE.read_text("utf-8"), re.MULTILINE)
    first, second, *_ = printed.values()
    assert "Rebuilt" not in first
    assert line in " ".join(second.split())


def test_a_row_of_the_table_names_the_sessions(printed: dict[str, str]) -> None:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) == 6
    for session, period, shown in rows:
        found = dates("XNYS", period, session)
        named = re.findall(r"(?:\d{4}-)?\d\d-\d\d", shown)
        assert found[0].endswith(named[0]), (session, period)
        if len(named) > 1:
            assert found[-1].endswith(named[1])
