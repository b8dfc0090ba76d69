"""A source as we know it now: of every bar its last version, sorted (replay.md section 1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from replay.fingerprint import InputHash
from replay.items import Extent, LogItem
from replay.order import TotalOrder
from replay.sources import FETCH_RECORDS, LogSource, StoredState
from schemas.config import Config
from schemas.events import Reject
from schemas.records import LogRecord
from streams.core.rejection import RecordRejected
from streams.corrected import FinalBars
from streams.feeds.items import Refusal
from streams.kafka.messages import event_time_ms
from streams.routing import Router

BATCH = FETCH_RECORDS


class CorrectedSource:
    """The final bars of another source, each partition on its own; see `LogSource`.

    The whole of it is read first, because a bar may be corrected anywhere behind. Offsets are the
    positions in the sorted sequence; after the bars comes a clock for each symbol at its watermark.

    Attributes
    ----------
    letters
        Dead letters of what is not valid in itself, after entering.
    input_hash
        Of what was read.
    superseded
        Records that a later version or a cancel replaced.
    """

    def __init__(self, source: LogSource, config: Config) -> None:
        self.extents: dict[int, Extent] = {}
        self.letters: list[Reject] = []
        self.superseded = 0
        self.input_hash = InputHash()
        self._source = source
        self._config = config
        self._router = Router(config)
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
        final = {each: FinalBars(self._config, self._router) for each in extents}
        async for items in self._source.read({each: extents[each].begin for each in extents}):
            self.input_hash.add(items)
            for item in items:
                self._add(item, final[item.partition])
        for partition, bars in final.items():
            left = bars.bars()
            self.superseded += bars.taken - len(left)
            self._records[partition] = [*left, *bars.clocks()]
            self.extents[partition] = Extent(0, len(self._records[partition]))

    def _add(self, item: LogItem, final: FinalBars) -> None:
        content = item.content
        if not isinstance(content, Refusal):
            group = self._config.group_of(content.symbol)
            due = self._source.partition_of(group)
            try:
                if due is not None and due != item.partition:
                    raise RecordRejected(
                        "wrong_partition",
                        f"records of group {group} belong in partition {due}, not {item.partition}",
                    )
                final.add(content)
            except RecordRejected as error:
                content = Refusal(error.code, error.reason, content.symbol)
            else:
                return
        self.letters.append(self._source.letter(item, content))

    def partition_of(self, group: str) -> int | None:
        """That of the log."""
        return self._source.partition_of(group)

    async def first_at(self, time_ms: int) -> dict[int, int]:
        """The beginnings: the sorted bars have no index."""
        return dict.fromkeys(self.extents, 0)

    async def states(self, before: Mapping[int, int]) -> dict[str, StoredState]:
        """None: those of the log include what came later corrected."""
        return {}

    async def read(
        self, starts: Mapping[int, int], follow: bool = False
    ) -> AsyncGenerator[list[LogItem], None]:
        """The final bars, all partitions in the total order."""
        order = TotalOrder(starts)
        for partition in starts:
            order.add(
                partition,
                [
                    LogItem(partition, offset, event_time_ms(record, self._router), record, None)
                    for offset, record in enumerate(self._records[partition])
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
