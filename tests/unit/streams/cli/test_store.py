"""The commands of stores: what they print, where, and how they end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tapeline.schemas.feed_events import Hole, Limit, Quiet
from tapeline.streams.cli import main as cli
from tapeline.streams.cli.show.store import event_row
from tapeline.streams.pipeline.log_writer import LogBatch
from tapeline.streams.store.live import LiveStore
from tests.unit.streams.store.live_books import CONFIG, RECEIVED_MS, bars, entries, write_bars
from tests.unit.streams.store.stores import CONFIGURATION, label, row, walk, write


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration, two books and a store of the first one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    holes = walk(0)
    del holes[label(0, 9)]
    write(tmp_path / "a.csv", holes)
    write(tmp_path / "more.csv", walk(0), {label(1, 0): row(label(1, 0), 11)}, extra=("x",))
    assert cli.main(["run", "--bars", "A=a.csv", "--store", "S"]) == 0
    return tmp_path


def test_a_run_prints_what_became_of_the_rows(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["run", "--bars", "A=more.csv", "--store", "S"]) == 0
    shown = capsys.readouterr().out
    assert "392 rows: 1 new, 389 duplicate, 0 changed, 0 cancelled, 1 late" in shown
    assert "Ranges: 1 created, 0 recalculated, 1 still open." in shown
    assert "schema_error" in shown
    assert "2025-07-03 13:31:00" in shown
    assert "Store: S" in shown


def test_a_run_prints_the_same_as_json(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["run", "--bars", "A=more.csv", "--store", "S", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"]["late"] == found["rows"]["rejected"] == 1
    assert found["ranges"] == {"created": 1, "recalculated": 0, "retracted": 0, "open": 1}
    assert found["symbols"]["A"]["last"] == "2025-07-03 13:31:00"
    assert found["facts"]["gap"]["retracted"] == 1
    assert (found["repaired"], found["rebuilt"]) == (False, [])
    assert found["rejects"]["schema_error"]["first"] == "more.csv:393"


def test_each_correction_can_be_explained(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--bars", "A=more.csv", "--store", "S", "--explain"]) == 0
    assert "A bar of 2025-07-02T13:39:00Z late" in capsys.readouterr().out


def test_the_state_is_a_table_or_json_lines(
    workdir: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    capsysbinary.readouterr()
    assert cli.main(["state", "--store", "S", "--type", "gap", "--json"]) == 0
    [line] = capsysbinary.readouterr().out.splitlines()
    assert json.loads(line)["missing"] == 1
    assert cli.main(["state", "--store", "S", "--symbol", "A", "--type", "gap"]) == 0
    shown = capsysbinary.readouterr().out
    assert b"gap|A|1m|1751463540000" in shown
    assert b"end_ms=2025-07-02T13:40:00" in shown


def test_gaps_are_listed_by_session(
    workdir: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    capsysbinary.readouterr()
    assert cli.main(["gaps", "--store", "S"]) == 0
    shown = capsysbinary.readouterr().out
    assert b"2025-07-02" in shown
    assert b"1 of 1 sessions miss bars." in shown
    assert cli.main(["gaps", "--store", "S", "--json"]) == 0
    found = json.loads(capsysbinary.readouterr().out)
    assert (found["expected"], found["present"], found["missing"]) == (390, 389, 1)
    [hole] = found["holes"]
    assert [(part["reason"], part["missing"]) for part in hole["reasons"]] == [("unknown", 1)]


def test_a_tail_is_json_lines_in_a_pipe_and_a_table_on_a_terminal(
    workdir: Path, repository_root: Path
) -> None:
    command = [sys.executable, "-m", "tapeline", "tail", "gaps", "--store", "S"]
    environment = {**os.environ, "TERM": "xterm"}
    if (repository_root / "streams").is_dir():
        environment["PYTHONPATH"] = str(repository_root)
    piped = subprocess.run(command, cwd=workdir, env=environment, capture_output=True, check=True)
    assert [json.loads(line)["state"] for line in piped.stdout.splitlines()] == ["closed"]
    leader, follower = pty.openpty()
    with subprocess.Popen(command, cwd=workdir, env=environment, stdout=follower) as process:
        os.close(follower)
        shown = b""
        with suppress(OSError):
            while data := os.read(leader, 65_536):
                shown += data
    os.close(leader)
    assert process.returncode == 0
    assert b"time (UTC)" in shown


def test_a_tail_follows_what_is_committed_until_it_is_interrupted(
    workdir: Path, repository_root: Path
) -> None:
    command = [sys.executable, "-m", "tapeline", "tail", "session", "--store", "S", "--follow"]
    environment = dict(os.environ)
    if (repository_root / "streams").is_dir():
        environment["PYTHONPATH"] = str(repository_root)
    with subprocess.Popen(
        command, cwd=workdir, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = [json.loads(process.stdout.readline())["state"] for _ in range(2)]
        assert cli.main(["run", "--bars", "A=more.csv", "--store", "S"]) == 0
        found = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        assert process.stderr.read() == b"tapeline: interrupted\n"
    assert first == ["open", "closed"]
    assert [each["session"] for each in found] == ["2025-07-02", "2025-07-03"]
    assert process.returncode == 130


def test_operations_of_a_feed_are_shown(
    workdir: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    with LiveStore(CONFIG, workdir / "S") as store:
        store.write("demo", LogBatch((Limit("limit|demo", "demo", None, RECEIVED_MS, 17, 429),)))
    [line] = (workdir / "S" / "topics" / "tape.feeds.v1.jsonl").read_bytes().splitlines()
    shown = event_row(json.loads(line))
    assert shown == ("2025-07-14 13:30:00", "", "limit|demo", "feed=demo wait_ms=17 status=429")
    capsysbinary.readouterr()
    for from_, count in (("2025-07-14T13:30:00Z", 1), ("2025-07-14T13:30:01Z", 0)):
        assert cli.main(["tail", "feeds", "--store", "S", "--from", from_, "--json"]) == 0
        assert len(capsysbinary.readouterr().out.splitlines()) == count


def test_gaps_of_a_live_feed_have_their_reasons(
    workdir: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    toml = CONFIGURATION + "[feeds.demo]\nuse = 'kraken'\nsymbols = { A = 'A/USD' }\n"
    lost = Hole(
        "hole|demo|1|0", "demo", None, 0, 1, label(1, 2), label(1, 4), "stale", "abandoned", 0, 2
    )
    quiet = Quiet("quiet|demo|A|0", "demo", "A", 0, label(1, 4), label(1, 5), "canary")
    [*_, last] = bars("A", {label(1, 8): row(label(1, 8), 11)})
    with LiveStore(CONFIG, workdir / "L") as store:
        write_bars(store, {label(1, minute): row(label(1, minute), 11) for minute in (0, 1)})
        store.write("demo", LogBatch((lost, quiet, *entries(last))))
    capsysbinary.readouterr()
    # Without the feed's table what it reported of all its symbols explains nothing.
    assert cli.main(["gaps", "--store", "L", "--json"]) == 0
    shown = capsysbinary.readouterr()
    [hole] = json.loads(shown.out)["holes"]
    assert [part["reason"] for part in hole["reasons"]] == ["unknown", "quiet", "unknown"]
    assert b"feed demo: is not in the configuration" in shown.err
    (workdir / "live.toml").write_text(toml)
    assert cli.main(["gaps", "--store", "L", "--json", "--config", "live.toml"]) == 0
    shown = capsysbinary.readouterr()
    assert shown.err == b""
    [hole] = json.loads(shown.out)["holes"]
    assert hole["reasons"] == [
        {
            "reason": reason,
            "detail": detail,
            "feed": feed,
            "start_ms": label(1, first),
            "end_ms": label(1, end),
            "missing": end - first,
        }
        for reason, detail, feed, first, end in (
            ("outage", "stale", "demo", 2, 4),
            ("quiet", "canary", "demo", 4, 5),
            ("unknown", "", None, 5, 8),
        )
    ]
    assert cli.main(["gaps", "--store", "L", "--config", "live.toml"]) == 0
    shown = capsysbinary.readouterr()
    assert b"2 outage (stale), 1 quiet (canary), 3 unknown" in shown.out


def test_gaps_of_a_live_feed_want_the_configuration_of_the_store(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = Hole("hole|demo|1|0", "demo", None, 0, 1, 0, None, "stale", "open", 0, 2)
    with LiveStore(CONFIG, workdir / "S") as store:
        store.write("demo", LogBatch((lost,)))
    (workdir / "tapeline.toml").write_text(CONFIGURATION.replace("XNYS", "24/7"))
    capsys.readouterr()
    assert cli.main(["gaps", "--store", "S"]) == 2
    assert "--config" in capsys.readouterr().err


def test_a_second_process_ends_with_2_and_one_plain_message(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = os.open("S/lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    capsys.readouterr()
    assert cli.main(["run", "--bars", "A=a.csv", "--store", "S"]) == 2
    assert capsys.readouterr().err == (
        "tapeline: S: another process is writing to this store; wait until it is done\n"
    )
    assert cli.main(["state", "--store", "S"]) == 0
    os.close(lock)


USAGE = {
    "two outputs": (("run", "a.csv", "--out", "x", "--store", "S"), "--out and --store"),
    "sorted": (("run", "a.csv", "--store", "x", "--as-corrected"), "--as-corrected"),
    "from without store": (
        ("run", "a.csv", "--out", "x", "--from", "2025-07-02T00:00Z"),
        "--store DIR",
    ),
    "replace without store": (("run", "a.csv", "--out", "x", "--replace"), "--store DIR"),
    "bad from": (("run", "a.csv", "--store", "x", "--from", "noon"), "--from noon"),
    "from without offset": (("tail", "gaps", "--store", "S", "--from", "2025-07-02"), "offset"),
    "not a store": (("state", "--store", "."), "is no store"),
    "no such type": (("state", "--store", "S", "--type", "bar"), "derived_bar"),
    "no such type in a tail": (("tail", "gaps", "--store", "S", "--type", "bar"), "derived_bar"),
    "no such type in a tail of topics": (("tail", "gaps", "--type", "bar"), "--type bar: is none"),
    "no such topic": (("tail", "bars", "--store", "S"), "tape.touches.v1"),
    "a foreign folder": (("run", "--bars", "A=a.csv", "--store", "."), "no part of a store"),
    "its own log": (("run", "S/log.jsonl", "--store", "S"), "in the store itself"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_ends_with_2_and_one_plain_message(
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    capsys.readouterr()
    assert cli.main(list(arguments)) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not (workdir / "x").exists()


def test_another_configuration_ends_with_2_and_the_way_out(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "tapeline.toml").write_text(CONFIGURATION.replace("0.01", "0.005"))
    capsys.readouterr()
    assert cli.main(["run", "--bars", "A=a.csv", "--store", "S"]) == 2
    assert "tapeline run S/log.jsonl --store NEW" in capsys.readouterr().err
    assert cli.main(["run", "S/log.jsonl", "--store", "NEW"]) == 0
