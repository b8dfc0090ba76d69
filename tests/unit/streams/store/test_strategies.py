"""Strategies of a store: what they publish is what a replay of its log publishes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.run import Replay
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.host_events import IssuedSignal
from tapeline.schemas.topics import topic_of
from tapeline.streams.cli import main as cli
from tapeline.streams.cli.show.status import print_status
from tapeline.streams.errors import InputError
from tapeline.streams.host.errors import OtherVersionError
from tapeline.streams.outputs.terminal import PlainConsole
from tapeline.streams.pipeline.status import status_of
from tapeline.streams.store.from_log import make_again
from tapeline.streams.store.layout import StoreError
from tapeline.streams.store.live import LiveStore
from tapeline.streams.store.reading import StoreReader
from tapeline.streams.store.status import StoreStatus
from tests.unit.replay.hosting.strategies import FILES
from tests.unit.replay.hosting.strategies import write as write_log
from tests.unit.streams.store.hosted import (
    ACCOUNTS,
    MARKET,
    configured,
    events,
    hosted,
    replayed,
    write_strategies,
)
from tests.unit.streams.store.killing import Kill, run_until_killed
from tests.unit.streams.store.live_books import write_bars
from tests.unit.streams.store.stores import contents, label, load, row, walk, write

PATIENCE_S = 180
HANGS_TABLE = """
[strategies.hangs]
module = "hangs.py:Hangs"
symbols = ["ACME"]
account = "apart"
begin = "{begin}"
enabled = {enabled}

[accounts.apart]
"""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with the files of strategies, and with books of three days."""
    write_strategies(tmp_path)
    for day in range(3):
        write(tmp_path / f"a{day}.csv", walk(day, 60))
        write(tmp_path / f"b{day}.csv", walk(day, 60, 2, 1))
        write(tmp_path / f"c{day}.csv", walk(day, 45, 1, 2))
    corrected = {label(1, 10): row(label(1, 10), 10.9), label(0, 7): row(label(0, 7), 9.5)}
    write(tmp_path / "changed.csv", corrected)
    write(tmp_path / "late.csv", {label(1, 71): row(label(1, 71), 10.5)})
    lacking = walk(2, 60)
    del lacking[label(2, 21)]
    write(tmp_path / "lacking.csv", lacking)
    return tmp_path


def load_day(folder: Path, day: int, toml: str, **options: Any) -> None:
    """One delivery: a file of each symbol."""
    files = [(symbol.upper(), folder / f"{symbol}{day}.csv") for symbol in "abc"]
    load(folder / "S", *files, toml=toml, **options)


def both(folder: Path) -> str:
    """A strategy of one group, and one of both groups with an account of its own."""
    two = configured(folder, "two", symbols=["A", "C"], account="other", every=5)
    return MARKET + ACCOUNTS + configured(folder) + two


def test_daily_files_lead_to_what_a_replay_of_the_log_publishes(made: Path) -> None:
    toml = both(made)
    for day in range(3):
        load_day(made, day, toml)
        # A small delivery between: the groups of the others are not touched by it.
        load(made / "S", ("A", made / "changed.csv"), toml=toml) if day == 1 else None
        load(made / "S", ("B", made / "late.csv"), toml=toml) if day == 1 else None
    load(made / "S", ("A", made / "lacking.csv"), toml=toml, replace=True)
    assert hosted(made / "S") == replayed(made / "S", toml)
    assert {len(events(made / "S", kind)) > 9 for kind in ("signal", "decision", "fill")} == {True}
    assert {each["strategy"] for each in events(made / "S", "note")} == {"one", "two"}
    config = read_config(toml, "test")
    released = asyncio.run(read_all(Replay.store(config, made / "S", strategies="all")))
    signals = [encode(event) for event in released if isinstance(event, IssuedSignal)]
    assert hosted(made / "S")["tape.signals.v1"].splitlines() == signals
    assert [each["state"] for each in events(made / "S", "strategy")] == ["running", "running"]


def test_a_store_without_strategies_has_no_file_of_theirs(made: Path) -> None:
    load_day(made, 0, MARKET + configured(made, enabled=False))
    assert hosted(made / "S") == {}


def test_a_strategy_begins_with_the_first_record_after_it_was_configured(made: Path) -> None:
    load_day(made, 0, MARKET)
    size = len((made / "S" / "log.jsonl").read_bytes().splitlines())
    load_day(made, 1, both(made))
    [one, two] = events(made / "S", "strategy")
    assert (one["cause"], two["cause"]) == ({"0": size}, {"0": size})
    assert min(each["cause"]["0"] for each in events(made / "S", "signal")) > size


