"""Where a replay begins and ends: instants, session dates or offsets, per partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Literal

from msgspec import Struct

from tapeline.schemas.config.model import Config
from tapeline.schemas.instants import EPOCH_ORDINAL, day_of
from tapeline.schemas.symbols import names_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.times import EPOCH, MILLISECOND

Edge = Literal["open", "close"]


class Bound(Struct, frozen=True):
    """One end of a replay: exactly one of the fields is given.

    Attributes
    ----------
    time_ms
        An instant, UTC epoch milliseconds.
    day
        A session date, as days since 1970-01-01: its open where a replay begins, its close where
        it ends.
    offsets
        By partition; one that is not named is read from its beginning, to its end.
    """

    time_ms: int | None = None
    day: int | None = None
    offsets: Mapping[int, int] | None = None

    def instant(self, calendars: Sequence[Calendar], edge: Edge) -> int | None:
        """The instant it means, of several calendars the widest; None for offsets."""
        if self.day is None:
            return self.time_ms
        if edge == "open":
            return min(_open_from(calendar, self.day) for calendar in calendars)
        return max(_close_until(calendar, self.day) for calendar in calendars)


def parse_bound(option: str, text: str) -> Bound:
    """Bound of an option: ``2025-12-09`` or an ISO time with an offset or Z.

    Raises
    ------
    InputError
        When it is neither.
    """
    try:
        if len(text) == len("2025-12-09"):
            return Bound(day=day_of(text))
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: is neither a session date nor an ISO time") from error
    if instant.tzinfo is None:
        raise InputError(f"{option} {text}: has no offset; append Z or +hh:mm")
    return Bound(time_ms=(instant - EPOCH) // MILLISECOND)


def parse_offsets(option: str, texts: Iterable[str]) -> Bound:
    """Bound of offsets: ``12000`` (partition 0) or ``3:12000``, one a partition.

    Raises
    ------
    InputError
        When one is no such offset, or a partition is given twice.
    TypeError
        When one text is given instead of a list.
    """
    offsets: dict[int, int] = {}
    for text in names_of(option, texts):
        partition, colon, offset = text.rpartition(":")
        number = partition if colon else "0"
        if not (number.isdecimal() and offset.isdecimal()):
            raise InputError(f"{option} {text}: give OFFSET or PARTITION:OFFSET")
        if int(number) in offsets:
            raise InputError(f"{option} {text}: partition {int(number)} was given before")
        offsets[int(number)] = int(offset)
    return Bound(offsets=offsets)


def calendars_of(
    config: Config, groups: Iterable[str] | None, known: Iterable[str] | None = None
) -> list[Calendar]:
    """Calendars that a session date refers to.

    Those of the groups that were selected; without a selection those of the symbols of the log,
    where they are known before it is read; otherwise those of all configured instruments, or that
    of the default one where none is configured.

    Parameters
    ----------
    known
        The symbols of the log; None: not known yet.

    Raises
    ------
    InputError
        When no symbol is configured.
    """
    symbols: list[str] = []
    if groups is not None:
        for group in groups:
            symbols.extend(config.members(group))
    else:
        symbols.extend(config.instruments if known is None else known)
    found = [config.instrument(symbol) for symbol in symbols] or [config.default]
    names = {each.calendar for each in found if each is not None}
    if not names:
        raise InputError("a session date needs an instrument: no symbol of the selection is known")
    return [load_calendar(name) for name in sorted(names)]


def no_session_between(start: Bound, stop: Bound, calendars: Sequence[Calendar]) -> str | None:
    """The error text where no session has a date from the one to the other bound.

    None where one has, where the dates are the wrong way round, or a bound is no date.
    """
    if start.day is None or stop.day is None or start.day > stop.day:
        return None
    if any(
        calendar.has_session(calendar.index_of_day(day))
        for calendar in calendars
        for day in range(start.day, stop.day + 1)
    ):
        return None
    first, last = (date.fromordinal(each + EPOCH_ORDINAL) for each in (start.day, stop.day))
    names = ", ".join(calendar.calendar_id for calendar in calendars)
    when = f"--from {first} --to {last}"
    return f"{when}: no session of the selection has such a date (calendars: {names})"


def warm_up_ms(calendars: Sequence[Calendar], instant_ms: int, sessions: int) -> int:
    """Open of the session so many sessions before the one of an instant."""
    opens = []
    for calendar in calendars:
        index = max(calendar.session_of(instant_ms) - sessions, 0)
        opens.append(calendar.open_ms(index))
    return min(opens)


def _open_from(calendar: Calendar, day: int) -> int:
    """Open of the first session on or after a date."""
    for each in range(day, day + 30):
        index = calendar.index_of_day(each)
        if calendar.has_session(index):
            return calendar.open_ms(index)
    raise _beyond(calendar)


def _close_until(calendar: Calendar, day: int) -> int:
    """Close of the last session on or before a date."""
    for each in range(day, day - 30, -1):
        index = calendar.index_of_day(each)
        if calendar.has_session(index):
            return calendar.close_ms(index)
    raise _beyond(calendar)


def _beyond(calendar: Calendar) -> InputError:
    return InputError(f"the date lies outside the calendar {calendar.calendar_id}")
