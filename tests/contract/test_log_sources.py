"""The sources of replays that need no broker keep the contract of sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tapeline.replay.sources.corrected import CorrectedSource
from tapeline.replay.sources.files import FileOptions, FileSource
from tapeline.replay.sources.opening import Origin, source_of
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.records import LogRecord
from tapeline.streams.store.run import run_into_store
from tests.contract.log_source import CONFIG, LogSourceContract
from tests.contract.sink import written


class TestFiles(LogSourceContract):
    async def source(
        self, folder: Path, records: Sequence[LogRecord | bytes], fetch_records: int
    ) -> LogSource:
        return FileSource(
            CONFIG, [written(folder, records)], FileOptions(fetch_records=fetch_records)
        )


class TestCorrected(TestFiles):
    # What is no record is sorted out before, into `letters`.
    has_unreadable = False

    async def source(
        self, folder: Path, records: Sequence[LogRecord | bytes], fetch_records: int
    ) -> LogSource:
        return CorrectedSource(await super().source(folder, records, fetch_records), CONFIG)


class TestStore(LogSourceContract):
    # A store takes records alone: its dead letters lie beside its log.
    has_unreadable = False

    async def source(
        self, folder: Path, records: Sequence[LogRecord | bytes], fetch_records: int
    ) -> LogSource:
        store = folder / "store"
        if not store.exists():
            run_into_store(CONFIG, [written(folder, records)], store)
        return source_of(CONFIG, Origin(store=store, fetch_records=fetch_records)).source
