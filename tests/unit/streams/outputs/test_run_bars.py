"""`bars.jsonl`: what a run made of the bars of its log, and nothing that compares two runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.codec import RecordDecoder, encode
from tapeline.streams.cli.main import main
from tapeline.streams.feeds.opening import Source
from tapeline.streams.outputs.run_bars import FLUSH_LINES, BarLine, BarsFile
from tests.unit.streams.embedded.books import CONFIGURATION, log_line, run

CHANGED = log_line(1).replace('"low":10', '"low":9.5').replace('"open":10', '"open":9.5')
LOG = [
    log_line(0),
    log_line(1),
    log_line(0),
    "noise",
    CHANGED,
    log_line(4),
    log_line(3),
    log_line(9, "clock"),
    log_line(400),
    log_line(4, "cancel"),
    log_line(7, "cancel"),
]
"""Of ACME: accepted, accepted, a duplicate, no record, changed, accepted, late, a clock, off
session, cancelled, a cancel without effect."""
TAKEN = [(0, "accepted"), (1, "accepted"), (4, "changed"), (5, "accepted"), (6, "late")]
LAST = [0, 1, 3]
"""Minutes of the bars as corrected: the one off session and the cancelled one are gone."""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log, in the current folder with its configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(LOG) + "\n")
    return path


def bars(folder: Path) -> list[dict[str, Any]]:
    content = (folder / "bars.jsonl").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["bars_sha256"] == hashlib.sha256(content).hexdigest()
    return [json.loads(line) for line in content.splitlines()]


def tapeline(*arguments: str) -> int:
    return main([*arguments, "--config", "tapeline.toml"])


def test_a_run_lists_the_bars_that_it_took_and_the_cancels_in_their_order(
    log: Path, tmp_path: Path
) -> None:
    run(tmp_path, Source(str(log)))
    found = bars(tmp_path / "out")
    taken = [(each["offset"], each["outcome"]) for each in found]
    assert taken == [*TAKEN, (9, "cancelled")]
    records = [each["record"] for each in found]
    decoded = [RecordDecoder().decode(LOG[each["offset"]].encode()) for each in found]
    assert records == [json.loads(encode(each)) for each in decoded]
    assert all(list(each) == ["offset", "outcome", "record"] for each in found)


def test_as_corrected_the_bars_are_the_sorted_ones_by_their_positions(log: Path) -> None:
    assert tapeline("run", "log.jsonl", "--as-corrected", "--out", "run") == 0
    assert tapeline("replay", "log.jsonl", "--as-corrected", "--out", "again") == 0
    found = bars(Path("run"))
    starts = [json.loads(log_line(minute))["start_ms"] for minute in LAST]
    assert [each["record"]["start_ms"] for each in found] == starts
    assert [(each["offset"], each["outcome"]) for each in found] == [
        (position, "accepted") for position in range(len(LAST))
    ]
    assert bars(Path("again")) == found


def test_a_replay_writes_the_bars_of_the_run_and_a_stretch_those_inside_it(log: Path) -> None:
    assert tapeline("run", "log.jsonl", "--out", "run") == 0
    for pieces in ("1", "3", "500"):
        arguments = ("replay", "log.jsonl", "--fetch-records", pieces, "--out", "again")
        assert tapeline(*arguments) == 0
        assert Path("again/bars.jsonl").read_bytes() == Path("run/bars.jsonl").read_bytes()
    bounds = ("--from-offset", "1", "--to-offset", "6")
    assert tapeline("replay", "log.jsonl", *bounds, "--out", "part") == 0
    assert [each["offset"] for each in bars(Path("part"))] == [1, 4, 5]


def test_of_a_pair_the_bars_are_those_of_the_symbols_that_were_named(tmp_path: Path) -> None:
    prices = '"open":10,"high":10,"low":10,"close":10'
    lines = [
        f'{{"type":"bar","symbol":"{symbol}","interval":"1m","start_ms":{start},{prices}}}'
        for start in (1_764_000_000_000, 1_764_000_060_000)
        for symbol in ("ES", "NQ")
    ]
    (tmp_path / "pair.jsonl").write_text("\n".join(lines) + "\n")
    log, out = str(tmp_path / "pair.jsonl"), str(tmp_path / "out")
    for symbols, wanted in (("ES", ["ES"]), ("ES,NQ", ["ES", "NQ"])):
        assert main(["replay", log, "--symbols", symbols, "--out", out]) == 0
        found = bars(Path(out))
        assert [each["record"]["symbol"] for each in found] == wanted * 2
    assert main(["replay", log, "--symbols", "NQ", "--processes", "2", "--out", out]) == 0
    assert [each["record"]["symbol"] for each in bars(Path(out))] == ["NQ"] * 2


def test_no_comparison_of_runs_looks_at_the_bars(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("run", "log.jsonl", "--out", "run") == 0
    assert tapeline("replay", "log.jsonl", "--out", "again") == 0
    manifest = json.loads(Path("again/manifest.json").read_bytes())
    Path("again/bars.jsonl").write_bytes(b"")
    Path("again/manifest.json").write_text(json.dumps({**manifest, "bars_sha256": "0" * 64}))
    assert tapeline("parity", "run", "again") == 0
    assert tapeline("replay", "--manifest", "again") == 0
    Path("run/bars.jsonl").unlink()
    assert tapeline("replay", "run", "--out", "third") == 0
    printed = capsys.readouterr().out
    assert "Equal: outputs, " in printed
    assert "The replay is equal to the run directory, byte for byte." in printed


def test_lines_that_are_encoded_already_keep_their_place_among_the_others(tmp_path: Path) -> None:
    record = RecordDecoder().decode(LOG[0].encode())
    file = BarsFile(tmp_path / "bars.jsonl")
    for offset in range(2 * FLUSH_LINES):
        file.add(BarLine(offset, "accepted", record))
    file.add(BarLine(2 * FLUSH_LINES, "late", record))
    file.add_encoded(b'{"offset":-1}\n')
    file.close()
    lines = (tmp_path / "bars.jsonl").read_bytes().splitlines()
    assert [json.loads(each)["offset"] for each in lines] == [*range(2 * FLUSH_LINES + 1), -1]
