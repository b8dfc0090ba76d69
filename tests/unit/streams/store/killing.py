"""Runs that are killed: at a named point of a commit, with torn files, or after a time."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from pathlib import Path
from typing import Any, NamedTuple

from tapeline.schemas.config.loading import read_config
from tapeline.streams.store.from_log import make_again
from tests.unit.streams.store.stores import CONFIGURATION, load

MAX_WAIT_SECONDS = 120


class Kill(NamedTuple):
    """How a run ends.

    Attributes
    ----------
    point
        Point of a commit, or "" for a kill by time.
    nth
        Which time that the point is reached, from 1.
    torn
        Whether the files that were being written end anywhere; seed of the position.
    seconds
        Time after which a kill by time comes.
    """

    point: str
    nth: int = 1
    torn: int | None = None
    seconds: float = 0.0


class _Killer:
    """The hook of a run."""

    def __init__(self, folder: Path, kill: Kill) -> None:
        self._folder = folder
        self._kill = kill
        self._left = kill.nth
        self._before: dict[Path, int] = {}

    def __call__(self, point: str) -> None:
        if point == "before_log":
            self._before = self._sizes()
        if point == self._kill.point:
            self._left -= 1
            if not self._left:
                if self._kill.torn is not None:
                    self._tear(random.Random(self._kill.torn))
                os.kill(os.getpid(), signal.SIGKILL)

    def _sizes(self) -> dict[Path, int]:
        topics = list((self._folder / "topics").iterdir())
        files = [path for path in (self._folder / "log.jsonl", *topics) if path.exists()]
        return {path: path.stat().st_size for path in files}

    def _tear(self, chance: random.Random) -> None:
        """Cut what this commit added, as if the process had died while it was writing."""
        for path, size in sorted(self._sizes().items()):
            is_log = path.name == "log.jsonl"
            if is_log == (self._kill.point == "after_log"):
                os.truncate(path, chance.randint(self._before.get(path, 0), size))


def _run(folder: Path, files: list[tuple[str, Path]], options: dict[str, Any], kill: Kill) -> None:
    if kill.seconds:
        # The default action ends the process at once, wherever it is.
        signal.setitimer(signal.ITIMER_REAL, kill.seconds)
    if files:
        load(folder, *files, hook=_Killer(folder, kill), **options)
    else:
        make_again(read_config(CONFIGURATION, "test"), folder, _Killer(folder, kill), **options)


def run_until_killed(
    folder: Path, files: list[tuple[str, Path]], options: dict[str, Any], kill: Kill
) -> bool:
    """Run files into a store in a process of its own; returns whether it was killed.

    Parameters
    ----------
    files
        None: the store is made again from its log.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.unit.streams.store.killing"])
    process = context.Process(target=_run, args=(folder, files, options, kill))
    process.start()
    process.join(MAX_WAIT_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL, -signal.SIGALRM), process.exitcode
    return process.exitcode != 0
