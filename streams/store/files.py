"""Append-only files of a store, cut to the length in the checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from zlib import crc32

from tapeline.streams.errors import naming
from tapeline.streams.store.layout import StoreDamagedError

BLOCK_BYTES = 1 << 20


class AppendFile:
    """Lines that are added at the end; whatever lies beyond the checkpoint is cut.

    Parameters
    ----------
    path
        The file; made if it is missing and has no length yet.
    length, crc
        Bytes that count, and their CRC-32.
    way_out
        What to do when they are not all there.

    Attributes
    ----------
    length, crc
        Of the bytes that counted or were added since.

    Raises
    ------
    StoreDamagedError
        When the file is shorter than that.
    """

    def __init__(self, path: Path, length: int, crc: int, way_out: str) -> None:
        self.length = length
        self.crc = crc
        self._path = path
        self._file: FileIO | None = None
        found = path.stat().st_size if path.exists() else 0
        if found < length:
            raise StoreDamagedError(missing(path, length - found, way_out))
        if found > length:
            os.truncate(path, length)
        self.cut = found > length

    def append(self, data: bytes) -> None:
        """Add lines; `sync` puts them on disk."""
        file = self._opened()
        left = memoryview(data)
        with naming(self._path):
            while left:
                left = left[file.write(left) :]
        self.length += len(data)
        self.crc = crc32(data, self.crc)

    def sync(self) -> None:
        """Put on disk what was added."""
        if self._file is not None:
            with naming(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> FileIO:
        if self._file is None:
            new = not self._path.exists()
            # Without a buffer: bytes that a full disk did not take are not tried again on closing.
            self._file = FileIO(self._path, "ab")
            if new:
                sync_folder(self._path.parent)
        return self._file


class LogFile:
    """The log, and what a killed run left at its end.

    Lines beyond the checkpoint are the truth: they are applied before anything new, or the run that
    wrote them goes on and writes the same lines again.

    Attributes
    ----------
    length, crc
        Of the bytes that count.
    tail
        Bytes of the whole lines beyond them; a torn last one is cut.
    """

    def __init__(self, path: Path, length: int, crc: int, way_out: str) -> None:
        found = path.stat().st_size if path.exists() else 0
        self.length = length
        self.crc = crc
        self.tail = max(0, _end_of_lines(path, length, found) - length)
        self._way_out = way_out
        self._file = AppendFile(path, length + self.tail, crc, way_out)
        self.cut = self._file.cut
        self._path = path

    def lines(self) -> Iterator[bytes]:
        """Lines beyond those that count, without their ends."""
        if not self.tail:
            return
        left = self.tail
        with self._path.open("rb") as file:
            file.seek(self.length)
            while left > 0:
                line = file.readline()
                left -= len(line)
                yield line.removesuffix(b"\n")

    def append(self, data: bytes) -> None:
        """Add lines after those that count; `sync` puts them on disk."""
        known = 0
        if self.tail:
            known = min(self.tail, len(data))
            if self._bytes(known) != data[:known]:
                self._file.close()
                self._file = AppendFile(self._path, self.length, self.crc, self._way_out)
                self.tail = known = 0
            self.tail -= known
        if known < len(data):
            self._file.append(data[known:])
        self.length += len(data)
        self.crc = crc32(data, self.crc)

    def _bytes(self, count: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self.length)
            return file.read(count)

    def sync(self) -> None:
        """Put on disk what was added."""
        self._file.sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _end_of_lines(path: Path, first: int, end: int) -> int:
    """End of the last whole line of a file that does not end before `first`."""
    if end <= first:
        return first
    with path.open("rb") as file:
        while end > first:
            start = max(first, end - BLOCK_BYTES)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return first


def check_file(
    path: Path, length: int, crc: int, way_out: str, known: tuple[int, int] = (0, 0)
) -> None:
    """Compare a file with the checkpoint, before anything follows from it.

    Parameters
    ----------
    length, crc
        Bytes that count, and their CRC-32; what lies beyond is not looked at.
    way_out
        What to do when they are others.
    known
        Bytes at the beginning that were compared before, and their CRC-32: they are not read.

    Raises
    ------
    StoreDamagedError
        Naming the file.
    """
    first, found = known
    left = length - first
    if left:
        try:
            with path.open("rb") as file:
                file.seek(first)
                while left and (block := file.read(min(BLOCK_BYTES, left))):
                    left -= len(block)
                    found = crc32(block, found)
        except FileNotFoundError:
            left = length
    if left:
        raise StoreDamagedError(missing(path, left, way_out))
    if found != crc:
        raise StoreDamagedError(
            f"{path}: is damaged (checksum {found:08x}, written were {crc:08x}); {way_out}"
        )


def missing(path: Path, count: int, way_out: str) -> str:
    """The error text for a file that ends too early."""
    return f"{path}: {count} bytes are missing at its end; {way_out}"


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
