"""Files as a source: logs, tables of bars, the log of a store. One partition, in their order."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any

from tapeline.replay.sources.items import Extent, LogItem
from tapeline.replay.sources.protocol import (
    FETCH_RECORDS,
    LogMissingError,
    StateBound,
    StoredStates,
)
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Reject
from tapeline.schemas.records import Clock
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.feeds.cut import SymbolCuts
from tapeline.streams.feeds.items import Feed
from tapeline.streams.feeds.opening import Source, in_order, open_feeds, until_clocks
from tapeline.streams.feeds.times import TimeUnit, table_times
from tapeline.streams.kafka.messages import event_time_ms
from tapeline.streams.pipeline.manifest import input_file
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tapeline.streams.pipeline.routing import Router

BATCH = FETCH_RECORDS
START_MS = 0
STORE = "store"


@dataclass(frozen=True)
class FileOptions:
    """How files are read, and as what.

    Attributes
    ----------
    zone
        Zone of times without offset; without it such a file is refused.
    until_ms
        A clock for each symbol at this instant, after all rows; see `until_clocks`.
    time_unit
        Unit of times that are numbers; None: milliseconds.
    expected
        SHA-256 of files by path: another content is refused.
    records
        Only so many rows; None: all.
    kind
        What the manifest calls it. Of the log of a ``store``, which grows, what is read is hashed
        as of a topic; of other files the manifest names the checksum of the whole.
    fetch_records
        Most rows handed over at once; the results do not depend on it.
    symbols
        Those of the rows, where they are known; None: as the inputs are named.
    until_by_symbol
        Symbols that end at a time of their own; see `SymbolCuts`.
    rebuilt_at
        Of a store: offsets at which it ran groups of strategies again from their bars.
    """

    zone: str | None = None
    until_ms: int | None = None
    time_unit: TimeUnit | None = None
    expected: Mapping[str, str] = field(default_factory=dict)
    records: int | None = None
    kind: str = "files"
    fetch_records: int = BATCH
    symbols: Collection[str] | None = None
    until_by_symbol: Mapping[str, int] = field(default_factory=dict)
    rebuilt_at: Sequence[int] = ()


REBUILT = "rebuilt at offset "


def rebuilt_notes(offsets: Iterable[int]) -> list[str]:
    """What is to be known of strategies of a store that ran groups again, a sentence each."""
    return [
        f"{REBUILT}{offset}: from there on strategies of the store saw other bars"
        for offset in offsets
    ]


class FileSource:
    """Files in the order in which a run takes them; see `replay.sources.protocol.LogSource`.

    Offsets are the positions in the merged input, as in an embedded run.

    Raises
    ------
    InputError
        On entering, when an input cannot be used.
    """

    def __init__(
        self, config: Config, inputs: Sequence[Source], options: FileOptions = FileOptions()
    ) -> None:
        self.extents: dict[int, Extent] = {0: Extent(0, None)}
        self.symbols = _symbols_of(inputs) if options.symbols is None else options.symbols
        self._config = config
        self._inputs = inputs
        self._options = options
        self._stack = ExitStack()
        self._router = Router(config)
        self._feeds: list[Feed] = []

    async def __aenter__(self) -> FileSource:
        for each in self._inputs:
            wanted = self._options.expected.get(each.path)
            if wanted is not None and _sha256(each.path) != wanted:
                raise LogMissingError(
                    f"{each.path}: is not the file of that run any more (another SHA-256)"
                )
        times = table_times(self._config, self._options.zone, self._options.time_unit)
        self._feeds = open_feeds(self._inputs, self._router, times, self._stack)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def rebuilt_at(self) -> Sequence[int]:
        """See `FileOptions`."""
        return self._options.rebuilt_at

    def partition_of(self, group: str) -> None:
        """Files have one partition for all groups."""

    async def states(self, bound: StateBound, partitions: Collection[int]) -> StoredStates:
        """None: files hold no states."""
        return StoredStates()

    async def read(
        self,
        starts: Mapping[int, int],
        follow: bool = False,
        shown: Mapping[int, int] | None = None,
    ) -> AsyncGenerator[list[LogItem], None]:
        """Rows from the start on; see `LogSource.read`. Files are read once, and do not grow."""
        items = dropwhile(lambda item: item.offset < starts[0], self._items())
        while batch := list(islice(items, self._options.fetch_records)):
            yield batch

    def _items(self) -> Iterator[LogItem]:
        router = self._router
        check = router.check
        stored = self._options.kind == STORE
        refused: set[str] = set()
        last = START_MS
        offset = -1
        ends = self._options.until_by_symbol
        rows = in_order(self._inputs, self._feeds, router)
        rows = SymbolCuts(ends, router.slot_end_ms).kept(rows)
        for offset, (feed, (content, row, line)) in enumerate(islice(rows, self._options.records)):
            if isinstance(content, Refusal):
                if content.symbol is not None:
                    refused.add(content.symbol)
            else:
                try:
                    check(content)
                    last = event_time_ms(content, router)
                except RecordRejected:
                    # It stays where it is; what is wrong with it, the fold reports.
                    pass
            yield LogItem(offset, content, 0, last, row if stored else (feed, row, line))
        until_ms = self._options.until_ms
        met = refused.union(router.met())
        for clock in until_clocks(self._config, self._inputs, met, until_ms, ends):
            offset += 1
            yield LogItem(offset, clock, 0, clock.time_ms, None)

    def letter(self, item: LogItem, refusal: Refusal) -> Reject:
        """The dead letter as an embedded run writes it."""
        if item.origin is None:
            assert isinstance(item.content, Clock)
            return dead_letter(f"--until {item.content.symbol}:1", encode(item.content), refusal)
        if self._options.kind == STORE:
            # Every record has a line.
            return dead_letter(f"{self._inputs[0].path}:{item.offset + 1}", item.origin, refusal)
        feed, row, line = item.origin
        return dead_letter(f"{feed.path}:{line}", feed.raw(row), refusal)

    def identity(self) -> dict[str, Any]:
        """The files with their checksums."""
        return {
            "kind": self._options.kind,
            "files": [
                input_file(each.path, each.symbol, _sha256(each.path)) for each in self._inputs
            ],
            "tz": self._options.zone,
            "time_unit": self._options.time_unit,
            "until_ms": self._options.until_ms,
            "until_by_symbol": dict(self._options.until_by_symbol),
            "records": self._options.records,
        }


def _symbols_of(inputs: Sequence[Source]) -> Collection[str] | None:
    """Symbols of the inputs; None when one of them names its symbols in its rows."""
    found = [each.symbol for each in inputs if each.symbol is not None]
    return found if len(found) == len(inputs) else None


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
