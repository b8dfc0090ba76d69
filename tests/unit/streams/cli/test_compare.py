"""`tapeline parity` and `tapeline why`: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.config.model import config_hash
from tapeline.streams.cli import main as cli
from tests.unit.streams.embedded.books import OPEN_MS, row, write

CONFIGURATION = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n'
BAR_ID = f"derived_bar|ACME|5m|{OPEN_MS}"
ROWS = [row(minute, f"10.{minute:02}") for minute in range(30) if minute != 12]


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the run of a book, and that of a book with another bar."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    write(tmp_path / "book.csv", ROWS)
    write(tmp_path / "other.csv", [*ROWS[:3], row(3, "11.00"), *ROWS[4:]])
    for name in ("book", "other"):
        assert cli.main(["run", "--bars", f"ACME={name}.csv", "--out", name]) == 0
    return tmp_path


@pytest.fixture
def capture(workdir: Path, capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """What is printed after the runs."""
    capsys.readouterr()
    return capsys


def test_equal_runs_end_with_0(capture: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["parity", "book", "book"]) == 0
    shown = capture.readouterr()
    assert "Equal: book and book." in shown.out
    assert shown.err == ""


def test_runs_that_differ_end_with_1_and_show_the_bar(capture: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["parity", "book", "other", "--limit", "1"]) == 1
    shown = capture.readouterr().out
    assert f"changed   {BAR_ID} (partition 0, offset 4)" in shown
    assert "high: 10.04 -> 11.0" in shown
    assert "The logs part here:" in shown
    assert "  A 3  ACME 1m 2025-07-02 13:33:00Z  10.03 10.03 10.03 10.03  volume 5" in shown
    assert "  B 3  ACME 1m 2025-07-02 13:33:00Z  11.0 11.0 11.0 11.0  volume 5" in shown
    assert "more" in shown


def test_parity_as_json_shows_the_same(capture: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["parity", "book", "other", "--json"]) == 1
    found = json.loads(capture.readouterr().out)
    assert found["equal"] is False
    assert found["types"]["derived_bar"]["changed"] > 0
    assert found["first"]["id"] == BAR_ID
    assert found["first"]["fields"] == {"high": [10.04, 11.0]}
    assert [side["record"]["high"] for side in found["around"]["parted"]] == [10.03, 11.0]
    assert found["differences"][0] == found["first"]
    assert cli.main(["parity", "book", "book", "--json"]) == 0
    found = json.loads(capture.readouterr().out)
    assert (found["equal"], found["first"], found["differences"]) == (True, None, [])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--type", "gap"], 0),
        (["--type", "gap", "--type", "derived_bar"], 1),
        (["--symbol", "ES"], 2),
        (["--type", "pair"], 0),
        (["--symbol", "ACME"], 1),
        (["--from-seq", "20000000", "--to-seq", "28000000"], 0),
        (["--from-seq", "25000000", "--to-seq", "28000000"], 2),
        (["--from-seq", "99999999999999"], 2),
        (["--to-seq", "4000000"], 0),
        (["--to-seq", "0:4000001"], 1),
        (["--view"], 1),
        (["--view", "--type", "session"], 0),
        (["--type", "derived_bar", "--ignore", "high"], 0),
    ],
)
def test_a_part_may_be_compared(workdir: Path, options: list[str], code: int) -> None:
    assert cli.main(["parity", "book", "other", *options]) == code


def test_why_shows_the_record_and_the_bars(capture: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", BAR_ID, "book"]) == 0
    shown = capture.readouterr().out
    assert f"{BAR_ID}: 1 version in group ACME" in shown
    assert "rev 0, seq 4000000, by the record of partition 0, offset 4:" in shown
    assert "base bars: (5 bars)" in shown
    assert "offset 4  ACME 1m 2025-07-02 13:34:00Z  10.04" in shown
    assert "<- close, high" in shown


SOURCES = {
    "a run directory": ["book"],
    "a table": ["--bars", "ACME=book.csv"],
    "a store": ["--store", "store"],
    "the log of a store": ["store/log.jsonl"],
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_why_shows_the_same_of_every_source(
    workdir: Path, capsys: pytest.CaptureFixture[str], source: list[str]
) -> None:
    assert cli.main(["run", "--bars", "ACME=book.csv", "--store", "store"]) == 0
    capsys.readouterr()
    event = f"gap|ACME|1m|{OPEN_MS + 12 * 60_000}"
    assert cli.main(["why", event, *source, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [version] = found["versions"]
    assert (version["offset"], version["after"]["missing"]) == (12, 1)
    assert [cause["role"] for cause in version["causes"]] == [
        "slots without a bar",
        "the bar before",
        "the bar that ended it",
    ]
    assert version["causes"][0]["missing"][0]["missing"] == 1
    assert [each["bars"][0]["offset"] for each in version["causes"][1:]] == [11, 12]


def test_what_the_log_does_not_lead_to_ends_with_1(capture: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", "session|ACME|2025-07-03", "book"]) == 1
    assert "does not lead to such an event" in capture.readouterr().err
    assert cli.main(["why", "session|ACME|2025-07-03", "book", "--json"]) == 1
    assert json.loads(capture.readouterr().out)["found"] is False


USAGE = {
    "no symbol of either": (("parity", "book", "book", "--symbol", "E"), "nothing to compare"),
    "no run": (("parity", "book", "nothing"), "is no run directory and no store"),
    "no type": (("parity", "book", "book", "--type", "bar"), "derived_bar"),
    "no seq": (("parity", "book", "book", "--from-seq", "noon"), "--from-seq noon"),
    "no field": (("parity", "book", "book", "--ignore", "hihg"), "--ignore hihg"),
    "no topics": (("parity", "book", "topics:"), "give topics:PREFIX"),
    "no id": (("why", "noon", "book"), "is no id"),
    "no symbol": (("why", "session|a b|2025-07-03", "book"), "is not configured"),
    "two sources": (("why", BAR_ID, "book.csv", "--store", "S"), "name one of them"),
    "no file": (("why", BAR_ID, "--bars", "ACME=nothing.csv"), "nothing.csv"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_ends_with_2_and_one_plain_message(
    capture: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert cli.main(list(arguments)) == 2
    shown = capture.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("folder", ["book", "again"])
def test_why_of_a_run_with_another_configuration_ends_with_2_and_names_both_hashes(
    workdir: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    assert cli.main(["replay", "--bars", "ACME=book.csv", "--out", "again"]) == 0
    (workdir / "other.toml").write_text(f"{CONFIGURATION}swings = false\n")
    capsys.readouterr()
    assert cli.main(["why", BAR_ID, folder, "--config", "other.toml"]) == 2
    capture = capsys.readouterr()
    assert capture.out == ""
    hashes = [config_hash(load_config(Path(f"{name}.toml"))) for name in ("other", "tapeline")]
    assert f"{folder}: the configuration is another one" in capture.err
    assert all(each[:12] in capture.err for each in hashes)
    assert "--config" in capture.err
    assert cli.main(["why", BAR_ID, folder]) == 0


def test_a_run_whose_input_is_another_file_by_now_ends_with_2(
    workdir: Path, capture: pytest.CaptureFixture[str]
) -> None:
    write(workdir / "book.csv", ROWS[:-1])
    assert cli.main(["why", BAR_ID, "book"]) == 2
    assert "another SHA-256" in capture.readouterr().err
