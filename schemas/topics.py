"""Catalogue of topics: names, types, keys, partitioning, settings; outputs are the registry's."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from tapeline.schemas import topic_settings
from tapeline.schemas.event_types import BY_GROUP, Origin, Registry
from tapeline.schemas.registry import EVENTS

DEFAULT_PREFIX = "tape"

INPUT_LOG = "bars.v1"
SNAPSHOTS = "snapshots.v1"
HOST_STATE = "host.state.v1"
RUN_MANIFEST = "manifest.v1"
HOST_STATE_TYPE = "host_state"

RUN_ID_RULE = "1 to 64 letters, digits or '-', and no '-' first"
# No dot: so the name of a run's topic is never one of the catalogue, and names its run. No
# underscore: the broker refuses names that differ in dots and underscores alone.
_RUN_ID = re.compile("[A-Za-z0-9][A-Za-z0-9-]{0,63}")


class Topic(Struct, frozen=True):
    """One topic.

    Attributes
    ----------
    name
        Full name, prefix included.
    type
        ``log_record``, an event type, ``feeds`` or ``account`` for those that share it,
        ``snapshot``, ``state`` or ``host_state``.
    key
        What the message key is.
    partitioning
        How the partition follows from the record; every topic has the same number of them.
    settings
        Topic configuration of the broker by its own names.
    events
        Types of its events; none of the log, of snapshots and of state.
    """

    name: str
    type: str
    key: str
    partitioning: str
    settings: dict[str, str]
    events: tuple[str, ...] = ()


def topic_of(event_type: str, prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> str:
    """Name of the topic of an event type, such as ``touch``.

    Raises
    ------
    KeyError
        When there is no such event type.
    """
    return f"{prefix}.{registry.row(event_type).topic}"


def output_topics(prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> tuple[str, ...]:
    """Names of the topics that a fold of the log writes, in the order of the registry."""
    return tuple(topic_of(event_type, prefix, registry) for event_type in registry.folded)


def host_topics(prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> tuple[str, ...]:
    """Names of the topics that hosts of strategies write, each once."""
    return tuple(topic.name for topic in _shared("host", prefix, registry))


def store_topics(registry: Registry = EVENTS) -> tuple[str, ...]:
    """Names of the topics that a store may have a file of: of outputs, feeds and strategies."""
    return (
        *output_topics(registry=registry),
        *(topic.name for topic in _shared("feed", DEFAULT_PREFIX, registry)),
        *host_topics(registry=registry),
    )


def input_log(prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the input log."""
    return f"{prefix}.{INPUT_LOG}"


def snapshot_topic(prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the topic of full states."""
    return f"{prefix}.{SNAPSHOTS}"


def host_state_topic(prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the topic that holds the states of hosts of strategies."""
    return f"{prefix}.{HOST_STATE}"


def worker_app_id(prefix: str = DEFAULT_PREFIX) -> str:
    """Application id of the worker; its consumer group and changelog are named after it."""
    return f"{prefix}-worker"


def changelog_topic(prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the changelog of the worker's table ``state``."""
    return f"{worker_app_id(prefix)}-state-changelog"


def is_run_id(text: str) -> bool:
    """Whether a run may be called so: `RUN_ID_RULE`."""
    return _RUN_ID.fullmatch(text) is not None


def run_prefix(run_id: str, prefix: str = DEFAULT_PREFIX) -> str:
    """First part of the names of a run's own topics.

    Raises
    ------
    ValueError
        When it is no id of a run.
    """
    if not is_run_id(run_id):
        raise ValueError(f"run id {run_id!r}: must be {RUN_ID_RULE}")
    return f"{prefix}.run.{run_id}"


def run_manifest_topic(run_id: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the topic that holds the manifest of a run, once it is complete."""
    return f"{run_prefix(run_id, prefix)}.{RUN_MANIFEST}"


def run_of(name: str, prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> str | None:
    """Id of the run to which a topic belongs; None when it is no run's."""
    rest = name.removeprefix(f"{prefix}.run.")
    run_id, dot, entity = rest.partition(".")
    if rest == name or not dot or not is_run_id(run_id):
        return None
    events = (*registry.folded, *registry.hosted)
    entities = {RUN_MANIFEST, *(registry.row(event_type).topic for event_type in events)}
    return run_id if entity in entities else None


def run_topics(
    run_id: str,
    prefix: str = DEFAULT_PREFIX,
    registry: Registry = EVENTS,
    *,
    hosted: bool = False,
) -> tuple[Topic, ...]:
    """The topics of a run: the outputs as a worker has them, and the manifest.

    Parameters
    ----------
    hosted
        Whether strategies run: with the topics of their events.
    """
    own = run_prefix(run_id, prefix)
    return (
        *(_output(event_type, own, registry) for event_type in registry.folded),
        *(_shared("host", own, registry) if hosted else ()),
        Topic(
            run_manifest_topic(run_id, prefix),
            "manifest",
            "manifest",
            "one partition",
            dict(topic_settings.RUN_MANIFEST),
        ),
    )


def catalogue(prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> tuple[Topic, ...]:
    """All topics: the input log, those of all events, and what workers and hosts keep."""
    return (
        Topic(input_log(prefix), "log_record", "symbol", BY_GROUP, dict(topic_settings.LOG)),
        *(_output(event_type, prefix, registry) for event_type in registry.folded),
        *_shared("feed", prefix, registry),
        *_shared("host", prefix, registry),
        Topic(
            snapshot_topic(prefix),
            "snapshot",
            "group|slot of the session date|part; |symbols/symbol",
            BY_GROUP,
            dict(topic_settings.SNAPSHOTS),
        ),
        Topic(
            changelog_topic(prefix),
            "state",
            "key of the state record",
            "that of the input log",
            dict(topic_settings.CHANGELOG),
        ),
        Topic(
            host_state_topic(prefix),
            HOST_STATE_TYPE,
            "account|name of the state record",
            "murmur2 of the account",
            dict(topic_settings.CHANGELOG),
        ),
    )


def worker_topics(prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> tuple[str, ...]:
    """Names of the topics that a worker reads or writes: all but those of feeds and of hosts."""
    return tuple(
        topic.name
        for topic in catalogue(prefix, registry)
        if topic.type in registry.folded or not (topic.events or topic.type == HOST_STATE_TYPE)
    )


def _output(event_type: str, prefix: str, registry: Registry) -> Topic:
    row = registry.row(event_type)
    return Topic(
        topic_of(event_type, prefix, registry),
        event_type,
        row.key,
        row.partitioning,
        dict(row.settings),
        (event_type,),
    )


def _shared(origin: Origin, prefix: str, registry: Registry) -> tuple[Topic, ...]:
    """Topics of an origin, each once; one of several types has its name without the version."""
    types: dict[str, list[str]] = {}
    for row in registry.rows:
        if row.origin == origin:
            types.setdefault(row.topic, []).append(row.tag)
    return tuple(
        replace(
            _output(tags[0], prefix, registry),
            type=tags[0] if len(tags) == 1 else name.rpartition(".")[0],
            events=tuple(tags),
        )
        for name, tags in types.items()
    )
