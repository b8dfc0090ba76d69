"""The last record of the log that a state includes, in short: by it the log is known again."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from tapeline.streams.kafka.raw_records import RawRecord

HASH_DIGITS = 16
"""Of SHA-256, hexadecimal: two records that differ have the same once in 10^19."""


class RecordDigest(NamedTuple):
    """A record of the log.

    Attributes
    ----------
    offset
        Position in the partition.
    timestamp
        CreateTime, epoch milliseconds.
    hash
        First digits of SHA-256 of its value.
    """

    offset: int
    timestamp: int
    hash: str

    def __str__(self) -> str:
        return f"offset {self.offset} (time {self.timestamp}, hash {self.hash})"


def digest_of(record: RawRecord) -> RecordDigest:
    """The digest of a record; a tombstone has that of no bytes."""
    found = sha256(record.value or b"").hexdigest()[:HASH_DIGITS]
    return RecordDigest(record.offset, record.timestamp, found)
