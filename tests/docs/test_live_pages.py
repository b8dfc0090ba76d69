"""The demonstration of live.md and the page on live and backtest show what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.live.exchange.faults import FAULT_MEANINGS
from tapeline.streams.feeds.live.exchange.market import SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tapeline.streams.ingest.drill.scripts import SCRIPTS
from tapeline.streams.ingest.ingest import IngestOptions
from tapeline.streams.ingest.process import IngestProcess, ServeOptions
from tests.docs.pages import blocks, commands
from tests.docs.test_pages import OUTPUT, ROOT, tapeline

pytestmark = pytest.mark.source_tree

LIVE = ROOT / "docs" / "live.md"
DIFFERENCES = ROOT / "docs" / "live-and-backtest.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands of the page on differences were run."""
    workdir = tmp_path_factory.mktemp("differences")
    assert tapeline(workdir, "sample sample --sessions 3").returncode == 0
    for command in commands(DIFFERENCES):
        done = tapeline(workdir, command.removeprefix("tapeline "))
        assert done.returncode == 0, done.stderr
    return workdir


@pytest.mark.parametrize(("command", "shown"), OUTPUT.findall(DIFFERENCES.read_text("utf-8")))
def test_what_is_shown_of_two_runs_is_what_is_printed(
    command: str, shown: str, folder: Path
) -> None:
    printed = tapeline(folder, command).stdout
    assert [line.rstrip() for line in printed.splitlines()] == shown.splitlines()
    assert ("Equal: live and final." in shown) != ("differ in" in shown)


def test_the_table_of_the_demonstration_is_that_of_ingest(tmp_path: Path) -> None:
    market = SampleMarket()
    config = read_config(sample_settings(SampleExchange(market, 1), "demo"), "demo")
    options = IngestOptions(store=tmp_path / "store")
    process = IngestProcess(config, ["demo"], options, {}, ServeOptions("", None, "table"))
    headers = [str(column.header) for column in process.table().columns]
    [shown] = blocks(LIVE, "text")
    lines = shown.splitlines()
    assert lines[2].split() == " ".join(headers).split()
    assert tuple(line.split()[0] for line in lines[4:]) == market.symbols


def test_the_demonstration_names_every_fault_and_what_it_does() -> None:
    page = LIVE.read_text("utf-8")
    assert [
        kind for kind, does in FAULT_MEANINGS.items() if f"| `{kind}` | {does} |" not in page
    ] == []


def test_the_drill_of_the_page_is_the_real_one(tmp_path: Path) -> None:
    (tmp_path / "tapeline.toml").write_text(blocks(LIVE, "toml")[-1])
    outputs = OUTPUT.findall(LIVE.read_text("utf-8"))
    [(command, shown)] = [each for each in outputs if each[0].startswith("feed drill")]
    printed = tapeline(tmp_path, command)
    assert printed.stdout.splitlines() == shown.splitlines(), printed.stderr
    assert printed.returncode == 0


def test_the_page_names_every_script_of_a_drill_and_what_it_does() -> None:
    page = LIVE.read_text("utf-8")
    assert [
        script.name for script in SCRIPTS if f"| `{script.name}` | {script.does} |" not in page
    ] == []
