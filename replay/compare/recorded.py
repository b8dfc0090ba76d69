"""What a run left behind: the events of each topic in order, wherever they lie.

A run directory, a store, the topics of a worker and those of a replay are read alike, topic by
topic and piece by piece; nothing is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import orjson
from msgspec import Struct

from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.instants import FAR_PAST_MS, OUTPUTS_PER_RECORD

NO_SEQ = -1
NO_PARTITION = -1


class RecordedError(UnusableError, ValueError):
    """What a run should have left is not there, or cannot be read."""


class Entry(NamedTuple):
    """One event as it was left.

    Attributes
    ----------
    partition
        Of its group; `NO_PARTITION` where that cannot be known.
    seq
        Its ``seq``; of a dead letter of a topic its record's offset x 1,000,000, of one of a file
        `NO_SEQ`.
    watermark_ms
        Of a tombstone its CreateTime, of a dead letter `FAR_PAST_MS`.
    raw
        The event as JSON; None for a tombstone.
    gone
        Whether it takes a fact back.
    headers
        Of a message, its headers; None in files.
    time_ms
        Of a message, its CreateTime; None in files and of dead letters.
    """

    partition: int
    seq: int
    id: str
    rev: int
    watermark_ms: int
    symbol: str | None
    raw: bytes | None
    gone: bool = False
    headers: dict[str, str] | None = None
    time_ms: int | None = None

    @property
    def record(self) -> int:
        """Offset of the log record that caused it, `NO_SEQ` where that is not known."""
        return NO_SEQ if self.seq < 0 else self.seq // OUTPUTS_PER_RECORD


class Coverage(Struct, frozen=True):
    """Which records a run covers.

    Attributes
    ----------
    starts, stops
        By partition, the first offset, and the one after the last; a partition that is not named
        is covered from its beginning, or to its end.
    symbols
        Symbols and groups; None: all.
    sorted
        Whether starts and stops are positions of sorted bars, not offsets of a log.
    """

    starts: Mapping[int, int] = {}
    stops: Mapping[int, int] = {}
    symbols: frozenset[str] | None = None
    sorted: bool = False

    def holds(self, entry: Entry) -> bool:
        """Whether an event belongs to it."""
        if self.symbols is not None and entry.symbol not in self.symbols:
            return False
        return not (self.partition_unknown(entry) or self.before(entry) or self.beyond(entry))

    def partition_unknown(self, entry: Entry) -> bool:
        """Whether it cannot be known if it belongs to it: a dead letter of a file has no offset."""
        return entry.seq == NO_SEQ and bool(self.starts or self.stops)

    def before(self, entry: Entry) -> bool:
        """Whether the event's record lies before the stretch."""
        return entry.record < self.starts.get(entry.partition, NO_SEQ)

    def beyond(self, entry: Entry) -> bool:
        """Whether the event's record lies behind the stretch."""
        stop = self.stops.get(entry.partition)
        return stop is not None and entry.record >= stop

    def both(self, other: Coverage) -> Coverage:
        """What this and the other one cover."""
        starts, stops = dict(self.starts), dict(self.stops)
        for partition, start in other.starts.items():
            starts[partition] = max(start, starts.get(partition, start))
        for partition, stop in other.stops.items():
            stops[partition] = min(stop, stops.get(partition, stop))
        symbols = self.symbols if other.symbols is None else other.symbols
        if self.symbols is not None and other.symbols is not None:
            symbols = self.symbols & other.symbols
        return Coverage(starts, stops, symbols)

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not self.starts and not self.stops and self.symbols is None

    def spread(self, partitions: int) -> Coverage:
        """That of a log of one partition, 0, for events that lie in so many."""
        starts, stops = (
            dict.fromkeys(range(partitions), each[0]) if 0 in each else {}
            for each in (self.starts, self.stops)
        )
        return Coverage(starts, stops, self.symbols, self.sorted)


