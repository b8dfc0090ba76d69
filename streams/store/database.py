"""RocksDB behind few words: get, scan a prefix, write a batch that is on disk when it returns."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rocksdict import (
    AccessType,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from tapeline.streams.store.layout import StoreDamagedError, rebuild_way

OPEN_TRIES = 3
KEPT_LOGS = 1
CORRUPTION = "Corruption"
LOST = os.strerror(errno.ENOENT)
CATALOGUE = ("MANIFEST", "CURRENT")
"""Files that name the others that count: without them the database cannot be opened at all."""


class Database:
    """Byte keys and values.

    Parameters
    ----------
    path
        Folder of the database; a writer makes it.
    read_only
        See what was written when it was opened, beside a writer.

    Raises
    ------
    OSError
        When it cannot be opened, or later read or written, mostly for want of room.
    StoreDamagedError
        When what was written cannot be read back. An iteration may raise it at its end: until then
        what it gave may be a part.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(not read_only)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_keep_log_file_num(KEPT_LOGS)
        # A batch that a kill tore at the end never was; one that is damaged is not passed over.
        options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
        self._path = path
        self._rows: Any = _opened(path, options, read_only)
        self._reading = ReadOptions()
        self._reading.set_verify_checksums(True)
        self._durable = WriteOptions()
        self._durable.sync = True

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""
        try:
            value: bytes | None = self._rows.get(key, read_opt=self._reading)
        except Exception as error:
            raise failure(self._path, error) from error
        return value

    def scan(self, prefix: bytes, first: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys with a beginning and their values, in order of bytes, from the key `first` on."""
        try:
            cursor = self._rows.iter(self._reading)
            cursor.seek(max(prefix, first))
            while cursor.valid():
                key = cursor.key()
                if not key.startswith(prefix):
                    return
                yield key, cursor.value()
                cursor.next()
            # At a block that cannot be read it ends as at the end: only its status shows which.
            cursor.status()
        except Exception as error:
            raise failure(self._path, error) from error

    def last(self, prefix: bytes) -> bytes | None:
        """The greatest key with a beginning, which must not end with 0xff; None without any."""
        end = prefix[:-1] + bytes([prefix[-1] + 1])
        try:
            cursor = self._rows.iter(self._reading)
            cursor.seek_for_prev(end)
            found: bytes | None = cursor.key() if cursor.valid() else None
            cursor.status()
        except Exception as error:
            raise failure(self._path, error) from error
        return found if found is not None and found.startswith(prefix) else None

    def check(self, prefix: bytes) -> None:
        """Read what lies under a prefix, for its damage only, before something follows from it."""
        for _ in self.scan(prefix):
            pass

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write all of the changes or none; None deletes. They are on disk when it returns."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._rows.write(batch, self._durable)
        except Exception as error:
            raise failure(self._path, error) from error

    def close(self) -> None:
        """Write what is only in memory and in the log of the database, and close the files."""
        try:
            self._rows.close()
        except Exception as error:
            raise failure(self._path, error) from error


def _opened(path: Path, options: Any, read_only: bool) -> Any:
    """The open database; a reader tries again when a writer has just removed a file it wanted."""
    access = AccessType.read_only() if read_only else AccessType.read_write()
    for left in reversed(range(OPEN_TRIES if read_only else 1)):
        try:
            return Rdict(str(path), options, access_type=access)
        except Exception as error:
            if not left:
                raise failure(path, error) from error
    raise AssertionError("no try was left")


def failure(path: Path, error: Exception) -> OSError | StoreDamagedError:
    """What an exception of RocksDB is, which has no class of its own: its text decides.

    Parameters
    ----------
    path
        Folder of the database; the store is the folder around it.
    """
    text = str(error)
    way = rebuild_way(path.parent)
    if text.startswith(CORRUPTION) and not any(name in text for name in CATALOGUE):
        return StoreDamagedError(f"{path}: is damaged ({text}); {way}")
    if text.startswith(CORRUPTION) or LOST in text:
        return OSError(f"{path}: the database cannot be opened ({text}); {way}")
    return OSError(f"{path}: {text}")
