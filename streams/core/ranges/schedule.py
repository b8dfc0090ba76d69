"""When session ranges start, end, are decided and expire: template data + calendar -> instants.

Rules: docs/rules.md 8. Nothing here looks at a bar.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

from tapeline.schemas.errors import InternalError
from tapeline.schemas.ids import range_label
from tapeline.schemas.instants import (
    DAY_MS,
    EPOCH_ORDINAL,
    FAR_FUTURE_MS,
    HOUR_MS,
    MINUTE_MS,
    iso_date,
)
from tapeline.schemas.templates import RangeKind
from tapeline.streams.core.calendar import Calendar, ZoneTable
from tapeline.streams.core.plan import PlannedKind

NEVER_MS: Final = FAR_FUTURE_MS
NEXT_DATE_FROM_MS: Final = 18 * 60 * MINUTE_MS
"""A daily range that starts at this wall time or later carries the next date."""
LONGEST_WINDOW_DAYS: Final = {"week": 10, "month": 62, "year": 160, "session": 10}
ZONE_REACH_MS: Final = 15 * HOUR_MS
"""A civil date begins in no zone earlier than this before its UTC midnight."""
CACHED_DAYS: Final = 400
CACHED_RANGES: Final = 4_096


class RangeNotFoundError(InternalError, LookupError):
    """A range of a stored state that the calendar does not have.

    Attributes
    ----------
    kind, start_ms
        Its kind, and where it starts.
    """

    def __init__(self, kind: str, start_ms: int) -> None:
        super().__init__(f"no range of kind {kind} starts at {start_ms}")
        self.kind = kind
        self.start_ms = start_ms


class RangeSpec:
    """One range as the calendar foresees it.

    Attributes
    ----------
    key
        start_ms x 256 + index of the kind: equal for the same range of both symbols of a group.
    label
        Kind and name, as ids have them.
    start_ms, window_end_ms
        Window by label, half-open.
    to_ms
        Label of the TO bar (first_touch: end of the window, or open of the session).
    publish_ms
        Instant at which the range is decided.
    expires_ms
        Expiry, or `NEVER_MS`.
    due_ms
        When expiry is published: at the end of the bar it lies inside of, which still counts.
    need
        Slots the calendar expects in the window.
    session
        ISO date of the session of `start_ms`.
    """

    __slots__ = (
        "coverage", "due_ms", "expires_ms", "first_touch", "key", "kind", "kind_index", "label",
        "name", "need", "previous_close", "publish_ms", "rank", "session", "start_ms", "to_ms",
        "true_open_is_close", "window_end_ms",
    )  # fmt: skip

    def __init__(
        self,
        planned: PlannedKind,
        name: str,
        start_ms: int,
        window_end_ms: int,
        to_ms: int,
        publish_ms: int,
        expires_ms: int,
        due_ms: int,
        need: int,
        session: str,
    ) -> None:
        kind = planned.kind
        self.kind = kind.kind
        self.kind_index = planned.index
        self.rank = planned.rank
        self.previous_close = kind.previous_close
        self.true_open_is_close = kind.true_open == "close"
        self.first_touch = kind.machine == "first_touch"
        self.coverage = kind.coverage
        self.key = start_ms * 256 + planned.index
        self.name = name
        self.label = range_label(kind.kind, name)
        self.start_ms = start_ms
        self.window_end_ms = window_end_ms
        self.to_ms = to_ms
        self.publish_ms = publish_ms
        self.expires_ms = expires_ms
        self.due_ms = due_ms
        self.need = need
        self.session = session


class RangeSchedule:
    """All ranges of an instrument's kinds on one calendar and base interval.

    Shared by symbols of equal settings; what it remembers is a cache, never state.
    """

    def __init__(self, calendar: Calendar, base_ms: int, kinds: list[PlannedKind]) -> None:
        self.kinds = kinds
        self._calendar = calendar
        self._base_ms = base_ms
        self._days: dict[int, list[RangeSpec]] = {}
        self._found: dict[tuple[int, int], RangeSpec] = {}

    def starting_on(self, day: int) -> list[RangeSpec]:
        """Ranges whose window starts on a civil date of their zone, ascending by start."""
        specs = self._days.get(day)
        if specs is None:
            found = (self._spec(planned, day) for planned in self.kinds)
            specs = [spec for spec in found if spec is not None]
            specs.sort(key=_by_start)
            if len(self._days) >= CACHED_DAYS:
                self._days.clear()
            self._days[day] = specs
        return specs

    def starting_around(self, instant_ms: int) -> list[RangeSpec]:
        """Ranges that start at or before an instant and whose TO label is not before it."""
        day = instant_ms // DAY_MS
        found = []
        for planned in self.kinds:
            for earlier in range(day - _reach_days(planned.kind), day + 2):
                spec = self._spec(planned, earlier)
                if spec is not None and spec.start_ms <= instant_ms <= spec.to_ms:
                    found.append(spec)
        found.sort(key=_by_start)
        return found

    def list_starts(
        self, day: int, instant_ms: int, after_ms: int, upcoming: list[RangeSpec]
    ) -> int:
        """Add the ranges of every civil date from `day` on that may have begun in some zone.

        Parameters
        ----------
        after_ms
            Only those that start later.
        upcoming
            Takes them, in order.

        Returns
        -------
        int
            The first date that is not listed.
        """
        grown = False
        while day * DAY_MS - ZONE_REACH_MS <= instant_ms:
            for spec in self.starting_on(day):
                if spec.start_ms > after_ms:
                    upcoming.append(spec)
                    grown = True
            day += 1
        if grown:
            upcoming.sort(key=_by_key)
        return day

    def find(self, kind_index: int, start_ms: int) -> RangeSpec:
        """The range of a kind that starts at an instant.

        Raises
        ------
        RangeNotFoundError
            When the kind has no range there: state of another calendar.
        """
        key = (kind_index, start_ms)
        known = self._found.get(key)
        if known is not None:
            return known
        day = start_ms // DAY_MS
        for near in (day, day - 1, day + 1):
            spec = self._spec(self.kinds[kind_index], near)
            if spec is not None and spec.start_ms == start_ms:
                if len(self._found) >= CACHED_RANGES:
                    self._found.clear()
                self._found[key] = spec
                return spec
        raise RangeNotFoundError(self.kinds[kind_index].kind.kind, start_ms)

    def _spec(self, planned: PlannedKind, day: int) -> RangeSpec | None:
        period = planned.kind.period
        if period == "day":
            return self._daily(planned, day)
        if period == "week":
            return self._weekly(planned, day)
        if period == "month":
            return self._monthly(planned, day)
        if period == "year":
            return self._yearly(planned, day)
        return self._prior(planned, day)

    def _daily(self, planned: PlannedKind, day: int) -> RangeSpec | None:
        kind = planned.kind
        start_wall = wall_ms(kind.start)
        end_day = day
        if kind.until is not None and wall_ms(kind.until) <= start_wall:
            end_day += 1
        named = day + 1 if start_wall >= NEXT_DATE_FROM_MS else day
        name = f"{kind.label} {iso_date(named)}".strip()
        return self._windowed(planned, name, day, end_day)

    def _weekly(self, planned: PlannedKind, day: int) -> RangeSpec | None:
        if (day + 3) % 7 != 6:
            return None
        return self._windowed(planned, f"Week of {iso_date(day)}", day, day + 1)

    def _windowed(
        self, planned: PlannedKind, name: str, day: int, end_day: int
    ) -> RangeSpec | None:
        kind = planned.kind
        start = planned.zone.to_utc(day * DAY_MS + wall_ms(kind.start))
        if start is None:
            return None
        if kind.until is not None:
            end = planned.zone.to_utc(end_day * DAY_MS + wall_ms(kind.until))
        else:
            end = start + (kind.minutes or 0) * MINUTE_MS
        if end is None:
            return None
        to = end
        if kind.true_open == "close" and kind.machine == "poi":
            to = self._calendar.label_before(end, self._base_ms)
        return self._at(planned, name, start, end, to)

    def _monthly(self, planned: PlannedKind, day: int) -> RangeSpec | None:
        first = date.fromordinal(EPOCH_ORDINAL + day + 1)
        month_day = day + 1 - (first.day - 1)
        if self._first_full(month_day, 31, 1) != day + 1:
            return None
        monday = self._first_full(_next_monday(month_day), _month_end(month_day) - month_day, 7)
        if monday is None or monday >= _month_end(month_day):
            return None
        wall = wall_ms(planned.kind.start)
        start = planned.zone.to_utc(day * DAY_MS + wall)
        to = self._open_sunday(planned.zone, monday - 1 + 7, wall)
        if start is None or to is None:
            return None
        return self._at(planned, f"{first.year:04d}-{first.month:02d}", start, to, to)

    def _yearly(self, planned: PlannedKind, day: int) -> RangeSpec | None:
        first = date.fromordinal(EPOCH_ORDINAL + day + 1)
        if first.month != 1:
            return None
        january = day + 1 - (first.day - 1)
        if self._first_full(january, 31, 1) != day + 1:
            return None
        april = date(first.year, 4, 1).toordinal() - EPOCH_ORDINAL
        monday = self._first_full(_next_monday(april), 30, 7)
        if monday is None or monday >= april + 30:
            return None
        wall = wall_ms(planned.kind.start)
        start = planned.zone.to_utc(day * DAY_MS + wall)
        to = self._open_sunday(planned.zone, monday - 1, wall)
        quarter_end = planned.zone.to_utc(april * DAY_MS)
        if start is None or to is None or quarter_end is None:
            return None
        return self._at(planned, f"{first.year:04d}", start, min(to, quarter_end), to)

    def _prior(self, planned: PlannedKind, day: int) -> RangeSpec | None:
        calendar = self._calendar
        previous = calendar.session_of(day * DAY_MS)
        while calendar.has_session(previous) and calendar.open_ms(previous) < day * DAY_MS:
            previous += 1
        index = previous + 1
        if not calendar.has_session(previous) or not calendar.has_session(index):
            return None
        start = calendar.open_ms(previous)
        if start >= (day + 1) * DAY_MS:
            return None
        opened = calendar.open_ms(index)
        return RangeSpec(
            planned,
            f"{planned.kind.label} {calendar.date(index)}".strip(),
            start,
            calendar.close_ms(previous),
            opened,
            opened,
            calendar.close_ms(index),
            calendar.close_ms(index),
            calendar.slot_count(previous, self._base_ms),
            calendar.date(previous),
        )

    def _at(
        self, planned: PlannedKind, name: str, start: int, end: int, to: int
    ) -> RangeSpec | None:
        """The range, unless its TO label is no slot of the calendar."""
        calendar = self._calendar
        if end <= start or not calendar.is_slot(to, self._base_ms):
            return None
        kind = planned.kind
        publish = to if kind.machine == "first_touch" else calendar.slot_end(to, self._base_ms)
        expires = due = NEVER_MS
        if kind.expires_minutes is not None:
            expires = to + kind.expires_minutes * MINUTE_MS
            due = calendar.end_around(expires, self._base_ms)
        need = calendar.count_slots(start, end, self._base_ms)
        session = calendar.date(calendar.session_of(start))
        return RangeSpec(planned, name, start, end, to, publish, expires, due, need, session)

    def _first_full(self, day: int, days: int, step: int) -> int | None:
        """First date from `day` on, by steps, inside `days`, that is a full session."""
        calendar = self._calendar
        for candidate in range(day, day + days, step):
            index = calendar.index_of_day(candidate)
            if index >= 0 and calendar.flags(index) == 0:
                return candidate
        return None

    def _open_sunday(self, zone: ZoneTable, day: int, wall: int) -> int | None:
        """Instant of that wall time on a Sunday, moved on by up to four weeks to an open slot."""
        for weeks in range(5):
            instant = zone.to_utc((day + 7 * weeks) * DAY_MS + wall)
            if instant is not None and self._calendar.is_slot(instant, self._base_ms):
                return instant
        return None


# Templates name the same few times for every day.
@lru_cache(maxsize=1_024)
def wall_ms(text: str) -> int:
    """Milliseconds from midnight of a wall time ``HH:MM``."""
    hours, _, minutes = text.partition(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE_MS


def _by_start(spec: RangeSpec) -> int:
    return spec.key


def _reach_days(kind: RangeKind) -> int:
    """How many days before an instant a range can start whose TO is not before it."""
    if kind.period == "day":
        return 2 + (kind.minutes or 0) // 1440
    return LONGEST_WINDOW_DAYS[kind.period]


def _next_monday(day: int) -> int:
    """The first Monday at or after a day."""
    return day + (-(day + 3)) % 7


def _month_end(month_day: int) -> int:
    """First day of the month after the one that begins on `month_day`."""
    later = date.fromordinal(EPOCH_ORDINAL + month_day + 31)
    return later.replace(day=1).toordinal() - EPOCH_ORDINAL


def _by_key(spec: RangeSpec) -> int:
    return spec.key
