"""Which worker or host of a machine this is: its ordinal, its folder, and the lock on it.

Also what an instance must remember over its end: how often it ended because it was replaced.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Self

from tapeline.schemas.errors import UnusableError

INSTANCES = 64
FIRST_PORT = 9_464
"""The customary port of Prometheus exporters of this kind; instance N listens N above it."""


class InstanceTakenError(UnusableError):
    """A process of that kind and ordinal already runs with this data folder."""


class Instance:
    """A claimed ordinal; the claim lasts as long as the context, or the process.

    Attributes
    ----------
    number
        The ordinal.
    folder
        Of this instance alone.
    """

    def __init__(self, number: int, folder: Path, lock: IO[str]) -> None:
        self.number = number
        self.folder = folder
        self._lock = lock

    @property
    def port(self) -> int:
        """Default port of its health server."""
        return FIRST_PORT + self.number

    @property
    def zombie_exits(self) -> int:
        """How often it ended because it was replaced."""
        try:
            return int((self.folder / "zombie-exits").read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def count_zombie_exit(self) -> None:
        """Remember one more."""
        (self.folder / "zombie-exits").write_text(str(self.zombie_exits + 1), "ascii")


def claim_instance(data_dir: Path, number: int | None, kind: str = "worker") -> Instance:
    """Claim an ordinal, or the lowest free one.

    Parameters
    ----------
    kind
        What runs: each has ordinals of its own.

    Raises
    ------
    InstanceTakenError
        When it is taken.
    OSError
        When the folder cannot be made.
    """
    numbers = range(INSTANCES) if number is None else (number,)
    for each in numbers:
        found = _claim(data_dir, each, kind)
        if found is not None:
            return found
    taken = f"instance {number} already runs" if number is not None else "all instances run"
    raise InstanceTakenError(
        f"{taken} with {data_dir}: choose another --instance or another --data-dir"
    )


def _claim(data_dir: Path, number: int, kind: str) -> Instance | None:
    folder = data_dir / f"{kind}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return Instance(number, folder, lock)
