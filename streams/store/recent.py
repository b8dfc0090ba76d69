"""Which records of a store's log came in lately, by `provenance.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import DecodeError, json

from tapeline.streams.store.layout import PROVENANCE_FILE

BLOCK_BYTES = 1 << 20


class RecentRecords:
    """Receive times of the newest records; what has none is left out.

    Parameters
    ----------
    folder
        Of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROVENANCE_FILE
        self._bytes = 0
        self._lines = 0

    def since(self, records: int, since_ms: int) -> list[tuple[int, int]]:
        """Offset and receive time of records that came in since an instant, ascending.

        Parameters
        ----------
        records
            How many records of the log count.
        """
        self._count()
        found: list[tuple[int, int]] = []
        number = self._lines
        for line in _backwards(self._path, self._bytes):
            number -= 1
            if number >= records:
                continue
            try:
                origin = json.decode(line, type=tuple[str, str, str, int] | None)
            except DecodeError:
                continue
            if origin is None:
                continue
            if origin[3] < since_ms:
                break
            found.append((number, origin[3]))
        found.reverse()
        return found

    def _count(self) -> None:
        """Count the whole lines that were added since the last call."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < self._bytes:
            self._bytes = self._lines = 0
        if size == self._bytes:
            return
        with self._path.open("rb") as file:
            file.seek(self._bytes)
            at = self._bytes
            while block := file.read(BLOCK_BYTES):
                count = block.count(b"\n")
                if count:
                    self._lines += count
                    self._bytes = at + block.rindex(b"\n") + 1
                at += len(block)


def _backwards(path: Path, end: int) -> Iterator[bytes]:
    """Whole lines of the first `end` bytes, the last one first."""
    if not end:
        return
    with path.open("rb") as file:
        rest = b""
        while end:
            start = max(0, end - BLOCK_BYTES)
            file.seek(start)
            lines = (file.read(end - start) + rest).split(b"\n")
            # The first one may begin in the block before.
            rest = lines.pop(0)
            yield from (line for line in reversed(lines) if line)
            end = start
        if rest:
            yield rest
