"""The rules of one symbol: its trackers, their order of publication, and what they were."""

from __future__ import annotations

from tapeline.schemas.event_types import Registry
from tapeline.schemas.ids import ids_of, swing_id
from tapeline.streams.core.bars.derived import VERSION as BARS_VERSION
from tapeline.streams.core.bars.derived import DerivedBars
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.history.ring import RestorePoint
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan
from tapeline.streams.core.ranges.live_range import RangeTouch
from tapeline.streams.core.ranges.pairs import PairTracker
from tapeline.streams.core.ranges.schedule import RangeSchedule
from tapeline.streams.core.ranges.tracker import VERSION as RANGES_VERSION
from tapeline.streams.core.ranges.tracker import RangeTracker
from tapeline.streams.core.sessions.tracker import VERSION as SESSIONS_VERSION
from tapeline.streams.core.sessions.tracker import SessionTracker
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.swings.tracker import VERSION as SWINGS_VERSION
from tapeline.streams.core.swings.tracker import SwingTracker
from tapeline.streams.core.tracker import NEVER_MS, NO_LEVEL, Tracker
from tapeline.streams.core.tracker_list import TrackerList


class SymbolRules:
    """Trackers of one symbol, those of the plan between the shipped ones.

    Attributes
    ----------
    all
        All of them, in the order of their first parts: what they were is asked of all alike.
    added
        Trackers of the group's plan, beside the shipped rules.
    next_ms
        First instant that a rule waits for on the fast path, but for derived bars, when `find_due`
        looked last.
    ceiling, floor
        A bar with floor <= low and high <= ceiling may be handed on later; likewise.
    pairs
        What follows both symbols of a group of two.
    touches
        While muted: the touches.
    """

    __slots__ = (
        "_number", "_symbol", "added", "all", "ceiling", "derived", "floor", "has_added", "next_ms",
        "pairs", "ranges", "sessions", "swings", "touches",
    )  # fmt: skip

    def __init__(
        self,
        plan: InstrumentPlan,
        schedule: RangeSchedule,
        number: int,
        paired: bool,
        stamp: Stamp,
        added: list[Tracker],
        registry: Registry,
    ) -> None:
        self._symbol = plan.symbol
        self._number = number
        self.derived = DerivedBars(plan, stamp)
        self.sessions = SessionTracker(plan, self.derived)
        self.ranges = RangeTracker(plan, schedule, paired)
        self.swings = SwingTracker(plan)
        self.added = TrackerList(added)
        self.has_added = bool(added)
        self.all = TrackerList([self.sessions, self.derived, *added, self.ranges, self.swings])
        self.all.check_unique()
        self._check_positions(self.added.parts(), registry)
        for tracker in added:
            self.sessions.followers.append(tracker)
            self.derived.follow(tracker)
        self.pairs: PairTracker | None = None
        self.touches: list[RangeTouch] = []
        self.next_ms = NEVER_MS
        self.ceiling = NO_LEVEL
        self.floor = -NO_LEVEL

    def _check_positions(self, parts: list[str], registry: Registry) -> None:
        """Raise `ValueError` where the registry has another order than that of publication."""
        positions = [registry.row(part).position for part in ("gap", *parts, "range")]
        if None in positions or positions != sorted(positions, key=_position):
            raise ValueError(
                f"{', '.join(parts)}: types of added trackers have positions between those of gaps"
                " and of ranges, in the order of the trackers"
            )

    def begin(self, label_ms: int) -> None:
        """The symbol's history starts with a bar of that label."""
        self.added.begin(label_ms)
        self.sessions.begin(label_ms)
        self.ranges.begin(label_ms)

    def on_bar(self, row: PackedRow, end_ms: int, position: int) -> None:
        """An in-session bar; all trackers stand at its label.

        Parameters
        ----------
        position
            In-session bars so far, with this one.
        """
        start_ms, open_, high, low, close, volume = row
        self.sessions.bar(end_ms, high, low, volume, position)
        self.derived.add(start_ms, open_, high, low, close, volume)
        self.added.on_bar(row, end_ms)
        self.ranges.bar(row, end_ms, self.sessions.date, position)

    def find_due(self) -> None:
        """Find anew what the next bar of the fast path is compared with."""
        # `min` of two is compiled, of three it is not.
        self.next_ms = min(self.ranges.next_ms, self.sessions.last_full_ms)
        self.ceiling = self.ranges.ceiling
        self.floor = self.ranges.floor
        if self.has_added:
            self.next_ms = min(self.next_ms, self.added.next_ms())
            self.ceiling = min(self.ceiling, self.added.ceiling())
            self.floor = max(self.floor, self.added.floor())

    def publish(self, stamp: Stamp, partner_ms: int) -> None:
        """Events of the record, kind by kind, but for swings.

        Parameters
        ----------
        partner_ms
            Watermark of the other symbol of the group.
        """
        sessions = self.sessions
        if sessions.pending:
            sessions.publish("session", stamp)
        if self.derived.closed:
            self.derived.publish("derived_bar", stamp)
        if sessions.pending:
            sessions.publish("quality", stamp)
            sessions.publish("gap", stamp)
            sessions.pending = False
        if self.has_added:
            self.added.publish(stamp)
        if self.ranges.altered:
            self.publish_ranges(stamp, partner_ms)

    def publish_ranges(self, stamp: Stamp, partner_ms: int) -> None:
        """Ranges that the record changed, their touches, and the pairs of these."""
        ranges = self.ranges
        ranges.publish("range", stamp)
        ranges.publish("touch", stamp)
        if stamp.muted:
            self.touches.extend(ranges.touches)
        elif self.pairs is not None and ranges.touches:
            self.pairs.publish(self._number, ranges.touches, partner_ms, stamp)
        ranges.mark_published()

    def rewind(self, point: RestorePoint) -> None:
        """Go to a point that is unpacked, and stays as it is."""
        self.ranges.last = point.last
        self.all.rewind(point.points)

    def release(self, oldest: RestorePoint) -> None:
        """Nothing goes back to before that point any more."""
        oldest.unpack(self.all)
        self.all.release(oldest.points)

    def sweep(self, horizon_ms: int, partner_horizon_ms: int) -> None:
        """At a session's start: forget what pairs need no more; see `PairTracker.sweep`."""
        if self.pairs is not None:
            self.pairs.sweep(self._number, horizon_ms, partner_horizon_ms)

    def open_ids(self, last: PackedRow, oldest: RestorePoint | None) -> list[str]:
        """Ids, and beginnings of ids, that bars and corrections may still change.

        Parameters
        ----------
        last, oldest
            The last bar, and the oldest point that corrections go back to.
        """
        found = [*self.all.open_ids(None), *self._swings_of(last)]
        if oldest is not None:
            oldest.unpack(self.all)
            found += self.all.open_ids(oldest.points)
            found += self._swings_of(oldest.last)
        if self.pairs is not None:
            touches = ids_of("touch", self._symbol)
            found += [
                self.pairs.prefix + fact_id.removeprefix(touches)
                for fact_id in found
                if fact_id.startswith(touches)
            ]
        return found

    def _swings_of(self, row: PackedRow) -> list[str]:
        """Ids a bar's swings have: of the last bar they are known with the next one."""
        return [swing_id(self._symbol, row[0], side) for side in ("high", "low")]

    def end_of_runs(self) -> None:
        """A correction has compared its two runs."""
        self.ranges.muted_keys = {}
        self.touches = []


def _position(position: int | None) -> int:
    return -1 if position is None else position


def tracker_versions(plan: GroupPlan) -> dict[str, int]:
    """Versions of all rules of a group by name, the shipped ones first."""
    versions = {
        "sessions": SESSIONS_VERSION,
        "bars": BARS_VERSION,
        "ranges": RANGES_VERSION,
        "swings": SWINGS_VERSION,
    }
    for make in plan.trackers:
        tracker = make(plan.instruments[0])
        versions[tracker.name] = tracker.version
    return versions
