"""What can be wrong with the local store, by the error of RocksDB, with the way out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tapeline.schemas.errors import BrokenPromiseError, InputOutputError, TapelineError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOCKED = ("While lock file", "lock hold by")
DAMAGED = "Corruption"


class LocalStoreError(TapelineError):
    """The local store fails; the message names its folder and the way out."""

    def __repr__(self) -> str:
        # Faust takes what has the word "lock" in it for a store in use, and waits for half a
        # minute: a damaged block must not be waited for, nor a folder named clock.
        return f"{type(self).__name__}()"


class StoreBrokenError(LocalStoreError, BrokenPromiseError):
    """The local store cannot be opened."""


class StoreLockedError(StoreBrokenError):
    """Another process uses the local store."""

    def __repr__(self) -> str:
        # Here Faust must wait: who replaces a worker may come before that has ended.
        return f"{type(self).__name__}(lock)"


class LocalStoreDamagedError(LocalStoreError, BrokenPromiseError):
    """The local store cannot be read as it was written: nothing of it may be used."""


class StoreWriteError(LocalStoreError, InputOutputError):
    """The local store takes nothing more, mostly for want of room."""


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn what RocksDB raises when it opens a store into a `LocalStoreError`."""
    try:
        yield
    except Exception as error:
        text = str(error)
        if wants_room(error):
            raise _unwritable(path, error) from error
        if text.startswith(DAMAGED):
            raise _damaged(path, error) from error
        kind = StoreLockedError if any(each in text for each in LOCKED) else StoreBrokenError
        raise kind(
            f"the local state {path} cannot be opened ({text}). "
            "If no other worker uses it, delete the folder: it is made again from the changelog"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what RocksDB raises when it reads into a `LocalStoreDamagedError`."""
    try:
        yield
    except LocalStoreError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what RocksDB raises when it writes into a `LocalStoreError`."""
    try:
        yield
    except LocalStoreError:
        raise
    except Exception as error:
        if str(error).startswith(DAMAGED):
            raise _damaged(path, error) from error
        raise _unwritable(path, error) from error


def wants_room(error: BaseException) -> bool:
    """Whether the system, or RocksDB in its text, reports that there is no room."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return any(os.strerror(each) in str(error) for each in NO_ROOM)


def _damaged(path: Path, error: Exception) -> LocalStoreDamagedError:
    return LocalStoreDamagedError(
        f"the local state {path} is damaged ({error}). "
        "Delete the folder: it is made again from the changelog"
    )


def _unwritable(path: Path, error: Exception) -> StoreWriteError:
    return StoreWriteError(
        f"the local state {path} cannot be written ({error}). Make room, or mend what the "
        "message names, and start again: what is missing comes back from the changelog"
    )
