"""Sets of stretches of time: what is not known of a symbol, what is proven of it."""

from __future__ import annotations

from collections.abc import Iterator


class Stretches:
    """Disjoint stretches [from_ms, to_ms), ascending; stretches that touch are one."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def first_ms(self) -> int | None:
        """Where the first one begins."""
        return self._items[0][0] if self._items else None

    def add(self, from_ms: int, to_ms: int) -> None:
        """Add a stretch; an empty one adds nothing."""
        if from_ms >= to_ms:
            return
        kept = []
        for begin, end in self._items:
            if end < from_ms or begin > to_ms:
                kept.append((begin, end))
            else:
                from_ms, to_ms = min(from_ms, begin), max(to_ms, end)
        kept.append((from_ms, to_ms))
        kept.sort()
        self._items = kept

    def remove(self, from_ms: int, to_ms: int) -> None:
        """Take a stretch out."""
        if from_ms >= to_ms or not self.meets(from_ms, to_ms):
            return
        kept = []
        for begin, end in self._items:
            if begin < from_ms:
                kept.append((begin, min(end, from_ms)))
            if end > to_ms:
                kept.append((max(begin, to_ms), end))
        self._items = kept

    def meets(self, from_ms: int, to_ms: int) -> bool:
        """Whether a part of a stretch is in the set; of an empty one nothing is."""
        return from_ms < to_ms and any(
            begin < to_ms and from_ms < end for begin, end in self._items
        )

    def within(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """The parts of the set that lie in a stretch; of an empty one there are none."""
        if from_ms >= to_ms:
            return []
        return [
            (max(begin, from_ms), min(end, to_ms))
            for begin, end in self._items
            if begin < to_ms and from_ms < end
        ]

    def end_from(self, instant_ms: int) -> int:
        """End of the stretch that holds an instant; the instant itself where none does."""
        for begin, end in self._items:
            if begin <= instant_ms < end:
                return end
        return instant_ms
