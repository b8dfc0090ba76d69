"""What ranges were before they changed, as far back as the correction horizon.

A snapshot in the ring does not copy the unresolved ranges, whose number may grow with history: it
remembers a position in this journal, and going back undoes what came after it.
"""

from __future__ import annotations

from typing import Final

from tapeline.streams.core.ranges.live_range import LiveRange

BLOCK_ENTRIES: Final = 64


class RangeJournal:
    """Every change of the set of ranges, oldest first; a position is a count since the beginning.

    Attributes
    ----------
    keys, before
        By entry the range's key and what it was, None for one that was not there.
    first
        Position of the first entry kept.
    lowest_changed
        Position from which on entries have changed since `mark_clean`.
    """

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.before: list[LiveRange | None] = []
        self.first = 0
        self.lowest_changed = 0

    @property
    def position(self) -> int:
        """Position of the next entry."""
        return self.first + len(self.keys)

    def add(self, key: int, before: LiveRange | None) -> None:
        """A range changes, or is published."""
        self.keys.append(key)
        self.before.append(before)

    def since(self, position: int) -> dict[int, LiveRange | None]:
        """What each range that changed after a position was there."""
        found: dict[int, LiveRange | None] = {}
        for at in range(position - self.first, len(self.keys)):
            key = self.keys[at]
            if key not in found:
                found[key] = self.before[at]
        return found

    def cut(self, position: int) -> None:
        """Forget the entries from a position on: they are undone."""
        at = position - self.first
        del self.keys[at:]
        del self.before[at:]
        if position < self.lowest_changed:
            self.lowest_changed = position

    def blocks(self) -> range:
        """Numbers of the blocks of entries kept; `first` begins one."""
        return range(self.first // BLOCK_ENTRIES, -(-self.position // BLOCK_ENTRIES))

    def block(self, number: int) -> list[tuple[int, LiveRange | None]]:
        """Entries of a block: key and what was there before."""
        at = number * BLOCK_ENTRIES - self.first
        end = min(at + BLOCK_ENTRIES, len(self.keys))
        return [(self.keys[entry], self.before[entry]) for entry in range(at, end)]

    def mark_clean(self) -> None:
        """Every entry lies in a record."""
        self.lowest_changed = self.position

    def forget_before(self, position: int) -> None:
        """Forget whole blocks of entries before a position: nothing goes back so far any more."""
        count = (position - self.first) // BLOCK_ENTRIES * BLOCK_ENTRIES
        if count > 0:
            del self.keys[:count]
            del self.before[:count]
            self.first += count
