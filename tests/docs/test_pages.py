"""What the documentation shows can be run as it is shown."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks, commands, links, pages

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = re.compile(r"<!-- output of: tapeline ([^\n]*) -->\n```\n(.*?)```", re.DOTALL)
DECISION = re.compile(r"^\| \[\d+\]\((\S+)\) \| (.*) \|$", re.MULTILINE)
PARTS = ["Context", "Decision", "Consequences"]


def tapeline(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a folder; eighty columns, no colours."""
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    if (ROOT / "streams").is_dir():
        environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, "-m", "tapeline", *shlex.split(command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample books and the configurations of the pages."""
    workdir = tmp_path_factory.mktemp("pages")
    assert tapeline(workdir, "sample sample").returncode == 0
    [toml] = blocks(ROOT / "docs" / "adding-a-range-template.md", "toml")
    (workdir / "opening.toml").write_text(toml)
    return workdir


SHOWN = [
    (page.name, command)
    for page in (ROOT / "README.md", ROOT / "docs" / "adding-a-range-template.md")
    for command in commands(page)
]


@pytest.mark.parametrize(("page", "command"), SHOWN)
def test_a_command_that_is_shown_works(folder: Path, page: str, command: str) -> None:
    assert command.startswith("tapeline "), page
    done = tapeline(folder, command.removeprefix("tapeline "))
    assert done.returncode == 0, done.stderr


SHOWN_OUTPUTS = OUTPUT.findall((ROOT / "README.md").read_text())


@pytest.mark.parametrize(("command", "shown"), SHOWN_OUTPUTS, ids=["run", "parity"])
def test_the_output_in_the_readme_is_the_real_one(folder: Path, command: str, shown: str) -> None:
    if command.startswith("parity"):
        for before in commands(ROOT / "README.md"):
            if " --out out" in before or " --out stretch" in before:
                assert tapeline(folder, before.removeprefix("tapeline ")).returncode == 0
    printed = tapeline(folder, command).stdout
    assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()


def test_the_event_in_the_readme_is_a_line_of_that_run(folder: Path) -> None:
    readme = ROOT / "README.md"
    command = commands(readme)[0].removeprefix("tapeline ")
    assert tapeline(folder, command).returncode == 0
    lines = (folder / "out" / "tape.touches.v1.jsonl").read_text().splitlines()
    [shown] = blocks(readme, "json")
    assert shown.strip() in lines


def test_the_template_of_the_page_gives_the_ranges_it_names(folder: Path) -> None:
    page = ROOT / "docs" / "adding-a-range-template.md"
    command = commands(page)[1].removeprefix("tapeline ")
    assert tapeline(folder, command).returncode == 0
    ranges = (folder / "opening" / "tape.ranges.v1.jsonl").read_text().splitlines()
    ids = {json.loads(line)["id"] for line in ranges}
    named = re.findall(r"`(range\|[^`]*)`", page.read_text())
    assert len(named) == 2
    assert set(named) <= ids


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    led_to = {(ROOT / target).resolve() for target in links(ROOT / "README.md")}
    found = set(pages(ROOT)) - {ROOT / "README.md"}
    assert {page for page in found - led_to if page.parent.name != "decisions"} == set()


def test_decisions_are_listed_by_their_titles_and_have_three_parts_each() -> None:
    index = ROOT / "docs" / "decisions" / "README.md"
    listed = dict(DECISION.findall(index.read_text("utf-8")))
    records = sorted(index.parent.glob("0*.md"))
    assert list(listed) == [record.name for record in records]
    for number, record in enumerate(records, 1):
        text = record.read_text("utf-8")
        assert text.startswith(f"# {number}. {listed[record.name]}\n")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == PARTS


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: str(page.relative_to(ROOT)))
def test_json_that_is_shown_is_json(page: Path) -> None:
    for body in blocks(page, "json"):
        for line in body.splitlines() if body.count("\n{") else [body]:
            json.loads(line)
