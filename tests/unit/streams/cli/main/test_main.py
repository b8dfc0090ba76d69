"""The command line: what it prints, where, and how it ends."""

from __future__ import annotations

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tapeline import __main__ as entry
from tapeline.schemas.registry import EVENTS
from tapeline.streams.cli import main as cli
from tests.unit.streams.embedded.books import HEADER, row, write

OTHER_USER = 65_534


def tapeline(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "tapeline", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample books of three sessions."""
    folder = tmp_path_factory.mktemp("samples")
    done = tapeline(folder, "sample", "sample", "--sessions", "3")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module", autouse=True)
def _importable(repository_root: Path) -> None:
    """Subprocesses run elsewhere: the sources must be found there as they are here."""
    if (repository_root / "streams").is_dir():
        os.environ["PYTHONPATH"] = str(repository_root)


RUN = ("run", "--bars", "ES=sample/es.csv", "--bars", "NQ=sample/nq.csv", "--out", "out")


def test_a_run_prints_its_summary_on_stdout_alone(samples: Path) -> None:
    done = tapeline(samples, *RUN)
    assert done.returncode == 0
    assert done.stderr == ""
    for part in ("Bars, sessions, quality", "Ranges by state", "Pairs of ES-NQ", "Results: out"):
        assert part in done.stdout


def test_the_summary_counts_what_the_files_hold(samples: Path) -> None:
    done = tapeline(samples, "run", "--bars", "ES=sample/es-holes.csv", "--out", "holes", "--json")
    summary = json.loads(done.stdout)
    view: dict[str, dict[str, Any]] = {}
    for path in (samples / "holes").glob("tape.*.jsonl"):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            view[event["id"]] = event
    facts = list(view.values())
    found = summary["symbols"]["ES"]
    gaps = [fact for fact in facts if fact["type"] == "gap"]
    assert (found["gaps"], found["missing_slots"]) == (
        len(gaps),
        sum(gap["missing"] for gap in gaps),
    )
    assert gaps
    classes: dict[str, int] = {}
    states: dict[str, int] = {}
    for fact in facts:
        if fact["type"] == "swing":
            classes[str(fact["class"])] = classes.get(str(fact["class"]), 0) + 1
        if fact["type"] == "range":
            state = "expired" if fact["expired"] else fact["state"]
            states[state] = states.get(state, 0) + 1
    assert {name: count for name, count in found["swings"].items() if count} == classes
    assert found["ranges"] == states
    touches = [fact for fact in facts if fact["type"] == "touch" and fact["event"] != "expired"]
    assert found["touches"] == len(touches)
    assert found["sessions"] == sum(fact.get("state") == "closed" for fact in facts) - len(gaps)
    qualities = [
        fact["quality"] for fact in facts if fact["type"] == "quality" and fact["due"] > 1000
    ]
    assert found["quality_worst"] == min(qualities)
    assert sum(found["derived_bars"].values()) == sum(
        fact["type"] == "derived_bar" for fact in facts
    )


def test_two_runs_are_equal_to_the_byte_whatever_the_hash_seed(samples: Path) -> None:
    for seed in ("1", "2"):
        arguments = (*RUN[:-1], f"seed{seed}")
        assert tapeline(samples, *arguments, PYTHONHASHSEED=seed).returncode == 0
    one, two = samples / "seed1", samples / "seed2"
    names = sorted(path.name for path in one.iterdir())
    assert len(names) == len([*EVENTS.folded, "bars", "manifest"])
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_samples_are_equal_to_the_byte_in_two_writings(samples: Path) -> None:
    assert tapeline(samples, "sample", "again", "--sessions", "3").returncode == 0
    for path in (samples / "sample").iterdir():
        assert path.read_bytes() == (samples / "again" / path.name).read_bytes()


def test_a_dead_letter_is_reported_and_is_no_failure(samples: Path) -> None:
    (samples / "odd.csv").write_text((samples / "sample/es.csv").read_text() + "noon,1,1,1,1,1\n")
    done = tapeline(samples, "run", "--bars", "ES=odd.csv", "--out", "odd")
    assert done.returncode == 0
    assert "schema_error" in done.stdout
    assert "odd.csv:" in done.stdout


def test_late_bars_are_taken_and_each_can_be_explained(samples: Path) -> None:
    late = ("run", "sample/es-late.jsonl", "--explain")
    done = tapeline(samples, *late, "--out", "late")
    assert done.returncode == 0
    assert "0 dead letters" in done.stdout
    heads = [line for line in done.stdout.splitlines() if line.startswith("offset ")]
    assert heads
    assert all(" late: none -> " in line for line in heads)
    assert f"{len(heads)} late" in done.stdout
    assert "\n  - gap|ES|1m|" in done.stdout
    asked = tapeline(samples, *late, "--out", "late", "--json")
    assert json.loads(asked.stdout)["symbols"]["ES"]["late"] == len(heads)
    assert "offset " in asked.stderr


@pytest.mark.parametrize("to", ["--out", "--store"])
def test_no_room_to_sort_a_table_ends_with_74_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    to: str,
) -> None:
    path = write(tmp_path / "book.csv", [row(minute) for minute in reversed(range(9))])
    monkeypatch.setattr("tapeline.streams.feeds.opening.MEMORY_BYTES", 1_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert cli.main(["run", "--bars", f"ACME={path}", to, str(tmp_path / "x")]) == 74
    output = capsys.readouterr().err
    assert f" {path}: its rows are out of order, and sorting them needs room in " in output
    assert output.endswith("name another folder by TMPDIR\n")
    assert not (tmp_path / "x").exists()


NOON = "2025-07-02T12:00Z"
USAGE = {
    "no input": (("run", "--out", "x"), "no input"),
    "no out": (("run", "book.csv"), "--out"),
    "missing file": (("run", "--bars", "ES=nowhere.csv", "--out", "x"), "nowhere.csv"),
    "bad pair": (("run", "--bars", "nowhere.csv", "--out", "x"), "SYMBOL=FILE"),
    "bad until": (("run", "book.csv", "--out", "x", "--until", "noon"), "noon"),
    "until without offset": (
        ("run", "book.csv", "--out", "x", "--until", "2025-07-02T10:00"),
        "offset",
    ),
    "unknown zone": (("run", "--bars", "A=book.csv", "--out", "x", "--tz", "Mars"), "Mars"),
    "unknown unit": (
        ("run", "--bars", "A=book.csv", "--out", "x", "--time-unit", "m"),
        "--time-unit",
    ),
    "another unit": (
        ("run", "--bars", "A=book.csv", "--out", "x", "--time-unit", "s"),
        "in milliseconds it is 2025-07-02T13:30:00Z: give --time-unit ms",
    ),
    "unknown option": (("run", "--fast"), "--fast"),
    "unknown command": (("runn",), "runn"),
    "missing configuration": (("config", "check", "--config", "no.toml"), "no.toml"),
    "wrong configuration": (("config", "check", "--config", "wrong.toml"), "instruments.ES.tick"),
    "no name for a symbol": (("run", "--bars", "A B=book.csv", "--out", "x"), "A B=book.csv"),
    "no symbol": (("run", "--bars", "=book.csv", "--out", "x"), "SYMBOL=FILE"),
    "a folder as a file": (("run", "folder", "--out", "x"), "directory"),
    "empty file": (("run", "--bars", "A=empty.csv", "--out", "x"), "empty"),
    "out is a file": (("run", "--bars", "A=book.csv", "--out", "book.csv"), "not a folder"),
    "samples over other files": (("sample", "."), "tapeline.toml"),
    "samples into a file": (("sample", "book.csv"), "book.csv: is not a folder"),
    "samples below a file": (("sample", "book.csv/sample"), "book.csv: is not a folder"),
    "schemas into a file": (("schemas", "book.csv"), "book.csv: is not a folder"),
    "schemas below a file": (("schemas", "book.csv/schemas"), "book.csv: is not a folder"),
    "schemas into a link to nowhere": (("schemas", "nowhere"), "nowhere: is not a folder"),
    "until between two milliseconds": (
        ("run", "book.csv", "--out", "x", "--until", "2025-07-02T10:00:00.0001Z"),
        "whole milliseconds",
    ),
    "two times for all symbols": (
        ("run", "book.csv", "--out", "x", "--until", NOON, "--until", NOON),
        "give others as SYMBOL=T",
    ),
    "two times for a symbol": (
        ("run", "book.csv", "--out", "x", "--until", f"A={NOON}", "--until", f"A={NOON}"),
        "A has a time already; leave one out",
    ),
    "a symbol that ends at no time": (
        ("run", "book.csv", "--out", "x", "--until", "A=noon"),
        "--until A= noon: is no ISO time",
    ),
    "a time of no symbol": (("run", "book.csv", "--out", "x", "--until", f"={NOON}"), "SYMBOL=T"),
    "a time of a symbol that is not configured": (
        ("run", "book.csv", "--out", "x", "--until", f"A={NOON}", "--config", "closed.toml"),
        "the configuration has no symbol 'A'",
    ),
    "foreign folder": (("run", "--bars", "A=book.csv", "--out", "."), "book.csv"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_ends_with_2_and_one_plain_message(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write(tmp_path / "book.csv", [row(0)])
    (tmp_path / "closed.toml").write_text("[instruments]\ndefault = false\n")
    (tmp_path / "wrong.toml").write_text("[instruments.ES]\ntick = 0\n")
    (tmp_path / "tapeline.toml").write_text("[groups]\n")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to("missing")
    done = tapeline(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_file_without_permission_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "book.csv", [row(0)])
    path.chmod(0)
    monkeypatch.chdir("/")
    arguments = ["run", "--bars", f"A={tmp_path / 'missing.csv'}", "--out", str(tmp_path / "x")]
    # What the command imports may lie where only its owner reads.
    assert cli.main(arguments) == 2
    with unprivileged():
        assert cli.main(["run", "--bars", f"A={path}", "--out", str(tmp_path / "x")]) == 2
    assert f"{path}: Permission denied" in capsys.readouterr().err


@contextmanager
def unprivileged() -> Iterator[None]:
    """Give up for a while what root may do and others may not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(OTHER_USER)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_input_that_breaks_on_the_way_ends_with_74_and_leaves_nothing(tmp_path: Path) -> None:
    rows = [row(minute, f"{10 + minute % 50}") for minute in range(20_000)]
    whole = gzip.compress("\n".join([HEADER, *rows]).encode())
    (tmp_path / "book.csv.gz").write_bytes(whole[:-100])
    done = tapeline(tmp_path, "run", "--bars", "A=book.csv.gz", "--out", "x")
    assert done.returncode == 74, done.stderr
    assert done.stderr.count("\n") == 1
    assert "book.csv.gz: reading failed" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.csv.gz"]


def test_a_disk_that_takes_no_more_ends_with_74_and_leaves_nothing(tmp_path: Path) -> None:
    rows = [row(minute, f"{10 + minute % 50}") for minute in range(390)]
    write(tmp_path / "book.csv", rows)
    command = f"ulimit -f 8; exec {sys.executable} -m tapeline run --bars A=book.csv --out x"
    done = subprocess.run(
        ["sh", "-c", f"trap '' XFSZ; {command}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 74, done.stderr
    assert "File too large" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.csv"]


def test_a_bug_ends_with_70(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def broken(_: object) -> None:
        raise AssertionError("impossible")

    monkeypatch.setattr(cli, "load_config", broken)
    assert cli.main(["config", "check"]) == 70
    assert "bug" in capsys.readouterr().err


def test_a_reader_that_has_gone_ends_with_74_without_noise(samples: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "tapeline", *RUN[:-1], "unread"],
        cwd=samples,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (74, b"")
    assert (samples / "unread" / "manifest.json").exists()


def test_what_files_hold_is_shown_as_it_is(tmp_path: Path) -> None:
    rows = ["[/bold],1,1,1,1,1,1", ":smile:,1,1,1,1,1,1"]
    write(tmp_path / "book.csv", rows, header="time,open,high,low,close,volume,[/red]")
    done = tapeline(tmp_path, "run", "--bars", "A=book.csv", "--out", "x", COLUMNS="200")
    assert done.returncode == 1, done.stderr
    assert "time: '[/bold]' is no time" in done.stdout
    assert "ignored columns [/red]" in done.stdout
    assert "Results: x" in done.stdout


def test_of_equal_slots_the_later_file_of_the_command_line_wins(tmp_path: Path) -> None:
    write(tmp_path / "named.csv", [f"{row(0, '11')},A"], header=f"{HEADER},symbol")
    write(tmp_path / "plain.csv", [row(0, "10")])
    orders = (("named.csv", "--bars", "A=plain.csv"), ("--bars", "A=plain.csv", "named.csv"))
    for inputs, later in zip(orders, ("10.0 ", "11.0 "), strict=True):
        done = tapeline(tmp_path, "run", *inputs, "--out", "x", "--explain")
        [head] = [line for line in done.stdout.splitlines() if line.startswith("offset 1:")]
        assert head.partition(" -> ")[2].startswith(later)


def test_a_terminal_shows_progress_and_a_pipe_does_not(samples: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "tapeline", *RUN[:-1], "progress"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        command, cwd=samples, env=environment, stdout=subprocess.PIPE, stderr=follower
    ) as process:
        os.close(follower)
        shown = _all_of(leader)
        assert process.stdout is not None
        printed = process.stdout.read().decode()
    os.close(leader)
    assert process.returncode == 0
    assert "bars/s" in shown
    assert "bars/s" not in printed
    assert "Results: progress" in printed


def _all_of(terminal: int) -> str:
    """What a process writes to its terminal until it ends, which Linux shows by an error."""
    found = b""
    with suppress(OSError):
        while data := os.read(terminal, 65_536):
            found += data
    return found.decode()


def test_an_interrupted_run_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "load_config", interrupted)
    assert cli.main(["config", "check"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_interrupt_while_the_command_line_is_imported_ends_with_130(tmp_path: Path) -> None:
    # The run would wait for this one for ever, so the interrupt cannot come too late.
    os.mkfifo(tmp_path / "book.csv")
    options = ("run", "--bars", "A=book.csv", "--out", "x")
    command = [sys.executable, "-X", "importtime", "-m", "tapeline", *options]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith(" typer\n"):
                break
        process.send_signal(signal.SIGINT)
        output = process.stderr.read()
    assert process.returncode == 130
    assert output.endswith("tapeline: interrupted\n")
    assert "Traceback" not in output


def test_the_command_begins_where_an_interrupt_is_caught(repository_root: Path) -> None:
    project = tomllib.loads((repository_root / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["tapeline"] == f"{entry.__name__}:{entry.main.__name__}"


@pytest.mark.parametrize(
    "command", [(), ("run",), ("sample",), ("config",), ("config", "show"), ("schemas",)]
)
def test_every_command_explains_itself(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = tapeline(tmp_path, *command, "--help")
    assert done.returncode == 0
    assert "Usage: tapeline" in done.stdout


def test_the_version_shows_which_core_runs(tmp_path: Path) -> None:
    done = tapeline(tmp_path, "--version")
    assert done.stdout.startswith("tapeline ")
    assert done.stdout.strip().endswith(("(pure Python)", "(compiled core)"))


def test_the_configuration_file_beside_is_used(tmp_path: Path) -> None:
    (tmp_path / "tapeline.toml").write_text('[instruments.ACME]\ncalendar = "XNYS"\n')
    assert '"ACME"' in tapeline(tmp_path, "config", "show", "--json").stdout
    shown = tapeline(tmp_path, "config", "show").stdout
    (tmp_path / "shown.toml").write_text(shown)
    assert tapeline(tmp_path, "config", "check", "--config", "shown.toml").returncode == 0


def test_schemas_are_written(tmp_path: Path) -> None:
    done = tapeline(tmp_path, "schemas", "documents")
    assert done.returncode == 0
    assert (tmp_path / "documents" / "asyncapi.json").is_file()


def test_a_table_with_a_symbol_column_needs_no_option(tmp_path: Path) -> None:
    write(tmp_path / "book.csv", [f"{row(0)},ACME"], header=f"{HEADER},symbol")
    done = tapeline(tmp_path, "run", "book.csv", "--out", "x", "--json")
    assert json.loads(done.stdout)["symbols"]["ACME"]["bars"] == 1
