"""The checkpoint: how much of the files of a store its state includes."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from tapeline.schemas.event_types import Registry
from tapeline.schemas.topics import output_topics
from tapeline.streams.pipeline.provenance import Identity

FORMAT = 2

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


class Checkpoint(Struct, frozen=True):
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
    plans
        By group, the identity of the settings its state was made with.
    rebuilds
        Groups whose bars were changed beyond the horizon: the bar, None if there were several.
    run
        The latest run, None before the first.
    """

    v: int
    commits: int
    log_bytes: int
    log_records: int
    log_crc: int
    topics: dict[str, int]
    crcs: dict[str, int]
    again_to: int
    plans: dict[str, Identity]
    rebuilds: dict[str, Slot | None]
    run: RunMark | None


class _Version(Struct):
    v: int


_DECODER = msgspec.json.Decoder(Checkpoint)
_VERSION = msgspec.json.Decoder(_Version)


def empty_checkpoint(registry: Registry) -> Checkpoint:
    """That of a new store."""
    none = dict.fromkeys(output_topics(registry=registry), 0)
    return Checkpoint(FORMAT, 0, 0, 0, 0, none, none, 0, {}, {}, None)


def read_checkpoint(raw: bytes) -> Checkpoint:
    """The stored checkpoint.

    Raises
    ------
    ValueError
        When another version of Tapeline wrote it.
    """
    found = _VERSION.decode(raw).v
    if found != FORMAT:
        raise ValueError(f"the store has format {found}, this version reads {FORMAT}")
    return _DECODER.decode(raw)
