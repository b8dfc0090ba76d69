"""What every source of a replay keeps: a class that the tests of a source inherit."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tapeline.replay.sources.items import LogItem
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.pipeline.refusals import Refusal
from tests.unit.streams.embedded.books import MINUTE_MS, OPEN_MS

CONFIG = read_config(
    '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n'
    '[instruments.BETA]\ntick = 0.01\ncalendar = "XNYS"\n',
    "test",
)
BARS = 40


def log() -> list[LogRecord]:
    """Bars of two symbols in the order of their ends, and a clock of each."""
    bars: list[LogRecord] = []
    for minute in range(BARS):
        start_ms = OPEN_MS + minute * MINUTE_MS
        bars += [Bar(each, "1m", start_ms, 10.0, 10.5, 9.5, 10.0, 1) for each in ("ACME", "BETA")]
    # Later than the last bar: one at its end would change nothing, and a store does not keep it.
    end_ms = OPEN_MS + (BARS + 5) * MINUTE_MS
    return [*bars, Clock("ACME", end_ms), Clock("BETA", end_ms)]


async def read(source: LogSource, skipped: int = 0) -> list[LogItem]:
    """All records from some after the beginning of each partition on."""
    starts = {each: extent.begin + skipped for each, extent in source.extents.items()}
    return [item async for items in source.read(starts) for item in items]


def content(item: LogItem) -> tuple[str, int]:
    """Symbol of a record, and its own time."""
    assert not isinstance(item.content, Refusal)
    return item.content.symbol, item.time_ms


class LogSourceContract(ABC):
    """Inherited by ``Test...`` classes, one a source."""

    has_unreadable = True
    """Whether a record that is none is handed over instead."""

    @abstractmethod
    async def source(
        self, folder: Path, records: Sequence[LogRecord | bytes], fetch_records: int
    ) -> LogSource:
        """A source of these records, not yet opened."""

    async def test_every_record_is_read_once_in_the_total_order(self, tmp_path: Path) -> None:
        async with await self.source(tmp_path, log(), 7) as source:
            items = await read(source)
        assert sorted(map(content, items)) == sorted(
            (each.symbol, each.time_ms if isinstance(each, Clock) else each.start_ms + MINUTE_MS)
            for each in log()
        )
        assert [item.time_ms for item in items] == sorted(item.time_ms for item in items)

    async def test_offsets_of_a_partition_rise_one_by_one_from_its_extent(
        self, tmp_path: Path
    ) -> None:
        async with await self.source(tmp_path, log(), 7) as source:
            items = await read(source)
            for partition, extent in source.extents.items():
                offsets = [item.offset for item in items if item.partition == partition]
                assert offsets == list(range(extent.begin, extent.begin + len(offsets)))
                assert extent.end in (None, extent.begin + len(offsets))

    async def test_from_a_later_offset_on_the_rest_is_the_same(self, tmp_path: Path) -> None:
        async with await self.source(tmp_path, log(), 7) as source:
            whole = [item[:4] for item in await read(source)]
        async with await self.source(tmp_path, log(), 7) as source:
            rest = [item[:4] for item in await read(source, 5)]
            begins = {each: extent.begin + 5 for each, extent in source.extents.items()}
        assert rest
        assert rest == [item for item in whole if item[0] >= begins[item[2]]]

    async def test_how_many_are_fetched_at_once_decides_nothing(self, tmp_path: Path) -> None:
        found = []
        for fetch_records in (1, 1_000):
            async with await self.source(tmp_path, log(), fetch_records) as source:
                found.append([item[:4] for item in await read(source)])
        assert found[0] == found[1]

    async def test_records_of_a_group_lie_where_the_source_looks_for_them(
        self, tmp_path: Path
    ) -> None:
        async with await self.source(tmp_path, log(), 7) as source:
            for item in await read(source):
                assert source.partition_of(content(item)[0]) in (None, item.partition)
            assert source.symbols is None or set(source.symbols) <= {"ACME", "BETA"}

    async def test_a_record_that_is_none_becomes_a_dead_letter_with_its_bytes(
        self, tmp_path: Path
    ) -> None:
        if not self.has_unreadable:
            return
        async with await self.source(tmp_path, [*log(), b"no record"], 7) as source:
            [(item, refusal)] = [
                (each, each.content)
                for each in await read(source)
                if isinstance(each.content, Refusal)
            ]
            letter = source.letter(item, refusal)
        assert letter.code == "decode_error"
        assert letter.source.endswith(str(len(log()) + 1)) or letter.source.endswith(
            f"/{item.offset}"
        )

    async def test_what_it_is_can_be_written_into_a_manifest(self, tmp_path: Path) -> None:
        identities = []
        for _ in range(2):
            async with await self.source(tmp_path, log(), 7) as source:
                await read(source)
                identities.append(json.dumps(source.identity(), sort_keys=True))
        assert identities[0] == identities[1]
        assert json.loads(identities[0])
