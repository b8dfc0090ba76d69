"""A store that was killed at any time is, after the same run again, the one that never was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.unit.streams.store.killing import Kill, run_until_killed
from tests.unit.streams.store.stores import (
    contents,
    folded,
    full_view,
    label,
    load,
    row,
    view,
    walk,
    write,
)

STEP_ROWS = 100
OPTIONS: dict[str, Any] = {"step_rows": STEP_ROWS, "replace": True}
FEW_AGAIN = {**OPTIONS, "least_again": 1_000}
POINTS = ("before_log", "after_log", "after_outputs", "after_state")
COMMITS = (1, 2, 4, 6, 7)
AT_POINTS = [Kill(point, nth) for point in POINTS for nth in COMMITS]
TORN = [
    Kill(point, nth, torn=nth)
    for point in ("after_log", "after_outputs")
    for nth in (1, 2, 5, 6, 7)
]
AT_TIMES = [Kill("", seconds=0.03 + 0.03 * number) for number in range(20)]
KILLS = [*AT_POINTS, *TORN, *AT_TIMES]


class Scene(NamedTuple):
    """A store before the run, the files of the run, and what it leaves when it is not killed."""

    before: Path
    files: list[tuple[str, Path]]
    options: dict[str, Any]
    contents: dict[str, bytes]
    view: list[bytes]


def _scene(
    workdir: Path, name: str, files: list[tuple[str, Path]], options: dict[str, Any]
) -> Scene:
    before, after = workdir / f"{name}-before", workdir / f"{name}-after"
    days = write(workdir / "past.csv", *(walk(day, step=2) for day in range(4)))
    other = write(workdir / "past-b.csv", *(walk(day, step=2, seed=3) for day in range(4)))
    load(before, ("A", days), ("B", other))
    shutil.copytree(before, after)
    result = load(after, *files, **options)
    assert result.counts.rebuilt == ["pair"]
    assert view(after) == folded(after)
    return Scene(before, files, options, contents(after), full_view(after))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """New days of both symbols, dead letters, and an old day without some of its bars."""
    workdir = tmp_path_factory.mktemp("plain")
    old = walk(0, step=2)
    old[label(0, 100)] = row(label(0, 100), 77)
    del old[label(0, 200)], old[label(0, 202)]
    new = write(
        workdir / "a.csv", walk(4, step=2), walk(5, step=2), extra=("nonsense", "too,short")
    )
    b = write(workdir / "b.csv", walk(4, step=2, seed=3), walk(5, step=2, seed=3))
    return _scene(
        workdir, "plain", [("A", write(workdir / "0.csv", old)), ("A", new), ("B", b)], OPTIONS
    )


@pytest.fixture(scope="module")
def quarrel(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A file that does not agree with itself: rows that were taken must not be taken again.

    Half of the way the corrections have cost so much that the rest is left to a rebuild.
    """
    workdir = tmp_path_factory.mktemp("quarrel")
    wrong = {start: text.replace(",5", ",6") for start, text in walk(4, step=2).items()}
    old = write(workdir / "0.csv", walk(0, step=2) | {label(0, 100): row(label(0, 100), 77)})
    one = write(workdir / "one.csv", wrong, extra=(*walk(4, step=2).values(), "nonsense"))
    two = write(workdir / "two.csv", walk(5, step=2))
    return _scene(workdir, "quarrel", [("A", old), ("A", one), ("A", two)], FEW_AGAIN)


def _killed(scene: Scene, folder: Path, kill: Kill) -> bool:
    shutil.copytree(scene.before, folder)
    return run_until_killed(folder, scene.files, scene.options, kill)


def _again(scene: Scene, folder: Path) -> None:
    load(folder, *scene.files, **scene.options)
    assert contents(folder) == scene.contents
    assert full_view(folder) == scene.view


def _name(kill: Kill) -> str:
    if kill.seconds:
        return f"{kill.seconds:.2f}s"
    return f"{kill.point}-{kill.nth}" + ("" if kill.torn is None else "-torn")


@pytest.mark.parametrize("kill", KILLS, ids=_name)
def test_a_run_that_was_killed_and_repeated_leaves_the_same_bytes(
    quarrel: Scene, tmp_path: Path, kill: Kill
) -> None:
    killed = _killed(quarrel, tmp_path / "S", kill)
    if killed:
        _again(quarrel, tmp_path / "S")
        return
    # It was done before its time came; done twice, files that quarrel are no repetition.
    assert kill.seconds
    assert contents(tmp_path / "S") == quarrel.contents


@pytest.mark.parametrize("kill", [*AT_POINTS[::3], *TORN[::2]], ids=_name)
def test_another_run_repairs_what_a_killed_one_left(
    plain: Scene, tmp_path: Path, kill: Kill
) -> None:
    assert _killed(plain, tmp_path / "S", kill)
    for _, path in plain.files:
        # Another version of the file, as far as its bytes show.
        found = path.stat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    _again(plain, tmp_path / "S")


def test_a_repeated_run_may_be_killed_again(quarrel: Scene, tmp_path: Path) -> None:
    assert _killed(quarrel, tmp_path / "S", Kill("after_log", 2, torn=3))
    for kill in (Kill("before_log"), Kill("after_outputs", 1, torn=2), Kill("after_state", 2)):
        assert run_until_killed(tmp_path / "S", quarrel.files, quarrel.options, kill)
    _again(quarrel, tmp_path / "S")


def test_a_killed_run_that_goes_on_reports_it_and_counts_all_of_it(
    quarrel: Scene, tmp_path: Path
) -> None:
    shutil.copytree(quarrel.before, tmp_path / "whole")
    whole = load(tmp_path / "whole", *quarrel.files, **quarrel.options)
    assert _killed(quarrel, tmp_path / "S", Kill("after_state", 3))
    result = load(tmp_path / "S", *quarrel.files, **quarrel.options)
    assert result.resumed
    assert result.counts.plain() == whole.counts.plain()
