"""Why an event of a strategy is there: its signal, what that was read from, what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.explain.hosted import signal_of
from tapeline.streams.cli.main import main
from tests.unit.replay.hosting.strategies import events, write

READS = '''
from tapeline import Needs, Signal, Strategy


class Reads(Strategy):
    """Buys every half hour, and reads bars and facts, one of which grows."""

    def setup(self, config):
        return Needs(bars={"5m": 4}, events=["session", "quality"], cold=True)

    def on_bars(self, symbol, interval, bar, now):
        now.view.bars(symbol, "5m", 4)
        now.view.session(symbol)
        now.view.quality(symbol)
        if interval == "5m" and bar.start_ms % 1_800_000 == 0:
            now.emit(Signal(symbol, "buy", stop=round(bar.close, 0) - 5))
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The strategies, the log and the configuration: the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    (tmp_path / "reads.py").write_text(READS.lstrip())
    return tmp_path


def tapeline(*arguments: str) -> int:
    return main(list(arguments))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert tapeline("why", *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_of_a_signal_come_its_inputs_in_the_versions_it_read_and_all_that_belongs_to_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy = ("--strategy", "reads.py:Reads")
    assert tapeline("replay", "log.jsonl", *strategy, "--out", "out") == 0
    decided = {each["signal"]: each for each in events(folder / "out", "decision")}
    signals = events(folder / "out", "signal")
    signal = next(
        each
        for each in signals
        if decided[each["id"]]["approved"] and any("quality|" in e["id"] for e in each["inputs"])
    )
    found = answer(capsys, signal["id"], "out")
    assert found["signal"]["id"] == signal["id"]
    assert [{"id": e["id"], "rev": e["rev"]} for e in found["inputs"]] == signal["inputs"]
    for each in found["inputs"]:
        fact = each["fact"]
        assert (fact["id"], fact["rev"]) == (each["id"], each["rev"])
        assert fact["watermark_ms"] <= signal["event_ms"], "nothing that was not known then"
    assert {each["id"].partition("|")[0] for each in found["inputs"]} >= {
        "derived_bar",
        "session",
        "quality",
    }
    assert found["spans"] == signal["spans"] != []
    kinds = [each["type"] for each in found["related"]]
    assert kinds[0] == "decision"
    assert "order" in kinds
    # The same from a replay of the log, without any folder.
    assert answer(capsys, signal["id"], "log.jsonl", *strategy) == found


@pytest.mark.parametrize("kind", ["decision", "order", "fill", "note"])
def test_of_what_belongs_to_a_signal_comes_the_signal(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert tapeline("replay", "log.jsonl", "--strategy", "all", "--out", "out") == 0
    event = next(each for each in events(folder / "out", kind) if each["signal"] is not None)
    found = answer(capsys, event["id"], "out")
    assert found["versions"][0] == event
    assert found["signal"]["id"] == event["signal"] == signal_of(event["id"])
    assert event["id"] not in [each["id"] for each in found["related"]]
    assert tapeline("why", event["id"], "out") == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{event['id']}: ")
    assert f"Its signal is {event['signal']}:" in printed
    assert "The signal came from:" in printed


def test_an_event_that_no_strategy_published_is_not_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("replay", "log.jsonl", "--strategy", "trader", "--out", "out") == 0
    assert tapeline("why", "signal|trader|ACME|1|0", "out") == 1
    assert "no strategy published such an event" in capsys.readouterr().err
    assert tapeline("why", "signal|trader|ACME|1|0", "log.jsonl") == 2
    assert "name the folder of a run or a store" in capsys.readouterr().err
    touch = "touch|ES|Major|Asia 2025-11-24|first_break"
    assert tapeline("why", touch, "log.jsonl", "--strategy", "trader") == 2
    assert "--strategy: no strategy leads to touch|ES|" in capsys.readouterr().err
