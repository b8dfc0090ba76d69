"""What is kept of past sessions: a tile each, and values by slot where a window asks for them.

Both lie in records under fixed rings of keys. Sessions are named by their dates, so that what is
left over of earlier ones is known by them.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.streams.core.calendar import Calendar

BLOCK_DAYS: Final = 32
CHUNK_SLOTS: Final = 60
TILES: Final = "tiles"
SLOTS: Final = "slots"

Tile = tuple[Any, ...]
"""Open, high, low, close (ticks) of the bars of a session, and its volume."""


class SessionTiles:
    """Tiles of closed sessions that have bars.

    Parameters
    ----------
    span_days
        Calendar days that the sessions kept lie apart at most.

    Attributes
    ----------
    by_session
        By index, ascending.
    """

    __slots__ = ("_calendar", "_ring", "_touched", "_tracked", "by_session")

    def __init__(self, calendar: Calendar, span_days: int) -> None:
        self.by_session: dict[int, Tile] = {}
        self._calendar = calendar
        self._ring = span_days // BLOCK_DAYS + 2
        self._tracked = False
        self._touched: dict[int, bool] = {}

    def put(self, index: int, tile: Tile) -> None:
        """The next session that closed."""
        self.by_session[index] = tile
        self._touch(index)

    def drop_from(self, index: int) -> None:
        """Sessions from that one on have not closed yet."""
        for each in [known for known in self.by_session if known >= index]:
            del self.by_session[each]
            self._touch(each)

    def forget_before(self, index: int) -> None:
        """No window asks for earlier sessions any more."""
        for each in [known for known in self.by_session if known < index]:
            del self.by_session[each]

    def _touch(self, index: int) -> None:
        if self._tracked:
            self._touched[self._calendar.day(index) // BLOCK_DAYS] = True

    def records(self) -> dict[str, Any]:
        """All records."""
        numbers: dict[int, bool] = {}
        for index in self.by_session:
            numbers[self._calendar.day(index) // BLOCK_DAYS] = True
        return self._blocks(sorted(numbers))

    def changed(self) -> dict[str, Any]:
        """Records that changed since the last call, all the first time."""
        if not self._tracked:
            self._tracked = True
            return self.records()
        numbers = sorted(self._touched)
        self._touched.clear()
        return self._blocks(numbers)

    def _blocks(self, numbers: list[int]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number in numbers:
            block: list[Any] = []
            for day in range(number * BLOCK_DAYS, (number + 1) * BLOCK_DAYS):
                tile = self.by_session.get(self._calendar.index_of_day(day))
                if tile is not None:
                    block.append([day, *tile])
            found[f"{TILES}/{number % self._ring}"] = block
        return found

    def restore(self, records: dict[str, Any], oldest: int, end: int) -> None:
        """Take the tiles of sessions oldest <= index < end; others are left over."""
        found: dict[int, Tile] = {}
        for name, block in records.items():
            if not name.startswith(f"{TILES}/"):
                continue
            for data in block:
                index = self._calendar.index_of_day(data[0])
                if oldest <= index < end:
                    found[index] = tuple(data[1:])
        self.by_session = {index: found[index] for index in sorted(found)}
        self._tracked = True
        self._touched.clear()


class SlotColumns:
    """Values by slot of the sessions kept, the present one among them: a column a field.

    A column ends with the last slot that has a bar; None is a slot without a value.

    Attributes
    ----------
    by_session
        By index, ascending: the columns, all of one length.
    """

    __slots__ = ("_calendar", "_ring", "_touched", "_tracked", "_width", "by_session")

    def __init__(self, calendar: Calendar, span_days: int, width: int) -> None:
        self.by_session: dict[int, list[list[Any]]] = {}
        self._calendar = calendar
        self._ring = span_days + 1
        self._width = width
        self._tracked = False
        self._touched: dict[tuple[int, int], bool] = {}

    def length(self, index: int) -> int:
        """Slots that the columns of a session have."""
        columns = self.by_session.get(index)
        return 0 if columns is None else len(columns[0])

    def chunk_count(self) -> int:
        """Chunks of all sessions."""
        count = 0
        for columns in self.by_session.values():
            count += (len(columns[0]) - 1) // CHUNK_SLOTS + 1
        return count

    def put(self, index: int, slot: int, values: list[Any]) -> None:
        """Values of the next slot of a session that has a bar."""
        columns = self.by_session.get(index)
        if columns is None:
            columns = [[] for _ in range(self._width)]
            self.by_session[index] = columns
        before = len(columns[0])
        for number, column in enumerate(columns):
            while len(column) < slot:
                column.append(None)
            column.append(values[number])
        if self._tracked:
            for chunk in range(before // CHUNK_SLOTS, slot // CHUNK_SLOTS + 1):
                self._touched[(index, chunk)] = True

    def cut(self, index: int, slots: int) -> None:
        """Go back: of that session so many slots are known, and of later ones nothing."""
        for each in [known for known in self.by_session if known >= index]:
            left = slots if each == index else 0
            columns = self.by_session[each]
            length = len(columns[0])
            if length <= left:
                continue
            if self._tracked:
                for chunk in range(left // CHUNK_SLOTS, (length - 1) // CHUNK_SLOTS + 1):
                    self._touched[(each, chunk)] = True
            if left:
                self.by_session[each] = [column[:left] for column in columns]
            else:
                del self.by_session[each]

    def forget_before(self, index: int) -> None:
        """No window asks for earlier sessions any more."""
        for each in [known for known in self.by_session if known < index]:
            del self.by_session[each]

    def records(self) -> dict[str, Any]:
        """All records."""
        found: dict[str, Any] = {}
        for index in self.by_session:
            for chunk in range((self.length(index) - 1) // CHUNK_SLOTS + 1):
                self._add(found, index, chunk)
        return found

    def changed(self) -> dict[str, Any]:
        """Records that changed since the last call, all the first time."""
        if not self._tracked:
            self._tracked = True
            return self.records()
        found: dict[str, Any] = {}
        for index, chunk in sorted(self._touched):
            self._add(found, index, chunk)
        self._touched.clear()
        return found

    def _add(self, found: dict[str, Any], index: int, chunk: int) -> None:
        """A chunk of a session, empty where it has none any more."""
        day = self._calendar.day(index)
        first = chunk * CHUNK_SLOTS
        columns = self.by_session.get(index, [])
        found[f"{SLOTS}/{day % self._ring}/{chunk}"] = [
            day, [column[first : first + CHUNK_SLOTS] for column in columns],
        ]  # fmt: skip

    def restore(self, records: dict[str, Any], oldest: int, last: int) -> None:
        """Take the columns of sessions oldest <= index <= last; others are left over."""
        chunks: list[tuple[int, int, list[list[Any]]]] = []
        for name, data in records.items():
            if name.startswith(f"{SLOTS}/"):
                index = self._calendar.index_of_day(data[0])
                if oldest <= index <= last and data[1] and data[1][0]:
                    chunks.append((index, int(name[name.rindex("/") + 1 :]), data[1]))
        self.by_session = {}
        for index, chunk, parts in sorted(chunks, key=_by_session):
            columns = self.by_session.setdefault(index, [[] for _ in range(self._width)])
            for number, column in enumerate(columns):
                while len(column) < chunk * CHUNK_SLOTS:
                    column.append(None)
                column.extend(parts[number])
        self._tracked = True
        self._touched.clear()


def _by_session(chunk: tuple[int, int, list[list[Any]]]) -> tuple[int, int]:
    return chunk[0], chunk[1]
