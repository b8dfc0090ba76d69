"""`tapeline feed list`, `feed check`, `feed replay` and `feed drill`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapeline.streams.cli.main import main
from tapeline.streams.feeds.live.engine import pauses
from tests.feed_mappings import ENVIRONMENT, TAPES

ALPACA = "[feeds.us]\nuse = 'alpaca'\nsymbols = ['ACME', 'BRK.B']\n"
KRAKEN = "[feeds.k]\nuse = 'kraken'\nsymbols = { BTC = 'BTC/USD' }\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration; no secrets are set."""
    monkeypatch.chdir(tmp_path)
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tapeline.toml").write_text(ALPACA + KRAKEN)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_list_says_which_secrets_are_set_and_shows_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPACA_KEY", ENVIRONMENT["ALPACA_KEY"])
    assert main(["feed", "list"]) == 0
    shown = capsys.readouterr().out
    assert "ALPACA_KEY set, ALPACA_SECRET NOT SET" in shown
    assert "Presets: alpaca, binance" in shown
    assert main(["feed", "list", "--json"]) == 0
    found = json.loads(out := capsys.readouterr().out)
    assert [each["name"] for each in found] == ["us", "k"]
    assert found[0]["secrets"] == {"ALPACA_KEY": True, "ALPACA_SECRET": False}
    assert ENVIRONMENT["ALPACA_KEY"] not in shown + out


def test_a_list_without_feeds_names_the_presets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tapeline.toml").write_text("")
    assert main(["feed", "list"]) == 0
    assert capsys.readouterr().out.startswith("No feeds in tapeline.toml.\nPresets: alpaca,")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("feed", "preset", "code"), [("us", "alpaca", 0), ("k", "kraken", 1)])
def test_a_check_needs_no_secrets_and_ends_with_what_it_found(
    feed: str, preset: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = str(TAPES / f"{preset}.jsonl")
    assert main(["feed", "check", feed, "--sample", sample]) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == ("the mapping fits" if code == 0 else "wrong: 1 dead letter")
    assert main(["feed", "check", feed, "--sample", sample, "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert len(report["messages"]) == len((TAPES / f"{preset}.jsonl").read_bytes().splitlines())


def test_a_file_with_one_feed_is_named_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one.toml").write_text(ALPACA)
    sample = str(TAPES / "alpaca.jsonl")
    assert main(["feed", "check", "one.toml", "--sample", sample]) == 0
    assert main(["feed", "check", "tapeline.toml", "--sample", sample]) == 2
    assert "has the feeds us, k; name one" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_feed_that_is_not_there_is_named_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["feed", "check", "uss", "--sample", "x"]) == 2
    assert "nearest: us" in capsys.readouterr().err


def test_a_replay_writes_the_same_log_twice_and_a_run_takes_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tapeline.toml").write_text(ALPACA)
    sample = str(TAPES / "alpaca.jsonl")
    assert main(["feed", "replay", sample, "--out", "first.jsonl"]) == 0
    assert main(["feed", "replay", sample, "--feed", "us", "--out", "second.jsonl"]) == 0
    assert "records, 0 dead letters" in capsys.readouterr().err
    first = (folder / "first.jsonl").read_bytes()
    assert first == (folder / "second.jsonl").read_bytes()
    assert b'"type":"bar"' in first
    assert main(["run", "first.jsonl", "--out", "out"]) == 0
    (folder / "tapeline.toml").write_text(ALPACA + KRAKEN)
    assert main(["feed", "replay", sample]) == 2
    assert "has the feeds us, k; name one with --feed" in capsys.readouterr().err


def test_secrets_are_in_no_output_of_the_configuration(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    (folder / "tapeline.toml").write_text(
        ALPACA + KRAKEN + "[feeds.t]\nuse = 'tradingview'\nsymbols = ['T']\n"
    )
    sample = str(TAPES / "alpaca.jsonl")
    for command in (
        "config show",
        "config show --json",
        "config check",
        "feed list",
        f"feed check us --sample {sample}",
    ):
        assert main(command.split()) == 0, command
    captured = capsys.readouterr()
    for value in ENVIRONMENT.values():
        assert value not in captured.out + captured.err


@pytest.mark.usefixtures("folder")
def test_a_configuration_counts_its_feeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check"]) == 0
    assert "1 groups, 2 feeds." in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_drill_needs_no_secrets_and_ends_with_what_it_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["feed", "drill", "us", "--script", "deny", "--script", "stranger"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "held     deny           refuses the session for good"
    assert lines[1].startswith("skipped  stranger")
    assert lines[2] == "us (ACME, BRK.B): 1 held, 1 skipped"
    monkeypatch.setattr(pauses, "PAUSE_MS", 5_000)
    assert main(["feed", "drill", "us", "--script", "policy", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["holds"]
    assert [each["outcome"] for each in found["scripts"]] == ["failed"]


@pytest.mark.usefixtures("folder")
def test_a_script_that_is_not_there_is_named_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["feed", "drill", "us", "--script", "cutt"]) == 2
    assert "nearest: cut" in capsys.readouterr().err
