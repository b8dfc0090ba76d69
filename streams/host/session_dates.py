"""Which session holds an instant of a symbol, remembered from one record to the next."""

from __future__ import annotations

from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS
from tapeline.streams.core.calendar import Calendar


class SessionDates:
    """Sessions of a calendar by their instants: each reaches from the close before to its own."""

    __slots__ = ("_begin_ms", "_calendar", "_date", "_end_ms")

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._begin_ms = FAR_FUTURE_MS
        self._end_ms = FAR_PAST_MS
        self._date: str | None = None

    def date(self, instant_ms: int) -> str | None:
        """ISO date of the session that holds an instant, or of the next one, if there is one."""
        if not self._begin_ms <= instant_ms < self._end_ms:
            calendar = self._calendar
            index = calendar.session_of(instant_ms)
            has_before = calendar.has_session(index - 1)
            self._begin_ms = calendar.close_ms(index - 1) if has_before else FAR_PAST_MS
            if calendar.has_session(index):
                self._end_ms, self._date = calendar.close_ms(index), calendar.date(index)
            else:
                self._end_ms, self._date = FAR_FUTURE_MS, None
        return self._date

    def kept_from(self, instant_ms: int, sessions: int) -> str | None:
        """ISO date of the first of so many sessions, the last of which holds the instant."""
        calendar = self._calendar
        first = calendar.session_of(instant_ms) - sessions + 1
        return calendar.date(first) if calendar.has_session(first) else None
