"""Swings: classes by a cascade of three-slot windows, prior opposite, touch link.

Rules: market-structure section 5. Highs and lows run through one mechanism: a low is a high of
negated prices.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.events import Prior, Side, Swing, TouchLink
from streams.core.plan import InstrumentPlan
from streams.core.ranges import TouchRank
from streams.core.stamp import Stamp

HIGHEST_CLASS: Final = 6
MINUTE_MS: Final = 60_000
SIDES: Final = ("low", "high")
NOWHERE: Final = -(1 << 62)


class SwingPoint:
    """One swing; `key` is its price in ticks, negated for a low.

    Attributes
    ----------
    position
        Number of the bar among the in-session bars of the symbol, from 1.
    class_ms
        When its class was reached: end of the bar that decided it.
    structural_ms
        When it reached the structural class, `NOWHERE` before.
    prior_ms
        When its prior reached the structural class, `NOWHERE` where that does not matter.
    """

    swing_class: int = 1
    structural_ms: int = NOWHERE
    prior: Prior | None = None
    prior_ms: int = NOWHERE
    link: TouchLink | None = None
    changed: bool = False

    def __init__(
        self, side: int, start_ms: int, position: int, key: int, session: str, class_ms: int
    ) -> None:
        self.side = side
        self.start_ms = start_ms
        self.position = position
        self.key = key
        self.session = session
        self.class_ms = class_ms


class SwingSide:
    """Swings of one side.

    Attributes
    ----------
    earlier
        Per class N (index 1 to 5) the key of the last but one swing of class N or more.
    last
        Per class N the last swing of class N or more.
    structural
        Swings of the structural class or more that may still change, or be a prior, in order of
        time.
    """

    def __init__(self) -> None:
        self.earlier: list[int] = [NOWHERE] * HIGHEST_CLASS
        self.last: list[SwingPoint | None] = [None] * HIGHEST_CLASS
        self.structural: list[SwingPoint] = []


class SwingTracker:
    """All swings of one symbol.

    Contract: `add` takes each bar that is a swing of class 1 (`SymbolEngine` compares neighbours),
    in order; `changed` holds the swings made or changed until `publish`.
    """

    def __init__(self, plan: InstrumentPlan) -> None:
        self._symbol = plan.symbol
        self._calendar = plan.calendar
        self._scale = plan.scale
        self._structural_class = plan.structural_class
        self._sides = [SwingSide(), SwingSide()]
        self.changed: list[SwingPoint] = []

    def add(
        self,
        side: int,
        key: int,
        start_ms: int,
        position: int,
        session: str,
        end_ms: int,
        link: TouchRank | None,
    ) -> None:
        """A swing of class 1; dropped when its price repeats the last kept one of its side.

        Parameters
        ----------
        side
            1 for a high, 0 for a low.
        key
            Price in ticks, negated for a low.
        start_ms, position, session
            Label, number and ISO session date of the swing's bar.
        end_ms
            End of the next bar, which decides it.
        link
            Latest touch up to the swing's bar.
        """
        ours = self._sides[side]
        last = ours.last[1]
        if last is not None and last.key == key:
            return
        swing = SwingPoint(side, start_ms, position, key, session, end_ms)
        if link is not None:
            swing.link = TouchLink(
                link.touch_id, (start_ms - link.bar_ms) // MINUTE_MS, position - link.position
            )
        opposite = self._sides[1 - side].last[1]
        if opposite is not None:
            swing.prior = self._prior(swing, opposite)
        swing.changed = True
        self.changed.append(swing)
        if self._structural_class == 1:
            self._become_structural(swing, end_ms)
        self._cascade(ours, swing, end_ms)

    def _cascade(self, ours: SwingSide, swing: SwingPoint, end_ms: int) -> None:
        """A swing enters class 1; whenever that decides the middle of three, it enters the next."""
        earlier = ours.earlier
        last = ours.last
        level = 1
        while level < HIGHEST_CLASS:
            middle = last[level]
            before = earlier[level]
            last[level] = swing
            if middle is None:
                return
            earlier[level] = middle.key
            if before == NOWHERE or middle.key < before or middle.key < swing.key:
                return
            level += 1
            middle.swing_class = level
            middle.class_ms = end_ms
            if not middle.changed:
                middle.changed = True
                self.changed.append(middle)
            if level == self._structural_class:
                self._become_structural(middle, end_ms)
            swing = middle

    def _prior(self, swing: SwingPoint, opposite: SwingPoint) -> Prior:
        scale = self._scale
        points = (abs(swing.key + opposite.key) * scale.numerator) / scale.denominator
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
            if not opposite.changed:
                opposite.changed = True
                self.changed.append(opposite)
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

    def publish(self, stamp: Stamp) -> None:
        """Append the changed swings, by event_ms, then id."""
        changed = self.changed
        if len(changed) > 1:
            changed.sort(key=_event_order)
        out = stamp.out
        seq = stamp.first_seq + len(out)
        for swing in changed:
            swing.changed = False
            out.append(self._event(swing, seq, stamp.watermark_ms))
            seq += 1
        changed.clear()

    def _event(self, swing: SwingPoint, seq: int, watermark_ms: int) -> Swing:
        if swing.side == 1:
            side: Side = "high"
            ticks = swing.key
        else:
            side = "low"
            ticks = -swing.key
        decided = swing.class_ms
        if swing.prior_ms > decided:
            decided = swing.prior_ms
        scale = self._scale
        return Swing(
            f"swing|{self._symbol}|{swing.start_ms}|{side}",
            "upsert",
            seq,
            0,
            self._symbol,
            swing.session,
            decided,
            watermark_ms,
            None,
            swing.start_ms,
            side,
            (ticks * scale.numerator) / scale.denominator,
            swing.swing_class,
            swing.prior,
            swing.link,
        )

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
        side.earlier = [NOWHERE if key is None else key for key in values[1]]
        side.last = [None if at is None else swings[at] for at in values[2]]
        side.structural = [swings[at] for at in values[3]]

    def _restored(self, side: int, row: list[Any]) -> SwingPoint:
        start_ms: int = row[0]
        session = self._calendar.date(self._calendar.session_of(start_ms))
        swing = SwingPoint(side, start_ms, row[1], row[2], session, start_ms + row[4])
        swing.swing_class = row[3]
        if row[5] is not None:
            swing.structural_ms = start_ms + row[5]
        if row[6] is not None:
            swing.prior = Prior(row[6][0], row[6][1], row[6][2])
            swing.prior_ms = NOWHERE if row[6][3] is None else row[6][3]
        if row[7] is not None:
            swing.link = TouchLink(row[7][0], row[7][1], row[7][2])
        return swing


def _side_data(side: SwingSide) -> list[Any]:
    """Every swing once, then the places that refer to it by its number."""
    swings: list[SwingPoint] = []
    for swing in [*side.last, *side.structural]:
        if swing is not None and swing not in swings:
            swings.append(swing)
    return [
        [_swing_data(swing) for swing in swings],
        [None if key == NOWHERE else key for key in side.earlier],
        [None if swing is None else swings.index(swing) for swing in side.last],
        [swings.index(swing) for swing in side.structural],
    ]


def _swing_data(swing: SwingPoint) -> list[Any]:
    prior = swing.prior
    link = swing.link
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


def _event_order(swing: SwingPoint) -> tuple[int, str]:
    return max(swing.class_ms, swing.prior_ms), f"{swing.start_ms}|{SIDES[swing.side]}"
