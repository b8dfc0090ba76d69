"""A file of lines with its SHA-256, as runs write them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from tapeline.streams.errors import naming

WRITE_BYTES = 1 << 18


class HashedFile:
    """A file that is written once, from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb", buffering=WRITE_BYTES)
        self._hash = hashlib.sha256()

    def write(self, lines: bytes) -> None:
        """Append whole lines."""
        self._hash.update(lines)
        with naming(self._path):
            self._file.write(lines)

    def close(self) -> str:
        """Write the rest; returns the SHA-256 of the file, hexadecimal."""
        with naming(self._path):
            self._file.close()
        return self._hash.hexdigest()

    def abandon(self) -> None:
        """Close without caring for what was not written."""
        try:
            self._file.close()
        except OSError:
            # The disk that could not take the data cannot take its rest either.
            return
