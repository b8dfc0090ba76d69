"""The status command: what it prints of a store, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from tapeline.schemas.feed_events import Hole
from tapeline.schemas.instants import iso_time
from tapeline.streams.cli import main as cli
from tapeline.streams.cli.show.status import print_status
from tapeline.streams.outputs.terminal import PlainConsole
from tapeline.streams.pipeline.log_writer import LogBatch
from tapeline.streams.pipeline.status import HostedStrategy, Status
from tapeline.streams.store.live import LiveStore
from tests.unit.streams.store.live_books import CONFIG, write_bars
from tests.unit.streams.store.stores import CONFIGURATION, label, row, walk, write

WITH_FEED = CONFIGURATION + "[feeds.demo]\nuse = 'kraken'\nsymbols = { A = 'A/USD' }\n"
SOON = iso_time(label(1, 31))
LATE = iso_time(label(1, 50))


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a store of two symbols, one of which lost its connection."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tapeline.toml").write_text(WITH_FEED)
    with LiveStore(CONFIG, tmp_path / "S") as store:
        write_bars(store, walk(1, minutes=40), "B")
        write_bars(store, walk(1, minutes=30))
        write_bars(store, {label(1, 31): row(label(1, 31), 12)})
        hole = Hole("h", "demo", None, 0, 1, label(1, 32), None, "disconnect", "open", 0, 0)
        store.write("demo", LogBatch((hole,)))
    return tmp_path


def test_the_status_names_the_worst_first_and_the_clock(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--store", "S", "--now", LATE]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "As of 2025-07-03 14:20:00Z by --now"
    rows = [line.split() for line in shown if line.startswith((" A ", " B "))]
    assert [each[:2] for each in rows] == [["A", "stale"], ["B", "stale"]]
    # Last bar, watermark, age and slots without evidence; bars and slots of the session.
    assert rows[0][2:10] == [
        *("2025-07-03", "14:01:00", "2025-07-03", "14:02:00", "18", "17", "31", "32")
    ]
    assert "hole from 14:02:00 (disconnect)" in " ".join(rows[0])
    assert shown[-1] == "Stale in session: A, B"


def test_the_status_is_a_document_of_json(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--store", "S", "--now", LATE, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["as_of_ms"] == label(1, 50)
    assert (found["stale"], found["stale_after_slots"], found["grace_ms"]) == (
        ["A", "B"],
        3,
        30_000,
    )
    a, b = found["symbols"]
    assert (a["state"], a["feeds"], a["session"]["bars"]) == ("stale", ["demo"], 31)
    assert a["holes"][0]["cause"] == "disconnect"
    assert (b["feeds"], b["holes"], b["age_slots"]) == ([], [], 10)


@pytest.mark.parametrize(("now", "code"), [(SOON, 0), (LATE, 1), ("2025-07-04T16:00:00Z", 0)])
def test_stale_symbols_are_a_failure_in_session_if_that_is_asked_for(
    workdir: Path, now: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--store", "S", "--now", now, "--fail"]) == code
    assert cli.main(["status", "--store", "S", "--now", now]) == 0


def test_without_another_instant_the_clock_of_the_machine_counts(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--store", "S"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].endswith("by this machine's clock")
    assert not shown.startswith("As of 2025-07-03")


def test_a_watch_prints_what_is_new_until_it_is_interrupted(
    workdir: Path, repository_root: Path
) -> None:
    command = [sys.executable, "-m", "tapeline", "status", "--store", "S", "--json", "--watch"]
    environment = dict(os.environ)
    if (repository_root / "streams").is_dir():
        environment["PYTHONPATH"] = str(repository_root)
    with subprocess.Popen(
        [*command, "--now", SOON], env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        with LiveStore(CONFIG, workdir / "S") as store:
            write_bars(store, walk(1, minutes=45), "B")
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    last = [[each["last_bar_ms"] for each in found["symbols"]] for found in (first, second)]
    assert sorted(last[0]) == [label(1, 31), label(1, 39)]
    assert sorted(last[1]) == [label(1, 31), label(1, 44)]
    assert process.returncode == 130


def test_without_a_store_the_topics_are_looked_at(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--bootstrap", "127.0.0.1:1"]) == 74
    assert "no answer from a broker at 127.0.0.1:1" in capsys.readouterr().err


@pytest.fixture
def run_folder(workdir: Path) -> Path:
    """A run of two books of the second day: A misses a minute and ends before B."""
    book = walk(1, minutes=30)
    del book[label(1, 9)]
    write(workdir / "a.csv", walk(0), book)
    write(workdir / "b.csv", walk(0), walk(1, minutes=40), extra=("x",))
    files = ("--bars", "A=a.csv", "--bars", "B=b.csv")
    assert cli.main(["run", *files, "--out", "R", "--until", f"A={iso_time(label(1, 32))}"]) == 0
    assert (
        cli.main(["run", *files, "--store", "same", "--until", f"A={iso_time(label(1, 32))}"]) == 0
    )
    return workdir / "R"


def test_the_folder_of_a_run_has_the_status_of_a_store_with_the_same_records(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    found = {}
    for tape in ("--run", "R"), ("--store", "same"):
        assert cli.main(["status", *tape, "--now", LATE, "--json"]) == 0
        found[tape[0]] = json.loads(capsys.readouterr().out)
    ours, theirs = found["--run"], found["--store"]
    for each in theirs["symbols"]:
        # A run of files has no feed, whatever the configuration names.
        each["feeds"] = []
    assert ours == theirs
    a = ours["symbols"][0]
    assert (a["state"], a["session"]["bars"], a["silent_slots"]) == ("stale", 29, 17)
    assert [gap["missing"] for gap in a["gaps"]] == [2]
    assert ours["undated_rejects"] == {"schema_error": 1}


def test_the_folder_of_a_run_is_shown_with_the_clock_and_can_be_a_failure(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["status", "--run", "R", "--now", LATE, "--fail"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "As of 2025-07-03 14:20:00Z by --now"
    assert shown[-1] == "Stale in session: A, B"
    assert "Dead letters without a time: 1 schema_error" in shown


def test_the_gaps_of_a_run_are_those_of_a_store_with_the_same_records(
    run_folder: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    capsysbinary.readouterr()
    found = {}
    for tape in ("--run", "R"), ("--store", "same"):
        assert cli.main(["gaps", *tape, "--json"]) == 0
        found[tape[0]] = capsysbinary.readouterr().out
    assert found["--run"] == found["--store"]
    [session] = map(json.loads, found["--run"].splitlines())
    counts = ("symbol", "expected", "present", "missing")
    assert [session[name] for name in counts] == ["A", 32, 29, 3]
    assert [hole["reasons"][0]["reason"] for hole in session["holes"]] == ["unknown"] * 2
    assert cli.main(["gaps", "--run", "R", "--symbol", "B"]) == 0
    assert b"0 of 2 sessions miss bars." in capsysbinary.readouterr().out


def test_the_folder_of_a_replay_has_a_status_too(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ((), ("--processes", "2")):
        assert cli.main(["replay", "R", "--out", "again", *options]) == 0
        capsys.readouterr()
        shown = []
        for folder in ("R", "again"):
            assert cli.main(["status", "--run", folder, "--now", LATE, "--json"]) == 0
            shown.append(json.loads(capsys.readouterr().out))
        assert shown[0] == shown[1]


ADDED = """
[indicators.own]
list = ["sma(200)", "ema(9)", "macd", "twap(anchor=history)"]
intervals = ["5m", "1d"]

