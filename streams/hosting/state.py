"""State of a book as records of the topic of host states. Pure.

A key is ``account|name``; what belongs to the whole book has an empty account. A value is the JSON
list ``[step, content]``: the count of records that the content includes, then the content, null for
what is gone. ``|checkpoint`` is ``[step, {"v": format, "offsets": {partition: next offset}}]``. All
that a step changes is one record batch, with the checkpoint.

A process that slept and was replaced may have written after its successor. Its steps are those that
its successor took as well, so of each key the greatest step counts, wherever it lies. Compaction
keeps the last one: what lies before a lower step has to be written once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.ids import split_state_key, state_key
from tapeline.streams.pipeline.state_values import pack, unpack

CHECKPOINT = "checkpoint"
BOOK_FORMAT = 1
BATCH_BYTES = 15 * 1_048_576
"""Least of what the topic accepts (16 MiB), with room for the frame."""
RECORD_BYTES = 32
"""What a record of a batch takes beside its key and value, at most."""

StatePair = tuple[bytes, bytes]


class BookStateError(BrokenPromiseError, ValueError):
    """Records of a book's state that no host of this version writes; the message has the key."""


class BookTooLargeError(BrokenPromiseError, ValueError):
    """What one step changed of a book does not fit into one record batch."""


class BookCheckpoint(Struct, frozen=True):
    """How far a book is.

    Attributes
    ----------
    step
        Count of the records that it took.
    offsets
        By partition of the log, the first offset that it has not taken.
    """

    step: int = 0
    offsets: Mapping[int, int] = {}


class StoredBook(Struct):
    """What is stored of a book.

    Attributes
    ----------
    checkpoint
        None where nothing was ever written.
    records
        Contents by name, without those that are gone.
    end
        Offset at which the next record of the partition goes.
    stale
        Records of processes that had been replaced.
    behind
        Names of records after which such a one lies.
    """

    checkpoint: BookCheckpoint | None = None
    records: dict[str, Any] = field(default_factory=dict)
    end: int = 0
    stale: int = 0
    behind: set[str] = field(default_factory=set)

    def rewritten(self) -> dict[str, Any]:
        """Records that go into the next batch as they are."""
        return {name: self.records.get(name) for name in sorted(self.behind - {CHECKPOINT})}


def owner_of(name: str, accounts: Mapping[str, str]) -> str:
    """The account that a record belongs to, "" where it belongs to the book.

    Parameters
    ----------
    name
        Such as ``memory|fade`` or ``account|default``: its kind, then what it is of.
    accounts
        Account by strategy.
    """
    kind, rest = split_state_key(name)
    whose = split_state_key(rest)[0]
    if kind == "account":
        return whose
    return accounts.get(whose, "")


def state_pairs(
    changed: Mapping[str, Any], checkpoint: BookCheckpoint, accounts: Mapping[str, str]
) -> list[StatePair]:
    """The records of one step; its checkpoint comes last.

    Raises
    ------
    BookTooLargeError
        When they are more than one record batch takes.
    """
    step = checkpoint.step
    pairs = [
        (state_key(owner_of(name, accounts), name).encode(), pack(step, content))
        for name, content in changed.items()
    ]
    content = {
        "v": BOOK_FORMAT,
        "offsets": {str(each): offset for each, offset in sorted(checkpoint.offsets.items())},
    }
    pairs.append((state_key("", CHECKPOINT).encode(), pack(step, content)))
    size = sum(len(key) + len(value) + RECORD_BYTES for key, value in pairs)
    if size > BATCH_BYTES:
        largest = max(pairs, key=lambda each: len(each[1]))[0].decode()
        raise BookTooLargeError(
            f"the changed state of a step has {size} bytes, more than the {BATCH_BYTES} of one"
            f" record batch; the largest record is {largest}: ask for fewer bars or sessions in"
            " Needs, or spread the strategies over more accounts"
        )
    return pairs


def read_book(records: Iterable[tuple[bytes | None, bytes | None]], end: int) -> StoredBook:
    """What the records of a partition hold, in the order of their offsets.

    Parameters
    ----------
    end
        Of the partition, as it was when reading began.

    Raises
    ------
    BookStateError
        When one is of another format, or none that a host writes.
    """
    found = StoredBook(end=end)
    steps: dict[str, int] = {}
    contents: dict[str, Any] = {}
    for key, value in records:
        name, step, content = _taken_apart(key, value)
        if step < steps.get(name, step):
            found.stale += 1
            found.behind.add(name)
            continue
        found.behind.discard(name)
        steps[name] = step
        contents[name] = content
    checkpoint = contents.pop(CHECKPOINT, None)
    if checkpoint is not None:
        found.checkpoint = _checkpoint(steps[CHECKPOINT], checkpoint)
    found.records = {name: each for name, each in contents.items() if each is not None}
    return found


def _checkpoint(step: int, content: Any) -> BookCheckpoint:
    try:
        if content["v"] != BOOK_FORMAT:
            raise BookStateError(
                f"the stored state of hosts has format {content['v']}, this version reads"
                f" {BOOK_FORMAT}: run the version that wrote it, or use another topic prefix"
            )
        offsets = {int(each): offset for each, offset in content["offsets"].items()}
        return BookCheckpoint(step, offsets)
    except (KeyError, TypeError, AttributeError) as error:
        raise _foreign(state_key("", CHECKPOINT), repr(error)) from error


def _taken_apart(key: bytes | None, value: bytes | None) -> tuple[str, int, Any]:
    """Name, step and content of a record."""
    if key is None or value is None:
        raise _foreign(repr(key), "no key" if key is None else "no value")
    try:
        name = split_state_key(key.decode())[1]
        step, content = unpack(value)
    except (ValueError, msgspec.DecodeError) as error:
        raise _foreign(repr(key), str(error)) from error
    if not name or not isinstance(step, int):
        raise _foreign(repr(key), "keys of a host are account|name, values [step, content]")
    return name, step, content


def _foreign(key: str, why: str) -> BookStateError:
    return BookStateError(
        f"the record of key {key} is no state of a host ({why}): another client writes to the"
        " topic of host states. Let hosts alone do so, then use another topic prefix, or delete"
        " that topic, make it again and start the hosts with --from"
    )
