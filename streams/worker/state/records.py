"""State of a partition as records: keys, values, and which of them go into one batch.

A key is ``group|name``; a value is the JSON list ``[offset, content]``: the source offset that the
content includes, then the content. The record ``hot`` of a group has a third item, the identity of
the settings the state was made with, whose parts are the record ``identity``; ``first`` is where
its log began. The checkpoint of the
partition is a record of its own: ``[next offset, {"v": format, "last": [offset, time, hash],
"shown": key, "symbols": number}]``, the last record of the log that the state includes and its key
in the order of a replay, null before the first. So is each of so many symbols that are not
configured and admitted in the partition, ``|symbols/SYMBOL``: ``[offset, null]`` with the
offset of its first record, written once. So is the identity of the changelog: the first record of
all, written once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.ids import split_state_key, state_key
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.core.engine import HOT, StateIncompleteError
from tapeline.streams.kafka.log_digest import RecordDigest
from tapeline.streams.pipeline.admission import AdmittedSymbol
from tapeline.streams.pipeline.provenance import Identity, stored_identity
from tapeline.streams.pipeline.state_values import pack, unpack

CHECKPOINT_KEY = state_key("", "checkpoint").encode()
"""No group has an empty name."""
IDENTITY_KEY = state_key("", "identity").encode()
ADMITTED_KEY = state_key("", "symbols/").encode()
IDENTITY_BYTES = 16
FIRST = "first"
"""Where the first watermark of a group came from: written once."""
FORMAT = 2
RECORD_BYTES = 32
"""What a record of a batch takes beside its key and value, at most."""
LOST = (
    "The local state or the changelog lost records. Delete the data folder: the state is made again"
    " from the changelog. If this comes again it is the changelog: build anew under another topic"
    " prefix"
)
"""The way out where records of the state are missing."""
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
    shown_ms
        Key of that record in the order of a replay; see `streams.kafka.shown`.
    identity
        Of the changelog that the records are of; None where nothing was ever written.
    admitted
        Symbols that are not configured and were admitted, in the order of their first records.
    """

    checkpoint: int | None = None
    last: RecordDigest | None = None
    shown_ms: int = FAR_PAST_MS
    identity: str | None = None
    admitted: list[AdmittedSymbol] = field(default_factory=list)
    groups: dict[str, StoredGroup] = field(default_factory=dict)


class GroupChange(Struct, frozen=True):
    """Changed state records of one group; they are written together or not at all.

    Those of the partition itself are of a group without a name.
    """

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
        group, name = split_state_key(key.decode())
    except UnicodeDecodeError as error:
        raise _foreign(key, str(error)) from error
    own = key in (CHECKPOINT_KEY, IDENTITY_KEY) or key.startswith(ADMITTED_KEY)
    if not (name and (group or own)):
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


class Checkpoint(Struct, frozen=True):
    """How far the state of a partition is; as in `StoredPartition`.

    Attributes
    ----------
    symbols
        Number of symbols admitted.
    """

    next_offset: int
    last: RecordDigest | None = None
    shown_ms: int = FAR_PAST_MS
    symbols: int = 0


def checkpoint_pair(checkpoint: Checkpoint) -> Pair:
    """The record that holds how far a partition is, and what the last record was."""
    shown_ms = checkpoint.shown_ms
    content = {
        "v": FORMAT,
        "last": None if checkpoint.last is None else list(checkpoint.last),
        "shown": None if shown_ms == FAR_PAST_MS else shown_ms,
        "symbols": checkpoint.symbols,
    }
    return CHECKPOINT_KEY, pack(checkpoint.next_offset, content)


def read_checkpoint(value: bytes) -> Checkpoint:
    """The content of such a record.

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
    last, shown_ms = content["last"], content["shown"]
    return Checkpoint(
        next_offset,
        None if last is None else RecordDigest(*last),
        FAR_PAST_MS if shown_ms is None else shown_ms,
        content["symbols"],
    )


def admissions_change(admitted: Iterable[AdmittedSymbol]) -> GroupChange:
    """The records of symbols that were admitted."""
    pairs = [(ADMITTED_KEY + symbol.encode(), pack(offset, None)) for symbol, offset in admitted]
    return GroupChange("", pairs)


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
    """What the records of a partition hold.

    Raises
    ------
    StateFormatError
        When a record is of another format.
    StateIncompleteError
        When admitted symbols are missing.
    ForeignRecordError
        When a record is none that a worker writes.
    """
    found = StoredPartition()
    symbols = 0
    for key, value in items:
        check_record(key, value)
        if key == CHECKPOINT_KEY:
            checkpoint = read_checkpoint(value)
            found.checkpoint, found.last = checkpoint.next_offset, checkpoint.last
            found.shown_ms, symbols = checkpoint.shown_ms, checkpoint.symbols
            continue
        if key.startswith(ADMITTED_KEY):
            found.admitted.append(
                AdmittedSymbol(key.removeprefix(ADMITTED_KEY).decode(), offset_of(value))
            )
            continue
        content = unpack(value)
        if key == IDENTITY_KEY:
            found.identity = content[1]
            continue
        group, name = split_state_key(key.decode())
        stored = found.groups.setdefault(group, StoredGroup())
        if name == FIRST:
            stored.first = (content[1][0], content[1][1])
            continue
        stored.records[name] = content[1]
        if name == HOT:
            stored.settings = stored_identity(content[2])
    # More of them are those of a step whose last batch, which has the checkpoint, was not written.
    if len(found.admitted) < symbols:
        raise StateIncompleteError(
            f"the state has {len(found.admitted)} symbols that are not configured, its checkpoint"
            f" {symbols}. {LOST}"
        )
    found.admitted.sort(key=lambda each: each.offset)
    return found


def batches(
    changes: Sequence[GroupChange], checkpoint: Checkpoint, limit: int
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
    pair = checkpoint_pair(checkpoint)
    taken = batch_bytes([pair])
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
    yield [*batch, pair]


def batch_bytes(pairs: Iterable[Pair]) -> int:
    """Bytes that records take in a batch, at most."""
    return sum(len(key) + len(value) + RECORD_BYTES for key, value in pairs)
