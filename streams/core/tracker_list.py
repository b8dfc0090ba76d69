"""The trackers of one symbol, called one after the other in the order of publication."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import Tracker


class Stage:
    """Parts of one tracker that follow each other in the order of publication.

    Attributes
    ----------
    parts
        Types of events.
    is_last
        Whether they are the last ones of the tracker.
    """

    __slots__ = ("is_last", "parts", "tracker")

    def __init__(self, tracker: Tracker, part: str) -> None:
        self.tracker = tracker
        self.parts = [part]
        self.is_last = True


class TrackerList:
    """All trackers of a symbol, shipped and added ones alike.

    Parameters
    ----------
    trackers
        In the order of their first parts.
    registry
        Types of events, with their positions in the order of publication.
    followers
        Those that listen to other trackers alone, and take no bars and wait for nothing.

    Attributes
    ----------
    moved
        Those that bars and time are for.
    stages
        The plan of publication: all parts of all trackers by the positions of their types.
    """

    __slots__ = ("_edges", "moved", "stages", "trackers")

    def __init__(
        self, trackers: list[Tracker], registry: Registry, followers: list[Tracker]
    ) -> None:
        self.trackers = trackers
        self.moved = [each for each in trackers if each not in followers]
        self._edges = [each for each in trackers if each.edge]
        self._check_unique()
        self.stages = _stages(trackers, registry)

    def _check_unique(self) -> None:
        """Raise `ValueError` when two have one name, or publish one type."""
        names = [tracker.name for tracker in self.trackers]
        parts = [part for tracker in self.trackers for part in tracker.parts]
        for listed in (names, parts):
            for text in listed:
                if listed.count(text) > 1:
                    raise ValueError(f"two trackers of one symbol are both of {text!r}")

    def begin(self, label_ms: int) -> None:
        """The symbol's history starts with a bar of that label."""
        # Sessions are the first, and call the `on_session` of all others: these begin before them.
        for tracker in reversed(self.trackers):
            tracker.begin(label_ms)

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """An in-session bar; all trackers stand at its label."""
        for tracker in self.moved:
            tracker.on_bar(row, end_ms)

    def on_edge(self, row: PackedRow, high: bool, end_ms: int) -> None:
        """The bar before the last one is not inside its neighbours."""
        for tracker in self._edges:
            tracker.on_edge(row, high, end_ms)

    def on_time(self, instant_ms: int) -> None:
        """Time has come to an instant: for those that wait for it."""
        for tracker in self.moved:
            if instant_ms >= tracker.next_ms:
                tracker.on_time(instant_ms)

    def publish(self, stamp: Stamp) -> None:
        """Append the events of the record, part by part."""
        for stage in self.stages:
            tracker = stage.tracker
            if tracker.pending:
                for part in stage.parts:
                    tracker.publish(part, stamp)
                if stage.is_last:
                    tracker.pending = False

    def restore_point(self) -> list[Any]:
        """A restore point of each."""
        return [tracker.restore_point() for tracker in self.trackers]

    def rewind(self, points: list[Any]) -> None:
        """Go to a restore point of each."""
        for number, tracker in enumerate(self.trackers):
            tracker.rewind(points[number])
            tracker.pending = False

    def pack(self, points: list[Any]) -> list[Any]:
        """Restore points as plain data."""
        return [tracker.pack(points[number]) for number, tracker in enumerate(self.trackers)]

    def unpack(self, data: list[Any]) -> list[Any]:
        """Restore points of their `pack`."""
        return [tracker.unpack(data[number]) for number, tracker in enumerate(self.trackers)]

    def release(self, points: list[Any]) -> None:
        """Nothing goes back to before these restore points any more."""
        for number, tracker in enumerate(self.trackers):
            tracker.release(points[number])

    def open_ids(self, points: list[Any] | None) -> list[str]:
        """Ids that bars may still change, now (None) or from restore points on."""
        found: list[str] = []
        for number, tracker in enumerate(self.trackers):
            found += tracker.open_ids(None if points is None else points[number])
        return found

    def standing(self, points: list[Any], ids: list[str]) -> list[Event]:
        """Facts that could still change at restore points, as published last before them."""
        found: list[Event] = []
        for number, tracker in enumerate(self.trackers):
            found += tracker.standing(points[number], ids)
        return found

    def end_of_runs(self) -> None:
        """A correction has compared its two runs."""
        for tracker in self.trackers:
            tracker.end_of_runs()

    def reset(self) -> None:
        """The history starts anew."""
        for tracker in self.trackers:
            tracker.reset()
            tracker.pending = False


def _stages(trackers: list[Tracker], registry: Registry) -> list[Stage]:
    found: list[tuple[int, Tracker, str]] = []
    for tracker in trackers:
        for part in tracker.parts:
            found.append((registry.row(part).position or 0, tracker, part))
    stages: list[Stage] = []
    for _, tracker, part in sorted(found, key=_position):
        if stages and stages[-1].tracker is tracker:
            stages[-1].parts.append(part)
            continue
        for earlier in stages:
            if earlier.tracker is tracker:
                earlier.is_last = False
        stages.append(Stage(tracker, part))
    return stages


def _position(each: tuple[int, Tracker, str]) -> int:
    return each[0]
