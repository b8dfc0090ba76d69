"""Catalogue of topics: names, types, keys, partitioning and settings.

Settings follow from two clocks. Log and outputs carry event time (CreateTime), so that a reader can
seek by market time; they are rolled by size only, because a history of years arrives in minutes.
What is kept or compacted by age of writing (rejects, snapshots, changelog) carries the broker's
time.
"""

from __future__ import annotations

import re

from msgspec import Struct

DEFAULT_PREFIX = "tape"

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NEVER_MS = 2**63 - 1

# A record with 1 MB of nonsense must fit into its dead letter: base64 makes 4 bytes of 3.
LOG_MESSAGE_BYTES = 1_048_588
REJECT_MESSAGE_BYTES = 2 * 1_048_576
CHANGELOG_MESSAGE_BYTES = 16 * 1_048_576

INPUT_LOG = "bars.v1"
SNAPSHOTS = "snapshots.v1"
RUN_MANIFEST = "manifest.v1"

RUN_ID_RULE = "1 to 64 letters, digits or '-', and no '-' first"
# No dot: so the name of a run's topic is never one of the catalogue, and says whose it is. No
# underscore: the broker refuses names that differ in dots and underscores alone.
_RUN_ID = re.compile("[A-Za-z0-9][A-Za-z0-9-]{0,63}")

_OUTPUTS = {
    "derived_bar": "bars.derived.v1",
    "session": "sessions.v1",
    "quality": "quality.v1",
    "gap": "gaps.v1",
    "range": "ranges.v1",
    "touch": "touches.v1",
    "pair": "pairs.v1",
    "swing": "swings.v1",
    "reject": "rejects.v1",
}

EVENT_TYPES = tuple(_OUTPUTS)
OUTPUT_TOPICS = tuple(f"{DEFAULT_PREFIX}.{rest}" for rest in _OUTPUTS.values())

_BY_GROUP = "murmur2 of the group id, set explicitly"


class Topic(Struct, frozen=True):
    """One topic.

    Attributes
    ----------
    name
        Full name, prefix included.
    type
        ``log_record``, an event type, ``snapshot`` or ``state``.
    key
        What the message key is.
    partitioning
        How the partition follows from the record; every topic has the same number of them.
    settings
        Topic configuration of the broker by its own names.
    """

    name: str
    type: str
    key: str
    partitioning: str
    settings: dict[str, str]


def topic_of(event_type: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the topic of an event type, such as ``touch``.

    Raises
    ------
    KeyError
        When there is no such event type.
    """
    return f"{prefix}.{_OUTPUTS[event_type]}"


def output_topics(prefix: str = DEFAULT_PREFIX) -> tuple[str, ...]:
    """Names of the nine output topics, in the order of the contracts."""
    return tuple(topic_of(event_type, prefix) for event_type in EVENT_TYPES)


def input_log(prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the input log."""
    return f"{prefix}.{INPUT_LOG}"


def snapshot_topic(prefix: str = DEFAULT_PREFIX) -> str:
    """Name of the topic of full states."""
    return f"{prefix}.{SNAPSHOTS}"


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


def run_of(name: str, prefix: str = DEFAULT_PREFIX) -> str | None:
    """Id of the run to which a topic belongs; None when it is no run's."""
    rest = name.removeprefix(f"{prefix}.run.")
    run_id, dot, entity = rest.partition(".")
    if rest == name or not dot or not is_run_id(run_id):
        return None
    return run_id if entity in {*_OUTPUTS.values(), RUN_MANIFEST} else None


def run_topics(run_id: str, prefix: str = DEFAULT_PREFIX) -> tuple[Topic, ...]:
    """The topics of a run: the nine outputs as a worker has them, and the manifest."""
    own = run_prefix(run_id, prefix)
    outputs = {topic_of(kind, own) for kind in EVENT_TYPES}
    return (
        *(topic for topic in catalogue(own) if topic.name in outputs),
        Topic(
            run_manifest_topic(run_id, prefix),
            "manifest",
            "manifest",
            "one partition",
            {
                "cleanup.policy": "compact",
                "message.timestamp.type": "LogAppendTime",
                "max.message.bytes": str(LOG_MESSAGE_BYTES),
            },
        ),
    )


def catalogue(prefix: str = DEFAULT_PREFIX) -> tuple[Topic, ...]:
    """All topics: the input log, the nine outputs, snapshots and the worker's changelog."""
    outputs = (
        Topic(
            name=topic_of(event_type, prefix),
            type=event_type,
            key="id",
            partitioning=_BY_GROUP,
            settings=_output_settings(),
        )
        for event_type in EVENT_TYPES
        if event_type != "reject"
    )
    return (
        Topic(input_log(prefix), "log_record", "symbol", _BY_GROUP, _log_settings()),
        *outputs,
        Topic(
            topic_of("reject", prefix),
            "reject",
            "id",
            "that of the record it refuses",
            _reject_settings(),
        ),
        Topic(
            snapshot_topic(prefix),
            "snapshot",
            "group|slot of the session date|part",
            _BY_GROUP,
            _snapshot_settings(),
        ),
        Topic(
            changelog_topic(prefix),
            "state",
            "key of the state record",
            "that of the input log",
            _changelog_settings(),
        ),
    )


def _event_time_settings() -> dict[str, str]:
    """CreateTime is market time: any age and any lead over the broker's clock, rolled by size."""
    return {
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": str(NEVER_MS),
        "message.timestamp.after.max.ms": str(NEVER_MS),
        "segment.ms": str(NEVER_MS),
        "max.message.bytes": str(LOG_MESSAGE_BYTES),
    }


def _log_settings() -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "segment.bytes": str(1024 * 1_048_576),
        **_event_time_settings(),
    }


def _output_settings() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(7 * DAY_MS),
        "delete.retention.ms": str(30 * DAY_MS),
        "segment.bytes": str(128 * 1_048_576),
        **_event_time_settings(),
    }


def _reject_settings() -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(30 * DAY_MS),
        "message.timestamp.type": "LogAppendTime",
        "segment.ms": str(DAY_MS),
        "max.message.bytes": str(REJECT_MESSAGE_BYTES),
    }


def _snapshot_settings() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        "segment.ms": str(DAY_MS),
        "max.message.bytes": str(LOG_MESSAGE_BYTES),
    }


def _changelog_settings() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        "min.compaction.lag.ms": str(HOUR_MS),
        "min.cleanable.dirty.ratio": "0.1",
        "segment.ms": str(10 * 60_000),
        "max.message.bytes": str(CHANGELOG_MESSAGE_BYTES),
    }
