"""The rules of one symbol: which trackers there are, in which order, and what they were."""

from __future__ import annotations

from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event
from tapeline.schemas.ids import swing_id
from tapeline.streams.core.bars.derived import VERSION as BARS_VERSION
from tapeline.streams.core.bars.derived import DerivedBars
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.history.ring import RestorePoint
from tapeline.streams.core.indicators.tracker import VERSION as INDICATORS_VERSION
from tapeline.streams.core.indicators.tracker import IndicatorTracker
from tapeline.streams.core.last_bars import LastBars
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan
from tapeline.streams.core.ranges.pairs import VERSION as PAIRS_VERSION
from tapeline.streams.core.ranges.pairs import PairTracker
from tapeline.streams.core.ranges.schedule import RangeSchedule
from tapeline.streams.core.ranges.tracker import VERSION as RANGES_VERSION
from tapeline.streams.core.ranges.tracker import RangeTracker
from tapeline.streams.core.sessions.tracker import VERSION as SESSIONS_VERSION
from tapeline.streams.core.sessions.tracker import SessionTracker
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.swings.tracker import VERSION as SWINGS_VERSION
from tapeline.streams.core.swings.tracker import SwingTracker
from tapeline.streams.core.tracker import Tracker
from tapeline.streams.core.tracker_list import TrackerList
from tapeline.streams.core.windows.tracker import VERSION as WINDOWS_VERSION
from tapeline.streams.core.windows.tracker import WindowTracker


class SymbolRules:
    """Trackers of one symbol, those that not every symbol has between the others.

    Parameters
    ----------
    plan
        Settings of the symbol.
    schedule
        Ranges of its group.
    pair
        Group id and number of the symbol, where pairs follow two of them.
    stamp
        Of the group.
    added
        Trackers of the group's plan.
    registry
        Types of events.

    Attributes
    ----------
    all
        All of them, in the order of publication; what a bar of the fast path meets is an attribute,
        too.
    added
        Those that only some symbols have: shipped ones that are asked for, and those of the plan.
    in_run
        Those of them that time and publication go to in an unbroken run: sessions have nothing to
        do in it, derived bars and swings are handed what they need, and publish, at once.
    movable
        Whether a derived bar may change what a tracker waits for: only those of a plan do so.
    bars
        The last bars, which shipped rules look at.
    pairs
        What follows both symbols of a group of two.
    """

    __slots__ = (
        "_symbol", "added", "all", "bars", "derived", "in_run", "movable", "pairs", "ranges",
        "sessions", "swings",
    )  # fmt: skip

    def __init__(
        self,
        plan: InstrumentPlan,
        schedule: RangeSchedule,
        pair: tuple[str, int] | None,
        stamp: Stamp,
        added: list[Tracker],
        registry: Registry,
    ) -> None:
        self._symbol = plan.symbol
        self._check_positions(added, registry)
        self.movable = bool(added)
        asked = _asked_for(plan)
        if asked:
            added = _by_position([*asked, *added], registry)
        self.bars = bars = LastBars()
        self.sessions = SessionTracker(plan, bars)
        self.derived = DerivedBars(plan, bars, stamp)
        self.added = added
        self.ranges = RangeTracker(plan, schedule, bars)
        self.pairs: PairTracker | None = None
        self.swings = SwingTracker(plan, bars, self.ranges)
        followers: list[Tracker] = [self.swings]
        if pair is not None:
            self.pairs = PairTracker(pair[0], plan, pair[1], self.ranges)
            followers.insert(0, self.pairs)
        listed: list[Tracker] = [self.sessions, self.derived, *added, self.ranges, *followers]
        self.all = TrackerList(listed, registry, followers)
        elsewhere = (self.sessions, self.derived, self.swings)
        self.in_run = TrackerList(
            [each for each in listed if each not in elsewhere], registry, followers
        )
        self.sessions.followers = listed[1:]
        self.sessions.closers = [self.derived]
        for tracker in listed:
            self.derived.follow(tracker)

    def _check_positions(self, added: list[Tracker], registry: Registry) -> None:
        """Raise `ValueError` where the registry has another order than that of publication."""
        parts = [part for tracker in added for part in tracker.parts]
        positions = [registry.row(part).position for part in ("gap", *parts, "range")]
        if None in positions or positions != sorted(positions, key=_position):
            raise ValueError(
                f"{', '.join(parts)}: types of added trackers have positions between those of gaps"
                " and of ranges, in the order of the trackers"
            )

    def join(self, partner: SymbolRules) -> None:
        """The rules of the other symbol of the group."""
        assert self.pairs is not None
        assert partner.pairs is not None
        self.pairs.join(partner.pairs)

    def rewind(self, point: RestorePoint) -> None:
        """Go to a point that is unpacked, and stays as it is."""
        bars = self.bars
        bars.last, bars.before = point.last, point.before
        bars.position = point.position
        self.all.rewind(point.points)

    def release(self, oldest: RestorePoint) -> None:
        """Nothing goes back to before that point any more."""
        oldest.unpack(self.all)
        self.all.release(oldest.points)

    def open_ids(self, oldest: RestorePoint | None) -> list[str]:
        """Ids, and beginnings of ids, that bars and corrections may still change.

        Parameters
        ----------
        oldest
            The oldest point that corrections go back to.
        """
        found = [*self.all.open_ids(None), *self._swings_of(self.bars.last)]
        if oldest is not None:
            oldest.unpack(self.all)
            found += self.all.open_ids(oldest.points)
            found += self._swings_of(oldest.last)
        return found

    def _swings_of(self, row: PackedRow) -> list[str]:
        """Ids a bar's swings have: of the last bar they are known with the next one.

        Neighbours are compared by the owner, so no tracker knows of that bar yet.
        """
        return [swing_id(self._symbol, row[0], side) for side in ("high", "low")]

    def standing(self, point: RestorePoint | None, ids: list[str]) -> list[Event]:
        """Facts that could still change at a point, None before the first bar, as published last.

        Before its first bar nothing of the symbol stood but its part of the pairs.
        """
        if point is not None:
            return self.all.standing(point.points, ids)
        return [] if self.pairs is None else self.pairs.standing(None, ids)

    def reset(self) -> None:
        """Before the first bar."""
        self.bars.reset()
        self.all.reset()


