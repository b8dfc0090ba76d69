"""What a replay reads: a log in partitions, with a beginning and an end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from tapeline.replay.sources.items import Extent, LogItem
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.events import Reject
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.pipeline.admission import AdmittedSymbol
from tapeline.streams.pipeline.provenance import Identity
from tapeline.streams.pipeline.refusals import Refusal

FETCH_RECORDS = 250
"""Few, so that a record is still in the processor's cache when its results are written."""


class LogMissingError(UnusableError, ValueError):
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
        Identity of the settings it was made with.
    shown_ms
        Key of that record in the order of its partition; see `streams.kafka.shown`.
    """

    offset: int
    session: str
    settings: Identity
    records: dict[str, Any]
    shown_ms: int = FAR_PAST_MS


class StateBound(Struct, frozen=True):
    """Where a stretch begins, as stored states are chosen by it.

    Attributes
    ----------
    time_ms
        After the record before the first with which the partition's greatest watermark exceeds it.
    offsets
        By partition, the first offset of the stretch; they count where there is no time.
    """

    time_ms: int | None = None
    offsets: Mapping[int, int] = {}


class Lacking(Struct, frozen=True):
    """A group that has records before a stretch, and no state there any more.

    Attributes
    ----------
    oldest
        Date of the oldest session that still has one; None: none has.
    """

    group: str
    oldest: str | None = None


class StoredStates(Struct, frozen=True):
    """The stored states that a replay begins with.

    Attributes
    ----------
    states
        By group: of every group with records before the stretch, in all partitions but those in
        `lacking`. A group that is not named had no record there.
    lacking
        By partition that cannot begin with states, why.
    older
        Stored states of earlier versions, which were left out.
    admitted
        By partition, admitted symbols, in the order of their offsets: all
        that were taken below the offset of any of its states.
    """

    states: Mapping[str, StoredState] = {}
    lacking: Mapping[int, Lacking] = {}
    older: int = 0
    admitted: Mapping[int, Sequence[AdmittedSymbol]] = {}


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

    async def states(self, bound: StateBound, partitions: Collection[int]) -> StoredStates:
        """Of every group in the partitions, the last state before a stretch; none in most sources.

        Never chosen by CreateTime, which anybody can write: see `StateBound`.
        """
        ...

    def read(
        self,
        starts: Mapping[int, int],
        follow: bool = False,
        shown: Mapping[int, int] | None = None,
    ) -> AsyncGenerator[list[LogItem], None]:
        """Records of the partitions in `starts`, from these offsets on, in the total order.

        Parameters
        ----------
        shown
            By partition, the key of the record before its start, where it is known.
        follow
            Go on beyond the end of the extents, in the order of arrival. An empty list is
            where the extents end, and wherever nothing has arrived for a while.

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