class Recorded(Protocol):
    """What a run left; an asynchronous context."""

    @property
    def name(self) -> str:
        """As it was named."""
        ...

    @property
    def compacted(self) -> bool:
        """Whether versions that later ones supersede may be gone."""
        ...

    @property
    def stretch(self) -> Coverage:
        """What it covers, once it was opened."""
        ...

    @property
    def corrected(self) -> bool:
        """Whether its events are of sorted bars; once it was opened."""
        ...

    @property
    def partitions_known(self) -> bool:
        """Whether its events are known to lie in partitions: files do not name them."""
        ...

    @property
    def spread_over(self) -> int:
        """Over how many partitions lie the events of a log of one; 1: all lie as in their log."""
        ...

    @property
    def inputs(self) -> list[str] | None:
        """SHA-256 of the files it was made from, where a manifest names them."""
        ...

    @property
    def configuration(self) -> str | None:
        """Hash of the configuration it was made with, where a manifest names it."""
        ...

    def remarks(self) -> list[str]:
        """What is to be known of it beside its events, once they were read."""
        ...

    async def __aenter__(self) -> Recorded:
        """Open it; what comes later is not read."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        ...

    def batches(self, kind: str) -> AsyncIterator[list[Entry]]:
        """Events of a type in order, in pieces.

        Raises
        ------
        RecordedError
            Naming the position of what is no event.
        """
        ...

    def file(self, kind: str) -> tuple[Path, int] | None:
        """The file of a type and how many bytes of it count; None where there is no file."""
        ...

    def log(self) -> LogSource:
        """The log it was made from, not opened; its offsets are those of the events.

        Raises
        ------
        RecordedError
            When it is not at hand; the message gives the reason.
        """
        ...


class _Line(Struct):
    """What comparing needs of an event; a dead letter has neither seq nor times."""

    id: str
    op: str = "upsert"
    seq: int = NO_SEQ
    rev: int = 0
    watermark_ms: int = FAR_PAST_MS
    symbol: str | None = None
    source: str = ""


_decode_line = msgspec.json.Decoder(_Line).decode


def entry_of(raw: bytes, partition: int | None, where: str) -> Entry:
    """The event of a line or message.

    Parameters
    ----------
    partition
        Where it lies; None leaves `NO_PARTITION`, which the caller replaces.
    where
        For messages.

    Raises
    ------
    RecordedError
        When it is no event.
    """
    try:
        line = _decode_line(raw)
    except (ValueError, RecursionError) as error:
        raise RecordedError(f"{where}: is no event ({error})") from error
    found = NO_PARTITION if partition is None else partition
    seq = line.seq
    if line.source:
        found, seq = _source_position(line.source, found)
    gone = line.op == "retract"
    return Entry(found, seq, line.id, line.rev, line.watermark_ms, line.symbol, raw, gone)


def _source_position(source: str, partition: int) -> tuple[int, int]:
    """Partition and seq of a dead letter: those of ``topic/partition/offset``, else unknown."""
    parts = source.rsplit("/", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return int(parts[1]), int(parts[2]) * OUTPUTS_PER_RECORD
    return partition, NO_SEQ


def without(event: dict[str, Any], ignored: frozenset[str]) -> dict[str, Any]:
    """The event without some fields; ``inputs.rev`` is `rev` of each object in `inputs`."""
    found = {name: value for name, value in event.items() if name not in ignored}
    for outer, inner in _nested(ignored):
        if isinstance(found.get(outer), list):
            found[outer] = [
                {name: value for name, value in each.items() if name != inner}
                for each in found[outer]
            ]
    return found


@lru_cache(maxsize=64)
def _nested(ignored: frozenset[str]) -> tuple[tuple[str, str], ...]:
    parts = (each.partition(".") for each in sorted(ignored))
    return tuple((outer, inner) for outer, dot, inner in parts if dot)


def plain(entry: Entry) -> dict[str, Any]:
    """The event of an entry as plain data; of a tombstone what its key and headers hold."""
    if entry.raw is not None:
        found: dict[str, Any] = orjson.loads(entry.raw)
        return found
    headers = entry.headers or {}
    return {
        "type": headers.get("type"),
        "id": entry.id,
        "op": "retract",
        "seq": entry.seq,
        "rev": entry.rev,
        "group": headers.get("group"),
    }