def _asked_for(plan: InstrumentPlan) -> list[Tracker]:
    """Shipped trackers that a symbol has only where its settings ask for them, in their order."""
    found: list[Tracker] = []
    if plan.indicators:
        found.append(IndicatorTracker(plan))
    if plan.windows:
        found.append(WindowTracker(plan))
    return found


def _position(position: int | None) -> int:
    return -1 if position is None else position


def _by_position(trackers: list[Tracker], registry: Registry) -> list[Tracker]:
    """In the order of publication, by the first part of each."""
    ranked = [(registry.row(each.parts[0]).position or 0, each) for each in trackers]
    return [each for _, each in sorted(ranked, key=_rank)]


def _rank(ranked: tuple[int, Tracker]) -> int:
    return ranked[0]


def tracker_versions(plan: GroupPlan) -> dict[str, int]:
    """Versions of all rules of a group by name, the shipped ones first."""
    versions = {
        "sessions": SESSIONS_VERSION,
        "bars": BARS_VERSION,
        "ranges": RANGES_VERSION,
        "pairs": PAIRS_VERSION,
        "swings": SWINGS_VERSION,
    }
    if len(plan.instruments) == 1:
        del versions["pairs"]
    if any(member.indicators for member in plan.instruments):
        versions["indicators"] = INDICATORS_VERSION
    if any(each.windows for each in plan.instruments):
        versions["windows"] = WINDOWS_VERSION
    for make in plan.trackers:
        tracker = make(plan.instruments[0])
        versions[tracker.name] = tracker.version
    return versions
