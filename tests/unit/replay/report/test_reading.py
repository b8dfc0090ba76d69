"""A report reads the folder that a replay with strategies wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapeline.replay.report.reading import read_book
from tapeline.streams.cli.main import main
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.samples import write_samples

STRATEGY = """
[indicators.crossover]
list = ["sma(5)", "sma(20)"]
intervals = ["5m"]

[instruments.ES]
tick = "0.25"
calendar = "CME_EQUITY"
indicators = ["crossover"]

[accounts.default]
slippage_ticks = 2

[strategies.sma_crossover]
module = "sma_crossover"
symbols = ["ES"]
quantity = 1
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reading")
    write_samples(folder / "sample", sessions=1)
    (folder / "with.toml").write_text(STRATEGY)
    code = main(
        [
            *("replay", "--bars", f"ES={folder / 'sample' / 'es.csv'}"),
            *("--config", str(folder / "with.toml"), "--strategy", "sma_crossover"),
            *("--out", str(folder / "run")),
        ]
    )
    assert code == 0
    return folder / "run"


def test_it_holds_the_events_the_bars_and_the_settings_of_the_run(run: Path) -> None:
    book = read_book(run)
    assert book.fills
    assert set(book.decisions) == {f"decision|{each}" for each in book.signals}
    assert {fill.order for fill in book.fills} <= set(book.orders)
    assert book.bars is not None
    rows = (run.parent / "sample" / "es.csv").read_text().splitlines()[1:]
    assert len(book.bars.symbols["ES"].starts) == len(rows)
    assert book.settings["default"].slippage_ticks == 2
    assert book.listed == {"default": ("ES",)}
    assert not book.as_corrected


def test_a_folder_without_bars_can_be_read(run: Path, tmp_path: Path) -> None:
    for file in run.iterdir():
        if file.name != "bars.jsonl":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert read_book(tmp_path).bars is None


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "holds no manifest.json"),
        ("{", "damaged"),
        ("{}", "no manifest of a run"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(
    manifest: str | None, message: str, tmp_path: Path
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match=message):
        read_book(tmp_path)


def test_a_run_without_strategies_is_refused_with_the_way_out(run: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_bytes())
    del manifest["strategies"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="--strategy NAME"):
        read_book(tmp_path)
