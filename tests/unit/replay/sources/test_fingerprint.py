"""Hashes of what a replay read."""

from __future__ import annotations

import hashlib
import struct

from tapeline.replay.sources.fingerprint import InputHash
from tapeline.replay.sources.items import LogItem
from tapeline.schemas.records import Clock


def item(partition: int, offset: int, content: bytes) -> LogItem:
    """A record of a topic."""
    return LogItem(offset, Clock("ES", 60_000), partition, 60_000, content)


def digest_of(*contents: bytes) -> str:
    """The documented digest of the records of a partition."""
    lengths = hashlib.sha256(b"".join(struct.pack("<q", len(each)) for each in contents))
    joined = hashlib.sha256(b"".join(contents))
    return hashlib.sha256(lengths.digest() + joined.digest()).hexdigest()


def test_each_partition_has_one_digest_of_its_contents_in_pieces_of_any_size() -> None:
    items = [item(3, 7, b"a"), item(0, 7, b"bc"), item(3, 8, b""), item(3, 9, b"def")]
    whole, pieces = InputHash(), InputHash()
    whole.add(items)
    for each in items:
        pieces.add([each])
    assert whole.digests() == {"0": digest_of(b"bc"), "3": digest_of(b"a", b"", b"def")}
    assert pieces.digests() == whole.digests()


def test_records_of_files_are_not_hashed() -> None:
    found = InputHash()
    found.add([LogItem(0, Clock("ES", 60_000), 0, 60_000, ("feed", "row", 1))])
    assert found.digests() == {}
