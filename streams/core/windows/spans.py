"""Which sessions a historical window holds: whole ones, strictly before the one it is for.

Rules: docs/rules.md 18.2.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from tapeline.schemas.instants import EPOCH_ORDINAL, FIRST_DAY
from tapeline.schemas.windows import WindowSpec, parse_period
from tapeline.streams.core.calendar import EARLY_CLOSE, Calendar

MONTHS: Final = 12
LONGEST_MONTH: Final = 31


class WindowSpan:
    """The sessions of one window, by the session that it is for.

    Parameters
    ----------
    calendar
        Of the symbol.
    spec
        The window.

    Attributes
    ----------
    most_days
        Calendar days that its sessions lie apart at most, but for holidays.
    """

    __slots__ = ("_calendar", "_count", "_skip_early", "_unit", "most_days")

    def __init__(self, calendar: Calendar, spec: WindowSpec) -> None:
        period = parse_period(spec.period)
        self._calendar = calendar
        self._count = period.count
        self._unit: str = period.unit
        self._skip_early = spec.skip_early_close
        self.most_days = period.most_days

    def sessions(self, index: int) -> list[int]:
        """Indices of the sessions, ascending, that a window for a session needs.

        Fewer than it names where the calendar begins in between.
        """
        found: list[int] = []
        calendar = self._calendar
        at = index - 1
        if self._unit == "d":
            while len(found) < self._count and calendar.has_session(at):
                if self._counts(at):
                    found.append(at)
                at -= 1
        else:
            first = self._first_day(calendar.day(index))
            while calendar.has_session(at) and calendar.day(at) >= first:
                if self._counts(at):
                    found.append(at)
                at -= 1
        found.reverse()
        return found

    def need(self, found: int) -> int:
        """How many sessions it needs, where so many are in the calendar."""
        return self._count if self._unit == "d" else found

    def first(self, index: int) -> int:
        """Index of the first session that a window for a session or a later one needs."""
        calendar = self._calendar
        if not calendar.has_session(index):
            return index
        if self._unit != "d":
            return calendar.index_from_day(self._first_day(calendar.day(index)))
        if not self._skip_early:
            return index - self._count
        found = self.sessions(index)
        return found[0] if found else index

    def _counts(self, index: int) -> bool:
        return not (self._skip_early and self._calendar.flags(index) & EARLY_CLOSE)

    def _first_day(self, day: int) -> int:
        """First date of a calendar span that ends the day before a date."""
        if self._unit == "w":
            return max(day - 7 * self._count, FIRST_DAY)
        months = self._count if self._unit == "m" else self._count * MONTHS
        return months_before(day, months)


def months_before(day: int, months: int) -> int:
    """The same date so many months before; the last one of that month where it has no such day.

    Parameters
    ----------
    day
        Days since 1970-01-01, as the result.
    """
    found = date.fromordinal(EPOCH_ORDINAL + day)
    whole = found.year * MONTHS + found.month - 1 - months
    year, month = whole // MONTHS, whole % MONTHS + 1
    if year < 1:
        return FIRST_DAY
    last = LONGEST_MONTH
    if month != MONTHS:
        last = (date(year, month + 1, 1) - date(year, month, 1)).days
    return date(year, month, min(found.day, last)).toordinal() - EPOCH_ORDINAL
