"""Trading sessions and zone offsets, as plain data handed in from outside.

Rules: docs/rules.md 3. A session has one or more open segments [open, close); slots of a
base interval are counted from each segment's open, and the last slot of a segment may be short.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from tapeline.schemas.instants import DAY_MS, FIRST_DAY, LAST_DAY, iso_date

EARLY_CLOSE: Final = 1
LATE_OPEN: Final = 2


def week_of(day: int) -> int:
    """Number of the ISO week (Monday to Sunday) of a day since 1970-01-01."""
    return (day + 3) // 7


class Calendar:
    """Sessions of one exchange, addressed by index in order of date.

    Parameters
    ----------
    calendar_id
        Name used in configuration and manifests.
    days
        Session dates, ascending, as days since 1970-01-01.
    opens, closes
        Segment edges of each session, UTC milliseconds; a close is exclusive.
    flags
        Per session: `EARLY_CLOSE`, `LATE_OPEN` or both; 0 is a full session.
    first_ms, last_ms
        Instants covered: first_ms <= label < last_ms.
    """

    def __init__(
        self,
        calendar_id: str,
        days: list[int],
        opens: list[list[int]],
        closes: list[list[int]],
        flags: list[int],
        first_ms: int,
        last_ms: int,
    ) -> None:
        self.calendar_id = calendar_id
        self.first_ms = first_ms
        self.last_ms = last_ms
        self._days = days
        self._opens = opens
        self._closes = closes
        self._flags = flags
        self._ends = [edges[-1] for edges in closes]
        self._dates: dict[int, str] = {}

    def session_of(self, instant_ms: int) -> int:
        """Index of the session with open <= instant < close, otherwise of the next one."""
        return bisect_right(self._ends, instant_ms)

    def has_session(self, index: int) -> bool:
        """Whether the calendar knows a session of that index."""
        return 0 <= index < len(self._days)

    def day(self, index: int) -> int:
        """Session date as days since 1970-01-01."""
        return self._days[index]

    def index_of_day(self, day: int) -> int:
        """Index of the session of a date, or -1 when there is none."""
        index = bisect_left(self._days, day)
        return index if index < len(self._days) and self._days[index] == day else -1

    def stored_day(self, index: int) -> int:
        """Date that names a session in stored state, as days since 1970-01-01.

        An index would name another session once the calendar has one more or one less before it.
        What lies beyond the last session is named by the day after it.
        """
        if index < len(self._days):
            return self._days[index]
        return self._days[-1] + 1

    def index_from_day(self, day: int) -> int:
        """Index of the session of a date, or of the next one: the session of a `stored_day`."""
        return bisect_left(self._days, day)

    def segment_opens(self, index: int) -> list[int]:
        """Opens of the segments of a session."""
        return self._opens[index]

    def segment_closes(self, index: int) -> list[int]:
        """Closes (exclusive) of the segments of a session."""
        return self._closes[index]

    def flags(self, index: int) -> int:
        """`EARLY_CLOSE`, `LATE_OPEN`, both, or 0 for a full session."""
        return self._flags[index]

    def open_ms(self, index: int) -> int:
        """Open of the first segment."""
        return self.segment_opens(index)[0]

    def close_ms(self, index: int) -> int:
        """Close of the last segment."""
        return self.segment_closes(index)[-1]

    def date(self, index: int) -> str:
        """ISO session date."""
        known = self._dates.get(index)
        if known is None:
            known = iso_date(self.day(index))
            self._dates[index] = known
        return known

    def covers(self, instant_ms: int) -> bool:
        """Whether a label lies inside the dates of the artefact."""
        return self.first_ms <= instant_ms < self.last_ms

    def slot_count(self, index: int, base_ms: int) -> int:
        """Number of slots of a session."""
        total = 0
        closes = self.segment_closes(index)
        for position, opened in enumerate(self.segment_opens(index)):
            total += -((opened - closes[position]) // base_ms)
        return total

    def slots_started(self, index: int, instant_ms: int, base_ms: int) -> int:
        """Number of slots of a session whose label is before the instant."""
        total = 0
        closes = self.segment_closes(index)
        for position, opened in enumerate(self.segment_opens(index)):
            if instant_ms <= opened:
                break
            total += -((opened - min(instant_ms, closes[position])) // base_ms)
        return total

    def segment_of(self, index: int, instant_ms: int) -> int:
        """Position of the segment with open <= instant < close, or -1."""
        closes = self.segment_closes(index)
        for position, opened in enumerate(self.segment_opens(index)):
            if opened <= instant_ms < closes[position]:
                return position
        return -1

    def slot_start(self, index: int, slot: int, base_ms: int) -> int:
        """Label of the slot with that number (from 0) of a session."""
        closes = self.segment_closes(index)
        for position, opened in enumerate(self.segment_opens(index)):
            count = -((opened - closes[position]) // base_ms)
            if slot < count:
                return opened + slot * base_ms
            slot -= count
        raise IndexError(f"{self.calendar_id} session {self.date(index)} has no such slot")

    def slot_end(self, start_ms: int, base_ms: int) -> int:
        """End of the bar labelled `start_ms`: start + interval, or its segment's close if first."""
        index = self.session_of(start_ms)
        if self.has_session(index):
            position = self.segment_of(index, start_ms)
            if position >= 0:
                return min(start_ms + base_ms, self.segment_closes(index)[position])
        return start_ms + base_ms

    def is_slot(self, start_ms: int, base_ms: int) -> bool:
        """Whether an instant is the label of a slot."""
        index = self.session_of(start_ms)
        if not self.has_session(index):
            return False
        position = self.segment_of(index, start_ms)
        return position >= 0 and (start_ms - self.segment_opens(index)[position]) % base_ms == 0

    def end_around(self, instant_ms: int, base_ms: int) -> int:
        """End of the slot that an instant lies inside of; the instant where it splits none."""
        index = self.session_of(instant_ms)
        position = self.segment_of(index, instant_ms) if self.has_session(index) else -1
        if position < 0:
            return instant_ms
        passed = (instant_ms - self.segment_opens(index)[position]) % base_ms
        if passed == 0:
            return instant_ms
        return min(instant_ms - passed + base_ms, self.segment_closes(index)[position])

    def label_before(self, end_ms: int, base_ms: int) -> int:
        """Label of the bar that ends at an instant: a segment's last one may be short."""
        index = self.session_of(end_ms - 1)
        position = self.segment_of(index, end_ms - 1) if self.has_session(index) else -1
        if position < 0 or self.segment_closes(index)[position] != end_ms:
            return end_ms - base_ms
        opened = self.segment_opens(index)[position]
        return opened + (end_ms - 1 - opened) // base_ms * base_ms

    def count_slots(self, from_ms: int, to_ms: int, base_ms: int) -> int:
        """Number of slots of all sessions with from <= label < to."""
        index = self.session_of(from_ms)
        total = 0
        while self.has_session(index) and self.open_ms(index) < to_ms:
            total += self.slots_started(index, to_ms, base_ms)
            total -= self.slots_started(index, from_ms, base_ms)
            index += 1
        return total

    def week_bounds(self, index: int) -> tuple[int, int]:
        """Indices of the first and the last session of the ISO week of a session."""
        week = week_of(self.day(index))
        first = index
        while self.has_session(first - 1) and week_of(self.day(first - 1)) == week:
            first -= 1
        last = index
        while self.has_session(last + 1) and week_of(self.day(last + 1)) == week:
            last += 1
        return first, last


