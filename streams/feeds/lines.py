"""Lines of a file, plain or gzip, in blocks: no line, however long, takes unbounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from streams.feeds.items import FeedBroken, InputError

BLOCK_BYTES = 1 << 20
LINE_LIMIT_BYTES = 1 << 20
KEPT_OF_LONG_LINE = 1 << 16
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineReader:
    """Reads one file line by line, without line ends.

    Attributes
    ----------
    bytes_read
        Bytes of the file behind the lines handed over, before decompression.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.bytes_read = 0
        self._plain, self._file = self._open()
        self._first = b""
        try:
            self._begin()
        except InputError:
            self.close()
            raise

    def _begin(self) -> None:
        self._first = self._read(first=True)
        if not self._first:
            raise InputError(f"{self.path}: the file is empty")
        if b"\0" in self._first:
            raise InputError(f"{self.path}: the file is binary, not text")
        if self._first.startswith(BYTE_ORDER_MARK):
            self._first = self._first[len(BYTE_ORDER_MARK) :]

    def _open(self) -> tuple[BinaryIO, BinaryIO]:
        try:
            if Path(self.path).is_dir():
                raise InputError(f"{self.path}: is a directory, not a file")
            plain = open(self.path, "rb")  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}") from error
        if self.path.endswith(".gz"):
            return plain, cast(BinaryIO, gzip.GzipFile(fileobj=plain))
        return plain, plain

    def _read(self, first: bool = False) -> bytes:
        try:
            return self._file.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            if first:
                raise InputError(f"{self.path}: cannot be read: {error}") from error
            raise FeedBroken(f"{self.path}: reading failed: {error}") from error

    def lines(self) -> Iterator[bytes]:
        """All lines; of one beyond the limit only its beginning, longer than the limit by one."""
        rest = b""
        block = self._first
        self._first = b""
        while block:
            parts = block.split(b"\n")
            parts[0] = rest + parts[0]
            rest = parts.pop()
            if len(rest) > LINE_LIMIT_BYTES:
                rest = rest[: LINE_LIMIT_BYTES + 1]
            self.bytes_read = self._plain.tell()
            for line in parts:
                yield line[:-1] if line.endswith(b"\r") else line
            block = self._read()
        if rest:
            yield rest[:-1] if rest.endswith(b"\r") else rest
        self.close()

    def close(self) -> None:
        """Close the file; reading on is not possible."""
        self._file.close()
        self._plain.close()
