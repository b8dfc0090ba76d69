"""Pairs: the same touch in the two symbols of a group.

Rules: market-structure section 4. A range's state says which touches it had, so pairs have no
memory of their own: a touch looks at the partner's range of the same key. A finished range is kept
as long as the partner's may still be touched (bars-and-quality section 6).
"""

from __future__ import annotations

from schemas.events import Pair, renumbered
from streams.core.calendar import Calendar
from streams.core.live_range import LEVELS, NO_BAR, RangeTouch
from streams.core.ranges import RangeTracker
from streams.core.stamp import Stamp

MINUTE_MS = 60_000


class PairTracker:
    """The two symbols of a group, seen from each other.

    Parameters
    ----------
    group
        Id of the group; symbol of the pair events.
    symbols, trackers
        The members and their ranges, in the same order.
    """

    def __init__(
        self,
        group: str,
        symbols: list[str],
        trackers: list[RangeTracker],
        calendar: Calendar,
        base_ms: int,
        horizon_sessions: int,
    ) -> None:
        self._group = group
        self._symbols = symbols
        self._trackers = trackers
        self._calendar = calendar
        self._base_ms = base_ms
        self._horizon_sessions = horizon_sessions

    def publish(self, member: int, touches: list[RangeTouch], stamp: Stamp) -> None:
        """Append the rows that the touches of one member changed, by event_ms, then id."""
        if not touches:
            return
        partner = self._trackers[1 - member]
        rows: list[Pair] = []
        for touch in touches:
            if touch.level < 0 or touch.owner.spec.first_touch:
                continue
            key = touch.owner.spec.key
            other = partner.alive.get(key)
            if other is None:
                other = partner.finished.get(key)
            other_ms = NO_BAR if other is None else other.touch_bar(touch.level, touch.event)
            rows.append(self._row(member, touch, other_ms, stamp))
        if len(rows) > 1:
            rows.sort(key=_row_order)
            first = stamp.first_seq + len(stamp.out)
            rows = [renumbered(row, first + number) for number, row in enumerate(rows)]
        stamp.out.extend(rows)

    def _row(self, member: int, touch: RangeTouch, other_ms: int, stamp: Stamp) -> Pair:
        spec = touch.owner.spec
        level = LEVELS[touch.level]
        own, other = self._symbols[member], self._symbols[1 - member]
        bar_ms = touch.bar_ms
        theirs = None if other_ms == NO_BAR else other_ms
        times: dict[str, int | None]
        times = {own: bar_ms, other: theirs} if member == 0 else {other: theirs, own: bar_ms}
        delta: int | None = None
        leader: str | None = None
        event_ms, session = touch.event_ms, touch.session
        if other_ms != NO_BAR:
            apart = abs(bar_ms - other_ms)
            delta = apart // MINUTE_MS
            leader = own if bar_ms < other_ms else other
            if apart < MINUTE_MS:
                leader = "simultaneous"
            if other_ms < bar_ms:
                session = self._calendar.date(self._calendar.session_of(other_ms))
            elif other_ms > bar_ms:
                event_ms = self._calendar.slot_end(other_ms, self._base_ms)
        return Pair(
            f"pair|{self._group}|{touch.owner.label}|{level}|{touch.event}",
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

    def retire(self, member: int, partner_watermark_ms: int | None) -> None:
        """After a record of `member` that finished ranges: forget those nobody waits for."""
        ours, theirs = self._trackers[member], self._trackers[1 - member]
        for live in ours.changed:
            spec = live.spec
            if not live.finished or spec.first_touch:
                continue
            theirs.finished.pop(spec.key, None)
            decided = partner_watermark_ms is not None and partner_watermark_ms >= spec.publish_ms
            if decided and spec.key not in theirs.alive:
                ours.finished.pop(spec.key, None)

    def sweep(self, member: int, partner_watermark_ms: int | None, session: int) -> None:
        """At a session's start: forget finished ranges whose partner range cannot come any more.

        Parameters
        ----------
        partner_watermark_ms
            Watermark of the partner, None while it has no bar.
        session
            Session index of the watermark of `member`.
        """
        ours, theirs = self._trackers[member], self._trackers[1 - member]
        for key, live in list(ours.finished.items()):
            if partner_watermark_ms is None:
                decided_in = self._calendar.session_of(live.spec.to_ms)
                gone = decided_in < session - self._horizon_sessions
            else:
                gone = partner_watermark_ms >= live.spec.publish_ms and key not in theirs.alive
            if gone:
                del ours.finished[key]


def _row_order(row: Pair) -> tuple[int, str]:
    return row.event_ms, row.id
