"""Moments to go back to: starts of sessions inside the horizon, hours of this one, last holes.

Bars-and-quality section 6. Holes are kept in memory only: a late bar nearly always fills a hole
seen a moment ago, and going back to just before it makes its rebuild short. They change what a
correction costs, never what it says.
"""

from __future__ import annotations

from typing import Any, Final

from streams.core.book import PackedRow
from streams.core.ranges import RangesMoment
from streams.core.swings import SideMoment

SESSION: Final = 0
HOUR: Final = 1
HOLE: Final = 2
MOST_HOLES: Final = 24


class Moment:
    """Everything the trackers of one symbol knew between two records.

    Attributes
    ----------
    number
        Order of making, from 1: the name of a stored one.
    kind
        `SESSION`, `HOUR` or `HOLE`: how long it is kept.
    data
        Plain data while it comes from a store and was not needed yet; the other parts are then not
        there.
    """

    def __init__(self, kind: int, watermark_ms: int, position: int, place: int) -> None:
        self.kind = kind
        self.number = 0
        self.watermark_ms = watermark_ms
        self.position = position
        self.place = place
        self.last: PackedRow = ()
        self.before: PackedRow = ()
        self.sessions: list[Any] = []
        self.derived: list[Any] = []
        self.ranges: RangesMoment | None = None
        self.swings: list[SideMoment] = []
        self.swing_counts: list[int] = []
        self.data: list[Any] | None = None


class MomentRing:
    """The moments kept, in order of their watermarks.

    Attributes
    ----------
    moments
        Ascending by watermark; of those that are stored the watermark alone may be there.
    made
        Moments made so far.
    """

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.made = 0

    def add(self, moment: Moment) -> None:
        """Keep a moment that is later than all others."""
        self.made += 1
        moment.number = self.made
        self.moments.append(moment)

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

    def prune(self, horizon_ms: int, session_open_ms: int) -> None:
        """Keep what corrections may need.

        Parameters
        ----------
        horizon_ms
            Open of the oldest session that corrections reach: the latest moment at or before it
            stays.
        session_open_ms
            Open of the session of the watermark: hours and holes before it go.
        """
        kept: list[Moment] = []
        for moment in self.moments:
            if moment.kind == SESSION or moment.watermark_ms >= session_open_ms:
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
