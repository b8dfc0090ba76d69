"""What a feed hands over, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from tapeline.schemas.errors import InputOutputError
from tapeline.schemas.records import LogRecord
from tapeline.streams.pipeline.refusals import Refusal

Item = tuple[LogRecord | Refusal, Any, int]
"""One row: its record or refusal, the row as its feed holds it, its number in the file (first: 1).

A plain tuple, because one is made for every bar; `Feed.raw` turns its second part into bytes for
the few that become dead letters.
"""


class Feed(Protocol):
    """One input, read once.

    Attributes
    ----------
    path
        As given on the command line.
    ignored
        Columns that are not used.
    """

    path: str
    ignored: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Data rows or lines, readable or not; exact when the last one was handed over."""
        ...

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far."""
        ...

    def raw(self, row: Any) -> bytes:
        """Bytes of a row as a dead letter carries them; of an overlong line its beginning."""
        ...

    def sha256(self) -> str:
        """SHA-256 of the file as it was read, after the last row.

        Raises
        ------
        FeedBroken
            When the file cannot be read any more.
        """
        ...

    def close(self) -> None:
        """Close the file; needed when it was not read to its end."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """The rows, in order of the file.

        Raises
        ------
        FeedBroken
            When reading fails on the way.
        """
        ...


class FeedBroken(InputOutputError, OSError):
    """An input that stopped being readable after the run had begun."""
