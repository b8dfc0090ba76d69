"""Settings of topics, by the broker's own names.

They follow from two clocks. Log and outputs carry event time (CreateTime), so that a reader can
seek by market time; they are rolled by size only, because a history of years arrives in minutes.
What is kept or compacted by age of writing (rejects, feeds, snapshots, changelog) carries the
broker's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tapeline.schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS

NEVER_MS = 2**63 - 1

# A record with 1 MB of nonsense must fit into its dead letter: base64 makes 4 bytes of 3.
LOG_MESSAGE_BYTES = 1_048_588
REJECT_MESSAGE_BYTES = 2 * 1_048_576
CHANGELOG_MESSAGE_BYTES = 16 * 1_048_576

Settings = Mapping[str, str]

_EVENT_TIME: Final = {
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": str(NEVER_MS),
    "message.timestamp.after.max.ms": str(NEVER_MS),
    "segment.ms": str(NEVER_MS),
    "max.message.bytes": str(LOG_MESSAGE_BYTES),
}
"""CreateTime is market time: any age and any lead over the broker's clock, rolled by size."""

LOG: Final[Settings] = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "segment.bytes": str(1024 * 1_048_576),
    **_EVENT_TIME,
}
FACTS: Final[Settings] = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(7 * DAY_MS),
    "delete.retention.ms": str(30 * DAY_MS),
    "segment.bytes": str(128 * 1_048_576),
    **_EVENT_TIME,
}
"""Of a topic that is a stream of facts and, folded by key, their view."""
LETTERS: Final[Settings] = {
    "cleanup.policy": "delete",
    "retention.ms": str(30 * DAY_MS),
    "message.timestamp.type": "LogAppendTime",
    "segment.ms": str(DAY_MS),
    "max.message.bytes": str(REJECT_MESSAGE_BYTES),
}
OPERATIONS: Final[Settings] = {
    "cleanup.policy": "compact,delete",
    "retention.ms": str(30 * DAY_MS),
    "message.timestamp.type": "LogAppendTime",
    "segment.ms": str(DAY_MS),
    "max.message.bytes": str(LOG_MESSAGE_BYTES),
}
"""Of what feeds write about themselves: the newest state of each thing, for a month."""
SNAPSHOTS: Final[Settings] = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
    "segment.ms": str(DAY_MS),
    "max.message.bytes": str(LOG_MESSAGE_BYTES),
}
CHANGELOG: Final[Settings] = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
    "min.compaction.lag.ms": str(HOUR_MS),
    "min.cleanable.dirty.ratio": "0.1",
    "segment.ms": str(10 * MINUTE_MS),
    "max.message.bytes": str(CHANGELOG_MESSAGE_BYTES),
}
RUN_MANIFEST: Final[Settings] = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(LOG_MESSAGE_BYTES),
}
