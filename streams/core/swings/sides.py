"""Swings of one side, and what they were at a restore point.

A low is a high of negated prices.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Prior, Side, Swing
from tapeline.schemas.ids import last_part

HIGHEST_CLASS: Final = 6
FAR: Final = 1 << 62
VERSION_PARTS: Final = 4
"""Entries of one swing in `SidePoint.versions`: the swing, its event, class and prior then."""


class SwingPoint:
    """One swing; `key` is its price in ticks, negated for a low.

    Attributes
    ----------
    event
        The swing as published last: what a later version takes over.
    position
        Number of the bar among the in-session bars of the symbol, from 1.
    """

    __slots__ = ("event", "key", "position", "prior", "side", "start_ms", "swing_class")

    def __init__(
        self,
        event: Swing,
        side: int,
        start_ms: int,
        position: int,
        key: int,
        prior: Prior | None,
    ) -> None:
        self.event = event
        self.side = side
        self.start_ms = start_ms
        self.position = position
        self.key = key
        self.prior = prior
        self.swing_class = 1


class SwingSide:
    """Swings of one side.

    The newest swing is kept as its values, and becomes a `SwingPoint` in `last` when one is
    needed: most swings never do.

    Attributes
    ----------
    number, name
        1 and ``high``, or 0 and ``low``.
    opposite
        The other side.
    event, key, start_ms, position
        The newest swing; `event` None and `key` `FAR` before the first.
    point
        The newest swing, once it was needed.
    before
        Key of the last but one swing, `FAR` while there is none: nothing is as high as that.
    earlier, last
        Per class N (index 2 to 5) the key of the last but one swing of class N or more, and the
        last one.
    structural
        Swings of the structural class or more that may still change, or be a prior, in order of
        time; points share the list, so it is replaced, and never changed.
    """

    __slots__ = (
        "before", "earlier", "event", "key", "last", "name", "number", "opposite", "point",
        "position", "sign", "start_ms", "structural", "suffix",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.name: Side = "high" if number == 1 else "low"
        self.suffix = last_part(self.name)
        self.sign = 1 if number == 1 else -1
        self.opposite: SwingSide = self
        self.reset()

    def reset(self) -> None:
        """Before the first swing."""
        self.event: Swing | None = None
        self.key = FAR
        self.start_ms = 0
        self.position = 0
        self.point: SwingPoint | None = None
        self.before = FAR
        self.earlier: list[int] = [FAR] * HIGHEST_CLASS
        self.last: list[SwingPoint | None] = [None] * HIGHEST_CLASS
        self.structural: list[SwingPoint] = []

    def newest(self) -> SwingPoint | None:
        """The newest swing."""
        event = self.event
        if self.point is None and event is not None:
            self.point = SwingPoint(
                event, self.number, self.start_ms, self.position, self.key, event.prior
            )
        return self.point

    def all_last(self) -> list[SwingPoint | None]:
        """Per class N (index 1 to 5) the last swing of class N or more."""
        return [None, self.newest(), *self.last[2:]]

    def all_earlier(self) -> list[int]:
        """Per class N (index 1 to 5) the key of the last but one swing of class N or more."""
        return [FAR, self.before, *self.earlier[2:]]

    def install(
        self,
        earlier: list[int],
        last: list[SwingPoint | None],
        structural: list[SwingPoint],
    ) -> None:
        """Take what `all_earlier`, `all_last` and `structural` were."""
        self.before = earlier[1]
        self.earlier = earlier.copy()
        self.last = last.copy()
        self.structural = structural
        point = last[1]
        self.point = point
        self.event = None
        self.key = FAR
        if point is not None:
            self.event = point.event
            self.key = point.key
            self.start_ms = point.start_ms
            self.position = point.position


class SidePoint:
    """A side of the swings at a restore point: the swings are shared, what changes is copied."""

    __slots__ = ("earlier", "last", "structural", "versions")

    def __init__(self, side: SwingSide) -> None:
        self.earlier = side.all_earlier()
        self.last = side.all_last()
        self.structural = side.structural
        # Flat: a point is one of many small lists less.
        self.versions: list[Any] = []
        for swing in [*self.last, *self.structural]:
            if swing is not None:
                self.versions += (swing, swing.event, swing.swing_class, swing.prior)


class SwingsPoint:
    """Both sides at a restore point, lows first, and the swings of the whole history by class."""

    __slots__ = ("counts", "sides")

    def __init__(self, sides: list[SidePoint], counts: list[int]) -> None:
        self.sides = sides
        self.counts = counts


def sides_data(point: list[SidePoint]) -> list[Any]:
    """Plain data of a point: lows, then highs."""
    return [_side_data(side) for side in point]


def standing_swings(point: list[SidePoint]) -> list[Swing]:
    """Events of the swings that could still change at a point."""
    return [event for side in point for event in side.versions[1::VERSION_PARTS]]


def _side_data(side: SidePoint) -> list[Any]:
    """Every swing once, then what refers to it by its number."""
    numbers: dict[int, int] = {}
    rows: list[Any] = []
    versions = side.versions
    for at in range(0, len(versions), VERSION_PARTS):
        swing: SwingPoint = versions[at]
        if swing.start_ms not in numbers:
            numbers[swing.start_ms] = len(rows)
            rows.append(_swing_data(swing, versions[at + 1], versions[at + 2], versions[at + 3]))
    return [
        rows,
        [None if key == FAR else key for key in side.earlier],
        [None if last is None else numbers[last.start_ms] for last in side.last],
        [numbers[each.start_ms] for each in side.structural],
    ]


def _swing_data(
    swing: SwingPoint, event: Swing, swing_class: int, prior: Prior | None
) -> list[Any]:
    link = event.touch
    start_ms = swing.start_ms
    return [
        start_ms,
        swing.position,
        swing.key,
        swing_class,
        event.event_ms - start_ms,
        None if prior is None else [prior.start_ms, prior.points, prior.bars],
        None if link is None else [link.id, link.minutes, link.bars],
    ]
