"""The rules of one symbol: its trackers, their order of publication, and what they were."""

from __future__ import annotations

from tapeline.schemas.event_types import Registry
from tapeline.streams.core.bars.derived import DerivedBars
from tapeline.streams.core.history.ring import Moment
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.events import publish_ranges, publish_touches
from tapeline.streams.core.ranges.live_range import RangeTouch
from tapeline.streams.core.ranges.pairs import PairTracker
from tapeline.streams.core.ranges.schedule import RangeSchedule
from tapeline.streams.core.ranges.tracker import RangeTracker
from tapeline.streams.core.sessions.tracker import SessionTracker
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.swings.tracker import SwingTracker
from tapeline.streams.core.tracker import Tracker
from tapeline.streams.core.tracker_list import TrackerList


class SymbolRules:
    """Trackers of one symbol, those of the plan between the shipped ones.

    Attributes
    ----------
    added
        Trackers of the group's plan, beside the shipped rules.
    pairs
        What follows both symbols of a group of two.
    range_keys, touches
        While muted: ranges that changed, by kind and name, and the touches.
    """

    __slots__ = (
        "_number", "_scale", "_symbol", "added", "derived", "has_added", "pairs", "range_keys",
        "ranges", "sessions", "swings", "touches",
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
        self._scale = plan.scale
        self._number = number
        self.derived = DerivedBars(plan, stamp)
        self.sessions = SessionTracker(plan, self.derived)
        self.ranges = RangeTracker(plan, schedule, paired)
        self.swings = SwingTracker(plan)
        self.added = TrackerList(added)
        self.has_added = bool(added)
        self.added.check_unique()
        self._check_places(self.added.parts(), registry)
        for tracker in added:
            self.sessions.followers.append(tracker)
            self.derived.follow(tracker)
        self.pairs: PairTracker | None = None
        self.range_keys: dict[str, int] = {}
        self.touches: list[RangeTouch] = []

    def _check_places(self, parts: list[str], registry: Registry) -> None:
        """Raise `ValueError` where the registry has another order than that of publication."""
        places = [registry.row(part).place for part in ("gap", *parts, "range")]
        if any(place is None for place in places) or places != sorted(places, key=_place):
            raise ValueError(
                f"{', '.join(parts)}: types of added trackers have places between those of gaps"
                " and of ranges, in the order of the trackers"
            )

    def begin(self, label_ms: int, session: int) -> None:
        """The symbol's history starts with a bar of that label, in that session."""
        self.added.begin(label_ms)
        self.sessions.begin(session)
        self.ranges.begin(label_ms)

    def publish(self, stamp: Stamp, partner_ms: int) -> None:
        """Events of the record, kind by kind, but for swings.

        Parameters
        ----------
        partner_ms
            Watermark of the other symbol of the group.
        """
        sessions = self.sessions
        if sessions.pending:
            sessions.publish_sessions(stamp)
        if self.derived.closed:
            self.derived.publish()
        if sessions.pending:
            sessions.publish_quality(stamp)
            sessions.publish_gaps(stamp)
            sessions.pending = False
        if self.has_added:
            self.added.publish(stamp)
        if self.ranges.changed:
            self.publish_ranges(stamp, partner_ms)

    def publish_ranges(self, stamp: Stamp, partner_ms: int) -> None:
        """Ranges that the record changed, their touches, and the pairs of these."""
        ranges = self.ranges
        publish_ranges(ranges.changed, self._symbol, self._scale, stamp)
        if ranges.touches:
            publish_touches(ranges.touches, self._symbol, self._scale, stamp)
            if self.pairs is not None and not stamp.muted:
                self.pairs.publish(self._number, ranges.touches, partner_ms, stamp)
        if stamp.muted:
            self.touches.extend(ranges.touches)
            for live in ranges.changed:
                self.range_keys[live.label] = live.spec.key
        ranges.settle()

    def capture(self, moment: Moment) -> None:
        """Fill in the present state of each."""
        moment.sessions = self.sessions.snapshot()
        moment.derived = self.derived.snapshot()
        moment.ranges = self.ranges.capture()
        moment.swings = self.swings.capture()
        moment.swing_counts = self.swings.counts.copy()
        moment.added = self.added.restore_point()

    def unfold(self, moment: Moment) -> None:
        """Make the parts of a moment that comes from a store."""
        if moment.data is not None:
            moment.unfold(self.ranges, self.swings, self.added)

    def install(self, moment: Moment) -> None:
        """Go to a moment that is unfolded, and stays as it is."""
        self.derived.restore(moment.derived)
        self.sessions.restore(moment.sessions)
        self.ranges.last = moment.last
        if moment.ranges is not None:
            self.ranges.install(moment.ranges)
        self.swings.install(moment.swings, moment.swing_counts)
        self.added.rewind(moment.added)

    def release(self, oldest: Moment) -> None:
        """Nothing goes back to before that moment any more."""
        self.ranges.journal.forget_before(oldest.place)
        if self.has_added:
            self.unfold(oldest)
            self.added.release(oldest.added)

    def reset(self) -> None:
        """The history starts anew."""
        self.derived.reset()
        self.sessions.reset()
        self.ranges.reset()
        self.swings.reset()
        self.added.reset()


def _place(place: int | None) -> int:
    return -1 if place is None else place
