"""What everything that keeps events keeps: a class that the tests of a sink inherit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tapeline.replay.run import Replay
from tapeline.replay.sources.files import FileSource
from tapeline.schemas.codec import encode
from tapeline.schemas.events import Retract
from tapeline.schemas.records import LogRecord
from tapeline.streams.feeds.opening import Source
from tests.contract.log_source import CONFIG, log

Kept = dict[str, list[bytes]]
"""By type, the lines of its events and dead letters in their order; a retraction is of its type."""


def written(folder: Path, records: Sequence[LogRecord | bytes]) -> Source:
    """The records as a log file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [each if isinstance(each, bytes) else encode(each) for each in records]
    path = folder / "log.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return Source(str(path))


async def published(source: Source) -> Kept:
    """What the core publishes for a log."""
    found: Kept = {}
    async with Replay(CONFIG, FileSource(CONFIG, [source])) as replay:
        async for release in replay.releases():
            for event in release.events:
                kind = event.type if isinstance(event, Retract) else tag(event)
                found.setdefault(kind, []).append(encode(event))
            if release.letter is not None:
                found.setdefault("reject", []).append(encode(release.letter))
    return found


def tag(event: object) -> str:
    """Type of an event that is no retraction."""
    return str(type(event).__struct_config__.tag)  # type: ignore[attr-defined]


def folder_of_topics(folder: Path) -> Kept:
    """The lines of a folder with a file a topic."""
    found: Kept = {}
    for path in sorted(folder.glob("tape.*.jsonl")):
        for line in path.read_bytes().splitlines():
            kind = line.partition(b'"type":"')[2].partition(b'"')[0].decode()
            found.setdefault(kind, []).append(line)
    return found


class SinkContract(ABC):
    """Inherited by ``Test...`` classes, one a sink."""

    @abstractmethod
    async def keep(self, folder: Path, source: Source) -> None:
        """Run a log into the sink, to its end."""

    @abstractmethod
    async def break_off(self, folder: Path, source: Source) -> None:
        """Begin to do so, and end it as an error would."""

    @abstractmethod
    async def kept(self, folder: Path) -> Kept | None:
        """What a reader finds; None: no run is complete."""

    def source(self, folder: Path) -> Source:
        return written(folder / "input", [*log(), b"no record"])

    async def test_what_is_published_is_kept_byte_for_byte_and_in_its_order(
        self, tmp_path: Path
    ) -> None:
        source = self.source(tmp_path)
        await self.keep(tmp_path, source)
        expected = await published(source)
        assert {"derived_bar", "swing", "reject"} <= set(expected)
        assert await self.kept(tmp_path) == expected

    async def test_what_is_broken_off_is_no_complete_run(self, tmp_path: Path) -> None:
        await self.break_off(tmp_path, self.source(tmp_path))
        assert await self.kept(tmp_path) is None

    async def test_what_was_broken_off_and_is_run_again_is_whole(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        await self.break_off(tmp_path, source)
        await self.keep(tmp_path, source)
        assert await self.kept(tmp_path) == await published(source)
