"""Places of many small values in a few stored records.

docs/rules.md 14.1: what is stored lies under a fixed ring of keys and is never deleted, so a value
that goes leaves a free place, and the next one takes the lowest.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any


class PlaceTable:
    """Which value lies where; the values themselves stay with their owner.

    Parameters
    ----------
    size
        Places of one record.

    Attributes
    ----------
    keys
        By place, the key of the value there, None where it is free.
    """

    def __init__(self, size: int) -> None:
        self.keys: list[Any] = []
        self._size = size
        self._places: dict[Any, int] = {}
        self._free: list[int] = []
        self._changed: dict[int, bool] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def put(self, key: Any) -> int:
        """The value of a key is new or has changed; returns its place."""
        place = self._places.get(key)
        if place is None:
            if self._free:
                place = heappop(self._free)
                self.keys[place] = key
            else:
                place = len(self.keys)
                self.keys.append(key)
            self._places[key] = place
        self._changed[place // self._size] = True
        return place

    def drop(self, key: Any) -> None:
        """The value of a key is gone; it may never have been there."""
        place = self._places.pop(key, None)
        if place is None:
            return
        self.keys[place] = None
        heappush(self._free, place)
        self._changed[place // self._size] = True

    def take_changed(self) -> list[int]:
        """Numbers of the records that changed since the last call, ascending."""
        numbers = sorted(self._changed)
        self._changed.clear()
        return numbers

    def record(self, number: int) -> list[Any]:
        """Keys of the places of one record."""
        return self.keys[number * self._size : (number + 1) * self._size]

    def record_count(self) -> int:
        """Records in use, free places included."""
        return -(-len(self.keys) // self._size)

    def restore(self, keys: list[Any]) -> None:
        """Take the keys by place."""
        self.keys = keys
        for place, key in enumerate(keys):
            if key is None:
                heappush(self._free, place)
            else:
                self._places[key] = place