class DailyCalendar(Calendar):
    """``24/7``: every UTC day is a full session; the index is the day since 1970-01-01."""

    def __init__(self) -> None:
        super().__init__("24/7", [], [], [], [], FIRST_DAY * DAY_MS, LAST_DAY * DAY_MS)

    def session_of(self, instant_ms: int) -> int:
        """UTC day of the instant."""
        return instant_ms // DAY_MS

    def has_session(self, index: int) -> bool:
        """Every day that has an ISO date."""
        return FIRST_DAY <= index <= LAST_DAY

    def day(self, index: int) -> int:
        """The index itself."""
        return index

    def index_of_day(self, day: int) -> int:
        """The day itself."""
        return day

    def stored_day(self, index: int) -> int:
        """The index itself."""
        return index

    def index_from_day(self, day: int) -> int:
        """The day itself."""
        return day

    def segment_opens(self, index: int) -> list[int]:
        """Midnight."""
        return [index * DAY_MS]

    def segment_closes(self, index: int) -> list[int]:
        """The next midnight."""
        return [(index + 1) * DAY_MS]

    def flags(self, index: int) -> int:
        """Always a full session."""
        return 0


class ZoneTable:
    """UTC offsets of one time zone, as plain data.

    Parameters
    ----------
    zone
        IANA name.
    instants
        UTC milliseconds from which an offset holds, ascending; the first lies before every use.
    offsets_ms
        Offset to add to UTC for local wall time.
    """

    def __init__(self, zone: str, instants: list[int], offsets_ms: list[int]) -> None:
        self.zone = zone
        self._instants = instants
        self._offsets = offsets_ms

    def changes(self, first_ms: int, end_ms: int) -> list[tuple[int, int]]:
        """The offset in force at an instant, then the changes up to another (exclusive).

        Each is an instant and the offset from then on; the first of them has `first_ms`.
        """
        at = bisect_right(self._instants, first_ms) - 1
        found = [(first_ms, self._offsets[at])]
        for number in range(at + 1, bisect_left(self._instants, end_ms)):
            found.append((self._instants[number], self._offsets[number]))
        return found

    def to_utc(self, wall_ms: int) -> int | None:
        """Instant of a wall time; the first of two, None for one that a clock change skips."""
        found = self.instants_of(wall_ms)
        return found[0] if found else None

    def instants_of(self, wall_ms: int) -> list[int]:
        """All instants of a wall time, ascending: two where clocks are set back, none in a skip."""
        instants = self._instants
        index = bisect_right(instants, wall_ms) - 1
        # No offset is as long as a day.
        last = index + 1 == len(instants)
        if wall_ms - instants[index] > DAY_MS and (last or instants[index + 1] - wall_ms > DAY_MS):
            return [wall_ms - self._offsets[index]]
        found: list[int] = []
        for candidate in range(max(index - 2, 0), min(index + 3, len(instants))):
            instant = wall_ms - self._offsets[candidate]
            if candidate > 0 and instant < instants[candidate]:
                continue
            if candidate + 1 < len(instants) and instant >= instants[candidate + 1]:
                continue
            found.append(instant)
        return found

    def change_before(self, instant_ms: int) -> int:
        """Instant of the last change of offset at or before an instant."""
        return self._instants[bisect_right(self._instants, instant_ms) - 1]
