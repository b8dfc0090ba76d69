"""The checkpoint: how much of the files of a store its state includes."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tapeline.schemas.event_types import Registry
from tapeline.schemas.topics import store_topics
from tapeline.streams.pipeline.provenance import Identity

FORMAT = 4
"""4: the identities of groups are records of their own. 3: the checkpoint has them, and there may
be topics that a version does not know. 2: there are the nine topics of that time."""
OLDEST_FORMAT = 2
"""Those from here on are taken as they are; the next commit writes them in this one."""

Slot = tuple[str, int]
"""Symbol and label of a bar."""


class RunMark(Struct, frozen=True):
    """The latest run that wrote something.

    Attributes
    ----------
    fingerprint
        Of its inputs, options and configuration: the same run goes on where this one was killed,
        and has nothing to do where it was finished.
    rows
        Rows that it had taken.
    counts
        What had become of them.
    spans
        By input, symbol and label: first and last bar that was taken.
    """

    fingerprint: str
    rows: int
    counts: dict[str, Any]
    spans: list[dict[str, tuple[int, int]]]
    finished: bool


class StoreCheckpoint(Struct, frozen=True, omit_defaults=True):
    """How far a store is.

    Attributes
    ----------
    commits
        Number of them since the state was made.
    log_bytes, log_records, log_crc
        Length of the log that the state includes, and CRC-32 of those bytes.
    topics, crcs
        Length in bytes of the file of each topic, and CRC-32 of those bytes.
    again_to
        Length of the log when its state was last made again from it: until it includes that much,
        a store shows nothing.
    rebuilds
        Groups whose bars were changed beyond the horizon: the bar, None if there were several.
    run
        The latest run, None before the first.
    plans
        By group, the identity of the settings its state was made with, where format 3 has them; the
        next commit makes records of them. See `stored_plans`.
    """

    v: int
    commits: int
    log_bytes: int
    log_records: int
    log_crc: int
    topics: dict[str, int]
    crcs: dict[str, int]
    again_to: int
    rebuilds: dict[str, Slot | None]
    run: RunMark | None
    plans: dict[str, Identity] = {}


class _Version(Struct):
    v: int


_DECODER = msgspec.json.Decoder(StoreCheckpoint)
_VERSION = msgspec.json.Decoder(_Version)


def empty_checkpoint(registry: Registry) -> StoreCheckpoint:
    """That of a new store."""
    none = dict.fromkeys(store_topics(registry), 0)
    return StoreCheckpoint(FORMAT, 0, 0, 0, 0, none, none, 0, {}, None)


def read_checkpoint(raw: bytes, registry: Registry) -> StoreCheckpoint:
    """The stored checkpoint, in the format of this version.

    A topic that the store has not, because the version that wrote it had no such events, begins
    at length 0.

    Parameters
    ----------
    registry
        The types of the events.

    Raises
    ------
    ValueError
        When a version of Tapeline wrote it that this one does not go on after: the message names
        both formats, or the topics that this version does not know.
    """
    version = _VERSION.decode(raw).v
    if version < OLDEST_FORMAT:
        raise ValueError(f"the store has format {version}, this version reads {FORMAT}")
    if version > FORMAT:
        raise ValueError(
            f"the store has format {version}, this version reads {FORMAT}: a newer version of"
            " Tapeline wrote it, run that one"
        )
    found = _DECODER.decode(raw)
    known = dict.fromkeys(store_topics(registry), 0)
    strange = sorted(found.topics.keys() - known.keys())
    if strange:
        raise ValueError(
            f"the store holds {', '.join(strange)}, which this version does not know: a newer"
            " version of Tapeline wrote it, run that one"
        )
    return replace(found, v=FORMAT, topics=known | found.topics, crcs=known | found.crcs)
