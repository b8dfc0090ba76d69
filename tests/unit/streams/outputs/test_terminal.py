"""Nothing that comes from outside acts on a terminal: every way in, and all that is printed."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pyarrow
import pyarrow.parquet
import pytest
from rich.table import Table

from tapeline.schemas.codec import decode_event
from tapeline.streams.cli import main as cli
from tapeline.streams.outputs.escaping import PlainFormatter
from tapeline.streams.outputs.terminal import PlainConsole, PlainTable, number_table, plain_console
from tapeline.streams.worker.log import JsonFormatter
from tests.unit.streams.embedded.books import CONFIGURATION, HEADER, log_line, row, write
from tests.unit.streams.outputs.test_escaping import ACTING

MARK = "qzq"
BIDI = f"{MARK}\u202e\u2066\u200f\u061c[red]:bomb:"
"""What a symbol may hold."""
ACTS = f"{MARK}\x1b[2J\x1b]0;t\x07\x9b31m\x7f\u2028{BIDI}"
"""What else a name or a text may hold; a line end comes where lines are not what splits it."""
ALLOWED = {"\n"}


def acting(text: str) -> set[str]:
    """Characters of a text that act on a terminal, but for the ends of its lines."""
    return set(text).intersection(ACTING) - ALLOWED


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with books, logs and a store that hold what acts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    write(tmp_path / "head.csv", [f"{row(0)},1"], header=f"{HEADER},{ACTS}")
    cells = [f"{ACTS},1,1,1,1,1", row(0).replace(",10.00", f",{ACTS}", 1), row(1)]
    write(tmp_path / "cells.csv", cells)
    write(
        tmp_path / "changed.csv",
        [f"{row(at, '11.00')},{BIDI}" for at in (0, 1)],
        f"{HEADER},symbol",
    )
    write(tmp_path / "symbols.csv", [f"{row(0)},{BIDI}", f"{row(1)},{ACTS}"], f"{HEADER},symbol")
    write(tmp_path / f"{ACTS}.csv", ["x", row(0)])
    good = log_line(0)
    lines = [
        good,
        json.dumps({**json.loads(good), f"{ACTS}\n": 1}, ensure_ascii=False),
        json.dumps({**json.loads(good), "type": f"{ACTS}\r\n"}, ensure_ascii=False),
        json.dumps({**json.loads(good), "type": ACTS}),
        json.dumps({**json.loads(good), "symbol": f"{ACTS}\n"}),
        json.dumps({**json.loads(good), "interval": f"{ACTS}\n"}),
        good.replace("ACME", BIDI),
        f"{ACTS}",
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    names = ["start_ms", "open", "high", "low", "close", f"{ACTS}\n", "volume"]
    columns: list[list[Any]] = [[1], ["1"], ["1"], ["1"], ["1"], ["1"], [f"{ACTS}\n"]]
    pyarrow.parquet.write_table(
        pyarrow.table(dict(zip(names, columns, strict=True))), tmp_path / "columns.parquet"
    )
    (tmp_path / f"{BIDI}.csv").write_bytes((tmp_path / "symbols.csv").read_bytes())
    assert cli.main(["run", f"{BIDI}.csv", "--store", "store"]) == 0
    assert cli.main(["run", "changed.csv", "--out", "out"]) == 0
    return tmp_path


def toml(root: Path, text: str) -> str:
    """A configuration of that text."""
    path = root / "other.toml"
    path.write_text(text)
    return str(path)


def quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text).replace("\\/", "/").replace("\x7f", "\\u007f")


WAYS: dict[str, Callable[[Path], list[str]]] = {
    "column of a CSV": lambda _: ["run", "--bars", "ACME=head.csv", "--out", "x"],
    "cells of a CSV": lambda _: ["run", "--bars", "ACME=cells.csv", "--out", "x"],
    "symbols of a CSV": lambda _: ["run", "symbols.csv", "--out", "x"],
    "fields of a log": lambda _: ["run", "log.jsonl", "--out", "x", "--max-rejects=99%"],
    "a log into a store": lambda _: ["run", "log.jsonl", "--store", "x", "--max-rejects=99%"],
    "a refused delivery": lambda _: ["run", "log.jsonl", "--store", "x"],
    "a log that is sorted": lambda _: ["run", "log.jsonl", "--out", "x", "--as-corrected"],
    "a log that is replayed": lambda _: ["replay", "log.jsonl", "--out", "x"],
    "columns of a Parquet": lambda _: ["run", "--bars", "ACME=columns.parquet", "--out", "x"],
    "name of a file": lambda _: ["run", "--bars", f"ACME={ACTS}.csv", "--out", "x"],
    "name of a missing file": lambda _: ["run", f"{ACTS}\n.csv", "--out", "x"],
    "name that is no UTF-8": lambda _: ["run", f"{MARK}\udc9b.csv", "--out", "x"],
    "ending of a file": lambda _: ["run", f"a.{ACTS}\n", "--out", "x"],
    "symbol of the command": lambda _: ["run", "--bars", f"{ACTS}=head.csv", "--out", "x"],
    "symbol that is a name": lambda _: ["run", "--bars", f"{BIDI}=head.csv", "--out", "x"],
    "folder of a run": lambda _: ["run", "--bars", "ACME=head.csv", "--out", f"{ACTS}\n"],
    "folder of a store": lambda _: ["run", "--bars", "ACME=head.csv", "--store", f"{ACTS}\n"],
    "folder that is missing": lambda _: ["state", "--store", f"{ACTS}\n"],
    "a view": lambda _: ["state", "--store", "store"],
    "gaps": lambda _: ["gaps", "--store", "store"],
    "corrections": lambda _: ["run", "changed.csv", "--store", "store", "--explain"],
    "files that differ": lambda _: ["parity", "out", "store"],
    "an event": lambda _: ["why", f"touch|{ACTS}", "log.jsonl"],
    "bound of a replay": lambda _: ["replay", "log.jsonl", "--from", f"{ACTS}\n"],
    "topic of a tail": lambda _: ["tail", f"{ACTS}\n", "--store", "store"],
    "type of a tail": lambda _: ["tail", "rejects", "--type", f"{ACTS}\n", "--store", "store"],
    "an instant": lambda _: ["run", "log.jsonl", "--out", "x", "--until", f"{ACTS}\n"],
    "a zone": lambda _: ["run", "cells.csv", "--out", "x", "--tz", f"{ACTS}\n"],
    "a limit": lambda _: ["run", "log.jsonl", "--out", "x", "--max-rejects", f"{ACTS}\n"],
    "a command": lambda _: [f"{ACTS}\n"],
    "an option": lambda _: ["run", f"--{ACTS}\n"],
    "brokers": lambda _: ["topics", "describe", "--bootstrap", f"{ACTS}\n:9092"],
    "a configuration that is missing": lambda _: ["config", "check", "--config", f"{ACTS}\n"],
    "no TOML": lambda root: [
        "config", "check", "--config", toml(root, f"[{quoted(ACTS)}]\n" * 2)
    ],
    "a section": lambda root: ["config", "check", "--config", toml(root, f"[{quoted(ACTS)}]")],
    "a key": lambda root: [
        "config", "check", "--config", toml(root, f"[derived]\n{quoted(ACTS)} = 1")
    ],
    "a value": lambda root: [
        "config", "check", "--config", toml(root, f"[kafka]\ntopic_prefix = {quoted(ACTS)}")
    ],
    "a table": lambda root: [
        "config", "show", "--config", toml(root, f"[instruments.{quoted(BIDI)}]\ntick = 1")
    ],
    "a table as JSON": lambda root: [
        "config", "show", "--json", "--config",
        toml(root, f"[instruments.{quoted(BIDI)}]\ntick = 1"),
    ],
}  # fmt: skip
JSON_TOO = (
    "column of a CSV",
    "cells of a CSV",
    "fields of a log",
    "a log into a store",
    "a refused delivery",
    "a log that is replayed",
    "columns of a Parquet",
    "name of a file",
    "folder of a run",
    "folder of a store",
    "symbol that is a name",
    "files that differ",
)


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_in_is_shown_and_does_not_act(
    way: str, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    code = cli.main(WAYS[way](root))
    shown = capfd.readouterr()
    both = shown.out + shown.err
    assert code in (0, 1, 2, 74), both
    assert MARK in both
    assert acting(both) == set()


@pytest.mark.parametrize("way", JSON_TOO)
def test_json_is_json_and_does_not_act(
    way: str, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    cli.main([*WAYS[way](root), "--json"])
    shown = capfd.readouterr()
    found = json.loads(shown.out)
    assert MARK in json.dumps(found)
    assert acting(shown.out + shown.err) == set()


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """What a command shows on a terminal, both of its outputs."""
    leader, follower = pty.openpty()
    environment = {
        **os.environ,
        "TERM": "dumb",
        "COLUMNS": "400",
        "PYTHONPATH": os.pathsep.join(sys.path),
        # Whatever is in the environment is not printed either.
        f"TAPELINE_{MARK}": ACTS,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tapeline", *arguments],
        cwd=folder,
        env=environment,
        stdout=follower,
        stderr=follower,
    ) as process:
        os.close(follower)
        shown = bytearray()
        with suppress(OSError):
            while piece := os.read(leader, 65_536):
                shown += piece
        process.wait()
    os.close(leader)
    return shown.decode().replace("\r\n", "\n")


def test_lines_of_json_on_a_terminal_are_the_same_events(root: Path) -> None:
    in_pipe = subprocess.run(
        [sys.executable, "-m", "tapeline", "state", "--store", "store", "--json"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    ).stdout
    shown = on_a_terminal(root, "state", "--store", "store", "--json")
    assert acting(shown) == set()
    assert BIDI in in_pipe.decode()
    lines = shown.splitlines()
    assert [decode_event(each.encode()) for each in lines] == [
        decode_event(each) for each in in_pipe.splitlines()
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "log.jsonl", "--out", "y"),
        ("replay", "log.jsonl"),
        ("tail", "rejects", "--store", "store"),
        ("tail", "sessions", "--store", "store", "--json"),
        ("gaps", "--store", "store", "--json"),
        ("state", "--store", f"{ACTS}\n"),
    ],
    ids=lambda each: each[0],
)
def test_a_terminal_is_given_nothing_that_acts(arguments: tuple[str, ...], root: Path) -> None:
    shown = on_a_terminal(root, *arguments)
    assert MARK in shown or "gaps" in arguments
    assert acting(shown) == set()


def raised() -> Iterator[Any]:
    """Errors as handlers of logs get them, with a traceback."""
    for kind in (ValueError, OSError, UnicodeError):
        try:
            raise kind(f"{ACTS}\nERROR forged")
        except kind:
            yield sys.exc_info()


@pytest.mark.parametrize("formatter", [PlainFormatter("%(name)s: %(message)s"), JsonFormatter()])
def test_a_line_of_a_log_does_not_act_and_forges_none(formatter: logging.Formatter) -> None:
    for error in raised():
        record = logging.LogRecord(
            "a", logging.ERROR, __file__, 1, "%s", (f"{ACTS}\ud800\nx",), error
        )
        record.stack_info = f"stack {ACTS}"
        lines = formatter.format(record)
        assert acting(lines) == set()
        assert lines.count(MARK) >= 2
        assert not any(each.startswith("x") for each in lines.splitlines())
        if isinstance(formatter, JsonFormatter):
            assert MARK in msgspec.json.decode(lines)["message"]


def test_an_error_that_nothing_handles_does_not_act(tmp_path: Path) -> None:
    program = (
        "import sys, threading, warnings, logging\n"
        "from tapeline.streams.outputs.terminal import guard_standard_error\n"
        "guard_standard_error()\n"
        "def fail():\n    raise ValueError(sys.argv[1])\n"
        "thread = threading.Thread(target=fail)\nthread.start()\nthread.join()\n"
        "warnings.warn(sys.argv[1])\n"
        "logging.getLogger('x').error('%s', sys.argv[1])\n"
        "class Left:\n    def __del__(self):\n        fail()\n"
        "Left()\nfail()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, f"{ACTS}\nforged"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert acting(done.stderr) == set()
    assert done.stderr.count("Error: " + MARK) == 3
    assert done.stderr.count("Warning: " + MARK) == 1
    assert not any(each.startswith(MARK) for each in done.stderr.splitlines()[:-1]) or (
        done.stderr.count("\n" + MARK) == 1
    )


def test_a_bug_shows_its_traceback_without_acting(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"{ACTS}\nforged")

    monkeypatch.setattr(cli, "app", fail)
    capfd.readouterr()
    assert cli.main(["run"]) == 70
    shown = capfd.readouterr().err
    assert "RuntimeError: " + MARK in shown
    assert acting(shown) == set()


def test_a_table_shows_markup_as_it_is_and_escapes_every_part() -> None:
    text = StringIO()
    console = PlainConsole(file=text, width=300, markup=False, emoji=False)
    table = number_table(f"title {ACTS}", f"head {ACTS}", "n")
    table.add_row(f"{ACTS}\n[red]", "1")
    console.print(table)
    console.print(f"{ACTS}\n[red]x[/red] :bomb:")
    shown = text.getvalue()
    assert acting(shown) == set()
    assert shown.count(MARK) == 8
    assert r"\n[red]x[/red] :bomb:" in shown
    with pytest.raises(TypeError, match="PlainTable"):
        plain_console().print(Table())
    assert isinstance(table, PlainTable)
