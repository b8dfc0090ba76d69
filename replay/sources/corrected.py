"""A source as we know it now: of every bar its last version, sorted (docs/rules.md 15.3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Any

from tapeline.replay.fold import Selection
from tapeline.replay.sources.fingerprint import InputHash
from tapeline.replay.sources.items import Extent, LogItem, count_untimed
from tapeline.replay.sources.order import TotalOrder
from tapeline.replay.sources.protocol import (
    FETCH_RECORDS,
    LogMissingError,
    LogSource,
    StateBound,
    StoredStates,
)
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Reject
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.kafka.messages import event_time_ms
from tapeline.streams.pipeline.final_bars import FinalBars
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router

BATCH = FETCH_RECORDS
EVERYTHING = Selection()


class CorrectedSource:
    """The final bars of another source, each partition on its own; see `LogSource`.

    The whole of it is read first, because a bar may be corrected anywhere behind. Offsets are the
    positions in the sorted sequence; after the bars comes a clock for each symbol at its watermark.

    Parameters
    ----------
    selection
        What is wanted: a partition that holds nothing of it is not read, and is empty.

    Attributes
    ----------
    log
        By partition that was read, which offsets of the log that were; after entering.
    letters
        Dead letters of what is not valid in itself, of the selection; after entering.
    symbols
        Those of the final bars and the clocks.
    input_hash
        Of what was read.
    superseded
        Records that a later version or a cancel replaced.
    untimed
        Records read whose CreateTime is not the end of their bar, or the time of their clock.

    Raises
    ------
    LogMissingError
        On entering, when the log no longer begins at offset 0: what is missing may be final.
    """

    def __init__(
        self, source: LogSource, config: Config, selection: Selection = EVERYTHING
    ) -> None:
        self.extents: dict[int, Extent] = {}
        self.log: dict[int, Extent] = {}
        self.symbols: frozenset[str] = frozenset()
        self.letters: list[Reject] = []
        self.superseded = 0
        self.untimed = 0
        self.input_hash = InputHash()
        self._source = source
        self._config = config
        self._selection = selection
        self._router = Router(config, partition_of=source.partition_of)
        self._records: dict[int, list[LogRecord]] = {}

    async def __aenter__(self) -> CorrectedSource:
        await self._source.__aenter__()
        try:
            await self._read()
        except BaseException:
            await self._source.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._source.__aexit__(*error)

    async def _read(self) -> None:
        extents = self._source.extents
        starts = {each: extents[each].begin for each in self._wanted()}
        for partition, begin in starts.items():
            if begin > 0:
                raise LogMissingError(
                    f"partition {partition}: the log begins at offset {begin}; as corrected, the"
                    f" records from 0 to {begin - 1} would be needed, and nothing replaces them"
                )
        final = {each: FinalBars(self._config, self._router) for each in starts}
        ends = dict.fromkeys(starts, 0)
        async for items in self._source.read(starts):
            self.input_hash.add(items)
            self.untimed += count_untimed(items)
            for item in items:
                ends[item.partition] = item.offset + 1
                self._add(item, final[item.partition])
        self._records = {each: [] for each in extents}
        for partition, bars in final.items():
            left = bars.bars()
            self.superseded += bars.taken - len(left)
            self._records[partition] = [*left, *bars.clocks()]
            known = extents[partition].end
            self.log[partition] = Extent(0, ends[partition] if known is None else known)
        self.extents = {each: Extent(0, len(found)) for each, found in self._records.items()}
        self.symbols = frozenset(
            record.symbol for found in self._records.values() for record in found
        )

    def _wanted(self) -> list[int]:
        """Partitions that may hold something of the selection."""
        groups, extents = self._selection.groups, self._source.extents
        if groups is None:
            return sorted(extents)
        partitions = {self._source.partition_of(group) for group in groups}
        return [each for each in sorted(extents) if each in partitions or None in partitions]

    def _add(self, item: LogItem, final: FinalBars) -> None:
        content = item.content
        if not isinstance(content, Refusal):
            try:
                self._router.refuse_wrong_partition(content.symbol, item.partition)
                final.add(content)
            except RecordRejected as error:
                content = Refusal(error.code, error.reason, content.symbol)
            else:
                return
        # A share of the groups makes no difference: who has it leaves the letters of others out.
        if self._selects(content.symbol):
            self.letters.append(self._source.letter(item, content))

    def _selects(self, symbol: str | None) -> bool:
        """Whether dead letters of a symbol are wanted, as those of a replay as recorded are."""
        groups, names = self._selection.groups, self._selection.names
        if groups is None or symbol is None:
            return groups is None
        known = names is None or symbol in names
        return known and self._config.group_of(symbol) in groups

    def partition_of(self, group: str) -> int | None:
        """That of the log."""
        return self._source.partition_of(group)

    async def states(self, bound: StateBound, partitions: Collection[int]) -> StoredStates:
        """None: those of the log include what came later corrected."""
        return StoredStates()

    async def read(
        self,
        starts: Mapping[int, int],
        follow: bool = False,
        shown: Mapping[int, int] | None = None,
    ) -> AsyncGenerator[list[LogItem], None]:
        """The final bars from these positions on, all partitions in the total order."""
        order = TotalOrder(starts)
        for partition, start in starts.items():
            order.add(
                partition,
                [
                    LogItem(offset, record, partition, event_time_ms(record, self._router), None)
                    for offset, record in enumerate(self._records[partition][start:], start)
                ],
            )
            order.finish(partition)
        items = order.take()
        for first in range(0, len(items), BATCH):
            yield items[first : first + BATCH]

    def letter(self, item: LogItem, refusal: Refusal) -> Reject:
        """Nothing that is final can be refused."""
        raise AssertionError(f"a final bar was refused: {item} {refusal}")

    def identity(self) -> dict[str, Any]:
        """That of the log."""
        return self._source.identity()
