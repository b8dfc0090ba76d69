"""Runs in folders, run directories and stores, and which run a name stands for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from replay.corrected import CorrectedSource
from replay.opening import Origin, read_manifest, source_of
from replay.recorded import NO_PARTITION, Entry, Recorded, RecordedError, Stretch, entry_of
from replay.repetition import source_again
from replay.sources import LogSource
from schemas.config import Config
from schemas.partition import partition_for
from schemas.topics import topic_of
from streams.feeds.items import InputError
from streams.inputs import Source
from streams.run_directory import MANIFEST, MANIFEST_MARK
from streams.store.layout import STATE_FOLDER, TOPICS_FOLDER
from streams.store.reading import StoreReader

BLOCK_BYTES = 1 << 20
TOPICS = "topics"
RUN = "run:"
BOUNDS = ("from", "to", "from_offset", "to_offset")
"""Options of a replay that leave a part of its log out."""


class _Files:
    """Topics as files of lines, of a run directory or a store."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self.compacted = False
        self.stretch = Stretch()
        self._config = config
        self._partitions = 1
        self._by_symbol: dict[str, int] = {}

    @property
    def inputs(self) -> list[str] | None:
        """Not known."""
        return None

    async def __aexit__(self, *_: object) -> None:
        """Nothing stays open."""

    def file(self, kind: str) -> tuple[Path, int] | None:
        """The file of a type, whole."""
        raise LookupError(kind)

    async def batches(self, kind: str) -> AsyncIterator[list[Entry]]:
        """Lines of the file of a type; see `Recorded`."""
        found = self.file(kind)
        if found is None or not found[1]:
            return
        path, left = found
        number = 0
        with path.open("rb") as file:
            while left > 0 and (lines := file.readlines(min(BLOCK_BYTES, left))):
                batch = []
                for line in lines:
                    left -= len(line)
                    if left < 0:
                        break
                    number += 1
                    batch.append(self._entry(line.rstrip(b"\n"), path, number))
                yield batch

    def _entry(self, line: bytes, path: Path, number: int) -> Entry:
        entry = entry_of(line, None, f"{path}:{number}")
        if entry.partition != NO_PARTITION or entry.symbol is None:
            return entry
        partition = self._by_symbol.get(entry.symbol)
        if partition is None:
            group = self._config.group_of(entry.symbol)
            partition = 0 if self._partitions == 1 else partition_for(group, self._partitions)
            self._by_symbol[entry.symbol] = partition
        return entry._replace(partition=partition)


class RecordedFolder(_Files):
    """A run directory; see `Recorded`.

    Parameters
    ----------
    bootstrap
        Where the log of a replay of a topic is looked up.

    Raises
    ------
    InputError
        On entering, when it is none.
    """

    def __init__(self, folder: Path, config: Config, bootstrap: str) -> None:
        super().__init__(str(folder), config)
        self._folder = folder
        self._bootstrap = bootstrap
        self.manifest: dict[str, Any] = {}

    async def __aenter__(self) -> RecordedFolder:
        self.manifest = read_manifest(self._folder / MANIFEST)
        if MANIFEST_MARK not in self.manifest:
            raise InputError(f"{self._folder / MANIFEST}: is no manifest of a run")
        self.stretch, self._partitions = covered(self.manifest, self._config)
        return self

    def file(self, kind: str) -> tuple[Path, int] | None:
        """The file of a type, whole."""
        path = self._folder / f"{topic_of(kind)}.jsonl"
        try:
            return path, path.stat().st_size
        except FileNotFoundError as error:
            raise RecordedError(f"{path}: is not there; the run directory is damaged") from error

    @property
    def inputs(self) -> list[str] | None:
        """SHA-256 of the files of the run, None where it was made from a topic or a store."""
        source = self.manifest.get("source", {"kind": "files", "files": []})
        if source["kind"] not in ("files", "run"):
            return None
        files = self.manifest.get("inputs", source.get("files"))
        return [each["sha256"] for each in files]

    @property
    def corrected(self) -> bool:
        """Whether it was run in the order of what is known now, not in that of its log."""
        options = self.manifest["options"]
        return bool(options.get("as_corrected")) or self.manifest.get("mode") == "as-corrected"

    def log(self) -> LogSource:
        """The inputs of the run, which must be the same files, or the same topic."""
        try:
            if "source" in self.manifest:
                source = source_again(self.manifest, self._config, self._bootstrap)
            else:
                origin = Origin(files=(Source(str(self._folder)),))
                source = source_of(self._config, origin).source
        except InputError as error:
            raise RecordedError(str(error)) from error
        return CorrectedSource(source, self._config) if self.corrected else source


