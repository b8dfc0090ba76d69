"""Append-only files of a store, cut to what the checkpoint says of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from streams.store.layout import StoreError


class AppendFile:
    """Lines that are added at the end; whatever lies beyond the checkpoint is cut.

    Parameters
    ----------
    path
        The file; made if it is missing and has no length yet.
    length
        Bytes that count.

    Attributes
    ----------
    length
        Bytes that counted or were added since.

    Raises
    ------
    StoreError
        When the file is shorter than that.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.length = length
        self._path = path
        self._file: BinaryIO | None = None
        found = path.stat().st_size if path.exists() else 0
        if found < length:
            raise StoreError(
                f"{path}: {length - found} bytes are missing at its end; bring the file back from a"
                " backup, or make the store again from its log"
            )
        if found > length:
            os.truncate(path, length)
        self.cut = found > length

    def append(self, data: bytes) -> None:
        """Add lines; `sync` puts them on disk."""
        self._opened().write(data)
        self.length += len(data)

    def sync(self) -> None:
        """Put on disk what was added."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> BinaryIO:
        if self._file is None:
            new = not self._path.exists()
            self._file = self._path.open("ab")
            if new:
                sync_folder(self._path.parent)
        return self._file


class LogFile:
    """The log, and what a killed run left at its end.

    Lines beyond the checkpoint are the truth: they are applied before anything new, or the run that
    wrote them goes on and writes the same lines again.

    Attributes
    ----------
    tail
        Whole lines beyond the checkpoint; a torn last one is cut.
    length
        Bytes that count.
    """

    def __init__(self, path: Path, length: int) -> None:
        found = path.stat().st_size if path.exists() else 0
        beyond = b""
        if found > length:
            with path.open("rb") as file:
                file.seek(length)
                beyond = file.read()
        self.tail = beyond[: beyond.rfind(b"\n") + 1]
        self.length = length
        self._file = AppendFile(path, length + len(self.tail))
        self.cut = self._file.cut
        self._path = path

    def append(self, data: bytes) -> None:
        """Add lines after those that count; `sync` puts them on disk."""
        if self.tail:
            common = min(len(self.tail), len(data))
            if self.tail[:common] != data[:common]:
                self._file.close()
                self._file = AppendFile(self._path, self.length)
                self.tail = b""
                common = 0
            self.tail = self.tail[common:]
            self._file.append(data[common:])
        else:
            self._file.append(data)
        self.length += len(data)

    def sync(self) -> None:
        """Put on disk what was added."""
        self._file.sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
