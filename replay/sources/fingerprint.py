"""SHA-256 of what a replay read and published, however it came in pieces."""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tapeline.replay.sources.items import LogItem, Release
from tapeline.schemas.codec import encode_lines
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output, Reject, type_of
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import DEFAULT_PREFIX, topic_of


class InputHash:
    """Contents of the records of each partition, in order of their offsets.

    The digest of a partition is that of two: of the lengths of the contents, eight bytes each, and
    of the contents one after the other.
    """

    def __init__(self) -> None:
        self._hashes: dict[int, tuple[Any, Any]] = {}

    def add(self, items: Sequence[LogItem]) -> None:
        """The next records, whose origins are their bytes.

        Those of files have others and are not counted: the checksums of the files are known.
        """
        if not items or type(items[0].origin) is not bytes:
            return
        pieces: defaultdict[int, list[bytes]] = defaultdict(list)
        for _, _, partition, _, raw, _ in items:
            pieces[partition].append(raw)
        for partition, values in pieces.items():
            known = self._hashes.get(partition)
            if known is None:
                known = self._hashes[partition] = (hashlib.sha256(), hashlib.sha256())
            lengths, contents = known
            lengths.update(struct.pack(f"<{len(values)}q", *map(len, values)))
            contents.update(b"".join(values))

    def digests(self) -> dict[str, str]:
        """Hexadecimal digests by partition."""
        return {
            str(partition): hashlib.sha256(lengths.digest() + contents.digest()).hexdigest()
            for partition, (lengths, contents) in sorted(self._hashes.items())
        }


class PartitionHashes:
    """Lines of each output topic and partition: equal also where partitions came in another order.

    Parameters
    ----------
    registry
        The types of the events.
    """

    def __init__(self, registry: Registry = EVENTS) -> None:
        self._registry = registry
        self._hashes: dict[tuple[str, int], Any] = {}

    def add(self, releases: Iterable[Release]) -> None:
        """The next releases."""
        pieces: dict[tuple[str, int], list[Output | Reject]] = {}
        for release in releases:
            partition = release.item.partition
            for event in release.events:
                pieces.setdefault((type_of(event), partition), []).append(event)
            if release.letter is not None:
                pieces.setdefault(("reject", partition), []).append(release.letter)
        for key, events in pieces.items():
            known = self._hashes.get(key)
            if known is None:
                known = self._hashes[key] = hashlib.sha256()
            known.update(encode_lines(events))

    def digests(self) -> dict[str, str]:
        """Hexadecimal digests by ``topic/partition``."""
        return {
            f"{topic_of(kind, DEFAULT_PREFIX, self._registry)}/{partition}": found.hexdigest()
            for (kind, partition), found in sorted(self._hashes.items())
        }
