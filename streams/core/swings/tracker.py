"""Swings: classes by a cascade of three-slot windows, prior opposite, touch link.

Rules: docs/rules.md 12. Highs and lows run through one mechanism: a low is a high of
negated prices.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Event, Prior, Side, Swing, TouchLink, renumbered
from tapeline.schemas.ids import ids_of, swing_id
from tapeline.schemas.instants import FAR_PAST_MS, MINUTE_MS
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.history.ring import NO_ROW
from tapeline.streams.core.last_bars import LastBars
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.tracker import RangeTracker
from tapeline.streams.core.ranges.windows import TouchRank
from tapeline.streams.core.ratio import ratio
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.swings.sides import (
    FAR,
    HIGHEST_CLASS,
    VERSION_PARTS,
    SidePoint,
    SwingPoint,
    SwingSide,
    SwingsPoint,
    sides_data,
    standing_swings,
)
from tapeline.streams.core.tracker import Tracker

NOWHERE: Final = FAR_PAST_MS
VERSION: Final = 1
# Final names of a module are variables of C once compiled; imported ones are looked up.
_new_swing: Final = Swing
_new_prior: Final = Prior
_new_link: Final = TouchLink


class SwingTracker(Tracker):
    """All swings of one symbol; each bar that is not inside its neighbours is one of class 1.

    Beyond the contract, for the fast path: `add` takes an edge there and publishes it at once, as
    nearly every other bar is one.

    Attributes
    ----------
    lows, highs
        The two sides; they stay the same objects.
    counts
        Swings of the whole history by class; index 0 is unused.
    """

    __slots__ = (
        "_bars", "_calendar", "_changed", "_denominator", "_edge", "_edge_end_ms", "_edge_is_high",
        "_numerator", "_prefix", "_ranges", "_sides", "_structural_class", "_symbol", "counts",
        "highs", "lows",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan, bars: LastBars, ranges: RangeTracker) -> None:
        super().__init__("swings", VERSION, ("swing",), takes_runs=True)
        self.edge = plan.swings
        self._bars = bars
        self._ranges = ranges
        self._edge: PackedRow = NO_ROW
        self._edge_is_high = False
        self._edge_end_ms = 0
        self._symbol = plan.symbol
        self._prefix = ids_of("swing", plan.symbol)
        self._calendar = plan.calendar
        self._numerator = plan.scale.numerator
        self._denominator = plan.scale.denominator
        self._structural_class = plan.structural_class
        self.lows = SwingSide(0)
        self.highs = SwingSide(1)
        self.lows.opposite = self.highs
        self.highs.opposite = self.lows
        self._sides = [self.lows, self.highs]
        self._changed: list[SwingPoint] = []
        self.counts = [0] * (HIGHEST_CLASS + 1)

    def on_edge(self, row: PackedRow, high: bool, end_ms: int) -> None:
        """A swing of class 1, which is added when it is published: after the record's touches."""
        self._edge = row
        self._edge_is_high = high
        self._edge_end_ms = end_ms
        self.pending = True

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the swing of the record's edge, and those that it changes."""
        row = self._edge
        start_ms: int = row[0]
        high = self._edge_is_high
        self.add(
            self.highs if high else self.lows,
            row[2] if high else row[3],
            start_ms,
            self._bars.position - 1,
            self._calendar.date(self._calendar.session_of(start_ms)),
            self._edge_end_ms,
            self._ranges.link_of(start_ms),
            stamp.first_seq,
            stamp.out,
        )

    def add(
        self,
        ours: SwingSide,
        ticks: int,
        start_ms: int,
        position: int,
        session: str,
        end_ms: int,
        link: TouchRank | None,
        first_seq: int,
        out: list[Event],
    ) -> None:
        """A swing of class 1; dropped when its price repeats the last kept one of its side.

        Parameters
        ----------
        ours
            `highs` or `lows`.
        ticks, start_ms, position, session
            The swing's price, its bar, the bar's number and ISO session date.
        end_ms
            End of the next bar, which decides it, and watermark of the record.
        link
            Latest touch up to the swing's bar.
        first_seq, out
            Position of the record in the output, with all outputs that precede swings.
        """
        key = ticks * ours.sign
        middle = ours.key
        if key == middle:
            return
        before = ours.before
        decided: SwingPoint | None = None
        if middle >= before and middle >= key:
            decided = ours.newest()
        ours.before = middle
        ours.key = key
        ours.start_ms = start_ms
        ours.position = position
        ours.point = None
        if decided is not None and self._structural_class > 1:
            self._cascade(ours, decided)
            self._publish(end_ms, first_seq, out)
        touch: TouchLink | None = None
        if link is not None:
            touch = _new_link(
                link.touch_id, (start_ms - link.bar_ms) // MINUTE_MS, position - link.position
            )
        numerator = self._numerator
        denominator = self._denominator
        prior: Prior | None = None
        theirs = ours.opposite
        if theirs.event is not None:
            apart = key + theirs.key
            if apart < 0:
                apart = -apart
            points = ratio(apart * numerator, denominator)
            prior = _new_prior(theirs.start_ms, points, position - theirs.position)
        # One object for both fields that hold it.
        end: Any = end_ms
        event = _new_swing(
            f"{self._prefix}{start_ms}{ours.suffix}",
            "upsert",
            first_seq + len(out),
            0,
            self._symbol,
            session,
            end,
            end,
            None,
            start_ms,
            ours.name,
            ratio(ticks * numerator, denominator),
            1,
            prior,
            touch,
        )
        self.counts[1] += 1
        ours.event = event
        out.append(event)
        if self._structural_class == 1:
            self._rise(ours, decided, end_ms, first_seq, out)
        elif decided is not None and event.id < out[-2].id:
            # As text an instant may come before an earlier one: 10 before 9, -2 after -1.
            _sort_swings(first_seq, out)

    def _rise(
        self,
        ours: SwingSide,
        decided: SwingPoint | None,
        end_ms: int,
        first_seq: int,
        out: list[Event],
    ) -> None:
        """Every swing is structural: publish the newest one again with all that it changes."""
        out.pop()
        newest = ours.newest()
        assert newest is not None
        self._changed.append(newest)
        self._become_structural(newest)
        if decided is not None:
            self._cascade(ours, decided)
        self._publish(end_ms, first_seq, out)

    def _cascade(self, ours: SwingSide, swing: SwingPoint) -> None:
        """The middle of three enters the next class, and may decide a middle of three there."""
        earlier = ours.earlier
        last = ours.last
        changed = self._changed
        counts = self.counts
        level = 1
        while True:
            counts[level] -= 1
            level += 1
            counts[level] += 1
            swing.swing_class = level
            if swing not in changed:
                changed.append(swing)
            if level == self._structural_class:
                self._become_structural(swing)
            if level == HIGHEST_CLASS:
                return
            middle = last[level]
            last[level] = swing
            if middle is None:
                return
            before = earlier[level]
            earlier[level] = middle.key
            if middle.key < before or middle.key < swing.key:
                return
            swing = middle

    def _mark(self, swing: SwingPoint) -> None:
        if swing not in self._changed:
            self._changed.append(swing)

    def _prior(self, swing: SwingPoint, opposite: SwingPoint) -> Prior:
        points = ratio(abs(swing.key + opposite.key) * self._numerator, self._denominator)
        return Prior(opposite.start_ms, points, swing.position - opposite.position)

    def _become_structural(self, swing: SwingPoint) -> None:
        """Its prior is now a structural one, and it is the prior of later opposite ones."""
        ours = self._sides[swing.side]
        theirs = self._sides[1 - swing.side]
        swing.prior = None
        for opposite in theirs.structural:
            if opposite.start_ms < swing.start_ms:
                swing.prior = self._prior(swing, opposite)
                continue
            opposite.prior = self._prior(opposite, swing)
            self._mark(opposite)
        ours.structural = [*ours.structural, swing]
        self._forget(ours, theirs)
        self._forget(theirs, ours)

    def _forget(self, side: SwingSide, opposite: SwingSide) -> None:
        """Drop structural swings that cannot change and that no later swing can have as prior."""
        kept = side.structural
        if self._structural_class == 1:
            side.structural = kept[-1:]
            return
        candidate_ms = self._earliest_undecided(opposite)
        first = 0
        while first + 1 < len(kept) and kept[first + 1].start_ms < candidate_ms:
            first += 1
        if first:
            side.structural = kept[first:]

    def _earliest_undecided(self, side: SwingSide) -> int:
        """Label of the earliest swing of a side that may still reach the structural class."""
        for level in range(self._structural_class - 1, 1, -1):
            swing = side.last[level]
            if swing is not None:
                return swing.start_ms
        return NOWHERE if side.key == FAR else side.start_ms

    def _publish(self, end_ms: int, first_seq: int, out: list[Event]) -> None:
        """Append the changed swings, by id: all were decided at the end of the record's bar."""
        changed = self._changed
        if len(changed) > 1:
            changed.sort(key=_by_id)
        for swing in changed:
            known = swing.event
            event = _new_swing(
                known.id,
                "upsert",
                first_seq + len(out),
                0,
                known.symbol,
                known.session,
                end_ms,
                end_ms,
                None,
                known.start_ms,
                known.side,
                known.price,
                swing.swing_class,
                swing.prior,
                known.touch,
            )
            swing.event = event
            out.append(event)
        changed.clear()

    def restore_point(self) -> SwingsPoint:
        """The sides and counts as they are."""
        return SwingsPoint([SidePoint(side) for side in self._sides], self.counts.copy())

    def rewind(self, point: SwingsPoint) -> None:
        """Go to a restore point, which stays as it is."""
        for side, then in zip(self._sides, point.sides, strict=True):
            versions = then.versions
            for at in range(0, len(versions), VERSION_PARTS):
                swing: SwingPoint = versions[at]
                swing.event = versions[at + 1]
                swing.swing_class = versions[at + 2]
                swing.prior = versions[at + 3]
            side.install(then.earlier, then.last, then.structural)
        self.counts = point.counts.copy()
        self._changed.clear()

    def reset(self) -> None:
        """Before the first bar."""
        for side in self._sides:
            side.reset()
        self.counts = [0] * (HIGHEST_CLASS + 1)

    def open_ids(self, point: SwingsPoint | None = None) -> list[str]:
        """Ids of the swings that can still change, now or from a restore point on."""
        if point is not None:
            return [swing.id for swing in standing_swings(point.sides)]
        return [
            swing.event.id
            for side in self._sides
            for swing in [*side.all_last(), *side.structural]
            if swing is not None
        ]

    def standing(self, point: SwingsPoint, ids: list[str]) -> list[Event]:
        """The swings that could still change at a restore point."""
        return [*standing_swings(point.sides)]

    def pack(self, point: SwingsPoint) -> list[Any]:
        """Plain data: lows, highs, counts by class."""
        return [sides_data(point.sides), point.counts]

    def unpack(self, data: list[Any]) -> SwingsPoint:
        """The restore point of its `pack`."""
        sides = [SidePoint(self._side_of(number, values)) for number, values in enumerate(data[0])]
        return SwingsPoint(sides, data[1])

    def _side_of(self, number: int, values: list[Any]) -> SwingSide:
        side = SwingSide(number)
        swings = [self._restored(number, row) for row in values[0]]
        side.install(
            [FAR if key is None else key for key in values[1]],
            [None if at is None else swings[at] for at in values[2]],
            [swings[at] for at in values[3]],
        )
        return side

    def _restored(self, side: int, row: list[Any]) -> SwingPoint:
        start_ms: int = row[0]
        session = self._calendar.date(self._calendar.session_of(start_ms))
        link = None if row[6] is None else TouchLink(row[6][0], row[6][1], row[6][2])
        prior = None if row[5] is None else Prior(row[5][0], row[5][1], row[5][2])
        name: Side = "high" if side == 1 else "low"
        event = Swing(
            swing_id(self._symbol, start_ms, name),
            "upsert",
            0,
            0,
            self._symbol,
            session,
            start_ms + row[4],
            0,
            None,
            start_ms,
            name,
            ratio((row[2] if side == 1 else -row[2]) * self._numerator, self._denominator),
            row[3],
            prior,
            link,
        )
        swing = SwingPoint(event, side, start_ms, row[1], row[2], prior)
        swing.swing_class = row[3]
        return swing


def _sort_swings(first_seq: int, out: list[Event]) -> None:
    """Put the swings at the end of a record's outputs in order of id."""
    at = len(out)
    while at > 0 and type(out[at - 1]) is Swing:
        at -= 1
    found = sorted(out[at:], key=_event_id)
    del out[at:]
    for event in found:
        out.append(renumbered(event, first_seq + len(out)))


def _event_id(event: Event) -> str:
    return event.id


def _by_id(swing: SwingPoint) -> str:
    return swing.event.id
