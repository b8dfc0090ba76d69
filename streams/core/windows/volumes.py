"""Cumulated volumes of a session and of the sessions before it, by time after the open.

What a relative volume is made of: volume so far today, and volume at the same time after the
open in the sessions before.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.volume import Volume


class DayVolumes:
    """Volume of one session, cumulated.

    Attributes
    ----------
    length_ms
        From its open to its close.
    elapsed
        When bars ended, in milliseconds after the open; ascending.
    totals
        Volume of all bars up to each of them; None before the first one that is known.
    """

    __slots__ = ("elapsed", "length_ms", "totals")

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self.elapsed: list[int] = []
        self.totals: list[Any] = []

    def until(self, elapsed_ms: int) -> Volume:
        """Volume of the bars that ended by then; 0 before the first of them."""
        at = bisect_right(self.elapsed, elapsed_ms)
        if at == 0:
            return 0
        total: Volume = self.totals[at - 1]
        return 0 if total is None else total

    @property
    def known(self) -> bool:
        """Whether any bar had a volume."""
        return bool(self.totals) and self.totals[-1] is not None


class SlotVolumes:
    """Volumes of the present session and of so many calendar sessions before it.

    Parameters
    ----------
    calendar
        Of the symbol.
    sessions
        Calendar sessions before the present one that are kept, whether they have bars or not.

    Attributes
    ----------
    first_index, index
        Sessions of the first bar of all, and of the last one; -1 before it.
    """

    __slots__ = ("_calendar", "_days", "_sessions", "first_index", "index")

    def __init__(self, calendar: Calendar, sessions: int) -> None:
        self._calendar = calendar
        self._sessions = sessions
        self._days: dict[int, DayVolumes] = {}
        self.first_index = -1
        self.index = -1

    def take(self, index: int, end_ms: int, volume: Volume) -> None:
        """The next bar that ended.

        Parameters
        ----------
        index
            Its session, never before that of the bar before.
        end_ms
            Its end, later than that of the bar before.
        volume
            None is no volume, and counts as 0 once there is one.
        """
        day = self._days.get(index)
        if day is None:
            self.index = index
            if self.first_index < 0:
                self.first_index = index
            for old in [each for each in self._days if each < index - self._sessions]:
                del self._days[old]
            calendar = self._calendar
            day = DayVolumes(calendar.close_ms(index) - calendar.open_ms(index))
            self._days[index] = day
        total: Volume = day.totals[-1] if day.totals else None
        if volume is not None:
            total = volume if total is None else total + volume
        day.elapsed.append(end_ms - self._calendar.open_ms(index))
        day.totals.append(total)

    def so_far(self) -> Volume:
        """Volume of the present session up to the last bar; 0 where none is known."""
        day = self._days[self.index]
        total: Volume = day.totals[-1]
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
        oldest = self.index - sessions
        elapsed_ms = end_ms - self._calendar.open_ms(self.index)
        found: list[Any] = []
        for index in sorted(self._days):
            day = self._days[index]
            past = oldest <= index < self.index
            if past and day.known and day.length_ms >= elapsed_ms:
                found.append(day.until(elapsed_ms))
        return found

    def snapshot(self) -> list[Any]:
        """Plain data; sessions are named by their dates, as days since 1970-01-01.

        What a session before the present one has is not copied: it does not change any more.
        """
        stored_day = self._calendar.stored_day
        days: list[Any] = []
        for index, day in self._days.items():
            if index == self.index:
                days.append([stored_day(index), list(day.elapsed), list(day.totals)])
            else:
                days.append([stored_day(index), day.elapsed, day.totals])
        return [stored_day(self.first_index) if days else None, days]

    def restore(self, data: list[Any]) -> None:
        """Take the data of `snapshot`, which stay as they are."""
        calendar = self._calendar
        first_day, days = data
        self._days = {}
        self.index = -1
        self.first_index = -1 if first_day is None else calendar.index_from_day(first_day)
        last: DayVolumes | None = None
        for date, elapsed, totals in days:
            index = calendar.index_from_day(date)
            last = DayVolumes(calendar.close_ms(index) - calendar.open_ms(index))
            last.elapsed = elapsed
            last.totals = totals
            self._days[index] = last
            self.index = index
        if last is not None:
            last.elapsed = list(last.elapsed)
            last.totals = list(last.totals)
