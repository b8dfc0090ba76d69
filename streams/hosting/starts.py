"""Starts at one step: a record at which strategies hang ends a host again and again.

A start is written down before the first records are handed to strategies, and taken back when the
calls have returned. What is left counts starts of which none came back: calls that hung, or took
the process with them. Ends of other kinds, such as those of a broker, do not count.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from tapeline.schemas.errors import BrokenPromiseError

MOST_STARTS = 2
"""The start after so many that did not come back is the last one."""
STARTS_FILE = "starts.json"


class HangingRecordError(BrokenPromiseError):
    """Strategies did not return from a record, start after start; the message names it."""


class LogPosition(NamedTuple):
    """A record of the log by its partition and offset."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"partition {self.partition} offset {self.offset}"


class BookStarts(Struct):
    """Starts of one book that did not come back.

    Attributes
    ----------
    step
        At which they were.
    strategies
        Version by name: without the one that hangs, or with another one of it, it is no repetition.
    record
        The record at hand when the last one hung; else None.
    """

    step: int
    strategies: dict[str, str]
    starts: int = 0
    record: tuple[int, int] | None = None


class Starts:
    """The file of starts of a data folder; several processes may share it.

    Parameters
    ----------
    folder
        Made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / STARTS_FILE

    def begin(
        self, book: str, step: int, strategies: Mapping[str, str], first: LogPosition
    ) -> None:
        """Write down that records are handed over from a step on.

        Parameters
        ----------
        book
            A name that is the same in every process.
        first
            The first of them, to be named where nothing else is known.

        Raises
        ------
        HangingRecordError
            When it has been begun there too often.
        """
        with self._changed() as found:
            known = found.get(book)
            wanted = dict(strategies)
            if known is None or (known.step, known.strategies) != (step, wanted):
                known = found[book] = BookStarts(step, wanted)
            if known.starts >= MOST_STARTS:
                record = first if known.record is None else LogPosition(*known.record)
                raise HangingRecordError(
                    f"{book}: {known.starts} starts at step {step} did not return from their"
                    f" strategies ({', '.join(sorted(wanted))}), at {record} of the log: look at"
                    " what the last lines of the log name, and set enabled = false in"
                    " [strategies.<name>] for the one that hangs, or mend it"
                )
            known.starts += 1

    def hung(self, book: str, record: LogPosition) -> None:
        """Write down at which record the calls did not return."""
        with self._changed() as found:
            if book in found:
                found[book].record = (record.partition, record.offset)

    def returned(self, book: str) -> None:
        """Take it back: the calls returned."""
        with self._changed() as found:
            found.pop(book, None)

    @contextmanager
    def _changed(self) -> Iterator[dict[str, BookStarts]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with (self._path.parent / f".{STARTS_FILE}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self._read()
            try:
                yield found
            finally:
                self._write(found)

    def _read(self) -> dict[str, BookStarts]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, BookStarts])
        except (FileNotFoundError, msgspec.DecodeError):
            # A file that a full disk cut counts nothing.
            return {}

    def _write(self, found: Mapping[str, BookStarts]) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        os.replace(beside, self._path)
