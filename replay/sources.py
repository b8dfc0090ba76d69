"""What a replay reads: a log in partitions, with a beginning and an end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Any, Protocol

from msgspec import Struct

from replay.items import Extent, LogItem
from schemas.events import Reject
from streams.feeds.items import Refusal

FETCH_RECORDS = 250
"""Few, so that a record is still in the processor's cache when its results are written."""


class LogMissingError(ValueError):
    """Records that a replay needs are not in the log; the message names their offsets."""


class StoredState(Struct, frozen=True):
    """A group's state as of a record.

    Attributes
    ----------
    offset
        Source offset of the last record it includes.
    session
        ISO date of the session that had closed.
    settings
        Hash of the settings it was made with.
    """

    offset: int
    session: str
    settings: str
    records: dict[str, Any]


class LogSource(Protocol):
    """A log to be replayed; opened as an asynchronous context."""

    @property
    def extents(self) -> Mapping[int, Extent]:
        """What is there, by partition, fixed when the source was opened."""
        ...

    @property
    def symbols(self) -> Collection[str] | None:
        """Its symbols, once it was opened, where they are known before reading; else None."""
        ...

    async def __aenter__(self) -> LogSource:
        """Open it."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        ...

    def partition_of(self, group: str) -> int | None:
        """Partition in which records of a group belong; None: anywhere."""
        ...

    async def first_at(self, time_ms: int) -> dict[int, int]:
        """By partition, a lower bound of the first offset with an event time at or above it."""
        ...

    async def states(self, before: Mapping[int, int]) -> dict[str, StoredState]:
        """By group, the last stored state that includes only records below these offsets.

        Empty where the source keeps none; otherwise a group that is not named had no record there.
        """
        ...

    def read(
        self, starts: Mapping[int, int], follow: bool = False
    ) -> AsyncGenerator[list[LogItem], None]:
        """Records of the partitions in `starts`, from these offsets on, in the total order.

        Parameters
        ----------
        follow
            Go on beyond the end of the extents, in the order of arrival. An empty list stands
            where the extents end, and wherever nothing has arrived for a moment.

        Raises
        ------
        LogMissingError
            When offsets are missing.
        """
        ...

    def letter(self, item: LogItem, refusal: Refusal) -> Reject:
        """The dead letter of a record."""
        ...

    def identity(self) -> dict[str, Any]:
        """What it is, for the manifest; after reading."""
        ...
