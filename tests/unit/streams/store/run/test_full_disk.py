"""A disk that is full, or a file that may not grow: 74 at any time, and with room it goes on."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tapeline.streams.cli import main as cli
from tests.unit.streams.store.killing import MAX_WAIT_SECONDS
from tests.unit.streams.store.stores import (
    CONFIGURATION,
    contents,
    folded,
    full_view,
    load,
    view,
    walk,
    write,
)

IO_FAILURE = 74
DAYS = 4
ROOMY_KIB = 64 * 1024
FILE_SIZES = [400, 4_096, 20_000, 60_000, 130_000, 250_000, 400_000, 700_000]
"""Bytes that any file may have."""
DISK_SIZES = [16, 40, 80, 200, 400, 700, 1_000, 1_300, 1_600, 1_900, 2_200]
"""KiB of a file system."""
REASONS = [os.strerror(each) for each in (errno.ENOSPC, errno.EFBIG)]
PRINTED = "printed.txt"
RUN = ("run", "--bars", "A=a.csv", "--bars", "B=b.csv", "--store")


def _run(workdir: Path, arguments: list[str], most_bytes: int | None) -> None:
    os.chdir(workdir)
    with open(PRINTED, "w", encoding="utf-8") as printed:
        os.dup2(printed.fileno(), 2)
        os.dup2(printed.fileno(), 1)
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    code = cli.main(arguments)
    sys.stderr.flush()
    os._exit(code)


def run(workdir: Path, *arguments: str, most_bytes: int | None = None) -> tuple[int, str]:
    """Exit code and words of a command in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.store.test_full_disk"])
    process = context.Process(target=_run, args=(workdir, list(arguments), most_bytes))
    process.start()
    process.join(MAX_WAIT_SECONDS)
    assert process.exitcode is not None
    return process.exitcode, (workdir / PRINTED).read_text()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with books, and what they leave in a store where there is room."""
    workdir = tmp_path_factory.mktemp("fresh")
    (workdir / "tapeline.toml").write_text(CONFIGURATION)
    write(workdir / "a.csv", *(walk(day, step=2) for day in range(DAYS)), extra=("nonsense",))
    write(workdir / "b.csv", *(walk(day, step=2, seed=3) for day in range(DAYS)))
    before = write(workdir / "before.csv", walk(0, step=2))
    load(workdir / "before", ("A", before))
    (workdir / "S").mkdir()
    shutil.copytree(workdir / "before", workdir / "S", dirs_exist_ok=True)
    code, printed = run(workdir, *RUN, "S")
    assert code == 0, printed
    return workdir


@pytest.fixture
def workdir(fresh: Path, tmp_path: Path) -> Path:
    """The books, without a store."""
    for name in ("tapeline.toml", "a.csv", "b.csv"):
        shutil.copy2(fresh / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own; its size is set by `resize`."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOMY_KIB}k", "none", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here: the limit of a file's size is tested instead")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def resize(disk: Path, kib: int) -> None:
    """Give the file system another size, at least what lies on it."""
    used = sum(path.stat().st_blocks for path in disk.rglob("*")) // 2
    size = max(kib, used + 8)
    subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)


def give(pipe: Path, content: bytes) -> None:
    """Write into a pipe what its reader takes of it."""
    with suppress(BrokenPipeError):
        pipe.write_bytes(content)


def check_failure(code: int, printed: str) -> bool:
    """Whether a command failed, as it should for want of room."""
    assert code in (0, IO_FAILURE), printed
    assert "bug" not in printed
    assert "Traceback" not in printed
    if code:
        assert "tapeline: reading or writing failed: " in printed
        assert any(reason in printed for reason in REASONS), printed
    return code != 0


def check_whole(store: Path, fresh: Path) -> None:
    """A store is the one that never lacked room."""
    assert contents(store) == contents(fresh / "S")
    assert full_view(store) == full_view(fresh / "S")
    assert view(store) == folded(store)


@pytest.mark.parametrize("most_bytes", FILE_SIZES)
def test_a_file_that_may_not_grow_ends_a_run_with_74_and_the_next_one_goes_on(
    fresh: Path, workdir: Path, most_bytes: int
) -> None:
    shutil.copytree(fresh / "before", workdir / "S")
    failed = check_failure(*run(workdir, *RUN, "S", most_bytes=most_bytes))
    assert failed or most_bytes >= FILE_SIZES[-2]
    code, printed = run(workdir, *RUN, "S")
    assert code == 0, printed
    check_whole(workdir / "S", fresh)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("--store", "S"), "S/log.jsonl"), (("--out", "R"), ".jsonl")],
    ids=["store", "folder of a run"],
)
def test_what_may_not_grow_is_named(workdir: Path, arguments: tuple[str, str], named: str) -> None:
    code, printed = run(workdir, *RUN[:-1], *arguments, most_bytes=40_000)
    assert code == IO_FAILURE
    assert f"{named}'" in printed.splitlines()[-1]


def test_the_folder_of_the_copy_of_a_pipe_is_named(workdir: Path) -> None:
    os.mkfifo(workdir / "p.csv")
    content = (workdir / "a.csv").read_bytes()
    writer = threading.Thread(target=give, args=(workdir / "p.csv", content))
    writer.start()
    code, printed = run(workdir, "run", "--bars", "A=p.csv", "--store", "S", most_bytes=4_096)
    writer.join(MAX_WAIT_SECONDS)
    assert code == IO_FAILURE
    assert f"'{tempfile.gettempdir()}/tapeline-" in printed
    assert not (workdir / "S").exists()


@pytest.mark.parametrize("kib", DISK_SIZES)
def test_a_full_disk_ends_every_run_with_74_and_with_room_the_next_one_goes_on(
    fresh: Path, workdir: Path, disk: Path, kib: int
) -> None:
    store = disk / "S"
    shutil.copytree(fresh / "before", store)
    resize(disk, kib)
    # The second one finds what the first one left.
    failed = [check_failure(*run(workdir, *RUN, str(store))) for _ in range(2)]
    assert all(failed) or kib >= DISK_SIZES[-3]
    resize(disk, ROOMY_KIB)
    code, printed = run(workdir, *RUN, str(store))
    assert code == 0, printed
    check_whole(store, fresh)


@pytest.mark.parametrize("kib", DISK_SIZES[:6])
def test_a_new_store_on_a_full_disk_is_begun_again(
    fresh: Path, workdir: Path, disk: Path, kib: int
) -> None:
    store = disk / "S"
    resize(disk, kib)
    assert check_failure(*run(workdir, *RUN, str(store)))
    assert check_failure(*run(workdir, *RUN, str(store)))
    resize(disk, ROOMY_KIB)
    code, printed = run(workdir, *RUN, str(store))
    assert code == 0, printed
    assert view(store) == view(fresh / "S") == folded(store)


@pytest.mark.parametrize("kib", DISK_SIZES[3:9])
def test_a_store_that_is_made_again_on_a_full_disk_goes_on_with_room(
    fresh: Path, workdir: Path, disk: Path, kib: int
) -> None:
    store = disk / "S"
    shutil.copytree(fresh / "S", store)
    shutil.rmtree(store / "state")
    for topic in (store / "topics").iterdir():
        if "rejects" not in topic.name:
            topic.unlink()
    resize(disk, kib)
    failed = check_failure(*run(workdir, "run", "--store", str(store), "--rebuild"))
    resize(disk, ROOMY_KIB)
    if failed:
        code, printed = run(workdir, *RUN, str(store))
        assert code == 0, printed
    check_whole(store, fresh)
