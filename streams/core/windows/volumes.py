"""Cumulated volumes of a session and of the sessions before it, by time after the open.

What a relative volume is made of: volume so far today, and volume at the same time after the
open in the sessions before.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.instants import FIRST_DAY
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.blocks import RecordSlots
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.volume import Volume

CHUNK_SLOTS: Final = 60
VOLUMES: Final = "volumes"
SESSIONS: Final = "sessions"
"""The record of what the others are of."""
NO_SESSION: Final = FIRST_DAY - 2
"""Index of no session."""


class SessionSlots:
    """Base slots of one session by time after its open.

    Attributes
    ----------
    open_ms
        When it opens.
    length_ms
        From its open to its close.
    """

    __slots__ = ("_base_ms", "_segments", "length_ms", "open_ms")

    def __init__(self, calendar: Calendar, index: int, base_ms: int) -> None:
        opens, closes = calendar.segment_opens(index), calendar.segment_closes(index)
        self.open_ms = opens[0]
        self.length_ms = closes[-1] - opens[0]
        self._base_ms = base_ms
        self._segments: list[tuple[int, int, int]] = []
        before = 0
        for number, open_ms in enumerate(opens):
            count = -((open_ms - closes[number]) // base_ms)
            self._segments.append((open_ms - opens[0], closes[number] - opens[0], before))
            before += count

    def ended(self, elapsed_ms: int) -> int:
        """Slots that ended by then; the last one of a segment ends with it, full or not."""
        base_ms = self._base_ms
        found = 0
        for open_ms, close_ms, before in self._segments:
            if elapsed_ms <= open_ms:
                break
            if elapsed_ms >= close_ms:
                found = before - ((open_ms - close_ms) // base_ms)
            else:
                found = before + (elapsed_ms - open_ms) // base_ms
        return found


class SlotVolumes:
    """Volumes of the present session and of so many calendar sessions before it.

    They lie in records of their own, chunks of a session's slots, and go back as far as restore
    points do: such a point is the length of what was known then.

    Parameters
    ----------
    plan
        Of the symbol.
    sessions
        Calendar sessions before the present one that are asked about, with bars or without.

    Attributes
    ----------
    first_index, index
        Sessions of the first bar of all, and of the last one; `NO_SESSION` before it.
    """

    __slots__ = (
        "_base_ms", "_calendar", "_session", "_sessions", "_slots", "_table", "_totals", "_touched",
        "_tracked", "_unwritten", "_written", "first_index", "index",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan, sessions: int) -> None:
        self._calendar: Calendar = plan.calendar
        self._base_ms = plan.base_ms
        self._sessions = sessions
        # By session, ascending: volume of all bars up to each slot, the last one of a bar; None
        # before the first that is known.
        self._totals: dict[int, list[Any]] = {}
        self._slots: dict[int, SessionSlots] = {}
        self._session = self.first_index = self.index = NO_SESSION
        self._table = RecordSlots(1)
        self._written: list[Any] | None = None
        self._touched: dict[tuple[int, int], bool] = {}
        self._tracked = False
        self._unwritten = False

    def enter(self, index: int) -> None:
        """A session begins, the next one or one gone back to: bars that come are of it."""
        self._session = index

    def take(self, end_ms: int, volume: Volume) -> None:
        """The next bar that ended.

        Parameters
        ----------
        end_ms
            Its end, later than that of the bar before.
        volume
            None is no volume, and counts as 0 once there is one.
        """
        index = self._session
        if self.first_index == NO_SESSION:
            self.first_index = index
        totals = self._totals.get(index)
        total: Volume = totals[-1] if totals else None
        if volume is not None:
            total = volume if total is None else total + volume
        slots = self._slots_of(index)
        self._put(index, slots.ended(end_ms - slots.open_ms) - 1, total)

    def _put(self, index: int, slot: int, total: Volume) -> None:
        """The volume up to a slot; slots before it without a bar have that of the slot before."""
        self.index = index
        totals = self._totals.get(index)
        if totals is None:
            totals = []
            self._totals[index] = totals
        before = len(totals)
        if before < slot:
            filler = totals[-1] if totals else None
            while len(totals) < slot:
                totals.append(filler)
        totals.append(total)
        if self._tracked:
            for chunk in range(before // CHUNK_SLOTS, slot // CHUNK_SLOTS + 1):
                self._touched[(index, chunk)] = True

    def _slots_of(self, index: int) -> SessionSlots:
        found = self._slots.get(index)
        if found is None:
            found = SessionSlots(self._calendar, index, self._base_ms)
            self._slots[index] = found
        return found

    def so_far(self) -> Volume:
        """Volume of the present session up to the last bar; 0 where none is known."""
        total: Volume = self._totals[self.index][-1]
        return 0 if total is None else total

    def earlier(self, end_ms: int, sessions: int) -> list[Any]:
        """Volumes of earlier sessions at the same time after their open, oldest first.

        Of sessions that have a known volume and are at least that long.

        Parameters
        ----------
        end_ms
            An instant of the present session, up to its close.
        sessions
            Calendar sessions before the present one that are asked about.
        """
        elapsed_ms = end_ms - self._slots_of(self.index).open_ms
        found: list[Any] = []
        for index in range(self.index - sessions, self.index):
            totals = self._totals.get(index)
            if totals is None or totals[-1] is None:
                continue
            slots = self._slots_of(index)
            if slots.length_ms < elapsed_ms:
                continue
            ended = slots.ended(elapsed_ms)
            if ended > len(totals):
                ended = len(totals)
            total = totals[ended - 1] if ended else None
            found.append(0 if total is None else total)
        return found

    def restore_point(self) -> list[Any]:
        """Plain data: dates of the first and the last session, and slots of the last one."""
        if self.index == NO_SESSION:
            return []
        stored_day = self._calendar.stored_day
        return [
            stored_day(self.first_index),
            stored_day(self.index),
            len(self._totals[self.index]),
        ]

    def rewind(self, point: list[Any]) -> None:
        """Go to a restore point: later slots go."""
        if len(point) == 2:
            self._rewind_to(point[0], point[1])
            return
        self.first_index = self.index = NO_SESSION
        left = 0
        if point:
            self.first_index = self._calendar.index_from_day(point[0])
            self.index = self._calendar.index_from_day(point[1])
            left = point[2]
            known = len(self._totals.get(self.index, []))
            assert known >= left, f"{known} of {left} slots in {VOLUMES}"
        self._cut(self.index, left)

    def _cut(self, index: int, slots: int) -> None:
        """Of that session so many slots are known, and of later ones nothing."""
        for each in [known for known in self._totals if known >= index]:
            left = slots if each == index else 0
            totals = self._totals[each]
            if self._tracked and left % CHUNK_SLOTS and left < len(totals):
                self._touched[(each, left // CHUNK_SLOTS)] = True
            if left:
                del totals[left:]
            else:
                del self._totals[each]

    def _rewind_to(self, first_day: int | None, days: list[Any]) -> None:
        """Go to a restore point of before there were records, which holds the sessions itself.

        Parameters
        ----------
        days
            Date, ends of bars in milliseconds after the open, and volumes up to them.
        """
        self._cut(NO_SESSION, 0)
        self.first_index = self.index = NO_SESSION
        if first_day is None:
            return
        self.first_index = self._calendar.index_from_day(first_day)
        for day, elapsed, totals in days:
            index = self._calendar.index_from_day(day)
            slots = self._slots_of(index)
            for number, elapsed_ms in enumerate(elapsed):
                self._put(index, slots.ended(elapsed_ms) - 1, totals[number])

    def release(self, point: list[Any]) -> None:
        """Nothing goes back to before a restore point: forget what it does not ask about."""
        if len(point) != 3:
            return
        oldest = self._calendar.index_from_day(point[1]) - self._sessions
        for each in [known for known in self._totals if known < oldest]:
            del self._totals[each]
        for each in [known for known in self._slots if known < oldest]:
            del self._slots[each]

    def records(self) -> dict[str, Any]:
        """What restore points refer to."""
        table = RecordSlots(1)
        found: dict[str, Any] = {}
        for index in self._totals:
            table.put(self._calendar.stored_day(index))
            for chunk in range(self._chunks(index)):
                self._add(found, table, index, chunk)
        found[f"{VOLUMES}/{SESSIONS}"] = self._listed(table)
        return found

    def changed(self) -> dict[str, Any]:
        """Records that changed since the last call, all the first time."""
        if self._unwritten:
            # The owner asks after a restore, when all is stored, and drops what it gets.
            self._unwritten = False
            return {}
        if not self._tracked:
            self._tracked = True
            for index in self._totals:
                for chunk in range(self._chunks(index)):
                    self._touched[(index, chunk)] = True
        calendar = self._calendar
        table = self._table
        known = {calendar.stored_day(index): True for index in self._totals}
        for day in [each for each in table.keys if each is not None and each not in known]:
            table.drop(day)
        found: dict[str, Any] = {}
        for index, chunk in sorted(self._touched):
            if chunk < self._chunks(index):
                self._add(found, table, index, chunk)
        self._touched.clear()
        listed = self._listed(table)
        if listed != self._written:
            self._written = listed
            found[f"{VOLUMES}/{SESSIONS}"] = listed
        return found

    def _chunks(self, index: int) -> int:
        totals = self._totals.get(index)
        return 0 if totals is None else -(-len(totals) // CHUNK_SLOTS)

    def _add(self, found: dict[str, Any], table: RecordSlots, index: int, chunk: int) -> None:
        first = chunk * CHUNK_SLOTS
        number = table.put(self._calendar.stored_day(index))
        found[f"{VOLUMES}/{number}/{chunk}"] = self._totals[index][first : first + CHUNK_SLOTS]

    def _listed(self, table: RecordSlots) -> list[Any]:
        """By number, the date of a session and how many chunks it has; None: none."""
        found: list[Any] = []
        for day in table.keys:
            if day is None:
                found.append(None)
            else:
                found.append([day, self._chunks(self._calendar.index_from_day(day))])
        return found

    def restore(self, records: dict[str, Any]) -> None:
        """Take records; `rewind` to the present follows.

        Without any, restore points hold the sessions themselves: then all have to be written.
        """
        listed = records.get(f"{VOLUMES}/{SESSIONS}")
        if listed is None:
            self._unwritten = True
            return
        found: list[tuple[int, list[Any]]] = []
        for number, each in enumerate(listed):
            if each is not None:
                totals: list[Any] = []
                for chunk in range(each[1]):
                    totals.extend(records[f"{VOLUMES}/{number}/{chunk}"])
                found.append((self._calendar.index_from_day(each[0]), totals))
        self._totals = {}
        for index, totals in sorted(found, key=_session_of):
            self._totals[index] = totals
        self._table.restore([None if each is None else each[0] for each in listed])
        self._written = listed
        self._tracked = True


def _session_of(found: tuple[int, list[Any]]) -> int:
    return found[0]
