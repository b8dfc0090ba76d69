"""Reading a store: the view, the topics, what data are missing; beside a running writer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.codec import CodecError, FeedEventDecoder, RecordDecoder
from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.ids import ids_of
from tapeline.schemas.records import Bar
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import DEFAULT_PREFIX, store_topics, topic_of
from tapeline.streams.core.engine import (
    HOT,
    StateVersionError,
    stored_bar_counts,
    stored_watermarks,
)
from tapeline.streams.core.plan import GroupPlan
from tapeline.streams.outputs.run_folder import TOPICS_FOLDER
from tapeline.streams.pipeline.missing import Explain, sessions_with_gaps, unexplained
from tapeline.streams.pipeline.operations import FEEDS_TOPIC, Operations
from tapeline.streams.pipeline.provenance import Identity
from tapeline.streams.pipeline.state_values import decoded
from tapeline.streams.store.checkpoint import StoreCheckpoint, empty_checkpoint
from tapeline.streams.store.database import Database
from tapeline.streams.store.files import check_file
from tapeline.streams.store.layout import (
    LOG_FILE,
    LOG_WAY,
    REBUILT_AT,
    STATE_FOLDER,
    StoreDamagedError,
    StoreError,
    bar_key,
    bars_prefix,
    commits_of,
    label_of,
    rebuild_way,
    state_prefix,
    view_key,
)
from tapeline.streams.store.opened import stored_checkpoint
from tapeline.streams.store.settings import check_settings, stored_plans
from tapeline.streams.store.topic_reader import TopicReader


class StoreReader:
    """What a store held at its last commit; a context.

    Parameters
    ----------
    registry
        The types of the events.

    Raises
    ------
    StoreError
        When the folder is no store, of another format, or not yet made again from its log.
    StoreDamagedError
        When its files are not what was written.
    """

    def __init__(self, folder: Path, registry: Registry = EVENTS) -> None:
        self._folder = folder
        if not (folder / STATE_FOLDER).is_dir():
            # One whose state is being made again has none for an instant.
            self._check_log_empty()
            raise StoreError(f"{folder}: is no store; tapeline run FILE --store {folder} makes one")
        self._registry = registry
        self._decode = RecordDecoder().decode
        # Before the state is read: what a writer counts is in the state.
        commits = commits_of(folder)
        self._database = Database(folder / STATE_FOLDER, read_only=True)
        try:
            self.checkpoint = self._readable(
                stored_checkpoint(folder, self._database, commits, registry)
            )
        except BaseException:
            self._database.close()
            raise

    def _check_log_empty(self) -> None:
        """Raise `StoreDamagedError` where there is no state, and a log that it was made from."""
        log = self._folder / LOG_FILE
        if log.exists() and log.stat().st_size:
            raise StoreDamagedError(
                f"{self._folder / STATE_FOLDER}: holds no state, and the log is not empty;"
                f" {rebuild_way(self._folder)}"
            )

    def _readable(self, found: StoreCheckpoint | None) -> StoreCheckpoint:
        folder = self._folder
        if found is None:
            self._check_log_empty()
            return empty_checkpoint(self._registry)
        if found.log_bytes < found.again_to:
            raise StoreError(
                f"{folder}: is being made again from its log; wait until that is done, or, if"
                f" it was stopped, {rebuild_way(folder)}"
            )
        return found

    def __enter__(self) -> StoreReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def check_log(self) -> None:
        """Compare the log with the checkpoint; see `check_file`."""
        found = self.checkpoint
        check_file(self._folder / LOG_FILE, found.log_bytes, found.log_crc, LOG_WAY)

    def check_topic(self, name: str) -> None:
        """Compare the file of a topic with the checkpoint; see `check_file`."""
        path = self._folder / TOPICS_FOLDER / f"{name}.jsonl"
        found = self.checkpoint
        check_file(path, found.topics[name], found.crcs[name], rebuild_way(self._folder))

    def check_settings(self, config: Config) -> None:
        """Raise `StoreError` when a group was made with other settings, or another schedule."""
        way_out = "name its configuration by --config"
        check_settings(config, self._folder, self.plans(), self._database, way_out, self._registry)

    def plans(self) -> dict[str, Identity]:
        """By group, the identity of the settings that its state was made with."""
        return stored_plans(self.checkpoint, self._database)

    def progress(self, group: str) -> tuple[int, dict[str, int | None]]:
        """Offset of the last record of a group that has one, and watermarks of its symbols."""
        hot = self._hot(group)
        if hot is None:
            return -1, {}
        try:
            return hot["offset"], stored_watermarks(group, hot)
        except StateVersionError as error:
            raise StoreError(f"{self._folder}: {error}; {rebuild_way(self._folder)}") from error

    def indicator_bars(self, plan: GroupPlan) -> dict[str, dict[str, int]]:
        """Bars that indicators have taken, by symbol and interval.

        Parameters
        ----------
        plan
            Of a group whose settings were checked; see `check_settings`.
        """
        hot = self._hot(plan.group)
        return {} if hot is None else stored_bar_counts(plan, hot)

    def _hot(self, group: str) -> dict[str, Any] | None:
        raw = self._database.get(state_prefix(group) + HOT.encode())
        return None if raw is None else decoded(raw)

    def bars(self, symbol: str, first_ms: int) -> Iterator[Bar]:
        """Last versions of the bars of a symbol in order of labels, from a label on."""
        for _, line in self._database.scan(bars_prefix(symbol), bar_key(symbol, first_ms)):
            record = self._decode(line)
            assert isinstance(record, Bar)
            yield record

    def last_label(self, symbol: str) -> int | None:
        """Label of the last bar of a symbol; None where there is none."""
        found = self._database.last(bars_prefix(symbol))
        return None if found is None else label_of(found)

    def view(
        self, symbol: str | None = None, kind: str | None = None, first_id: str = ""
    ) -> Iterator[bytes]:
        """Facts of the view as JSON, in order of their ids.

        Parameters
        ----------
        symbol
            Only of this symbol; of pairs: of this group.
        kind
            Only of this type.
        first_id
            From this id on.

        Raises
        ------
        StoreError
            When there is no such type.
        """
        hosted = self._registry.hosted
        kinds = (*self._registry.facts, *hosted)
        if kind is not None and kind not in kinds:
            raise StoreError(f"--type {kind}: is none of {', '.join(kinds)}")
        for each in sorted(kinds) if kind is None else [kind]:
            # The ids of strategies and accounts begin with the names of these.
            is_hosted = each in hosted
            ids = view_key(ids_of(each, None if is_hosted else symbol))
            for _, line in self._database.scan(ids, view_key(first_id)):
                if not is_hosted or symbol is None or orjson.loads(line)["symbol"] == symbol:
                    yield line

    def fact(self, fact_id: str) -> bytes | None:
        """A fact of the view as JSON; None where there is none."""
        return self._database.get(view_key(fact_id))

    def last_fact(self, beginning: str) -> bytes | None:
        """The fact with the greatest of the ids that begin so; None where there is none."""
        found = self._database.last(view_key(beginning))
        return None if found is None else self._database.get(found)

    def facts(self, kind: str, symbol: str | None = None) -> Iterator[dict[str, Any]]:
        """Facts of one type as plain data, in order of their ids."""
        for line in self.view(symbol, kind):
            yield orjson.loads(line)

    def tail(
        self,
        topic: str,
        symbol: str | None = None,
        kind: str | None = None,
        from_ms: int | None = None,
        read_on: TopicReader | None = None,
    ) -> Iterator[bytes]:
        """Committed lines of a topic in the order of emission.

        Parameters
        ----------
        topic
            Its name, such as ``tape.touches.v1``, the part between the dots, or the type.
        symbol, kind
            Only events of these.
        from_ms
            Only events decided, of feeds: written, at this instant or later; dead letters have no
            such time.
        read_on
            Has the lines that an earlier look has read; None: all lines.

        Raises
        ------
        StoreError
            When there is no such topic.
        StoreDamagedError
            When its file is not what was written.
        """
        name = topic_named(topic, self._registry)
        lines = TopicReader(self._folder, name) if read_on is None else read_on
        for line in lines.lines(self.checkpoint):
            event = orjson.loads(line)
            if (
                (symbol is None or event["symbol"] == symbol)
                and (kind is None or event["type"] == kind)
                and (from_ms is None or (time_of(event) or from_ms) >= from_ms)
            ):
                yield line

    def rebuilt_at(self) -> list[int]:
        """Offsets of the log where groups of strategies were run again from their bars.

        A replay of the log refuses the bars that they were run again for.
        """
        raw = self._database.get(REBUILT_AT)
        found: list[int] = [] if raw is None else decoded(raw)
        return found

    @property
    def has_operations(self) -> bool:
        """Whether live feeds have written to the store."""
        return self.checkpoint.topics[FEEDS_TOPIC] > 0

    def operations(self, members: Mapping[str, Collection[str]]) -> Operations:
        """What live feeds reported of themselves.

        Parameters
        ----------
        members
            Symbols of each feed.

        Raises
        ------
        StoreDamagedError
            When the file is not what was written.
        """
        found = Operations(members)
        take_operations(found, TopicReader(self._folder, FEEDS_TOPIC), self.checkpoint)
        return found

    def gaps(
        self, symbol: str | None = None, explain: Explain = unexplained
    ) -> Iterator[dict[str, Any]]:
        """Sessions that miss bars, by symbol, then date; see `sessions_with_gaps`."""
        return sessions_with_gaps(
            self.facts("gap", symbol), self.facts("session", symbol), explain, self._bars_between
        )

    def sessions(self, symbol: str | None = None) -> int:
        """Number of sessions of the view."""
        return sum(1 for _ in self.view(symbol, "session"))

    def _bars_between(self, symbol: str, first_ms: int, end_ms: int) -> int:
        count = 0
        start = bar_key(symbol, first_ms)
        for key, _ in self._database.scan(bars_prefix(symbol), start):
            if label_of(key) >= end_ms:
                break
            count += 1
        return count


def take_operations(operations: Operations, lines: TopicReader, checkpoint: StoreCheckpoint) -> int:
    """Take the events that feeds wrote since the last call; returns their number."""
    decode = FeedEventDecoder().decode
    count = 0
    for line in lines.lines(checkpoint):
        count += 1
        # What a newer version reports is nothing that this one knows the meaning of.
        with suppress(CodecError):
            operations.take(decode(line))
    return count


def time_of(event: dict[str, Any]) -> int | None:
    """When an event was decided, of a feed: written; None of a dead letter."""
    found: int | None = event.get("event_ms", event.get("at_ms"))
    return found


def topic_named(text: str, registry: Registry = EVENTS) -> str:
    """Topic of a name, of the middle of a name, or of an event type.

    Raises
    ------
    StoreError
        When there is none.
    """
    topics = store_topics(registry)
    for name in topics:
        if text in (name, name.removeprefix("tape.").removesuffix(".v1")):
            return name
    if text in registry:
        return topic_of(text, DEFAULT_PREFIX, registry)
    raise StoreError(f"{text}: no topic; one of {', '.join(topics)}")
