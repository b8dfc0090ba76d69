"""Restore points to go back to: starts of sessions inside the horizon, hours of this one, gaps.

docs/rules.md 7.4. Gap points are kept in memory only: a late bar nearly always fills a gap
seen shortly before, and going back to just before it makes its rebuild short. They change what a
correction costs, never what it publishes.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.instants import FAR_FUTURE_MS, FAR_PAST_MS, HOUR_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.tracker_list import TrackerList

NOWHERE_MS: Final = FAR_PAST_MS
"""An instant before all others; the label of no bar."""
SESSION: Final = 0
HOUR: Final = 1
GAP: Final = 2
MOST_GAP_POINTS: Final = 24
GAP_POINT_BARS: Final = 4
"""A gap point is kept when so many bars lie between it and the restore point before it."""
RECENT_MS: Final = 2 * HOUR_MS
"""Hours are kept so long after the end of their session, which late bars know nothing of."""
FOREVER_MS: Final = FAR_FUTURE_MS
NO_ROW: Final[PackedRow] = (NOWHERE_MS, 0, 0, 0, 0, None)


class RestorePointClock:
    """When a symbol's next point is due: at the hours of its session, and at its close.

    Attributes
    ----------
    next_ms
        The next of them, `FOREVER_MS` while there is no session.
    session
        Index of the session of the last one.
    """

    def __init__(self, calendar: Calendar, base_ms: int) -> None:
        self.next_ms = FOREVER_MS
        self.session = -1
        self._calendar = calendar
        self._base_ms = base_ms
        self._session_close_ms = FOREVER_MS

    def reset(self) -> None:
        """Before the first bar."""
        self.next_ms = FOREVER_MS
        self.session = -1

    def find(self, session: int, watermark_ms: int) -> None:
        """Find the first one after a watermark, which lies in that session."""
        self.next_ms = FOREVER_MS
        calendar = self._calendar
        if not calendar.has_session(session):
            return
        closes = calendar.close_ms(session)
        self._session_close_ms = closes
        if self._base_ms < HOUR_MS:
            opened = calendar.open_ms(session)
            hours = max(watermark_ms - opened, 0) // HOUR_MS + 1
            closes = min(closes, opened + hours * HOUR_MS)
        self.next_ms = closes

    def kind_before(self, instant_ms: int) -> int:
        """Kind of the point before a jump to an instant: corrections behind it must find one."""
        if instant_ms < self.next_ms:
            return GAP
        return SESSION if instant_ms >= self._session_close_ms else HOUR

    def recent_ms(self, session: int, watermark_ms: int) -> int:
        """Hours and gap points before it are no longer kept."""
        recent_ms = watermark_ms - RECENT_MS
        if self._calendar.has_session(session):
            recent_ms = min(recent_ms, self._calendar.open_ms(session))
        return recent_ms


class RestorePoint:
    """Everything the trackers of one symbol knew between two records.

    Attributes
    ----------
    number
        Order of making, from 1, of those that are stored.
    kind
        `SESSION`, `HOUR` or `GAP`: how long it is kept.
    points
        A restore point of each tracker, in their order.
    data
        Plain data while it comes from a store and was not needed yet; the other parts are then not
        there.
    """

    __slots__ = (
        "before", "data", "kind", "last", "number", "points", "position", "watermark_ms",
    )  # fmt: skip

    def __init__(self, kind: int, watermark_ms: int, position: int) -> None:
        self.kind = kind
        self.number = 0
        self.watermark_ms = watermark_ms
        self.position = position
        self.last: PackedRow = ()
        self.before: PackedRow = ()
        self.points: list[Any] = []
        self.data: list[Any] | None = None

    def pack(self, trackers: TrackerList) -> list[Any]:
        """Plain data."""
        if self.data is not None:
            return [self.kind, self.number, *self.data[2:]]
        return [
            self.kind,
            self.number,
            self.watermark_ms,
            self.position,
            _row_data(self.last),
            _row_data(self.before),
            trackers.pack(self.points),
        ]

    def unpack(self, trackers: TrackerList) -> None:
        """Make what comes from a store and was not needed before."""
        data = self.data
        if data is not None:
            self.data = None
            self.last = _restored_row(data[4])
            self.before = _restored_row(data[5])
            self.points = trackers.unpack(data[6])

    def part(self, trackers: TrackerList, name: str) -> Any:
        """The restore point of one tracker, of a point that comes from a store."""
        assert self.data is not None, "it was unpacked"
        for number, tracker in enumerate(trackers.trackers):
            if tracker.name == name:
                return tracker.unpack(self.data[6][number])
        raise KeyError(name)


def stored_point(data: list[Any]) -> RestorePoint:
    """A point from its plain data; the parts are made when it is needed."""
    point = RestorePoint(data[0], data[2], data[3])
    point.number = data[1]
    point.data = data
    return point


def _row_data(row: PackedRow) -> list[Any]:
    return [] if row[0] == NOWHERE_MS else list(row)


def _restored_row(data: list[Any]) -> PackedRow:
    return (data[0], data[1], data[2], data[3], data[4], data[5]) if data else NO_ROW


class RestorePoints:
    """The points kept, in order of their watermarks.

    Attributes
    ----------
    points
        Ascending by watermark; of those that are stored the watermark alone may be there.
    made
        Restore points made so far that are stored.
    """

    def __init__(self) -> None:
        self.points: list[RestorePoint] = []
        self.made = 0

    def add(self, point: RestorePoint) -> None:
        """Keep a point that is later than all others."""
        self.points.append(point)
        if point.kind == GAP:
            self._limit_gap_points()
        else:
            self._name(point)

    def _name(self, point: RestorePoint) -> None:
        self.made += 1
        point.number = self.made

    def oldest(self) -> RestorePoint | None:
        """The first one kept."""
        return self.points[0] if self.points else None

    def latest(self) -> RestorePoint | None:
        """The last one kept."""
        return self.points[-1] if self.points else None

    def latest_before(self, end_ms: int) -> RestorePoint | None:
        """The latest point that knows nothing of a bar that ends at `end_ms`."""
        for point in reversed(self.points):
            if point.watermark_ms < end_ms:
                return point
        return None

    def drop_from(self, end_ms: int) -> None:
        """Forget the points that knew a bar that ends at `end_ms`."""
        points = self.points
        while points and points[-1].watermark_ms >= end_ms:
            points.pop()

    def prune(self, horizon_ms: int, recent_ms: int) -> None:
        """Keep what corrections may need.

        Parameters
        ----------
        horizon_ms
            Open of the oldest session that corrections reach: the latest point at or before it
            stays.
        recent_ms
            Hours and gap points before it go.
        """
        kept: list[RestorePoint] = []
        for point in self.points:
            if point.kind == SESSION or point.watermark_ms >= recent_ms:
                kept.append(point)
        first = 0
        while first + 1 < len(kept) and kept[first + 1].watermark_ms <= horizon_ms:
            first += 1
        self.points = kept[first:]

    def prepare_gap(self, kind: int, watermark_ms: int, position: int) -> bool:
        """Slots go by without a bar: returns whether a new point of that kind is to be added first.

        A point at the watermark is enough; it is then kept at least as long as one of the kind.
        """
        latest = self.latest()
        if latest is not None and latest.watermark_ms == watermark_ms:
            if latest.kind > kind:
                latest.kind = kind
                self._name(latest)
            return False
        return kind != GAP or latest is None or position - latest.position >= GAP_POINT_BARS

    def _limit_gap_points(self) -> None:
        """Keep the newest gap points."""
        gap_points = [point for point in self.points if point.kind == GAP]
        if len(gap_points) > MOST_GAP_POINTS:
            oldest = gap_points[0]
            self.points = [point for point in self.points if point is not oldest]

    def stored(self) -> list[RestorePoint]:
        """The points that outlive the process."""
        return [point for point in self.points if point.kind != GAP]
