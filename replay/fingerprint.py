"""SHA-256 of what a replay read and said, however it came in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from replay.items import LogItem, Release
from schemas.events import Output, Reject, Retract, type_of
from schemas.topics import topic_of


class InputHash:
    """Contents of the records of each partition, in order of their offsets."""

    def __init__(self) -> None:
        self._hashes: dict[int, Any] = {}

    def add(self, items: Iterable[LogItem]) -> None:
        """The next records; those of a file are not counted, its own checksum is known."""
        pieces: dict[int, list[bytes]] = {}
        for partition, _, _, _, value in items:
            if type(value) is not bytes:
                continue
            found = pieces.get(partition)
            if found is None:
                found = pieces[partition] = []
            found.append(b"%d:%b" % (len(value), value))
        for partition, parts in pieces.items():
            known = self._hashes.get(partition)
            if known is None:
                known = self._hashes[partition] = hashlib.sha256()
            known.update(b"".join(parts))

    def digests(self) -> dict[str, str]:
        """Hexadecimal digests by partition."""
        return {str(each): found.hexdigest() for each, found in sorted(self._hashes.items())}


class PartitionHashes:
    """Lines of each output topic and partition: equal also where partitions came in other turns."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, int], Any] = {}
        self._encode = msgspec.json.Encoder().encode_lines

    def add(self, releases: Iterable[Release]) -> None:
        """The next releases."""
        pieces: dict[tuple[str, int], list[Output | Reject]] = {}
        for release in releases:
            partition = release.item.partition
            for event in release.events:
                kind = event.type if isinstance(event, Retract) else type_of(event)
                pieces.setdefault((kind, partition), []).append(event)
            if release.letter is not None:
                pieces.setdefault(("reject", partition), []).append(release.letter)
        for place, events in pieces.items():
            known = self._hashes.get(place)
            if known is None:
                known = self._hashes[place] = hashlib.sha256()
            known.update(self._encode(events))

    def digests(self) -> dict[str, str]:
        """Hexadecimal digests by ``topic/partition``."""
        return {
            f"{topic_of(kind)}/{partition}": found.hexdigest()
            for (kind, partition), found in sorted(self._hashes.items())
        }
