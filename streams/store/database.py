"""RocksDB behind few words: get, scan a prefix, write a batch that is on disk when it returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rocksdict import AccessType, DBCompressionType, Options, Rdict, WriteBatch, WriteOptions

OPEN_TRIES = 3
KEPT_LOGS = 1


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
        When it cannot be opened, or later read or written.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(not read_only)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_keep_log_file_num(KEPT_LOGS)
        self._path = path
        self._rows: Any = _opened(path, options, read_only)
        self._durable = WriteOptions()
        self._durable.sync = True

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""
        value: bytes | None = self._rows.get(key)
        return value

    def scan(self, prefix: bytes, first: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys with a beginning and their values, in order of bytes, from the key `first` on."""
        for key, value in self._rows.items(from_key=max(prefix, first)):
            if not key.startswith(prefix):
                return
            yield key, value

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
        except Exception as error:  # what RocksDB raises has no class of its own
            raise OSError(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Close the files."""
        self._rows.close()


def _opened(path: Path, options: Any, read_only: bool) -> Any:
    """The open database; a reader tries again when a writer has just removed a file it wanted."""
    access = AccessType.read_only() if read_only else AccessType.read_write()
    for left in reversed(range(OPEN_TRIES if read_only else 1)):
        try:
            return Rdict(str(path), options, access_type=access)
        except Exception as error:
            if not left:
                raise OSError(f"{path}: {error}") from error
    raise AssertionError("no try was left")
