"""What a feed hands over, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from schemas.records import LogRecord


class Refusal(NamedTuple):
    """A row that is no record: why, and the symbol where it can be read."""

    code: str
    reason: str
    symbol: str | None


class Item(NamedTuple):
    """One row: its record or refusal, its bytes, and its number in the file (the first is 1)."""

    content: LogRecord | Refusal
    raw: bytes
    line: int


class Feed(Protocol):
    """One input, read once.

    Attributes
    ----------
    path
        As given on the command line.
    rows
        Data rows or lines handed over so far, readable or not.
    ignored
        Columns that are not used.
    """

    path: str
    rows: int
    ignored: tuple[str, ...]

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far."""
        ...

    def close(self) -> None:
        """Close the file; needed when it was not read to its end."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """The rows, in order of the file.

        Raises
        ------
        InputError
            When the file cannot be read from the start.
        FeedBroken
            When reading fails later.
        """
        ...


class InputError(ValueError):
    """An input that is missing, unreadable or not what it should be; nothing starts with it."""


class FeedBroken(OSError):
    """An input that stopped being readable after rows were taken from it."""
