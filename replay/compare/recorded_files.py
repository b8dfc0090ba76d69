"""Runs in folders, run directories and stores, and which run a name means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from tapeline.replay.compare.covered import covered, input_checksums, log_again
from tapeline.replay.compare.recorded import (
    NO_PARTITION,
    Coverage,
    Entry,
    Recorded,
    RecordedError,
    entry_of,
)
from tapeline.replay.sources.files import REBUILT, rebuilt_notes
from tapeline.replay.sources.opening import Origin, is_corrected, read_manifest, source_of
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.event_types import Registry
from tapeline.schemas.partition import partition_for
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import DEFAULT_PREFIX, RUN_ID_RULE, is_run_id, run_prefix, topic_of
from tapeline.streams.errors import InputError
from tapeline.streams.outputs.run_folder import MANIFEST, TOPICS_FOLDER
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256
from tapeline.streams.store.layout import STATE_FOLDER
from tapeline.streams.store.reading import StoreReader

BLOCK_BYTES = 1 << 20
TOPICS = "topics"
RUN = "run:"


class _Files:
    """Topics as files of lines, of a run directory or a store."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self.compacted = False
        self.spread_over = 1
        self.stretch = Coverage()
        self._config = config
        self._partitions = 1
        self._by_symbol: dict[str, int] = {}

    @property
    def partitions_known(self) -> bool:
        """Whether its log had several partitions."""
        return self._partitions > 1

    @property
    def inputs(self) -> list[str] | None:
        """Not known."""
        return None

    @property
    def configuration(self) -> str | None:
        """Not known."""
        return None

    def remarks(self) -> list[str]:
        """Nothing: files are written once, and whole."""
        return []

    @property
    def corrected(self) -> bool:
        """A store has the order of its log."""
        return False

    async def __aexit__(self, *_: object) -> None:
        """Nothing stays open."""

    def file(self, kind: str) -> tuple[Path, int] | None:
        """The file of a type, whole; None where the run had no such events."""
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
    brokers
        Where the log of a replay of a topic is looked up.

    Raises
    ------
    InputError
        On entering, when it is none.
    """

    def __init__(
        self, folder: Path, config: Config, brokers: Brokers, registry: Registry = EVENTS
    ) -> None:
        super().__init__(str(folder), config)
        self._registry = registry
        self._folder = folder
        self._brokers = brokers
        self.manifest: dict[str, Any] = {}

    async def __aenter__(self) -> RecordedFolder:
        self.manifest = read_manifest(self._folder / MANIFEST)
        if OUTPUT_SHA256 not in self.manifest:
            raise InputError(f"{self._folder / MANIFEST}: is no manifest of a run")
        self.stretch, self._partitions = covered(self.manifest, self._config, self.name)
        return self

    def remarks(self) -> list[str]:
        """Where a store that it was replayed from ran groups of strategies again."""
        notes = self.manifest.get("notes", [])
        return [f"{self.name}: {note}" for note in notes if note.startswith(REBUILT)]

    def file(self, kind: str) -> tuple[Path, int] | None:
        """The file of a type, whole; None where the run had no such events."""
        topic = topic_of(kind, DEFAULT_PREFIX, self._registry)
        if topic not in self.manifest[OUTPUT_SHA256]:
            # A run of a version that had no such events.
            return None
        path = self._folder / f"{topic}.jsonl"
        try:
            return path, path.stat().st_size
        except FileNotFoundError as error:
            raise RecordedError(f"{path}: is not there; the run directory is damaged") from error

    @property
    def inputs(self) -> list[str] | None:
        """SHA-256 of the files of the run, None where it was made from a topic or a store."""
        return input_checksums(self.manifest)

    @property
    def configuration(self) -> str | None:
        """Hash of the configuration of the run."""
        return str(self.manifest["config_hash"])

    @property
    def corrected(self) -> bool:
        """Whether it was run in the order of what is known now, not in that of its log."""
        return is_corrected(self.manifest)

    def log(self) -> LogSource:
        """The inputs of the run, which must be the same files, or the same topic."""
        return log_again(self.manifest, self._config, self._brokers, self.name)


class RecordedStore(_Files):
    """A store up to its checkpoint; see `Recorded`."""

    def __init__(self, folder: Path, config: Config, registry: Registry = EVENTS) -> None:
        super().__init__(str(folder), config)
        self._registry = registry
        self._folder = folder
        self._lengths: Mapping[str, int] = {}
        self._rebuilt_at: list[int] = []

    async def __aenter__(self) -> RecordedStore:
        with StoreReader(self._folder, self._registry) as reader:
            self._lengths = reader.checkpoint.topics
            self._rebuilt_at = reader.rebuilt_at()
            for name in self._lengths:
                reader.check_topic(name)
        return self

    def remarks(self) -> list[str]:
        """Where it ran groups again: from there on its strategies saw what no replay shows."""
        return [f"{self.name}: {note}" for note in rebuilt_notes(self._rebuilt_at)]

    def file(self, kind: str) -> tuple[Path, int] | None:
        """The file of a type up to the checkpoint."""
        topic = topic_of(kind, DEFAULT_PREFIX, self._registry)
        path = self._folder / TOPICS_FOLDER / f"{topic}.jsonl"
        # Host topics are there only where strategies ran.
        length = self._lengths.get(topic, 0)
        return (path, length) if length else None

    def log(self) -> LogSource:
        """The log of the store."""
        return source_of(self._config, Origin(store=self._folder)).source


def recorded(name: str, config: Config, brokers: Brokers, registry: Registry = EVENTS) -> Recorded:
    """What a name of the command line means, not yet opened.

    Parameters
    ----------
    name
        A run directory or store; ``topics`` (of the configured prefix) or ``topics:PREFIX``;
        ``run:ID`` for the topics of a replay.
    brokers
        Brokers of topics.
    registry
        The types of the events.

    Raises
    ------
    InputError
        When it means nothing.
    """
    prefix = config.kafka.topic_prefix
    if name == TOPICS or name.startswith((f"{TOPICS}:", RUN)):
        # Only topics need the Kafka client: folders are compared without it.
        from tapeline.replay.compare.recorded_topics import RecordedTopics

        kind, _, rest = name.partition(":")
        if name != TOPICS and not rest:
            raise InputError(f"{name}: give topics:PREFIX or run:ID")
        if kind == TOPICS:
            return RecordedTopics(name, brokers, rest or prefix, config, None, registry)
        if not is_run_id(rest):
            raise InputError(f"{name}: the id of a run must be {RUN_ID_RULE}")
        return RecordedTopics(name, brokers, run_prefix(rest, prefix), config, rest, registry)
    folder = Path(name)
    if (folder / STATE_FOLDER).is_dir():
        return RecordedStore(folder, config, registry)
    if (folder / MANIFEST).is_file():
        return RecordedFolder(folder, config, brokers, registry)
    raise InputError(
        f"{name}: is no run directory and no store; topics are named topics, topics:PREFIX or"
        " run:ID"
    )
