"""Lines of a file, plain or gzip, in blocks: no line, however long, takes unbounded memory."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from tapeline.schemas.codec import RECORD_LIMIT_BYTES
from tapeline.schemas.config.model import INPUT_MIB
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.items import FeedBroken

BLOCK_BYTES = RECORD_LIMIT_BYTES
"""A line that is too long spans blocks: only such lines have to be measured."""
KEPT_OF_LONG_LINE = 1 << 16
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SEARCHED_FOR_NUL = 1 << 12


class Block(NamedTuple):
    """Whole lines, joined by line feeds, without the last one's.

    Attributes
    ----------
    text
        The lines; of a line beyond the limit its beginning alone.
    first
        Number of the first line in the file; the file's first is 1.
    too_long
        Whether this is one line beyond the limit.
    """

    text: bytes
    first: int
    too_long: bool


class LineReader:
    """Reads one file in blocks of whole lines.

    Lines end with a line feed, or, in a file that begins without any, with a carriage return alone,
    as old programs write them. A carriage return before a line feed is left to the caller.

    Parameters
    ----------
    path
        As given: its name shows whether it is gzip, and messages show it.
    copy
        The file that is read instead, None: itself.
    limit_mib
        What one line may expand to.

    Attributes
    ----------
    bytes_read
        Bytes of the file read so far, before decompression.

    Raises
    ------
    InputError
        When the file is missing, empty, binary or unreadable from its start.
    """

    def __init__(self, path: str, copy: str | None = None, limit_mib: int = INPUT_MIB) -> None:
        self.path = path
        self._limit_mib = limit_mib
        self._plain = _Hashed(_opened(path, copy))
        self._file = cast(BinaryIO, self._plain)
        if path.endswith(".gz"):
            self._file = cast(BinaryIO, gzip.GzipFile(fileobj=self._file, mode="rb"))
        self._returns_alone = False
        try:
            self._start = self._beginning()
        except InputError:
            self.close()
            raise

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far, before decompression."""
        return self._plain.count

    def end_at(self, size: int) -> None:
        """Read no further than so many bytes of the file, before decompression."""
        self._plain.limit = size

    def without_hash(self) -> None:
        """Read on for another purpose than a run: the checksum will not be asked for."""
        self._plain.hashed = False

    def _beginning(self) -> bytes:
        try:
            start = self._file.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{self.path}: cannot be read: {error}") from error
        if not start:
            raise InputError(f"{self.path}: the file is empty")
        if b"\0" in start[:SEARCHED_FOR_NUL]:
            raise InputError(f"{self.path}: the file is binary, not text")
        # One at the end of the block may belong to a line feed.
        self._returns_alone = b"\n" not in start and b"\r" in start[:-1]
        return self._with_line_feeds(start.removeprefix(BYTE_ORDER_MARK))

    def _read(self) -> bytes:
        try:
            data = self._file.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise FeedBroken(f"{self.path}: reading failed: {error}") from error
        return self._with_line_feeds(data)

    def _with_line_feeds(self, data: bytes) -> bytes:
        return data.replace(b"\r", b"\n") if self._returns_alone else data

    def blocks(self) -> Iterator[Block]:
        """All lines, in order.

        Raises
        ------
        FeedBroken
            When reading fails on the way.
        InputError
            When a line expands to more than the limit.
        """
        number = 1
        begun, too_long = b"", False
        # Of a line that is too long only the beginning is kept.
        left_out = 0
        data = self._start
        self._start = b""
        while data:
            first_end = data.find(b"\n")
            if first_end < 0:
                begun += data
                if too_long or len(begun) > RECORD_LIMIT_BYTES:
                    left_out += max(len(begun) - KEPT_OF_LONG_LINE, 0)
                    begun, too_long = begun[:KEPT_OF_LONG_LINE], True
                    self._check_length(number, len(begun) + left_out)
                data = self._read()
                continue
            last_end = data.rfind(b"\n")
            if too_long or len(begun) + first_end > RECORD_LIMIT_BYTES:
                self._check_length(number, len(begun) + left_out + first_end)
                line = begun + data[: min(first_end, KEPT_OF_LONG_LINE)]
                yield Block(line[:KEPT_OF_LONG_LINE], number, True)
                number += 1
                lines = data[first_end + 1 : last_end] if last_end > first_end else None
            else:
                lines = begun + data[:last_end]
            if lines is not None:
                yield Block(lines, number, False)
                number += lines.count(b"\n") + 1
            begun, too_long, left_out = data[last_end + 1 :], False, 0
            data = self._read()
        if begun:
            yield Block(begun, number, too_long)
        self.close()

    def _check_length(self, number: int, size: int) -> None:
        if size > self._limit_mib << 20:
            raise InputError(
                f"{self.path}: line {number} expands to more than {self._limit_mib} MiB, which is"
                " [limits] input_mib; give lines their ends, or raise the limit"
            )

    def sha256(self) -> str:
        """SHA-256 of what was read: the whole file, once the last block was handed over."""
        return self._plain.hash.hexdigest()

    def close(self) -> None:
        """Close the file; reading on is not possible."""
        self._file.close()
        self._plain.close()


class _Hashed:
    """A file that hashes what is read from it: the manifest names the bytes that were used."""

    def __init__(self, file: BinaryIO) -> None:
        self.hash = hashlib.sha256()
        self.count = 0
        self.hashed = True
        self.limit: int | None = None
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if self.limit is not None:
            left = max(self.limit - self.count, 0)
            size = left if size < 0 else min(size, left)
        data = self._file.read(size)
        if self.hashed:
            self.hash.update(data)
        self.count += len(data)
        return data

    def close(self) -> None:
        self._file.close()


def _opened(path: str, copy: str | None) -> BinaryIO:
    try:
        if Path(path).is_dir():
            raise InputError(f"{path}: is a directory, not a file")
        return open(path if copy is None else copy, "rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
