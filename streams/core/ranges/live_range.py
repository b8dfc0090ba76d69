"""A session range from its publication on: levels, state and transitions.

Rules: market-structure sections 2 and 3.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.core.ranges.schedule import RangeSpec

INCOMPLETE: Final = 0
UNBROKEN: Final = 1
FIRST_BREAK: Final = 2
RETURN: Final = 3
SECOND_SAME: Final = 4
SECOND_OPPOSITE: Final = 5
RESOLVED: Final = 6
UNTOUCHED: Final = 7
TOUCHED: Final = 8

STATES: Final = (
    "incomplete",
    "unbroken",
    "first_break",
    "return",
    "second_break_same",
    "second_break_opposite",
    "resolved",
    "untouched",
    "touched",
)
EXPIRED: Final = 16
"""Added to the state of an expired range in plain data."""
NO_BAR: Final = FAR_PAST_MS
TO: Final = 0
POC: Final = 1
RPP: Final = 2
LEVELS: Final = ("TO", "PoC", "RPP", "high", "low")
HIGH: Final = 3
LOW: Final = 4


class RangeTouch:
    """One transition: what touched, at which bar.

    Attributes
    ----------
    touch_id
        Id of its event; set by the owner's tracker, which knows the symbol.
    event
        Name of the event, also the last part of its id.
    level
        Index into `LEVELS`, -1 for an expiry.
    """

    __slots__ = (
        "ambiguous", "bar_ms", "event", "event_ms", "level", "owner", "price", "session",
        "touch_id",
    )  # fmt: skip

    def __init__(
        self,
        owner: LiveRange,
        event: str,
        level: int,
        price: int,
        bar_ms: int,
        event_ms: int,
        session: str,
        ambiguous: bool,
    ) -> None:
        self.touch_id = ""
        self.owner = owner
        self.event = event
        self.level = level
        self.price = price
        self.bar_ms = bar_ms
        self.event_ms = event_ms
        self.session = session
        self.ambiguous = ambiguous


class LiveRange:
    """One range of one symbol; prices in ticks.

    Attributes
    ----------
    label
        Kind and name, as ids have them.
    second
        `SECOND_SAME` or `SECOND_OPPOSITE` once the second break came, else 0.
    side
        `POC` or `RPP`, the level of the first break, 0 before it.
    bars_ms
        Labels of first break, return, second break, resolution (poi) or of the touches of high and
        low (first_touch); `NO_BAR` while they have not come.
    event_ms
        When the present content was decided.
    """

    __slots__ = (
        "bars_ms", "changed", "event_ms", "expired", "have", "high", "label", "low",
        "poc", "reason", "rpp", "second", "side", "spec", "state", "true_open",
    )  # fmt: skip

    def __init__(self, spec: RangeSpec, have: int, high: int, low: int) -> None:
        self.spec = spec
        self.label = spec.label
        self.have = have
        self.high = high
        self.low = low
        self.true_open = 0
        self.poc = 0
        self.rpp = 0
        self.state = INCOMPLETE
        self.reason = ""
        self.side = 0
        self.second = 0
        self.expired = False
        self.bars_ms = [NO_BAR, NO_BAR, NO_BAR, NO_BAR]
        self.event_ms = spec.publish_ms
        self.changed = False

    def successor(self) -> LiveRange:
        """The range as it is now, to be changed: what was published stays for the journal."""
        live = LiveRange(self.spec, self.have, self.high, self.low)
        live.true_open = self.true_open
        live.poc = self.poc
        live.rpp = self.rpp
        live.state = self.state
        live.side = self.side
        live.second = self.second
        live.expired = self.expired
        live.bars_ms = self.bars_ms.copy()
        live.event_ms = self.event_ms
        return live

    def set_levels(self, true_open: int) -> None:
        """Levels of a poi range: PoC is the farther extreme (a tie: the low), RPP its mirror."""
        self.true_open = true_open
        farther_high = abs(self.high - true_open) > abs(self.low - true_open)
        self.poc = self.high if farther_high else self.low
        self.rpp = 2 * true_open - self.poc
        self.state = UNBROKEN

    @property
    def finished(self) -> bool:
        """Whether nothing can happen to it any more, corrections apart."""
        return self.expired or self.state == RESOLVED or self.state == INCOMPLETE

    def watched(self) -> list[int]:
        """Levels whose touch would change the state."""
        state = self.state
        if self.expired or state == RESOLVED or state == INCOMPLETE:
            return []
        if state == UNBROKEN or state == RETURN:
            return [self.poc] if self.poc == self.rpp else [self.poc, self.rpp]
        if state == UNTOUCHED or state == TOUCHED:
            levels = [self.high] if self.bars_ms[0] == NO_BAR else []
            if self.bars_ms[1] == NO_BAR and (not levels or self.low != self.high):
                levels.append(self.low)
            return levels
        return [self.true_open]

    def touch(
        self, bar_ms: int, end_ms: int, low: int, high: int, session: str
    ) -> list[RangeTouch]:
        """Let a bar touch; returns the transitions (at most one, two for a first_touch range)."""
        if self.state == UNTOUCHED or self.state == TOUCHED:
            return self._first_touch(bar_ms, end_ms, low, high, session)
        if self.finished:
            return []
        state = self.state
        ambiguous = False
        if state == UNBROKEN or state == RETURN:
            at_poc = low <= self.poc <= high
            at_rpp = low <= self.rpp <= high
            if not (at_poc or at_rpp):
                return []
            level = POC if at_poc else RPP
            price = self.poc if at_poc else self.rpp
            ambiguous = at_poc and at_rpp and self.poc != self.rpp
        else:
            if not low <= self.true_open <= high:
                return []
            level = TO
            price = self.true_open
        self._move(level, bar_ms)
        self.event_ms = end_ms
        event = STATES[self.state]
        return [RangeTouch(self, event, level, price, bar_ms, end_ms, session, ambiguous)]

    def _move(self, level: int, bar_ms: int) -> None:
        """The table of docs/rules.md 10."""
        state = self.state
        if state == UNBROKEN:
            self.side = level
            self.state = FIRST_BREAK
            self.bars_ms[0] = bar_ms
        elif state == FIRST_BREAK:
            self.state = RETURN
            self.bars_ms[1] = bar_ms
        elif state == RETURN:
            self.second = SECOND_SAME if level == self.side else SECOND_OPPOSITE
            self.state = self.second
            self.bars_ms[2] = bar_ms
        else:
            self.state = RESOLVED
            self.bars_ms[3] = bar_ms

    def _first_touch(
        self, bar_ms: int, end_ms: int, low: int, high: int, session: str
    ) -> list[RangeTouch]:
        touches = []
        if self.bars_ms[0] == NO_BAR and low <= self.high <= high:
            self.bars_ms[0] = bar_ms
            touches.append(
                RangeTouch(self, "touched_high", HIGH, self.high, bar_ms, end_ms, session, False)
            )
        if self.bars_ms[1] == NO_BAR and low <= self.low <= high:
            self.bars_ms[1] = bar_ms
            touches.append(
                RangeTouch(self, "touched_low", LOW, self.low, bar_ms, end_ms, session, False)
            )
        if touches:
            self.event_ms = end_ms
            both = self.bars_ms[0] != NO_BAR and self.bars_ms[1] != NO_BAR
            self.state = RESOLVED if both else TOUCHED
        return touches

    def touch_bar(self, level: int, event: str) -> int:
        """Label of the bar of a touch with that level and event, `NO_BAR` if there is none."""
        if event == "first_break":
            return self.bars_ms[0] if level == self.side else NO_BAR
        if event == "return":
            return self.bars_ms[1]
        if event == "resolved":
            return self.bars_ms[3]
        if self.second == 0 or event != STATES[self.second] or level != self._second_level():
            return NO_BAR
        return self.bars_ms[2]

    def _second_level(self) -> int:
        if self.second == SECOND_SAME:
            return self.side
        return POC + RPP - self.side

    def snapshot(self) -> list[Any]:
        """Compact plain data; bars in seconds after the TO label."""
        to = self.spec.to_ms
        bars = [None if bar == NO_BAR else (bar - to) // 1000 for bar in self.bars_ms]
        while bars and bars[-1] is None:
            bars.pop()
        return [
            self.spec.kind_index,
            self.spec.start_ms // 1000,
            self.have,
            self.low,
            self.high - self.low,
            self.true_open - self.low,
            self.state + EXPIRED if self.expired else self.state,
            self.side,
            self.second,
            *bars,
        ]


def restore_range(spec: RangeSpec, data: list[Any]) -> LiveRange:
    """The range of a `LiveRange.snapshot`; the caller sets event_ms if a bar has touched it."""
    live = LiveRange(spec, data[2], data[3] + data[4], data[3])
    live.true_open = data[3] + data[5]
    state: int = data[6]
    if not spec.first_touch:
        live.set_levels(live.true_open)
    live.expired = state >= EXPIRED
    live.state = state % EXPIRED
    live.side = data[7]
    live.second = data[8]
    for index, bar in enumerate(data[9:]):
        live.bars_ms[index] = NO_BAR if bar is None else bar * 1000 + spec.to_ms
    return live