def test_a_strategy_that_begins_with_the_log_is_as_if_it_had_always_been_there(made: Path) -> None:
    load_day(made, 0, MARKET)
    late = configured(made, begin="log", symbols=["A", "C"])
    toml = MARKET + ACCOUNTS + late
    load_day(made, 1, toml)
    assert hosted(made / "S") == replayed(made / "S", toml)
    assert events(made / "S", "signal")[0]["cause"]["0"] < 120


def test_beside_one_that_runs_another_begins_with_the_log(made: Path) -> None:
    first = MARKET + ACCOUNTS + configured(made)
    load_day(made, 0, first)
    two = configured(made, "two", symbols=["A", "C"], account="other", begin="log", every=5)
    load_day(made, 1, first + two)
    own = replayed(made / "S", first + two, ("two",))
    for kind in ("signal", "decision", "order", "fill"):
        alone = [json.loads(line) for line in own[topic_of(kind)].splitlines()]
        expected = [without_seq(each) for each in alone if each["type"] == kind]
        found = [each for each in events(made / "S", kind) if each["account"] == "other"]
        # Beside the other one its events of a record have other numbers.
        assert [without_seq(each) for each in found] == expected


def without_seq(event: dict[str, Any]) -> dict[str, Any]:
    """An event as it is, whatever was published beside it."""
    return {name: value for name, value in event.items() if name != "seq"}


def test_one_that_begins_with_the_log_is_refused_an_account_that_has_traded(made: Path) -> None:
    first = MARKET + ACCOUNTS + configured(made)
    load_day(made, 0, first)
    with pytest.raises(StoreError, match=r"account default of .* has traded already"):
        load_day(made, 1, first + configured(made, "two", begin="log"))


def test_another_version_is_refused_until_it_is_accepted(made: Path) -> None:
    first, second = (MARKET + ACCOUNTS + configured(made, every=every) for every in (7, 8))
    load_day(made, 0, first)
    before = hosted(made / "S")
    with pytest.raises(OtherVersionError, match="--accept one"):
        load_day(made, 1, second)
    assert hosted(made / "S") == before
    load_day(made, 1, second, accept=("one",))
    # Nothing of it is new any more: it goes on.
    load_day(made, 2, second, accept=("one",))
    states = events(made / "S", "strategy")
    assert [each["state"] for each in states] == ["running", "running"]
    assert states[0]["version"] != states[1]["version"]


