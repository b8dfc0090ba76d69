"""Pairs: the same touch in the two symbols of a group.

Rules: docs/rules.md 11. A range's state says which touches it had, so pairs have no
memory of their own: a touch looks at the partner's range of the same key. A finished range is kept
as long as one of the two may still be touched or corrected (docs/rules.md 7.6).
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Event, Pair, renumbered
from tapeline.schemas.ids import SEPARATOR, ids_of, pair_id
from tapeline.schemas.instants import MINUTE_MS
from tapeline.streams.core.history.ring import NOWHERE_MS
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ranges.live_range import LEVELS, NO_BAR, LiveRange, RangeTouch
from tapeline.streams.core.ranges.schedule import RangeSpec
from tapeline.streams.core.ranges.tracker import RangeTracker, TouchFollower
from tapeline.streams.core.stamp import Stamp

VERSION: Final = 1


class PairTracker(TouchFollower):
    """One symbol of a group of two, as a follower of both: it has a position in the list of each.

    Its restore point is where the symbol's correction horizon begins.

    Parameters
    ----------
    group
        Id of the group; symbol of the pair events.
    number
        Which symbol of the group it is, 0 or 1.
    ranges
        Those of the symbol, whose touches it follows.
    """

    __slots__ = (
        "_base_ms", "_calendar", "_group", "_horizon_ms", "_horizon_sessions", "_number",
        "_partner", "_prefix", "_ranges", "_run_touches", "_sweep_due", "_symbol", "_touches",
    )  # fmt: skip

    def __init__(self, group: str, plan: InstrumentPlan, number: int, ranges: RangeTracker) -> None:
        super().__init__("pairs", VERSION, ("pair",), takes_runs=True)
        self._group = group
        self._prefix = ids_of("pair", group)
        self._symbol = plan.symbol
        self._calendar = plan.calendar
        self._base_ms = plan.base_ms
        self._horizon_sessions = plan.horizon_sessions
        self._number = number
        self._ranges = ranges
        self._partner: PairTracker | None = None
        self._touches: list[RangeTouch] = []
        self._run_touches: list[RangeTouch] = []
        self._sweep_due = False
        self._horizon_ms = NOWHERE_MS
        ranges.pairs = self

    def join(self, partner: PairTracker) -> None:
        """The same of the other symbol; before the first record."""
        self._partner = partner

    def on_session(self, index: int, date: str) -> None:
        """The horizon moves on, and with it what may still change."""
        if self._horizon_ms != NOWHERE_MS:
            self._sweep_due = True
            self.pending = True
        oldest = index - self._horizon_sessions
        known = self._calendar.has_session(oldest)
        self._horizon_ms = self._calendar.open_ms(oldest) if known else self._calendar.first_ms

    def on_touches(self, touches: list[RangeTouch]) -> None:
        """Touches of the symbol; the rows they change are published next."""
        self._touches = touches
        self.pending = True

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the rows that the touches changed, by event_ms, then id."""
        if self._touches:
            self._publish_rows(self._touches, stamp)
            self._touches = []
        if self._sweep_due:
            self._sweep_due = False
            if not stamp.muted:
                self._sweep()

    def _publish_rows(self, touches: list[RangeTouch], stamp: Stamp) -> None:
        rows: list[Pair] = []
        watermark_ms = stamp.watermark_ms
        stamp.watermark_ms = max(watermark_ms, stamp.partner_ms)
        for touch in touches:
            if _counts(touch):
                rows.append(self._row(touch, touch.bar_ms, self._other_bar(touch), stamp))
                if stamp.muted:
                    self._run_touches.append(touch)
        if len(rows) > 1:
            rows.sort(key=_row_order)
            first = stamp.first_seq + len(stamp.out)
            rows = [renumbered(row, first + number) for number, row in enumerate(rows)]
        stamp.out.extend(rows)
        stamp.watermark_ms = watermark_ms

    def restore_point(self) -> int:
        """Where the horizon begins; the touches are in the ranges."""
        return self._horizon_ms

    def rewind(self, point: int) -> None:
        """Go to a restore point."""
        self._horizon_ms = point
        self._touches = []
        self._sweep_due = False

    def reset(self) -> None:
        """Before the first bar."""
        self.rewind(NOWHERE_MS)

    def open_ids(self, point: int | None = None) -> list[str]:
        """What the ids of rows begin with that may still change: those of the symbol's ranges."""
        labels = self._ranges.open_labels(point is None)
        return [f"{self._prefix}{label}{SEPARATOR}" for label in labels]

    def standing(self, point: Any, ids: list[str]) -> list[Event]:
        """The wanted rows without the symbol's touch, of those that runs published since.

        A range is touched once at a level by an event: at the point it was not, nor is it before
        the first bar, where the point is None.
        """
        stamp = Stamp()
        found: list[Event] = []
        wanted = set(ids)
        for touch in self._run_touches:
            other_ms = self._other_bar(touch)
            if other_ms != NO_BAR:
                row = self._row(touch, NO_BAR, other_ms, stamp)
                if row.id in wanted:
                    found.append(row)
        return found

    def end_of_runs(self) -> None:
        """Forget which rows the two runs published."""
        self._run_touches = []

    def _other_bar(self, touch: RangeTouch) -> int:
        """Label of the partner's bar with that touch, `NO_BAR` without one."""
        assert self._partner is not None
        other = self._partner.range_of(touch.owner.spec.key)
        return NO_BAR if other is None else other.touch_bar(touch.level, touch.event)

    def range_of(self, key: int) -> LiveRange | None:
        """The symbol's range of that key, if it is published and kept."""
        live = self._ranges.alive.get(key)
        return self._ranges.finished.get(key) if live is None else live

    def _row(self, touch: RangeTouch, own_ms: int, other_ms: int, stamp: Stamp) -> Pair:
        """The row of a touch, with these labels of its bar; at least one of the two is there."""
        assert self._partner is not None
        own, other = self._symbol, self._partner._symbol
        ours = None if own_ms == NO_BAR else own_ms
        theirs = None if other_ms == NO_BAR else other_ms
        times: dict[str, int | None]
        times = {own: ours, other: theirs} if self._number == 0 else {other: theirs, own: ours}
        delta: int | None = None
        leader: str | None = None
        if ours is not None and theirs is not None:
            apart = abs(own_ms - other_ms)
            delta = apart // MINUTE_MS
            leader = own if own_ms < other_ms else other
            if apart < MINUTE_MS:
                leader = "simultaneous"
        # `NO_BAR` lies before every label.
        later_ms = max(own_ms, other_ms)
        earlier_ms = later_ms if ours is None or theirs is None else min(own_ms, other_ms)
        # Of its own bar the touch knows them.
        known_ms = touch.bar_ms
        session = touch.session if earlier_ms == known_ms else self._session(earlier_ms)
        event_ms = touch.event_ms
        if later_ms != known_ms:
            event_ms = self._calendar.slot_end(later_ms, self._base_ms)
        spec = touch.owner.spec
        level = LEVELS[touch.level]
        return Pair(
            pair_id(self._group, spec.label, level, touch.event),
            "upsert",
            stamp.first_seq + len(stamp.out),
            0,
            self._group,
            session,
            event_ms,
            stamp.watermark_ms,
            None,
            self._group,
            spec.kind,
            spec.name,
            level,
            touch.event,
            times,
            delta,
            leader,
        )

    def _session(self, instant_ms: int) -> str:
        return self._calendar.date(self._calendar.session_of(instant_ms))

    def _sweep(self) -> None:
        """At a session's start: forget finished ranges of which no row can change any more."""
        partner = self._partner
        assert partner is not None
        both = [self, partner] if self._number == 0 else [partner, self]
        for side in both:
            for spec in side.finished_before_horizon():
                if not (self.may_change(spec) or partner.may_change(spec)):
                    for each in both:
                        each.forget(spec)

    def finished_before_horizon(self) -> list[RangeSpec]:
        """Finished ranges of the symbol that no correction reaches; most of them it does."""
        finished = self._ranges.finished.values()
        return [live.spec for live in finished if not live.event_ms > self._horizon_ms]

    def may_change(self, spec: RangeSpec) -> bool:
        """Whether a bar or a correction may still touch the symbol's range of that key."""
        if spec.key in self._ranges.alive:
            return True
        if self._horizon_ms == NOWHERE_MS:
            assert self._partner is not None
            return spec.to_ms >= self._partner._horizon_ms
        live = self._ranges.finished.get(spec.key)
        return (spec.publish_ms if live is None else live.event_ms) > self._horizon_ms

    def forget(self, spec: RangeSpec) -> None:
        """Drop the symbol's finished range of that key."""
        self._ranges.forget_finished(spec.key)


def _counts(touch: RangeTouch) -> bool:
    return touch.level >= 0 and not touch.owner.spec.first_touch


def _row_order(row: Pair) -> tuple[int, str]:
    return row.event_ms, row.id
