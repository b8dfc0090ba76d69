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

from tapeline.streams.cli import main as cli
from tests.unit.streams.store.killing import Kill, run_until_killed
from tests.unit.streams.store.stores import (
    CONFIGURATION,
    contents,
    folded,
    label,
    row,
    view,
    walk,
    write,
)

DAMAGED_BYTES = 32
POSITIONS = 16
OLD_ROW = {label(0, 100): row(label(0, 100), 77)}
RANGE = "range|A|Prior|2025-07-03"
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
    workdir = tmp_path_factory.mktemp("damage")
    (workdir / "tapeline.toml").write_text(CONFIGURATION)
    holes = [walk(day, step=2) for day in range(5)]
    write(workdir / "a.csv", *holes)
    write(workdir / "b.csv", *(walk(day, step=2, seed=3) for day in range(5)))
    write(workdir / "old.csv", OLD_ROW)
    write(workdir / "new.csv", walk(5, minutes=60))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workdir)
        assert cli.main(["run", "--bars", "A=a.csv", "--bars", "B=b.csv", "--store", "S"]) == 0
    return workdir


@pytest.fixture
def workdir(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
            [sys.executable, "-m", "tapeline", *arguments],
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


def overwrite(path: Path, offset: int, seed: int = 0, length: int = DAMAGED_BYTES) -> None:
    """Replace some bytes by others, which mean nothing."""
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(length)
        new = random.Random(seed).randbytes(len(old))
        if new == old:
            new = bytes(255 - byte for byte in old)
        file.seek(offset)
        file.write(new)


@pytest.mark.parametrize("part", range(POSITIONS))
def test_a_damaged_block_of_the_state_is_reported_by_all_that_read_it(
    workdir: Path, command: Command, whole: dict[tuple[str, ...], Whole], part: int
) -> None:
    table = table_of(workdir / "S")
    overwrite(table, table.stat().st_size * part // POSITIONS, part)
    shutil.copytree("S", "kept")
    found = 0
    for arguments in (*READS, *RUNS):
        shutil.rmtree("S")
        shutil.copytree("kept", "S")
        code, out, printed = command(*arguments)
        if code:
            found += 1
            assert code == 70, printed
            assert printed.startswith(f"tapeline: {Path('S/state')}: is damaged"), printed
            assert printed.count("\n") == 1
            assert contents(workdir / "S") == contents(workdir / "kept")
        else:
            # It did not come by: what this command reads lies elsewhere.
            assert (out, contents(workdir / "S")) == whole[arguments]
    assert found


ANY_READS = (
    *READS,
    ("tail", "ranges", "--store", "S", "--json"),
    ("tail", "swings", "--store", "S", "--json"),
    ("state", "--store", "S", "--as-of", "2025-07-03", "--json"),
    ("why", RANGE, "--store", "S", "--json"),
    ("parity", "S", "K"),
    ("replay", "--store", "S", "--out", "R", "--json"),
)
POSITIONS_ANYWHERE = 24
LENGTHS = (1, 4, DAMAGED_BYTES)


@pytest.fixture(scope="module")
def stores(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store that was left in order, and one whose last run was killed."""
    workdir = tmp_path_factory.mktemp("stores")
    found = {}
    for name in ("in order", "killed"):
        found[name] = workdir / name
        shutil.copytree(made, found[name])
    more = [("A", write(workdir / "more.csv", walk(5, step=2)))]
    kill = Kill("after_state", 3)
    assert run_until_killed(found["killed"] / "S", more, {"step_rows": 50}, kill)
    assert all(path.stat().st_size for path in (found["killed"] / "S" / "state").glob("*.log"))
    for each in found.values():
        shutil.copytree(each / "S", each / "K")
    return found


def _answers(command: Command) -> dict[tuple[str, ...], tuple[int, bytes, str]]:
    """What every read prints; of a replay what it wrote."""
    found: dict[tuple[str, ...], tuple[int, bytes, str]] = {}
    for arguments in ANY_READS:
        code, out, printed = command(*arguments)
        if Path("R").exists():
            out = b"".join(path.read_bytes() for path in sorted(Path("R").glob("tape*")))
            shutil.rmtree("R")
        found[arguments] = code, out, printed
    return found


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[tuple[str, ...], tuple[int, bytes, str]]]:
    """Of the undamaged stores, by their name; filled by the first test that needs them."""
    return {}


@pytest.mark.parametrize("number", range(POSITIONS_ANYWHERE))
@pytest.mark.parametrize("name", ["in order", "killed"])
def test_damage_anywhere_is_reported_or_changes_nothing_and_the_log_makes_the_store_again(
    stores: dict[str, Path],
    answers: dict[str, dict[tuple[str, ...], tuple[int, bytes, str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Command,
    name: str,
    number: int,
) -> None:
    shutil.copytree(stores[name], tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    if name not in answers:
        answers[name] = _answers(command)
        assert {code for code, _, _ in answers[name].values()} == {0}
    chance = random.Random(f"{name} {number}")
    files = [
        path for path in sorted(Path("S").rglob("*")) if path.is_file() and path.stat().st_size
    ]
    # Every other time the database, where most of the damage is, whatever its files weigh.
    path = chance.choice(files if number % 2 else [each for each in files if _of_database(each)])
    offset = chance.randrange(path.stat().st_size)
    overwrite(path, offset, number, chance.choice(LENGTHS))
    before = contents(Path("S"))

    for arguments, found in _answers(command).items():
        code, out, printed = found
        if code == 0:
            assert out == answers[name][arguments][1], (path, offset, arguments)
        else:
            assert code in (70, 74), (path, offset, arguments, printed)
            assert "S/" in printed
            assert "--rebuild" in printed or "backup" in printed
            assert printed.count("\n") == 1
    assert contents(Path("S")) == before

    code, _, printed = command("run", "--store", "S", "--rebuild")
    if path.name == "log.jsonl":
        assert (code, contents(Path("S"))) == (70, before), printed
        return
    assert code == 0, printed
    code, out, printed = command("run", "K/log.jsonl", "--store", "fresh")
    assert code == 0, printed
    assert view(Path("S")) == view(Path("fresh")) == folded(Path("S"))


def _of_database(path: Path) -> bool:
    return path.suffix in (".sst", ".log") or path.name.startswith(("MANIFEST", "CURRENT"))


@pytest.mark.parametrize("number", range(POSITIONS))
def test_a_run_on_a_store_damaged_anywhere_adds_what_it_would_or_nothing(
    stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command,
    number: int,
) -> None:  # fmt: skip
    name = ("in order", "killed")[number % 2]
    shutil.copytree(stores[name], tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    run = ("run", "--bars", "A=old.csv", "--bars", "B=b.csv", "--store")
    assert command(*run, "K")[0] == 0
    chance = random.Random(number)
    files = [path for path in sorted(Path("S", "state").iterdir()) if path.stat().st_size]
    path = chance.choice([each for each in files if _of_database(each)])
    overwrite(path, chance.randrange(path.stat().st_size), number, chance.choice(LENGTHS))
    before = contents(Path("S"))
    code, _, printed = command(*run, "S")
    if code == 0:
        assert contents(Path("S")) == contents(Path("K")), path
        assert view(Path("S")) == view(Path("K"))
        return
    assert code in (70, 74), printed
    assert "--rebuild" in printed
    assert contents(Path("S")) == before


def test_a_state_older_than_the_files_beside_it_is_reported(
    workdir: Path, command: Command
) -> None:
    shutil.copytree("S/state", "state")
    assert command("run", "--bars", "A=new.csv", "--store", "S")[0] == 0
    shutil.rmtree("S/state")
    shutil.copytree("state", "S/state")
    before = contents(Path("S"))
    for arguments in (*READS, *RUNS):
        code, out, printed = command(*arguments)
        assert (code, out) == (70, b""), printed
        assert "S/state: is damaged, or older than the files beside it" in printed
        assert "--rebuild" in printed
    assert contents(Path("S")) == before


def test_a_store_that_cannot_be_opened_at_all_ends_with_74(workdir: Path, command: Command) -> None:
    [catalogue] = (workdir / "S" / "state").glob("MANIFEST-*")
    overwrite(catalogue, catalogue.stat().st_size // 2)
    before = contents(workdir / "S")
    for arguments in (*READS, *RUNS):
        code, out, printed = command(*arguments)
        assert (code, out) == (74, b"")
        assert "S/state: the database cannot be opened" in printed
    assert contents(workdir / "S") == before
