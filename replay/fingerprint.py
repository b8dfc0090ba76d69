"""SHA-256 of what a replay read, however it came in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from replay.items import LogItem


class InputHash:
    """Contents of the records of each partition, in order of their offsets."""

    def __init__(self) -> None:
        self._hashes: dict[int, Any] = {}

    def add(self, items: Iterable[LogItem]) -> None:
        """The next records; those of a file are not counted, its own checksum is known."""
        pieces: dict[int, list[bytes]] = {}
        for item in items:
            place = item.place
            if place is None or type(place) is tuple:
                continue
            value = place.value or b""
            found = pieces.get(item.partition)
            if found is None:
                found = pieces[item.partition] = []
            found.append(b"%d:" % len(value))
            found.append(value)
        for partition, parts in pieces.items():
            known = self._hashes.get(partition)
            if known is None:
                known = self._hashes[partition] = hashlib.sha256()
            known.update(b"".join(parts))

    def digests(self) -> dict[str, str]:
        """Hexadecimal digests by partition."""
        return {str(each): found.hexdigest() for each, found in sorted(self._hashes.items())}
