"""The folder of a store: what lies in it, who may write to it, and the keys of its records.

``log.jsonl``
    The input log, append-only; the zero-based number of a line is its source offset.
``topics/<topic>.jsonl``
    Outputs in the order of emission, append-only.
``provenance.jsonl``
    Of what came in live: where each record of the log came from, a line a record. Nothing follows
    from it, and it may end early.
``state/``
    RocksDB: state of the groups and what it was made with, the current view, the last version of
    every bar, dead letters that were written, the state of strategies, and the checkpoint, which
    holds how much of the files counts.
``lock``
    Held while a process writes. Its content is the number of commits: a state that knows fewer has
    lost some, which a database cannot distinguish from one that never had them.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from tapeline.schemas.errors import BrokenPromiseError, UnusableError
from tapeline.streams.outputs.run_folder import LOCK_FILE, TOPICS_FOLDER

LOG_FILE = "log.jsonl"
PROVENANCE_FILE = "provenance.jsonl"
STATE_FOLDER = "state"
PARTS = frozenset({LOG_FILE, PROVENANCE_FILE, TOPICS_FOLDER, STATE_FOLDER, LOCK_FILE})

CHECKPOINT_KEY = b"checkpoint"
STATE = b"state\0"
VIEW = b"view\0"
BARS = b"bars\0"
LETTERS = b"letters\0"
SYMBOLS = b"symbols\0"
PLANS = b"plans\0"
HOST = b"host\0"
REBUILT_AT = HOST + b"store|rebuilt"
_LABEL_SHIFT = 1 << 63
_LABEL_BYTES = 8
LOCKS_FILE = Path("/proc/locks")


class StoreError(UnusableError, ValueError):
    """A folder that is no store, is in use, or belongs to another configuration or version."""


class StoreInUseError(StoreError):
    """Another process is writing to the store."""


class StoreDamagedError(BrokenPromiseError):
    """Files of a store are not what was written: nothing that follows from them may be used."""


class FolderLock:
    """Holds a store for one writing process; a context.

    Raises
    ------
    StoreInUseError
        When another process holds it.
    StoreError
        When the folder is something else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = -1

    def __enter__(self) -> FolderLock:
        check_folder(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise StoreInUseError(
                f"{self._folder}: another process is writing to this store; wait until it is done"
            ) from None
        self._file = file
        return self

    def __exit__(self, *_: Any) -> None:
        os.close(self._file)

    def count(self, commits: int) -> None:
        """Write the number of commits, each of which is on disk already."""
        text = b"%d\n" % commits
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))

    def forget(self) -> None:
        """The state begins anew: what was committed before does not count."""
        os.ftruncate(self._file, 0)
        os.fsync(self._file)


def writer_of(folder: Path) -> int | None:
    """Process that holds a store; None where none does, or the system has no list of locks."""
    try:
        lock = os.stat(folder / LOCK_FILE)
        lines = LOCKS_FILE.read_text("ascii").splitlines()
    except OSError:
        return None
    device = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}"
    for line in lines:
        # Number, kind, mandatory or not, access, process, file, bounds.
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5] == device:
            return int(fields[4])
    return None


def commits_of(folder: Path) -> int:
    """Commits of a store at least; 0 where nothing can be read of them."""
    try:
        return int((folder / LOCK_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return 0


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds what is no part of a store.

    Raises
    ------
    StoreError
        Naming it.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StoreError(f"{folder}: is not a folder")
    others = sorted(path.name for path in folder.iterdir() if path.name not in PARTS)
    if others:
        raise StoreError(
            f"{folder}: holds {others[0]}, which is no part of a store; name another folder"
        )


def state_prefix(group: str) -> bytes:
    """Beginning of the keys of a group's state records."""
    return STATE + group.encode() + b"\0"


def plan_key(group: str) -> bytes:
    """Key of the identity of the settings that a group's state was made with."""
    return PLANS + group.encode()


def view_key(fact_id: str) -> bytes:
    """Key of a fact of the view; keys are in order of ids."""
    return VIEW + fact_id.encode()


def bars_prefix(symbol: str) -> bytes:
    """Beginning of the keys of a symbol's bars."""
    return BARS + symbol.encode() + b"\0"


def bar_key(symbol: str, start_ms: int) -> bytes:
    """Key of a bar; those of one symbol are in order of labels, also before 1970."""
    return bars_prefix(symbol) + (start_ms + _LABEL_SHIFT).to_bytes(_LABEL_BYTES, "big")


def label_of(key: bytes) -> int:
    """Label of the bar under a key."""
    return int.from_bytes(key[-_LABEL_BYTES:], "big") - _LABEL_SHIFT


def way_out(folder: Path) -> str:
    """What to do with a store that was made with another configuration."""
    return f"make another from its log: tapeline run {folder / LOG_FILE} --store NEW"


def rebuild_way(folder: Path) -> str:
    """What to do with a store whose state or topics cannot be used."""
    return f"make it again from its log: tapeline run --store {folder} --rebuild"


LOG_WAY = "bring it back from a backup: everything else follows from it"
"""What to do when the log itself is damaged."""
