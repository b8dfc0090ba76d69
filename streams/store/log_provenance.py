"""`provenance.jsonl`: where each record of the log came from, a line a record.

It decides nothing and nothing follows from it, so it may end early: records that a file brought, or
that a killed process had not named yet, are ``null``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tapeline.streams.errors import naming
from tapeline.streams.store.layout import PROVENANCE_FILE

UNKNOWN = b"null"
BLOCK_BYTES = 1 << 20


class LogProvenance:
    """The file, brought to the length of the log when something is appended first.

    Parameters
    ----------
    folder
        Of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROVENANCE_FILE
        self._records: int | None = None

    def append(self, first: int, lines: Iterable[bytes]) -> None:
        """Name records of the log from an offset on, without line breaks; those before it stay."""
        with naming(self._path):
            if self._records is None:
                self._records = _cut(self._path, first)
            added = [UNKNOWN] * (first - self._records)
            added += lines
            with self._path.open("ab") as file:
                file.write(b"".join(line + b"\n" for line in added))
            self._records += len(added)


def _cut(path: Path, most: int) -> int:
    """Cut a file to whole lines, `most` of them at most; returns their number."""
    if not path.exists():
        return 0
    lines = end = 0
    with path.open("r+b") as file:
        while lines < most:
            block = file.read(BLOCK_BYTES)
            if not block:
                break
            found = block.count(b"\n")
            if lines + found <= most:
                lines += found
                last = block.rfind(b"\n")
                end = file.tell() - len(block) + last + 1 if last >= 0 else end
                continue
            at = -1
            while lines < most:
                at = block.index(b"\n", at + 1)
                lines += 1
            end = file.tell() - len(block) + at + 1
        file.truncate(end)
    return lines