class RecordedStore(_Files):
    """A store up to its checkpoint; see `Recorded`."""

    def __init__(self, folder: Path, config: Config) -> None:
        super().__init__(str(folder), config)
        self._folder = folder
        self._lengths: Mapping[str, int] = {}

    async def __aenter__(self) -> RecordedStore:
        with StoreReader(self._folder) as reader:
            self._lengths = reader.checkpoint.topics
        return self

    def file(self, kind: str) -> tuple[Path, int] | None:
        """The file of a type up to the checkpoint."""
        topic = topic_of(kind)
        path = self._folder / TOPICS_FOLDER / f"{topic}.jsonl"
        length = self._lengths[topic]
        return (path, length) if length else None

    def log(self) -> LogSource:
        """The log of the store."""
        return source_of(self._config, Origin(store=self._folder)).source


def covered(manifest: Mapping[str, Any], config: Config) -> tuple[Stretch, int]:
    """Which records a manifest covers, and over how many partitions its log went.

    The manifest of a run of files covers everything, in one partition.
    """
    source = manifest.get("source")
    if source is None:
        return Stretch(), 1
    spans = {int(number): span for number, span in source["partitions"].items()}
    partitions = 1
    if source["kind"] == "topic":
        partitions = source.get("partition_count") or max(config.kafka.partitions, *spans, 1)
    options = manifest["options"]
    groups = list(options.get("groups") or ())
    symbols = list(options.get("symbols") or ())
    names: frozenset[str] | None = None
    if groups or symbols:
        members = (member for group in groups for member in config.members(group))
        names = frozenset((*symbols, *groups, *members, *map(config.group_of, symbols)))
    # A topic grows, files do not.
    if source["kind"] != "topic" and not any(options.get(bound) for bound in BOUNDS):
        return Stretch(symbols=names), partitions
    starts = {number: span["start"] for number, span in spans.items() if span["start"] > 0}
    stops = {number: span["stop"] for number, span in spans.items()}
    return Stretch(starts, stops, names), partitions


def recorded(name: str, config: Config, bootstrap: str) -> Recorded:
    """What a name of the command line stands for, not yet opened.

    Parameters
    ----------
    name
        A run directory or store; ``topics`` (of the configured prefix) or ``topics:PREFIX``;
        ``run:ID`` for the topics of a replay.
    bootstrap
        Brokers of topics.

    Raises
    ------
    InputError
        When it stands for nothing.
    """
    prefix = config.kafka.topic_prefix
    if name == TOPICS or name.startswith((f"{TOPICS}:", RUN)):
        # Only topics need the Kafka client: folders are compared without it.
        from replay.recorded_topics import RecordedTopics

        kind, _, rest = name.partition(":")
        if name != TOPICS and not rest:
            raise InputError(f"{name}: say topics:PREFIX or run:ID")
        if kind == TOPICS:
            return RecordedTopics(name, bootstrap, rest or prefix, rest or prefix)
        return RecordedTopics(name, bootstrap, f"{prefix}.run.{rest}", prefix)
    folder = Path(name)
    if (folder / STATE_FOLDER).is_dir():
        return RecordedStore(folder, config)
    if (folder / MANIFEST).is_file():
        return RecordedFolder(folder, config, bootstrap)
    raise InputError(
        f"{name}: is no run directory and no store; topics are named topics, topics:PREFIX or"
        " run:ID"
    )
