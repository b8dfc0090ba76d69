"""`bars.jsonl` of a run folder: what the run made of the bars of its log, for charts and reports.

It is no output: whatever compares two runs passes it over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tapeline.schemas.codec import encode_lines
from tapeline.schemas.records import LogRecord
from tapeline.streams.outputs.hashed_file import HashedFile

BARS_FILE: Final = "bars.jsonl"
BARS_SHA256: Final = "bars_sha256"
"""In the manifest: SHA-256 of the file, hexadecimal."""
KEPT: Final = frozenset({"accepted", "late", "changed", "cancelled"})
"""Outcomes of records that have a line: all that a chart of the bars needs."""
FLUSH_LINES = 128


class BarLine(Struct, frozen=True, gc=False):
    """One line.

    Attributes
    ----------
    offset
        Of the record in its log; in a partition of it where it has several.
    outcome
        One of `KEPT`.
    record
        A bar as it came, or a cancel.
    """

    offset: int
    outcome: str
    record: LogRecord


def encode_bars(lines: Sequence[BarLine]) -> bytes:
    """Lines as they stand in the file, with their line breaks."""
    return encode_lines(lines)


class BarsFile:
    """The file of a run under way, in the order in which the run took the records."""

    def __init__(self, path: Path) -> None:
        self._file = HashedFile(path)
        self._waiting: list[BarLine] = []

    def add(self, line: BarLine) -> None:
        """The next line."""
        waiting = self._waiting
        waiting.append(line)
        if len(waiting) >= FLUSH_LINES:
            self._flush()

    def add_encoded(self, lines: bytes) -> None:
        """The next lines as `encode_bars` makes them; what was added before is before them."""
        self._flush()
        self._file.write(lines)

    def close(self) -> dict[str, Any]:
        """Write the rest; returns the part of the manifest."""
        self._flush()
        return {BARS_SHA256: self._file.close()}

    def abandon(self) -> None:
        """Close without caring for what was not written."""
        self._waiting.clear()
        self._file.abandon()

    def _flush(self) -> None:
        self._file.write(encode_bars(self._waiting))
        self._waiting.clear()
