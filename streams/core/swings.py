"""Swings: classes by a cascade of three-slot windows, prior opposite, touch link.

Rules: market-structure section 5. Highs and lows run through one mechanism: a low is a high of
negated prices.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.events import Prior, Side, Swing, TouchLink
from streams.core.book import PackedRow
from streams.core.plan import InstrumentPlan
from streams.core.ranges import TouchRank
from streams.core.stamp import Stamp

HIGHEST_CLASS: Final = 6
MINUTE_MS: Final = 60_000
NOWHERE: Final = -(1 << 62)
FAR: Final = 1 << 62


class SwingPoint:
    """One swing; `key` is its price in ticks, negated for a low.

    Attributes
    ----------
    event
        The swing as published last: what a later version takes over.
    position
        Number of the bar among the in-session bars of the symbol, from 1.
    class_ms
        When its class was reached: end of the bar that decided it.
    structural_ms
        When it reached the structural class, `NOWHERE` before.
    prior_ms
        When its prior reached the structural class, `NOWHERE` where that does not matter.
    """

    # Defaults of the class, because few swings ever get other values.
    swing_class: int = 1
    structural_ms: int = NOWHERE
    prior_ms: int = NOWHERE

    def __init__(
        self,
        event: Swing,
        side: int,
        start_ms: int,
        position: int,
        key: int,
        class_ms: int,
        prior: Prior | None,
    ) -> None:
        self.event = event
        self.side = side
        self.start_ms = start_ms
        self.position = position
        self.key = key
        self.class_ms = class_ms
        self.prior = prior


class SwingSide:
    """Swings of one side.

    Attributes
    ----------
    earlier
        Per class N (index 1 to 5) the key of the last but one swing of class N or more, `FAR` while
        there is none: nothing is as high as that.
    last
        Per class N the last swing of class N or more.
    structural
        Swings of the structural class or more that may still change, or be a prior, in order of
        time.
    """

    def __init__(self) -> None:
        self.earlier: list[int] = [FAR] * HIGHEST_CLASS
        self.last: list[SwingPoint | None] = [None] * HIGHEST_CLASS
        self.structural: list[SwingPoint] = []


class SwingTracker:
    """All swings of one symbol.

    Contract: `add` takes each bar that is a swing of class 1 (`SymbolEngine` compares neighbours),
    in order, and publishes what it makes and changes.
    """

    def __init__(self, plan: InstrumentPlan) -> None:
        self._symbol = plan.symbol
        self._calendar = plan.calendar
        self._numerator = plan.scale.numerator
        self._denominator = plan.scale.denominator
        self._structural_class = plan.structural_class
        self._sides = [SwingSide(), SwingSide()]
        self._changed: list[SwingPoint] = []

    def add(
        self,
        side: int,
        row: PackedRow,
        position: int,
        session: str,
        end_ms: int,
        link: TouchRank | None,
        stamp: Stamp,
    ) -> None:
        """A swing of class 1; dropped when its price repeats the last kept one of its side.

        Parameters
        ----------
        side
            1 for a high, 0 for a low.
        row, position, session
            The swing's bar, its number and ISO session date.
        end_ms
            End of the next bar, which decides it.
        link
            Latest touch up to the swing's bar.
        stamp
            The record, with all outputs that precede swings.
        """
        ours = self._sides[side]
        last = ours.last
        middle = last[1]
        ticks: int = row[2] if side == 1 else row[3]
        key = ticks if side == 1 else -ticks
        if middle is not None and middle.key == key:
            return
        start_ms: int = row[0]
        touch: TouchLink | None = None
        if link is not None:
            touch = TouchLink(
                link.touch_id, (start_ms - link.bar_ms) // MINUTE_MS, position - link.position
            )
        prior: Prior | None = None
        opposite = self._sides[1 - side].last[1]
        if opposite is not None:
            apart = key + opposite.key
            points = ((apart if apart >= 0 else -apart) * self._numerator) / self._denominator
            prior = Prior(opposite.start_ms, points, position - opposite.position)
        out = stamp.out
        name: Side = "high" if side == 1 else "low"
        event = Swing(
            f"swing|{self._symbol}|{start_ms}|{name}",
            "upsert",
            stamp.first_seq + len(out),
            0,
            self._symbol,
            session,
            end_ms,
            stamp.watermark_ms,
            None,
            start_ms,
            name,
            (ticks * self._numerator) / self._denominator,
            1,
            prior,
            touch,
        )
        swing = SwingPoint(event, side, start_ms, position, key, end_ms, prior)
        last[1] = swing
        decides = False
        if middle is not None:
            before = ours.earlier[1]
            known = middle.key
            ours.earlier[1] = known
            decides = known >= before and known >= key
        if not decides and self._structural_class > 1:
            out.append(event)
            return
        self._changed.append(swing)
        if self._structural_class == 1:
            self._become_structural(swing, end_ms)
        if decides and middle is not None:
            self._cascade(ours, middle, end_ms)
        self._publish(end_ms, stamp)

    def _cascade(self, ours: SwingSide, swing: SwingPoint, end_ms: int) -> None:
        """The middle of three enters the next class, and may decide a middle of three there."""
        earlier = ours.earlier
        last = ours.last
        level = 1
        while True:
            level += 1
            swing.swing_class = level
            swing.class_ms = end_ms
            self._mark(swing)
            if level == self._structural_class:
                self._become_structural(swing, end_ms)
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
        points = (abs(swing.key + opposite.key) * self._numerator) / self._denominator
        return Prior(opposite.start_ms, points, swing.position - opposite.position)

    def _become_structural(self, swing: SwingPoint, end_ms: int) -> None:
        """Its prior is now a structural one, and it is the prior of later opposite ones."""
        swing.structural_ms = end_ms
        ours = self._sides[swing.side]
        theirs = self._sides[1 - swing.side]
        swing.prior = None
        for opposite in theirs.structural:
            if opposite.start_ms < swing.start_ms:
                swing.prior = self._prior(swing, opposite)
                swing.prior_ms = opposite.structural_ms
                continue
            opposite.prior = self._prior(opposite, swing)
            opposite.prior_ms = end_ms
            self._mark(opposite)
        ours.structural.append(swing)
        self._forget(ours, theirs)
        self._forget(theirs, ours)

    def _forget(self, side: SwingSide, opposite: SwingSide) -> None:
        """Drop structural swings that cannot change and that no later swing can have as prior."""
        kept = side.structural
        if self._structural_class == 1:
            del kept[:-1]
            return
        candidate = self._earliest_undecided(opposite)
        if candidate is None:
            return
        while len(kept) >= 2 and kept[1].start_ms < candidate.start_ms:
            kept.pop(0)

    def _earliest_undecided(self, side: SwingSide) -> SwingPoint | None:
        """The earliest swing of a side that may still reach the structural class."""
        for level in range(self._structural_class - 1, 0, -1):
            swing = side.last[level]
            if swing is not None:
                return swing
        return None

    def _publish(self, end_ms: int, stamp: Stamp) -> None:
        """Append the changed swings, by id: all were decided at the end of the record's bar."""
        changed = self._changed
        if len(changed) > 1:
            changed.sort(key=_by_id)
        out = stamp.out
        for swing in changed:
            known = swing.event
            event = Swing(
                known.id,
                "upsert",
                stamp.first_seq + len(out),
                0,
                known.symbol,
                known.session,
                end_ms,
                stamp.watermark_ms,
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

    def snapshot(self) -> list[Any]:
        """Plain data between two records: lows, then highs."""
        return [_side_data(side) for side in self._sides]

    def restore(self, data: list[Any]) -> None:
        """Take the values of `snapshot`."""
        for number, values in enumerate(data):
            self._restore_side(number, values)

    def _restore_side(self, number: int, values: list[Any]) -> None:
        side = self._sides[number]
        swings = [self._restored(number, row) for row in values[0]]
        side.earlier = [FAR if key is None else key for key in values[1]]
        side.last = [None if at is None else swings[at] for at in values[2]]
        side.structural = [swings[at] for at in values[3]]

    def _restored(self, side: int, row: list[Any]) -> SwingPoint:
        start_ms: int = row[0]
        session = self._calendar.date(self._calendar.session_of(start_ms))
        link = None if row[7] is None else TouchLink(row[7][0], row[7][1], row[7][2])
        prior = None if row[6] is None else Prior(row[6][0], row[6][1], row[6][2])
        name: Side = "high" if side == 1 else "low"
        event = Swing(
            f"swing|{self._symbol}|{start_ms}|{name}",
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
            ((row[2] if side == 1 else -row[2]) * self._numerator) / self._denominator,
            row[3],
            prior,
            link,
        )
        class_ms: int = event.event_ms
        swing = SwingPoint(event, side, start_ms, row[1], row[2], class_ms, prior)
        swing.swing_class = row[3]
        if row[5] is not None:
            swing.structural_ms = start_ms + row[5]
        if row[6] is not None and row[6][3] is not None:
            swing.prior_ms = row[6][3]
        return swing


def _side_data(side: SwingSide) -> list[Any]:
    """Every swing once, then the places that refer to it by its number."""
    swings: list[SwingPoint] = []
    for swing in [*side.last, *side.structural]:
        if swing is not None and swing not in swings:
            swings.append(swing)
    return [
        [_swing_data(swing) for swing in swings],
        [None if key == FAR else key for key in side.earlier],
        [None if swing is None else swings.index(swing) for swing in side.last],
        [swings.index(swing) for swing in side.structural],
    ]


def _swing_data(swing: SwingPoint) -> list[Any]:
    prior = swing.prior
    link = swing.event.touch
    start_ms = swing.start_ms
    return [
        start_ms,
        swing.position,
        swing.key,
        swing.swing_class,
        swing.class_ms - start_ms,
        None if swing.structural_ms == NOWHERE else swing.structural_ms - start_ms,
        None
        if prior is None
        else [
            prior.start_ms,
            prior.points,
            prior.bars,
            None if swing.prior_ms == NOWHERE else swing.prior_ms,
        ],
        None if link is None else [link.id, link.minutes, link.bars],
    ]


def _by_id(swing: SwingPoint) -> str:
    return swing.event.id
