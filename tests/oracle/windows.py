"""The session ranges that a template and a calendar give, before any bar is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from tapeline.schemas.templates import RangeKind, Template
from tests.oracle.trading_days import MINUTE_MS, Slot, Timeline

MONDAY, SUNDAY = 0, 6
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """One range to be: bars labelled in [start_ms, end_ms), levels known at `decided_ms`.

    `to_ms` is the label of the TO bar; a first_touch range has none: there it is the instant from
    which the levels may be touched.
    """

    kind: RangeKind
    name: str
    start_ms: int
    end_ms: int
    to_ms: int
    decided_ms: int
    expires_ms: int | None

    @property
    def has_to_bar(self) -> bool:
        return self.kind.machine == "poi"

    @property
    def examined_from_ms(self) -> int:
        """First label that may touch a level: after the TO bar, or with the end of the window."""
        return self.to_ms + 1 if self.has_to_bar else self.to_ms


def windows(
    kind: RangeKind, template: Template, timeline: Timeline, first_ms: int, watermark_ms: int
) -> list[Window]:
    """Windows of one kind whose TO is not before `first_ms` and that W has decided."""
    zone = _zone(template.zone)
    first = datetime.fromtimestamp(first_ms / 1000, zone).date()
    last = datetime.fromtimestamp(watermark_ms / 1000, zone).date()
    found: Iterator[Window | None]
    if kind.period == "day":
        found = (_day(kind, zone, timeline, each) for each in _dates(first, last, 3))
    elif kind.period == "week":
        found = (_week(kind, zone, timeline, each) for each in _dates(first, last, 10))
    elif kind.period == "month":
        found = (_month(kind, zone, timeline, *each) for each in _months(first, last))
    elif kind.period == "year":
        years = range(first.year - 1, last.year + 2)
        found = (_year(kind, zone, timeline, year) for year in years)
    else:
        found = (_prior_session(kind, timeline, index) for index in range(1, len(timeline.days)))
    return [
        each
        for each in found
        if each is not None and each.to_ms >= first_ms and each.decided_ms <= watermark_ms
    ]


def _day(kind: RangeKind, zone: ZoneInfo, timeline: Timeline, day: date) -> Window | None:
    start = _wall_time(kind.start)
    start_ms = _instant(day, start, zone)
    if kind.minutes is not None:
        end_ms = None if start_ms is None else start_ms + kind.minutes * MINUTE_MS
    else:
        assert kind.until is not None
        until = _wall_time(kind.until)
        end_ms = _instant(day if until > start else day + timedelta(days=1), until, zone)
    session_date = day + timedelta(days=1) if start >= time(18) else day
    return _window(kind, timeline, f"{kind.label} {session_date}", start_ms, end_ms)


def _week(kind: RangeKind, zone: ZoneInfo, timeline: Timeline, day: date) -> Window | None:
    if day.weekday() != SUNDAY:
        return None
    assert kind.until is not None
    start_ms = _instant(day, _wall_time(kind.start), zone)
    end_ms = _instant(day + timedelta(days=1), _wall_time(kind.until), zone)
    return _window(kind, timeline, f"Week of {day}", start_ms, end_ms)


def _month(
    kind: RangeKind, zone: ZoneInfo, timeline: Timeline, year: int, month: int
) -> Window | None:
    days = timeline.full_days_of(year, month)
    mondays = [day for day in days if day.weekday() == MONDAY]
    if not mondays:
        return None
    start_ms = _instant(days[0] - timedelta(days=1), _wall_time(kind.start), zone)
    to_ms = _first_open_sunday(kind, zone, timeline, mondays[0] + timedelta(days=6))
    return _window(kind, timeline, f"{year:04d}-{month:02d}", start_ms, to_ms)


def _year(kind: RangeKind, zone: ZoneInfo, timeline: Timeline, year: int) -> Window | None:
    january = timeline.full_days_of(year, 1)
    mondays = [day for day in timeline.full_days_of(year, 4) if day.weekday() == MONDAY]
    if not january or not mondays:
        return None
    start_ms = _instant(january[0] - timedelta(days=1), _wall_time(kind.start), zone)
    to_ms = _first_open_sunday(kind, zone, timeline, mondays[0] - timedelta(days=1))
    april_ms = _instant(date(year, 4, 1), time(0), zone)
    return _window(kind, timeline, f"{year:04d}", start_ms, to_ms, at_most_ms=april_ms)


def _first_open_sunday(
    kind: RangeKind, zone: ZoneInfo, timeline: Timeline, sunday: date
) -> int | None:
    """TO of a month or year: this Sunday, or the first of the next four that is a slot."""
    for weeks in range(5):
        to_ms = _instant(sunday + timedelta(weeks=weeks), _wall_time(kind.start), zone)
        if to_ms is not None and timeline.slot_labelled(to_ms) is not None:
            return to_ms
    return None


def _window(
    kind: RangeKind,
    timeline: Timeline,
    name: str,
    start_ms: int | None,
    end_ms: int | None,
    at_most_ms: int | None = None,
) -> Window | None:
    """A range whose window ends with the TO instant `end_ms`; None if there is no slot for TO."""
    if start_ms is None or end_ms is None:
        return None
    to: Slot | None
    if kind.machine == "poi" and kind.true_open == "close":
        to = timeline.slot_ending(end_ms)
    else:
        to = timeline.slot_labelled(end_ms)
    if to is None:
        return None
    expires_ms = None
    if kind.expires_minutes is not None:
        expires_ms = to.start_ms + kind.expires_minutes * MINUTE_MS
    decided_ms = to.end_ms if kind.machine == "poi" else to.start_ms
    window_end_ms = end_ms if at_most_ms is None else min(end_ms, at_most_ms)
    return Window(kind, name, start_ms, window_end_ms, to.start_ms, decided_ms, expires_ms)


def _prior_session(kind: RangeKind, timeline: Timeline, index: int) -> Window:
    """The calendar's previous session as window, from the open of this one to its close."""
    before, day = timeline.days[index - 1], timeline.days[index]
    return Window(
        kind,
        day.session,
        before.open_ms,
        before.close_ms,
        to_ms=day.open_ms,
        decided_ms=day.open_ms,
        expires_ms=day.close_ms,
    )


def _dates(first: date, last: date, margin: int) -> Iterator[date]:
    day = first - timedelta(days=margin)
    while day <= last + timedelta(days=margin):
        yield day
        day += timedelta(days=1)


def _months(first: date, last: date) -> Iterator[tuple[int, int]]:
    """Months whose TO may lie between two dates: at most some six weeks after their start."""
    for count in range(first.year * 12 + first.month - 4, last.year * 12 + last.month + 1):
        yield count // 12, count % 12 + 1


def _wall_time(text: str) -> time:
    return time.fromisoformat(text)


def _instant(day: date, at: time, zone: ZoneInfo) -> int | None:
    """UTC ms of a wall time: the first of two, None if it does not exist."""
    wall = datetime.combine(day, at)
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != wall:
        return None
    return (instant - _ZERO) // timedelta(milliseconds=1)


@cache
def _zone(name: str) -> ZoneInfo:
    """A zone of the pinned data, not of the machine."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
