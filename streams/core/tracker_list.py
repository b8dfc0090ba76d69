"""The trackers of one symbol, called one after the other in the order of publication."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.events import Event
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import NEVER_MS, NO_LEVEL, Tracker


class TrackerList:
    """Some trackers as one.

    Attributes
    ----------
    trackers
        In the order of publication.
    all_take_runs
        Whether bars of an unbroken run may be handed to all of them later.
    """

    __slots__ = ("_edges", "all_take_runs", "trackers")

    def __init__(self, trackers: list[Tracker]) -> None:
        self.trackers = trackers
        self.all_take_runs = all(each.takes_runs and not each.edge for each in trackers)
        self._edges = [each for each in trackers if each.edge]

    def parts(self) -> list[str]:
        """Types of their events, in the order of publication."""
        return [part for tracker in self.trackers for part in tracker.parts]

    def check_unique(self) -> None:
        """Raise `ValueError` when two have one name, or publish one type."""
        names = [tracker.name for tracker in self.trackers]
        for listed in (names, self.parts()):
            for text in listed:
                if listed.count(text) > 1:
                    raise ValueError(f"two trackers of one symbol are both of {text!r}")

    def begin(self, label_ms: int) -> None:
        """The symbol's history starts with a bar of that label."""
        for tracker in self.trackers:
            tracker.begin(label_ms)

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """An in-session bar; all trackers stand at its label."""
        for tracker in self.trackers:
            tracker.on_bar(row, end_ms)

    def on_edge(self, row: PackedRow, high: bool, end_ms: int) -> None:
        """The bar before the last one is not inside its neighbours."""
        for tracker in self._edges:
            tracker.on_edge(row, high, end_ms)

    def take(self, rows: list[PackedRow]) -> None:
        """Bars of an unbroken run."""
        for tracker in self.trackers:
            tracker.take(rows)

    def on_time(self, instant_ms: int) -> None:
        """Time has come to an instant: for those that wait for it."""
        for tracker in self.trackers:
            if instant_ms >= tracker.next_ms:
                tracker.on_time(instant_ms)

    def next_ms(self) -> int:
        """First instant that one of them waits for."""
        earliest = NEVER_MS
        for tracker in self.trackers:
            if tracker.next_ms < earliest:
                earliest = tracker.next_ms
        return earliest

    def ceiling(self) -> int:
        """Lowest of all ceilings."""
        lowest = NO_LEVEL
        for tracker in self.trackers:
            if tracker.ceiling < lowest:
                lowest = tracker.ceiling
        return lowest

    def floor(self) -> int:
        """Highest of all floors."""
        highest = -NO_LEVEL
        for tracker in self.trackers:
            if tracker.floor > highest:
                highest = tracker.floor
        return highest

    def publish(self, stamp: Stamp) -> None:
        """Append the events of the record, tracker by tracker, part by part."""
        for tracker in self.trackers:
            if tracker.pending:
                for part in tracker.parts:
                    tracker.publish(part, stamp)
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

    def reset(self) -> None:
        """The history starts anew."""
        for tracker in self.trackers:
            tracker.reset()
            tracker.pending = False