def test_the_command_line_refuses_another_version_with_2(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = ["--bars", f"A={made}/a0.csv"]
    run = ["run", *bars, "--config", f"{made}/tapeline.toml", "--store", f"{made}/S"]
    codes = []
    for every, options in ((7, []), (8, []), (8, ["--accept", "one", "--json"])):
        (made / "tapeline.toml").write_text(MARKET + ACCOUNTS + configured(made, every=every))
        codes.append(cli.main([*run, *options]))
    assert codes == [0, 2, 0]
    shown = capsys.readouterr()
    assert "Strategies" in shown.out
    assert "(--accept one)" in shown.err
    assert cli.main(["run", *bars, "--out", f"{made}/O", "--accept", "one"]) == 2
    assert cli.main(["ingest", "demo", "--accept", "one"]) == 2
    assert "--accept belongs to --store DIR" in capsys.readouterr().err


def test_only_a_strategy_that_is_enabled_can_be_accepted(made: Path) -> None:
    with pytest.raises(InputError, match="--accept two: is no enabled strategy; there are one"):
        load_day(made, 0, MARKET + configured(made), accept=("two",))
    assert not (made / "S").exists()


def test_a_strategy_that_raises_is_out_until_it_is_accepted_and_the_run_goes_on(
    made: Path,
) -> None:
    faulty = configured(made, "broken", of="Faulty", account="other")
    toml = MARKET + ACCOUNTS + configured(made) + faulty
    load_day(made, 0, toml)
    load_day(made, 1, toml)
    assert hosted(made / "S") == replayed(made / "S", toml)
    states = [each["state"] for each in events(made / "S", "strategy")]
    assert states == ["running", "running", "faulted"]
    load_day(made, 2, toml, accept=("broken",))
    # It begins with the next record, and fails again at its own 25th bar.
    states = [each["state"] for each in events(made / "S", "strategy")]
    assert states[3:] == ["running", "faulted"]


def test_a_strategy_that_is_configured_no_more_is_reported_once(made: Path) -> None:
    load_day(made, 0, MARKET + configured(made))
    for day in (1, 2):
        load_day(made, day, MARKET)
    assert [each["state"] for each in events(made / "S", "strategy")] == ["running", "disabled"]
    load(made / "T", ("A", made / "a0.csv"), toml=MARKET)


def test_the_view_of_a_store_holds_what_strategies_published_last(made: Path) -> None:
    load_day(made, 0, both(made))
    with StoreReader(made / "S") as reader:
        signals = [json.loads(line) for line in reader.view(kind="signal")]
        of_c = [json.loads(line)["symbol"] for line in reader.view("C", "signal")]
        shown = {json.loads(line)["type"] for line in reader.view()}
        tail = [json.loads(line)["type"] for line in reader.tail("account", kind="fill")]
    last = {each["id"]: each for each in events(made / "S", "signal")}
    assert {each["id"]: each for each in signals} == last
    assert {"closed"} != {each["state"] for each in signals}
    assert of_c
    assert set(of_c) == {"C"}
    assert {"signal", "decision", "order", "fill", "account", "strategy", "session"} <= shown
    assert tail == ["fill"] * len(events(made / "S", "fill"))


# Groups that are run again from their bars.


def test_a_bar_beyond_the_horizon_makes_notes_and_calls_nothing(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = MARKET + ACCOUNTS + configured(made, "keeper", of="Keeper")
    files = [write(made / f"d{day}.csv", walk(day, 60)) for day in range(5)]
    for file in files:
        load(made / "S", ("A", file), toml=toml)
    before = (made / "S" / "log.jsonl").read_bytes().count(b"\n")
    assert events(made / "S", "note") == []
    beyond = {label(0, 12): row(label(0, 12), 12.5), label(0, 14): row(label(0, 14), 12.7)}
    result = load(made / "S", ("A", write(made / "beyond.csv", beyond)), toml=toml)
    assert result.counts.rebuilt == ["pair"]
    notes = events(made / "S", "note")
    assert [each["corrects"] for each in notes] == [label(0, 12), label(0, 14)]
    assert {each["cause"]["0"] for each in notes} == {before + 2}
    assert [each["seq"] % 1_000_000 for each in notes] == [500_000, 500_001]
    assert notes[0]["fields"][0]["id"].startswith("bar|A|1m|")
    assert not {each["reason"] for each in events(made / "S", "signal")} & {"noted", "corrected"}
    config = read_config(toml, "test")
    with StoreReader(made / "S") as reader:
        assert reader.rebuilt_at() == [before + 2]
        found = StoreStatus(made / "S", config).look(reader, label(4, 60))
    assert [(each.name, each.state) for each in found.strategies] == [("keeper", "running")]
    console = PlainConsole(file=StringIO(), width=200)
    print_status(console, status_of(found, label(4, 60)), "--now")
    assert f"rebuilt at offset {before + 2}\n" in console.file.getvalue()  # type: ignore[attr-defined]
    replay = Replay.store(config, made / "S", strategies="all")
    asyncio.run(read_all(replay))
    note = f"rebuilt at offset {before + 2}: from there on strategies of the store saw other bars"
    assert replay.notes == [note]
    options = ["--config", write_text(made / "with.toml", toml), "--type", "signal"]
    replayed_to = str(made / "replayed")
    store = ["--store", str(made / "S"), *options[:2], "--strategy", "all", "--out", replayed_to]
    assert cli.main(["replay", *store]) == 0
    capsys.readouterr()
    cli.main(["parity", str(made / "S"), replayed_to, *options])
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count(note) == 2, shown


def write_text(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


async def read_all(replay: Replay) -> list[Any]:
    """Events of strategies that a replay publishes."""
    async with replay:
        return [
            event
            async for batch in replay.batches()
            for release in batch
            for event in release.hosted
        ]


def test_a_rebuild_makes_notes_of_its_own_bars_alone(made: Path) -> None:
    toml = MARKET + ACCOUNTS + configured(made, "keeper", of="Keeper")
    with LiveStore(read_config(toml, "test"), made / "S") as store:
        for day in range(5):
            write_bars(store, walk(day, 60))
        for minute in (12, 14):
            write_bars(store, {label(0, minute): row(label(0, minute), 12.5)})
            store.rebuild_all()
    notes = [(each["corrects"], each["rev"]) for each in events(made / "S", "note")]
    assert notes == [(label(0, 12), 0), (label(0, 14), 0)]


def test_bars_that_a_rebuild_changed_are_in_the_view_of_strategies(made: Path) -> None:
    toml = MARKET + ACCOUNTS + configured(made, "keeper", of="Keeper")
    load(made / "S", ("A", write(made / "d0.csv", walk(0, 60))), toml=toml)
    changed = {label(0, minute): row(label(0, minute), 12 + minute / 100) for minute in (50, 51)}
    # The first costs more than is allowed, so the second waits for the end of the run.
    result = load(made / "S", ("A", write(made / "c.csv", changed)), toml=toml, least_again=1)
    assert result.counts.rebuilt == ["pair"]
    load(made / "S", ("A", write(made / "d1.csv", walk(1, 10))), toml=toml)
    signals = {each["id"]: each["reason"] for each in events(made / "S", "signal")}
    assert list(signals.values()) == ["10.47", "corrected", "12.52"]


def test_a_store_made_again_runs_its_strategies_over_the_whole_log(made: Path) -> None:
    load_day(made, 0, MARKET)
    toml = both(made)
    load_day(made, 1, toml)
    make_again(read_config(toml, "test"), made / "S")
    assert hosted(made / "S") == replayed(made / "S", toml)
    load_day(made, 2, toml)
    assert hosted(made / "S") == replayed(made / "S", toml)


# Kills.


KILLS = [
    Kill("before_log", 2),
    Kill("after_log", 1),
    Kill("after_log", 2, torn=5),
    Kill("after_outputs", 1, torn=5),
    Kill("after_outputs", 2),
    Kill("after_state", 1),
]


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: f"{kill.point}-{kill.nth}")
def test_a_run_killed_at_any_point_of_a_commit_leads_to_the_same(made: Path, kill: Kill) -> None:
    toml = both(made)
    load_day(made, 0, toml)
    files = [(symbol.upper(), made / f"{symbol}1.csv") for symbol in "abc"]
    assert run_until_killed(made / "S", files, {"toml": toml, "step_rows": 70}, kill)
    # The same run goes on, or another takes what it has left over.
    load_day(made, kill.nth, toml)
    assert hosted(made / "S") == replayed(made / "S", toml)


@pytest.mark.parametrize("point", ["after_outputs", "after_state"])
def test_a_kill_while_a_strategy_begins_with_the_log_leads_to_the_same(
    made: Path, point: str
) -> None:
    load_day(made, 0, MARKET)
    toml = MARKET + ACCOUNTS + configured(made, begin="log", symbols=["A", "C"])
    files = [(symbol.upper(), made / f"{symbol}1.csv") for symbol in "abc"]
    assert run_until_killed(made / "S", files, {"toml": toml}, Kill(point))
    load_day(made, 1, toml)
    assert hosted(made / "S") == replayed(made / "S", toml)


@pytest.mark.parametrize("point", ["before_log", "after_log", "after_outputs"])
def test_a_kill_while_a_group_is_run_again_leads_to_the_same_notes(made: Path, point: str) -> None:
    toml = MARKET + ACCOUNTS + configured(made, "keeper", of="Keeper")
    files = [("A", write(made / f"d{day}.csv", walk(day, 60))) for day in range(5)]
    beyond = ("A", write(made / "beyond.csv", {label(0, 12): row(label(0, 12), 12.5)}))
    for store in ("S", "T"):
        for file in files:
            load(made / store, file, toml=toml)
    # The first commit has the bar, the second what the group led to.
    assert run_until_killed(made / "S", [beyond], {"toml": toml}, Kill(point, 2))
    load(made / "S", beyond, toml=toml)
    load(made / "T", beyond, toml=toml)
    assert contents(made / "S") == contents(made / "T")
    assert len(events(made / "S", "note")) == 1


# Live.


def test_a_live_feed_leads_to_what_a_replay_of_its_log_publishes(made: Path) -> None:
    toml = both(made)
    config = read_config(toml, "test")
    for day in range(2):
        with LiveStore(config, made / "S") as store:
            for minute in range(0, 60, 6):
                rows = {
                    label(day, each): walk(day)[label(day, each)]
                    for each in range(minute, minute + 6)
                }
                write_bars(store, rows)
                write_bars(store, rows, "C")
                changed = {label(day, minute): row(label(day, minute), 10.77)}
                write_bars(store, changed)
    assert hosted(made / "S") == replayed(made / "S", toml)
    assert events(made / "S", "fill")
    assert events(made / "S", "note")


def configure_hanging(folder: Path, begin: str, enabled: str) -> None:
    write_log(folder)
    with (folder / "tapeline.toml").open("a") as file:
        file.write(HANGS_TABLE.format(begin=begin, enabled=enabled))


def run_in_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tapeline", "run", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("way", ["records of the run", "the stored log", "rebuild"])
def test_a_call_that_hangs_ends_with_its_line_and_the_store_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--store", "S"] if way == "rebuild" else ["log.jsonl", "--store", "S"]
    if way == "rebuild":
        arguments.append("--rebuild")
    if way != "records of the run":
        configure_hanging(tmp_path, "now", "false")
        assert cli.main(["run", "log.jsonl", "--store", "S"]) == 0
    configure_hanging(tmp_path, "log" if way == "the stored log" else "now", "true")
    done = run_in_process(*arguments)
    assert done.returncode == 70, done.stderr
    assert "has not returned for 1 s, at partition 0, offset " in done.stderr
    line = FILES["hangs.py"].lstrip().split("\n").index("        while count == 7:") + 1
    assert f"hangs.py, line {line}" in done.stderr or f"hangs.py, line {line + 1}" in done.stderr
    configure_hanging(tmp_path, "now", "false")
    rebuild = ["--rebuild"] if way == "rebuild" else ["log.jsonl"]
    assert cli.main(["run", *rebuild, "--store", "S"]) == 0
