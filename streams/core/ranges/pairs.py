"""Pairs: the same touch in the two symbols of a group.

Rules: docs/rules.md 11. A range's state says which touches it had, so pairs have no
memory of their own: a touch looks at the partner's range of the same key. A finished range is kept
as long as one of the two may still be touched or corrected (docs/rules.md 7.6).
"""

from __future__ import annotations

from tapeline.schemas.events import Pair, renumbered
from tapeline.schemas.ids import ids_of, pair_id
from tapeline.schemas.instants import MINUTE_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.ring import NOWHERE_MS
from tapeline.streams.core.ranges.live_range import LEVELS, NO_BAR, RangeTouch
from tapeline.streams.core.ranges.schedule import RangeSpec
from tapeline.streams.core.ranges.tracker import RangeTracker
from tapeline.streams.core.stamp import Stamp


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
    ) -> None:
        self._group = group
        self.prefix = ids_of("pair", group)
        self._symbols = symbols
        self._trackers = trackers
        self._calendar = calendar
        self._base_ms = base_ms

    def publish(
        self, member: int, touches: list[RangeTouch], partner_ms: int, stamp: Stamp
    ) -> None:
        """Append the rows that the touches of one member changed, by event_ms, then id.

        Parameters
        ----------
        partner_ms
            Watermark of the other member.
        """
        rows: list[Pair] = []
        watermark_ms = stamp.watermark_ms
        stamp.watermark_ms = max(watermark_ms, partner_ms)
        for touch in touches:
            if _counts(touch):
                other_ms = self._other_bar(member, touch.owner.spec.key, touch.level, touch.event)
                rows.append(self._row(member, touch, touch.bar_ms, other_ms, stamp))
        if len(rows) > 1:
            rows.sort(key=_row_order)
            first = stamp.first_seq + len(stamp.out)
            rows = [renumbered(row, first + number) for number, row in enumerate(rows)]
        stamp.out.extend(rows)
        stamp.watermark_ms = watermark_ms

    def compared(
        self, member: int, old: list[RangeTouch], new: list[RangeTouch], stamp: Stamp
    ) -> list[tuple[Pair | None, Pair | None]]:
        """Rows before and after a correction replaced touches of one member by others."""
        latest: dict[tuple[int, int, str], RangeTouch] = {}
        bars: list[dict[tuple[int, int, str], int]] = [{}, {}]
        for side, touches in enumerate((old, new)):
            for touch in touches:
                if _counts(touch):
                    key = (touch.owner.spec.key, touch.level, touch.event)
                    latest[key] = touch
                    bars[side][key] = touch.bar_ms
        found: list[tuple[Pair | None, Pair | None]] = []
        for key, touch in latest.items():
            other_ms = self._other_bar(member, touch.owner.spec.key, touch.level, touch.event)
            versions: list[Pair | None] = []
            for labels in bars:
                own_ms = labels.get(key, NO_BAR)
                versions.append(
                    None
                    if own_ms == NO_BAR and other_ms == NO_BAR
                    else self._row(member, touch, own_ms, other_ms, stamp)
                )
            found.append((versions[0], versions[1]))
        return found

    def _other_bar(self, member: int, key: int, level: int, event: str) -> int:
        """Label of the partner's bar with that touch, `NO_BAR` without one."""
        partner = self._trackers[1 - member]
        other = partner.alive.get(key)
        if other is None:
            other = partner.finished.get(key)
        return NO_BAR if other is None else other.touch_bar(level, event)

    def _row(
        self,
        member: int,
        touch: RangeTouch,
        own_ms: int,
        other_ms: int,
        stamp: Stamp,
    ) -> Pair:
        """The row of a touch, with these labels of its bar; at least one of the two is there."""
        own, other = self._symbols[member], self._symbols[1 - member]
        ours = None if own_ms == NO_BAR else own_ms
        theirs = None if other_ms == NO_BAR else other_ms
        times: dict[str, int | None]
        times = {own: ours, other: theirs} if member == 0 else {other: theirs, own: ours}
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

    def sweep(self, member: int, horizon_ms: int, partner_horizon_ms: int) -> None:
        """At a session's start: forget finished ranges of which no row can change any more.

        Parameters
        ----------
        horizon_ms, partner_horizon_ms
            Where the correction horizon of `member` and of its partner begins; `NOWHERE_MS` while
            there is no bar.
        """
        horizons = [horizon_ms, partner_horizon_ms]
        if member == 1:
            horizons.reverse()
        first, second = self._trackers
        for number, tracker in enumerate(self._trackers):
            # Nearly all of them finished inside the horizon.
            horizon = horizons[number]
            settled = [live for live in tracker.finished.values() if not live.event_ms > horizon]
            for live in settled:
                key = live.spec.key
                if not (
                    self._may_change(0, key, live.spec, horizons)
                    or self._may_change(1, key, live.spec, horizons)
                ):
                    first.forget_finished(key)
                    second.forget_finished(key)

    def _may_change(self, member: int, key: int, spec: RangeSpec, horizons: list[int]) -> bool:
        """Whether a bar or a correction may still touch a member's range of that key."""
        tracker = self._trackers[member]
        if key in tracker.alive:
            return True
        horizon_ms = horizons[member]
        if horizon_ms == NOWHERE_MS:
            return spec.to_ms >= horizons[1 - member]
        live = tracker.finished.get(key)
        return (spec.publish_ms if live is None else live.event_ms) > horizon_ms


def _counts(touch: RangeTouch) -> bool:
    return touch.level >= 0 and not touch.owner.spec.first_touch


def _row_order(row: Pair) -> tuple[int, str]:
    return row.event_ms, row.id
