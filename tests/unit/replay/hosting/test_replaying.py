"""Strategies in a replay: the same facts wherever the log lies, and a manifest for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay import Replay
from tapeline.replay.pace.control import Control
from tapeline.replay.sources.items import Release
from tapeline.schemas.config.loading import load_config
from tapeline.schemas.host_events import Decision, IssuedSignal
from tapeline.schemas.topics import output_topics
from tapeline.streams.cli.main import main
from tapeline.streams.errors import InputError
from tests.unit.replay.hosting.strategies import HOST_FILES, MINUTES, events, hosted_files, write

ALL = ("--strategy", "all")
TRADER = ("--strategy", "trader")
STEP = 1_000_000
BASE = 500_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The strategies, the log and the configuration: the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


def tapeline(*arguments: str) -> int:
    return main(list(arguments))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


def test_strategies_publish_signals_decisions_orders_and_fills_into_the_run_folder(
    folder: Path,
) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "out") == 0
    out = folder / "out"
    signals = [each for each in events(out, "signal") if each["state"] == "issued"]
    assert {each["strategy"] for each in signals} == {"trader", "both"}
    assert {each["symbol"] for each in signals if each["strategy"] == "trader"} == {"ACME"}
    decisions = events(out, "decision")
    assert [each["signal"] for each in decisions] == [each["id"] for each in signals]
    assert len(events(out, "fill")) > 4
    assert {each["account"] for each in events(out, "account")} == {"default", "futures"}
    states = {each["strategy"]: each["state"] for each in events(out, "strategy")}
    assert states == {"trader": "running", "both": "running"}
    assert events(out, "note"), "a corrected bar was read by a signal"


def test_host_events_are_numbered_behind_the_facts_of_their_record(folder: Path) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "out") == 0
    seen: set[int] = set()
    for path in sorted((folder / "out").glob("tape.*.jsonl")):
        for line in path.read_bytes().splitlines():
            event = json.loads(line)
            if event["type"] == "reject":
                continue
            step, index = divmod(event["seq"], STEP)
            assert (index >= BASE) == (path.name in HOST_FILES)
            if path.name in HOST_FILES:
                assert event["cause"] == {"0": step}
            assert event["seq"] not in seen, "seq is unique over all files"
            seen.add(event["seq"])
    bars = [json.loads(each) for each in (folder / "out" / "bars.jsonl").read_bytes().splitlines()]
    by_offset = {each["offset"]: each["record"] for each in bars}
    for fill in events(folder / "out", "fill"):
        record = by_offset[fill["seq"] // STEP]
        assert (record["symbol"], record["start_ms"]) == (fill["symbol"], fill["fill_ms"])


def test_without_strategies_there_are_neither_their_topics_nor_a_word_of_them(folder: Path) -> None:
    assert tapeline("replay", "log.jsonl", "--out", "plain") == 0
    assert hosted_files(folder / "plain") == {}
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "out") == 0
    assert hosted_files(folder / "out").keys() == HOST_FILES
    for name in output_topics():
        facts = [(folder / each / f"{name}.jsonl").read_bytes() for each in ("plain", "out")]
        assert facts[0] == facts[1], "strategies change no fact"
    added = manifest(folder / "out").keys() - manifest(folder / "plain").keys()
    assert added == {"strategies", "accounts", "strategy_options"}


def test_the_manifest_names_strategies_accounts_and_what_was_allowed(folder: Path) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "out") == 0
    found = manifest(folder / "out")
    assert found["strategy_options"]["names"] == ["all"]
    trader, both = found["strategies"]["trader"], found["strategies"]["both"]
    assert (trader["symbols"], trader["account"]) == (["ACME"], "default")
    assert (both["symbols"], both["account"]) == (["ACME", "ES"], "futures")
    assert both["settings"] == {"every": 7}
    assert (trader["unsafe"], trader["allow"]) == (False, [])
    assert trader["version"] != both["version"], "its settings are part of its version"
    assert found["accounts"]["futures"]["slippage_ticks"] == 2
    for name in HOST_FILES:
        topic = name.removesuffix(".jsonl")
        lines = (folder / "out" / name).read_bytes().count(b"\n")
        assert found["topics"][topic] == lines
        assert len(found["output_sha256"][topic]) == 64


def test_files_stores_and_run_folders_lead_to_the_same_bytes(folder: Path) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "files") == 0
    wanted = hosted_files(folder / "files")
    assert tapeline("run", "log.jsonl", "--out", "live") == 0
    assert tapeline("replay", "live", *ALL, "--out", "again") == 0
    assert hosted_files(folder / "again") == wanted
    # Nothing runs while the store is filled, and what the log repeats is not in it.
    settings = (folder / "tapeline.toml").read_text()
    (folder / "idle.toml").write_text(settings.replace("symbols =", "enabled = false\nsymbols ="))
    assert tapeline("run", "log.jsonl", "--store", "S", "--config", "idle.toml") == 0
    both = ("--strategy", "trader,both")
    assert tapeline("replay", "--store", "S", *both, "--out", "store") == 0
    assert tapeline("replay", "S/log.jsonl", *both, "--out", "of-its-log") == 0
    assert hosted_files(folder / "store") == hosted_files(folder / "of-its-log")


@pytest.mark.parametrize("pieces", ["1", "7", "5000"])
def test_how_many_records_come_at_once_does_not_matter(folder: Path, pieces: str) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "one") == 0
    arguments = ("replay", "log.jsonl", *ALL, "--fetch-records", pieces, "--check-memory")
    assert tapeline(*arguments, "--out", "two") == 0
    assert hosted_files(folder / "two") == hosted_files(folder / "one")


def test_strategies_begin_with_the_first_record_inside_the_bounds(folder: Path) -> None:
    first = 2 * MINUTES // 3
    bounds = ("--from-offset", str(first))
    assert tapeline("replay", "log.jsonl", *TRADER, *bounds, "--out", "part") == 0
    [running] = events(folder / "part", "strategy")
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    of_group = [at for at, line in enumerate(lines) if at >= first and b'"ACME"' in line]
    assert running["seq"] // STEP == of_group[0]
    signals = events(folder / "part", "signal")
    assert all(each["seq"] // STEP > first for each in signals)
    assert signals, "and go on to the end"


def test_a_manifest_repeats_them_and_names_another_version_and_another_account(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("replay", "log.jsonl", *TRADER, "--set", "every=5", "--out", "out") == 0
    assert len([e for e in events(folder / "out", "signal") if e["state"] == "issued"]) > 20
    assert tapeline("replay", "--manifest", "out") == 0
    capsys.readouterr()
    source = (folder / "trader.py").read_text()
    (folder / "trader.py").write_text(source.replace("% 2 == 0", "% 2 == 1"))
    assert tapeline("replay", "--manifest", "out") == 1
    printed = capsys.readouterr().out
    assert "strategies trader: then " in printed
    assert "output_sha256 tape.signals.v1: then " in printed
    (folder / "trader.py").write_text(source)
    settings = (folder / "tapeline.toml").read_text()
    (folder / "tapeline.toml").write_text(
        settings.replace("[accounts.default]", "[accounts.default]\ncommission_per_order = 1")
    )
    assert tapeline("replay", "--manifest", "out") == 1
    printed = capsys.readouterr().out
    assert "accounts default: then " in printed
    assert "strategies " not in printed


def test_parity_shows_signals_that_were_given_on_bars_that_changed_later(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "lived") == 0
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "again") == 0
    assert tapeline("parity", "lived", "again") == 0
    assert tapeline("replay", "log.jsonl", *ALL, "--as-corrected", "--out", "known") == 0
    assert events(folder / "known", "note") == [], "as corrected every bar is the last one"
    capsys.readouterr()
    assert tapeline("parity", "lived", "known", "--type", "signal", "--json") == 1
    found = json.loads(capsys.readouterr().out)["types"]["signal"]
    assert found["missing"] + found["added"] + found["changed"] > 0
    assert found["equal"] > 0, "before the first correction they are the same"


def test_the_summary_counts_signals_decisions_and_fills_by_strategy_and_account(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "out", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    out = folder / "out"
    for name, found in data["strategies"].items():
        own = {
            kind: [each for each in events(out, kind) if each["strategy"] == name]
            for kind in ("signal", "decision", "fill", "note")
        }
        assert found["signals"] == sum(each["state"] == "issued" for each in own["signal"])
        assert found["approved"] == sum(each["approved"] for each in own["decision"])
        assert sum(found["rejected"].values()) == found["signals"] - found["approved"]
        assert (found["fills"], found["notes"]) == (len(own["fill"]), len(own["note"]))
    assert data["strategies"].keys() == {"trader", "both"}
    last = {each["account"]: each for each in events(out, "account")}
    assert {name: each["equity"] for name, each in last.items()} == {
        name: each["equity"] for name, each in data["accounts"].items()
    }
    assert "signal" not in data["others"]
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "out") == 0
    printed = capsys.readouterr().out
    assert "Strategies" in printed
    assert "Paper accounts" in printed


REFUSED = {
    "several processes": ((*ALL, "--processes", "2", "--out", "out"), "--processes: strategies"),
    "following": ((*ALL, "--then-follow", "--out", "out"), "--then-follow: tapeline host"),
    "a setting of none": (("--set", "every=3"), "--set: is of strategies; add --strategy"),
    "unsafe of none": (("--unsafe",), "--unsafe: is of strategies; add --strategy"),
    "memory of none": (("--check-memory",), "--check-memory: is of strategies"),
    "a setting of several": (("--strategy", "trader,both", "--set", "every=3"), "--set: would be"),
    "a setting without a value": ((*TRADER, "--set", "every"), "--set every: give KEY=VALUE"),
    "no name": (("--strategy", ","), "--strategy: name at least one"),
    "an unknown name": (("--strategy", "unknown"), "unknown"),
    "a file that is not there": (("--strategy", "gone.py:Gone"), "gone.py"),
    "symbols that are left out": (
        ("--strategy", "both", "--symbols", "ES"),
        "strategy both: its group ACME is not selected",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_run_is_a_usage_error(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert tapeline("replay", "log.jsonl", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_with_a_manifest_the_strategies_are_those_of_the_manifest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tapeline("replay", "log.jsonl", *ALL, "--out", "out") == 0
    assert tapeline("replay", "--manifest", "out", *ALL) == 2
    assert "--strategy: does not go with --manifest" in capsys.readouterr().err


async def test_programs_read_signals_and_decisions_among_the_events(folder: Path) -> None:
    config = load_config(None)
    async with Replay.files(config, ["log.jsonl"], strategies="trader.py:Trader") as run:
        found = [event async for event in run.events(IssuedSignal, Decision)]
    assert {type(each) for each in found} == {IssuedSignal, Decision}
    with pytest.raises(InputError, match="settings: are of strategies"):
        Replay.files(config, ["log.jsonl"], settings={"every": 3})


@pytest.mark.parametrize("landmark", ["signal", "mark"])
async def test_a_jump_ends_at_the_next_signal_and_at_the_next_mark(
    folder: Path, landmark: str
) -> None:
    control = Control()
    control.jump_to_next(landmark)
    stops: list[Release] = []
    others: list[Release] = []
    config = load_config(None)
    replay = Replay.files(config, ["log.jsonl"], strategies="trader", pace=control)
    async with replay as run:
        async for batch in run.batches():
            # What is handed over at once ends where the jump does.
            others += batch[:-1]
            (stops if control.state.paused else others).append(batch[-1])
            control.jump_to_next(landmark)
    assert len(stops) > 2
    assert all(map(is_there, stops, [landmark] * len(stops)))
    assert not any(map(is_there, others, [landmark] * len(others)))


def is_there(release: Release, landmark: str) -> bool:
    if landmark == "mark":
        return release.marked
    return any(isinstance(e, IssuedSignal) and e.state == "issued" for e in release.hosted)