[indicators.minutes]
list = ["ema(50)"]
intervals = ["1m"]
publish = "latest"

[windows.volume_3d]
kind = "sum"
field = "volume"
period = "3d"
"""
WITH_ADDED = (
    CONFIGURATION.replace(
        'ranges = ["prior_session"]', 'indicators = ["own", "minutes"]', 1
    ).replace('ranges = ["prior_session"]', "ranges = []")
    + ADDED
)


@pytest.fixture
def added_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run, and a store of the same records, with indicators of A and a window of both."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapeline.toml").write_text(WITH_ADDED)
    write(tmp_path / "a.csv", walk(0), walk(1, minutes=60))
    write(tmp_path / "b.csv", walk(0), walk(1, minutes=40))
    files = ("--bars", "A=a.csv", "--bars", "B=b.csv")
    assert cli.main(["run", *files, "--out", "R"]) == 0
    assert cli.main(["run", *files, "--store", "S"]) == 0
    return tmp_path


def test_indicators_and_windows_of_a_run_are_those_of_a_store(
    added_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    found = []
    for tape in ("--run", "R"), ("--store", "S"):
        assert cli.main(["status", *tape, "--now", LATE, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    symbols = {each["symbol"]: each for each in found[0]["symbols"]}
    minutes, fives, days = symbols["A"]["indicators"]
    assert minutes["warming"] == [{"key": "ema_50_1m", "have": 450, "need": 1888}]
    assert fives["cold"] == [{"key": "sma_200_5m", "have": 90, "need": 200}]
    assert (fives["interval"], fives["indicators"], fives["start_ms"], fives["end_ms"]) == (
        *("5m", 4),
        *(label(1, 55), label(1, 60)),
    )
    assert [each["have"] for each in days["cold"]] == [1, 1, 1]
    assert (symbols["B"]["indicators"], symbols["B"]["windows"]) == (
        [],
        [{"name": "volume_3d", "session": "2025-07-03", "have": 1, "need": 3}],
    )


def test_indicators_and_windows_are_shown_in_80_columns(
    added_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tapeline.streams.outputs.terminal.PIPE_WIDTH", 80)
    capsys.readouterr()
    assert cli.main(["status", "--run", "R", "--now", LATE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    begin = next(at for at, line in enumerate(lines) if line.startswith(" indicators"))
    shown = [" ".join(line.split()) for line in lines[begin:]]
    assert [each for each in shown if each.startswith(("A 1m", "A 5m"))] == [
        "A 1m 2025-07-03 14:30:00 warming: ema_50_1m 450 of 1888",
        "A 5m 2025-07-03 14:30:00 cold: sma_200_5m 90 of 200",
    ]
    assert "warming: ema_9_5m 90 of 339," in shown
    assert "A volume_3d 2025-07-03 1 3" in shown


def test_nothing_is_shown_of_indicators_and_windows_that_are_not_configured(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["status", "--run", "R", "--now", LATE]) == 0
    shown = capsys.readouterr().out
    assert "indicators" not in shown
    assert "window" not in shown


def test_corrections_of_the_last_hour_by_market_time_are_counted_and_fill_gaps(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = [
        f'{{"type":"bar","symbol":"A","interval":"1m","start_ms":{label(1, minute)},'
        f'"open":{price},"high":{price},"low":{price},"close":{price}}}'
        for minute, price in ((0, 10), (1, 10), (3, 10), (2, 10), (1, 11))
    ]
    (workdir / "log.jsonl").write_text("\n".join(log) + "\n")
    assert cli.main(["run", "log.jsonl", "--out", "L"]) == 0
    capsys.readouterr()
    for minutes, bars in ((30, 2), (90, 0)):
        now = iso_time(label(1, minutes))
        assert cli.main(["status", "--run", "L", "--now", now, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["corrected_bars"] == bars
    assert cli.main(["gaps", "--run", "L", "--json"]) == 0
    assert capsys.readouterr().out == ""


WRONG = {
    "two tapes": (("--run", "R", "--store", "same"), "--store and --run: name one of them"),
    "no run": (("--run", "nowhere"), "nowhere/manifest.json: is not there"),
    "a run of an earlier version": (("--run", "old"), "old: the run is of a version that did not"),
    "another configuration": (
        ("--run", "R", "--config", "other.toml"),
        "the configuration is another one than that of the manifest",
    ),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_run_that_can_be_shown_is_refused_with_a_way_out(
    run_folder: Path,
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(run_folder, "old")
    manifest = json.loads((run_folder / "manifest.json").read_text())
    del manifest["ends"]
    Path("old/manifest.json").write_text(json.dumps(manifest))
    Path("other.toml").write_text("[instruments.default]\ntick = 0.25\n")
    capsys.readouterr()
    assert cli.main(["status", *options]) == 2
    assert message in capsys.readouterr().err


def test_strategies_are_listed_with_their_version_and_their_error() -> None:
    strategies = [
        HostedStrategy(
            "breakout", "paper", "v1", "faulted", "KeyError: 'x' (partition 2 offset 7)"
        ),
        HostedStrategy("fade", "paper", "v2", "running"),
    ]
    console = PlainConsole(file=StringIO(), width=200)
    print_status(console, Status(0, [], {}, {}, 0, {}, [], strategies), "--now")
    assert (
        "Strategies: breakout faulted (version v1, KeyError: 'x' (partition 2 offset 7));"
        " fade running (version v2)"
    ) in console.file.getvalue()  # type: ignore[attr-defined]
