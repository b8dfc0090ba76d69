"""Moments to go back to: starts of sessions inside the horizon, hours of this one, last holes.

docs/rules.md 7.4. Holes are kept in memory only: a late bar nearly always fills a hole
seen a moment ago, and going back to just before it makes its rebuild short. They change what a
correction costs, never what it says.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.instants import FAR_FUTURE_MS, HOUR_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.sessions.tracker import NOWHERE_MS
from tapeline.streams.core.tracker_list import TrackerList

SESSION: Final = 0
HOUR: Final = 1
HOLE: Final = 2
MOST_HOLES: Final = 24
HOLE_BARS: Final = 4
"""A hole is remembered when so many bars lie between it and the moment before it."""
RECENT_MS: Final = 2 * HOUR_MS
"""Hours are kept so long after the end of their session, which late bars know nothing of."""
FOREVER_MS: Final = FAR_FUTURE_MS
NO_ROW: Final[PackedRow] = (NOWHERE_MS, 0, 0, 0, 0, None)


class MomentClock:
    """When a symbol's next moment is due: at the hours of its session, and at its close.

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
        """Kind of the moment before a jump to an instant: corrections behind it must find one."""
        if instant_ms < self.next_ms:
            return HOLE
        return SESSION if instant_ms >= self._session_close_ms else HOUR

    def recent_ms(self, session: int, watermark_ms: int) -> int:
        """Hours and holes before it are no longer kept."""
        recent_ms = watermark_ms - RECENT_MS
        if self._calendar.has_session(session):
            recent_ms = min(recent_ms, self._calendar.open_ms(session))
        return recent_ms


class Moment:
    """Everything the trackers of one symbol knew between two records.

    Attributes
    ----------
    number
        Order of making, from 1, of those that are stored.
    kind
        `SESSION`, `HOUR` or `HOLE`: how long it is kept.
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


def stored_moment(data: list[Any]) -> Moment:
    """A moment from its plain data; the parts are made when it is needed."""
    moment = Moment(data[0], data[2], data[3])
    moment.number = data[1]
    moment.data = data
    return moment


def _row_data(row: PackedRow) -> list[Any]:
    return [] if row[0] == NOWHERE_MS else list(row)


def _restored_row(data: list[Any]) -> PackedRow:
    return (data[0], data[1], data[2], data[3], data[4], data[5]) if data else NO_ROW


class MomentRing:
    """The moments kept, in order of their watermarks.

    Attributes
    ----------
    moments
        Ascending by watermark; of those that are stored the watermark alone may be there.
    made
        Moments made so far that are stored.
    """

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.made = 0

    def add(self, moment: Moment) -> None:
        """Keep a moment that is later than all others."""
        if moment.kind != HOLE:
            self._name(moment)
        self.moments.append(moment)

    def keep(self, moment: Moment, kind: int) -> None:
        """Keep a hole for longer."""
        moment.kind = kind
        self._name(moment)

    def _name(self, moment: Moment) -> None:
        self.made += 1
        moment.number = self.made

    def oldest(self) -> Moment | None:
        """The first one kept."""
        return self.moments[0] if self.moments else None

    def latest(self) -> Moment | None:
        """The last one kept."""
        return self.moments[-1] if self.moments else None

    def latest_before(self, end_ms: int) -> Moment | None:
        """The latest moment that knows nothing of a bar that ends at `end_ms`."""
        for moment in reversed(self.moments):
            if moment.watermark_ms < end_ms:
                return moment
        return None

    def drop_from(self, end_ms: int) -> None:
        """Forget the moments that knew a bar that ends at `end_ms`."""
        moments = self.moments
        while moments and moments[-1].watermark_ms >= end_ms:
            moments.pop()

    def prune(self, horizon_ms: int, recent_ms: int) -> None:
        """Keep what corrections may need.

        Parameters
        ----------
        horizon_ms
            Open of the oldest session that corrections reach: the latest moment at or before it
            stays.
        recent_ms
            Hours and holes before it go.
        """
        kept: list[Moment] = []
        for moment in self.moments:
            if moment.kind == SESSION or moment.watermark_ms >= recent_ms:
                kept.append(moment)
        first = 0
        while first + 1 < len(kept) and kept[first + 1].watermark_ms <= horizon_ms:
            first += 1
        self.moments = kept[first:]

    def limit_holes(self) -> None:
        """Keep the newest holes."""
        holes = [moment for moment in self.moments if moment.kind == HOLE]
        if len(holes) > MOST_HOLES:
            oldest = holes[0]
            self.moments = [moment for moment in self.moments if moment is not oldest]

    def stored(self) -> list[Moment]:
        """The moments that outlive the process."""
        return [moment for moment in self.moments if moment.kind != HOLE]
