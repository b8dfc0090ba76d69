"""State of a partition as records: keys, values, and which of them go into one batch.

A key is ``group|name``; a value is the JSON list ``[offset, content]``: the source offset that the
content includes, then the content. The record ``hot`` of a group has a third item, the identity of
the settings the state was made with, whose parts are the record ``identity``; ``first`` says where
its log began. The checkpoint of the
partition is a record of its own: ``[next offset, {"v": format, "last": [offset, time, hash]}]``,
the last record of the log that the state includes, null before the first. So is the identity of its
changelog: the first record of all, written once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.ids import state_key, state_place
from tapeline.streams.core.engine import HOT
from tapeline.streams.pipeline.provenance import Identity, stored_identity
from tapeline.streams.pipeline.state_values import pack, unpack
from tapeline.streams.worker.log_digest import RecordDigest

CHECKPOINT_KEY = state_key("", "checkpoint").encode()
"""No group has an empty name."""
IDENTITY_KEY = state_key("", "identity").encode()
IDENTITY_BYTES = 16
FIRST = "first"
"""Where the first watermark of a group came from: written once."""
FORMAT = 2
RECORD_BYTES = 32
"""What a record of a batch takes beside its key and value, at most."""
KEY_SHOWN = 80
"""Bytes of a foreign key that a message quotes."""

Pair = tuple[bytes, bytes]


class StateFormatError(BrokenPromiseError, ValueError):
    """Stored state that this version cannot read; the message names the way out."""


class ForeignRecordError(BrokenPromiseError, ValueError):
    """A record among the state that no worker writes."""


class StoredGroup(Struct):
    """State records of one group: by name, and the identity of its settings.

    Attributes
    ----------
    first
        Source offset of the first record that raised a watermark, and the greatest watermark of
        the partition with it; None before there is one.
    """

    records: dict[str, Any] = field(default_factory=dict)
    settings: Identity | None = None
    first: tuple[int, int] | None = None


class StoredPartition(Struct):
    """What is stored of one partition.

    Attributes
    ----------
    checkpoint
        Next source offset; None where nothing was ever written.
    last
        The last record below it; None where there is none.
    identity
        Of the changelog that the records are of; None where nothing was ever written.
    """

    checkpoint: int | None = None
    last: RecordDigest | None = None
    identity: str | None = None
    groups: dict[str, StoredGroup] = field(default_factory=dict)


class GroupChange(Struct, frozen=True):
    """Changed state records of one group; they are written together or not at all."""

    group: str
    pairs: list[Pair]

    @property
    def size(self) -> int:
        """Bytes in a record batch, at most."""
        return batch_bytes(self.pairs)


class TooLargeError(BrokenPromiseError, ValueError):
    """The changed state of one group does not fit into one record batch."""


def offset_of(value: bytes) -> int:
    """Source offset of a value, without reading the rest."""
    return int(value[1 : value.index(b",")])


def check_record(key: bytes | None, value: bytes | None) -> None:
    """Raise `ForeignRecordError` when a record is none that a worker writes.

    Its content is looked through but not taken apart: recovery has many of them.
    """
    if key is None or value is None:
        raise _foreign(key, "no key" if key is None else "no value")
    try:
        group, name = state_place(key.decode())
    except UnicodeDecodeError as error:
        raise _foreign(key, str(error)) from error
    if not (name and (group or key in (CHECKPOINT_KEY, IDENTITY_KEY))):
        raise _foreign(key, "keys of a worker are group|name")
    try:
        items = msgspec.json.decode(value, type=list[msgspec.Raw])
        # Below 0 for a group whose only records were refused.
        int(bytes(items[0]) if items else b"")
    except (ValueError, msgspec.DecodeError) as error:
        raise _foreign(key, str(error)) from error
    if len(items) != (3 if name == HOT else 2):
        raise _foreign(key, "values of a worker are [offset, content]")


def new_identity() -> Pair:
    """The first record of a changelog partition: a random id, which no other partition has."""
    return IDENTITY_KEY, pack(0, secrets.token_hex(IDENTITY_BYTES))


def identity_of(value: bytes) -> str:
    """The id that such a record holds."""
    return str(unpack(value)[1])


def _foreign(key: bytes | None, why: str) -> ForeignRecordError:
    shown = repr(key if key is None else key[:KEY_SHOWN])
    return ForeignRecordError(f"the record of key {shown} is no state of a worker ({why})")


def checkpoint_pair(next_offset: int, last: RecordDigest | None = None) -> Pair:
    """The record that says how far a partition is, and what the last record was."""
    digest = None if last is None else list(last)
    return CHECKPOINT_KEY, pack(next_offset, {"v": FORMAT, "last": digest})


def read_checkpoint(value: bytes) -> tuple[int, RecordDigest | None]:
    """Next source offset and the last record before it.

    Raises
    ------
    StateFormatError
        When it is of another format.
    """
    next_offset, content = unpack(value)
    if content.get("v") != FORMAT:
        raise StateFormatError(
            f"the stored state has format {content.get('v')}, this version reads {FORMAT}: build "
            "anew under another topic prefix, or run the version that wrote it"
        )
    last = content["last"]
    return next_offset, None if last is None else RecordDigest(*last)


def group_change(
    group: str, offset: int, changed: dict[str, Any], settings: Identity | None = None
) -> GroupChange:
    """The records of `GroupEngine.changed` as keys and values."""
    prefix = state_key(group, "").encode()
    identity = None if settings is None else settings.stored()
    pairs = []
    for name, content in changed.items():
        items = (offset, content, identity) if name == HOT else (offset, content)
        pairs.append((prefix + name.encode(), pack(*items)))
    return GroupChange(group, pairs)


def read_partition(items: Iterable[Pair]) -> StoredPartition:
    """What the records of a partition say.

    Raises
    ------
    StateFormatError
        When a record is of another format.
    ForeignRecordError
        When a record is none that a worker writes.
    """
    found = StoredPartition()
    for key, value in items:
        check_record(key, value)
        if key == CHECKPOINT_KEY:
            found.checkpoint, found.last = read_checkpoint(value)
            continue
        content = unpack(value)
        if key == IDENTITY_KEY:
            found.identity = content[1]
            continue
        group, name = state_place(key.decode())
        stored = found.groups.setdefault(group, StoredGroup())
        if name == FIRST:
            stored.first = (content[1][0], content[1][1])
            continue
        stored.records[name] = content[1]
        if name == HOT:
            stored.settings = stored_identity(content[2])
    return found


def batches(
    changes: Sequence[GroupChange], next_offset: int, last: RecordDigest | None, limit: int
) -> Iterator[list[Pair]]:
    """Record batches of a checkpoint: nearly always one.

    What exceeds `limit` bytes is divided between groups, never inside one, and the checkpoint
    comes last: a group carries its own offset, so a worker that dies in between repeats the chunk
    and skips the groups that have it.

    Raises
    ------
    TooLargeError
        When the change of one group does not fit.
    """
    batch: list[Pair] = []
    checkpoint = checkpoint_pair(next_offset, last)
    taken = batch_bytes([checkpoint])
    base = taken
    for change in changes:
        size = change.size
        if base + size > limit:
            raise TooLargeError(
                f"the changed state of group {change.group} has {size} bytes, more than the "
                f"{limit} of one record batch of the changelog"
            )
        if taken + size > limit:
            yield batch
            batch, taken = [], base
        batch.extend(change.pairs)
        taken += size
    yield [*batch, checkpoint]


def batch_bytes(pairs: Iterable[Pair]) -> int:
    """Bytes that records take in a batch, at most."""
    return sum(len(key) + len(value) + RECORD_BYTES for key, value in pairs)
