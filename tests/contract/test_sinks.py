"""Run folders and stores keep the contract of sinks; topics do in tests/kafka/test_contracts.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.replay.results.results import replay_to_folder
from tapeline.replay.run import Replay
from tapeline.replay.sources.files import FileSource
from tapeline.streams.feeds.opening import Source
from tapeline.streams.outputs.run_folder import RunDirectory
from tapeline.streams.store.run import StoreCallbacks, run_into_store
from tests.contract.log_source import CONFIG
from tests.contract.sink import Kept, SinkContract, folder_of_topics


class BrokenOffError(Exception):
    """What ends a run on the way."""


class TestRunFolder(SinkContract):
    async def keep(self, folder: Path, source: Source) -> None:
        async with Replay(CONFIG, FileSource(CONFIG, [source])) as replay:
            await replay_to_folder(replay, folder / "out", {})

    async def break_off(self, folder: Path, source: Source) -> None:
        with pytest.raises(BrokenOffError):
            await self._write_and_end(folder / "out", source)

    async def _write_and_end(self, workdir: Path, source: Source) -> None:
        async with Replay(CONFIG, FileSource(CONFIG, [source])) as replay:
            with RunDirectory(workdir, lambda _: None) as directory:
                async for release in replay.releases():
                    directory.files.write(release.events)
                directory.files.flush()
                raise BrokenOffError

    async def kept(self, folder: Path) -> Kept | None:
        return folder_of_topics(folder / "out") if (folder / "out").exists() else None


class TestStore(SinkContract):
    async def keep(self, folder: Path, source: Source) -> None:
        run_into_store(CONFIG, [source], folder / "store")

    async def break_off(self, folder: Path, source: Source) -> None:
        def hook(point: str) -> None:
            if point == "after_log":
                raise BrokenOffError

        with pytest.raises(BrokenOffError):
            run_into_store(CONFIG, [source], folder / "store", callbacks=StoreCallbacks(hook=hook))

    async def kept(self, folder: Path) -> Kept | None:
        return folder_of_topics(folder / "store" / "topics") or None
