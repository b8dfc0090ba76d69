"""Slots for many small values in a few stored records.

docs/rules.md 14.1: what is stored lies under a fixed ring of keys and is never deleted, so a value
that goes leaves a free slot, and the next one takes the lowest.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any


class RecordSlots:
    """Which value lies in which slot; the values themselves stay with their owner.

    Parameters
    ----------
    size
        Slots of one record.

    Attributes
    ----------
    keys
        By slot, the key of the value there, None where it is free.
    """

    def __init__(self, size: int) -> None:
        self.keys: list[Any] = []
        self._size = size
        self._slots: dict[Any, int] = {}
        self._free: list[int] = []
        self._changed: dict[int, bool] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._slots

    def put(self, key: Any) -> int:
        """The value of a key is new or has changed; returns its slot."""
        slot = self._slots.get(key)
        if slot is None:
            if self._free:
                slot = heappop(self._free)
                self.keys[slot] = key
            else:
                slot = len(self.keys)
                self.keys.append(key)
            self._slots[key] = slot
        self._changed[slot // self._size] = True
        return slot

    def drop(self, key: Any) -> None:
        """The value of a key is gone; it may never have been there."""
        slot = self._slots.pop(key, None)
        if slot is None:
            return
        self.keys[slot] = None
        heappush(self._free, slot)
        self._changed[slot // self._size] = True

    def take_changed(self) -> list[int]:
        """Numbers of the records that changed since the last call, ascending."""
        numbers = sorted(self._changed)
        self._changed.clear()
        return numbers

    def record(self, number: int) -> list[Any]:
        """Keys of the slots of one record."""
        return self.keys[number * self._size : (number + 1) * self._size]

    def record_count(self) -> int:
        """Records in use, free slots included."""
        return -(-len(self.keys) // self._size)

    def restore(self, keys: list[Any]) -> None:
        """Take the keys by slot."""
        self.keys = keys
        for slot, key in enumerate(keys):
            if key is None:
                heappush(self._free, slot)
            else:
                self._slots[key] = slot
