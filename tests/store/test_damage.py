"""Damage in any file of a store: it is reported, or it changes nothing; nothing follows from it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from streams import cli
from tests.store.stores import CONFIGURATION, contents, label, row, walk, write

DAMAGED_BYTES = 32
PLACES = 16
OLD_ROW = {label(0, 100): row(label(0, 100), 77)}
READS = (
    ("state", "--store", "S", "--json"),
    ("gaps", "--store", "S", "--json"),
)
RUNS = (
    ("run", "--bars", "A=old.csv", "--store", "S", "--json"),
    ("run", "--bars", "A=new.csv", "--store", "S", "--json"),
    ("run", "--bars", "A=a.csv", "--store", "S", "--replace", "--json"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration, books, and a store of two symbols over five days."""
    place = tmp_path_factory.mktemp("damage")
    (place / "tapeline.toml").write_text(CONFIGURATION)
    holes = [walk(day, step=2) for day in range(5)]
    write(place / "a.csv", *holes)
    write(place / "b.csv", *(walk(day, step=2, seed=3) for day in range(5)))
    write(place / "old.csv", OLD_ROW)
    write(place / "new.csv", walk(5, minutes=60))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert cli.main(["run", "--bars", "A=a.csv", "--bars", "B=b.csv", "--store", "S"]) == 0
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder."""
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


Command = Callable[..., tuple[int, bytes, str]]


class Whole(NamedTuple):
    """What a command gives on the store as it was made.

    Attributes
    ----------
    out
        What it prints.
    contents
        What its log and topics then hold.
    """

    out: bytes
    contents: dict[str, bytes]


@pytest.fixture(scope="module")
def whole(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Whole]:
    """By command."""
    found = {}
    for number, arguments in enumerate((*READS, *RUNS)):
        folder = tmp_path_factory.mktemp("whole") / str(number)
        shutil.copytree(made, folder)
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            check=True,
        )
        found[arguments] = Whole(done.stdout, contents(folder / "S"))
    return found


@pytest.fixture
def command(capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Runs a command; its exit code, output and message."""

    def run(*arguments: str) -> tuple[int, bytes, str]:
        capfdbinary.readouterr()
        code = cli.main(list(arguments))
        found = capfdbinary.readouterr()
        return code, found.out, found.err.decode()

    return run


def table_of(store: Path) -> Path:
    """The one table file of the database."""
    [table] = (store / "state").glob("*.sst")
    return table


def overwrite(path: Path, offset: int, seed: int = 0) -> None:
    """Put bytes in the place of others that mean nothing."""
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(DAMAGED_BYTES)
        new = random.Random(seed).randbytes(len(old))
        assert new != old
        file.seek(offset)
        file.write(new)


@pytest.mark.parametrize("part", range(PLACES))
def test_a_damaged_block_of_the_state_is_reported_by_all_that_read_it(
    place: Path, command: Command, whole: dict[tuple[str, ...], Whole], part: int
) -> None:
    table = table_of(place / "S")
    overwrite(table, table.stat().st_size * part // PLACES, part)
    shutil.copytree("S", "kept")
    found = 0
    for arguments in (*READS, *RUNS):
        shutil.rmtree("S")
        shutil.copytree("kept", "S")
        code, out, said = command(*arguments)
        if code:
            found += 1
            assert code == 70, said
            assert said.startswith(f"tapeline: {Path('S/state')}: is damaged"), said
            assert said.count("\n") == 1
            assert contents(place / "S") == contents(place / "kept")
        else:
            # It did not come by: what this command reads lies elsewhere.
            assert (out, contents(place / "S")) == whole[arguments]
    assert found


def test_a_store_that_cannot_be_opened_at_all_ends_with_74(place: Path, command: Command) -> None:
    [catalogue] = (place / "S" / "state").glob("MANIFEST-*")
    overwrite(catalogue, catalogue.stat().st_size // 2)
    before = contents(place / "S")
    for arguments in (*READS, *RUNS):
        code, out, said = command(*arguments)
        assert (code, out) == (74, b"")
        assert "S/state: the database cannot be opened" in said
    assert contents(place / "S") == before
