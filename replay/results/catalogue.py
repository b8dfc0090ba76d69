"""Runs whose results lie in topics of their own: found, described, deleted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from aiokafka import TopicPartition
from msgspec import Struct

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.symbols import names_of
from tapeline.schemas.topics import (
    RUN_ID_RULE,
    input_log,
    is_run_id,
    run_manifest_topic,
    run_of,
    run_prefix,
)
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.administration import delete_named, topic_names
from tapeline.streams.kafka.connection import make_consumer, plain_errors
from tapeline.streams.kafka.reading import SpanReader, whole_spans


class Run(Struct, frozen=True):
    """One run.

    Attributes
    ----------
    topics
        Names of its topics, sorted.
    manifest
        None while it is written, or when it failed or was interrupted.
    """

    run_id: str
    topics: tuple[str, ...]
    manifest: dict[str, Any] | None

    @property
    def state(self) -> str:
        """``complete`` or ``incomplete``."""
        return "incomplete" if self.manifest is None else "complete"

    @property
    def started_ms(self) -> int | None:
        """When it began, by the clock on the wall; None without manifest."""
        return None if self.manifest is None else int(self.manifest["wall"]["started_ms"])


async def find_runs(prefix: str, brokers: Brokers) -> list[Run]:
    """All runs of a prefix, by id.

    Raises
    ------
    BrokerError
        When the broker does not answer or refuses.
    """
    names = await topic_names(brokers)
    topics = topics_of_runs(names, prefix)
    held = [each for each in topics if run_manifest_topic(each, prefix) in topics[each]]
    manifests = await _manifests([run_manifest_topic(each, prefix) for each in held], brokers)
    found = dict(zip(held, manifests, strict=True))
    return [Run(each, tuple(topics[each]), found.get(each)) for each in topics]


async def find_run(run_id: str, prefix: str, brokers: Brokers) -> Run:
    """One run.

    Raises
    ------
    InputError
        When there is none of that id.
    """
    _check(run_id)
    for run in await find_runs(prefix, brokers):
        if run.run_id == run_id:
            return run
    raise InputError(f"run {run_id}: there is none of prefix {prefix}; see tapeline runs list")


async def delete_runs(run_ids: Sequence[str], prefix: str, brokers: Brokers) -> tuple[str, ...]:
    """Delete runs with all their topics, the manifest first; returns the names of the topics.

    One whose replay still goes on fails then.

    Raises
    ------
    InputError
        When one is no run; nothing was deleted then.
    TypeError
        When `run_ids` is one text instead of a list.
    """
    names_of("run_ids", run_ids)
    for run_id in run_ids:
        _check(run_id)
    topics = topics_of_runs(await topic_names(brokers), prefix)
    for run_id in run_ids:
        if run_id not in topics:
            raise InputError(
                f"run {run_id}: there is none of prefix {prefix}, or it is a log of its own;"
                " nothing was deleted"
            )
    for run_id in run_ids:
        # What is left of a deletion that was cut short is no complete run.
        await delete_named([run_manifest_topic(run_id, prefix)], brokers)
        await delete_named(topics[run_id], brokers)
    return tuple(name for run_id in run_ids for name in topics[run_id])


def topics_of_runs(names: Iterable[str], prefix: str) -> dict[str, list[str]]:
    """Topics by run, both sorted.

    A prefix may have been chosen that looks like a run's: where there is a log, it is live.
    """
    there = sorted(names)
    found: dict[str, list[str]] = {}
    for name in there:
        run_id = run_of(name, prefix)
        if run_id is not None and input_log(run_prefix(run_id, prefix)) not in there:
            found.setdefault(run_id, []).append(name)
    return found


def older_than(runs: Iterable[Run], days: float) -> list[str]:
    """Ids of the complete runs that began so many days ago or earlier.

    When an incomplete one began is not known, and it may still be going on.
    """
    limit_ms = (time.time() - days * 86_400) * 1_000
    return [run.run_id for run in runs if run.started_ms is not None and run.started_ms <= limit_ms]


def _check(run_id: str) -> None:
    if not is_run_id(run_id):
        raise InputError(f"run id {run_id}: must be {RUN_ID_RULE}")


async def _manifests(topics: Sequence[str], brokers: Brokers) -> list[dict[str, Any] | None]:
    """The manifest in each topic, None where none was written."""
    if not topics:
        return []
    partitions = [TopicPartition(topic, 0) for topic in topics]
    async with (
        plain_errors(brokers, "reading the manifests of runs"),
        make_consumer(brokers) as consumer,
    ):
        found = await _last_values(consumer, partitions)
    return [None if value is None else orjson.loads(value) for value in map(found.get, partitions)]


async def _last_values(
    consumer: Any, partitions: list[TopicPartition]
) -> Mapping[TopicPartition, bytes]:
    found: dict[TopicPartition, bytes] = {}
    reader = SpanReader(consumer, await whole_spans(consumer, partitions))
    while reader.open:
        for partition, records in (await reader.fetch()).items():
            if records:
                found[partition] = records[-1].value
    return found
