"""Windows of session ranges while they fill, and what a tracker of ranges was at one moment."""

from __future__ import annotations

from typing import Any

from tapeline.streams.core.ranges.live_range import NO_BAR
from tapeline.streams.core.ranges.schedule import RangeSpec


class RangeWindow:
    """The bars of a window so far; high < low while there are none.

    Attributes
    ----------
    opened_at
        In-session bars of the symbol when the window opened.
    have
        Bars of the window, known once it ended (-1 before).
    has_previous_close
        Whether a previous close was found (true where none is asked for).
    """

    __slots__ = ("has_previous_close", "have", "high", "low", "opened_at", "spec")

    def __init__(self, spec: RangeSpec, opened_at: int) -> None:
        self.spec = spec
        self.opened_at = opened_at
        self.high = NO_BAR
        self.low = -NO_BAR
        self.have = -1
        self.has_previous_close = not spec.previous_close


class TouchRank:
    """The latest touch as swings link to it, and what decides between touches of one bar."""

    __slots__ = ("bar_ms", "name", "position", "rank", "start_ms", "touch_id")

    def __init__(
        self, touch_id: str, bar_ms: int, position: int, rank: int, start_ms: int, name: str
    ) -> None:
        self.touch_id = touch_id
        self.bar_ms = bar_ms
        self.position = position
        self.rank = rank
        self.start_ms = start_ms
        self.name = name


class RangesMoment:
    """What a tracker of ranges was at one moment; the ranges themselves are in its journal.

    Attributes
    ----------
    windows
        Of each open window spec, position it opened at, high, low, and whether it has its previous
        close.
    awaiting
        Windows that ended and are not decided.
    expiring, upcoming
        Ranges by expiry, and by start.
    next_day
        First civil date whose ranges are not listed.
    place
        Place in the journal.
    """

    __slots__ = (
        "awaiting", "expiring", "latest_touch", "next_day", "place", "upcoming", "windows",
    )  # fmt: skip

    def __init__(
        self,
        windows: list[tuple[RangeSpec, int, int, int, bool]],
        awaiting: list[RangeWindow],
        expiring: list[RangeSpec],
        upcoming: list[RangeSpec],
        next_day: int,
        latest_touch: TouchRank | None,
        place: int,
    ) -> None:
        self.windows = windows
        self.awaiting = awaiting
        self.expiring = expiring
        self.upcoming = upcoming
        self.next_day = next_day
        self.latest_touch = latest_touch
        self.place = place


def open_windows(windows: list[RangeWindow]) -> list[tuple[RangeSpec, int, int, int, bool]]:
    """Open windows as a `RangesMoment` holds them."""
    return [
        (each.spec, each.opened_at, each.high, each.low, each.has_previous_close)
        for each in windows
    ]


def ranges_data(moment: RangesMoment) -> list[Any]:
    """Plain data of a moment; the calendar's part is not in it."""
    latest = moment.latest_touch
    return [
        [
            _window_data(spec, opened_at, -1, high, low, has_previous_close)
            for spec, opened_at, high, low, has_previous_close in moment.windows
        ],
        [
            _window_data(
                each.spec, each.opened_at, each.have, each.high, each.low, each.has_previous_close
            )
            for each in moment.awaiting
        ],
        None if latest is None else [latest.touch_id, latest.bar_ms, latest.position],
        moment.place,
        [[spec.kind_index, spec.start_ms // 1000] for spec in moment.expiring],
    ]


def _window_data(
    spec: RangeSpec, opened_at: int, have: int, high: int, low: int, has_previous_close: bool
) -> list[Any]:
    """Plain data of a window; `have` is -1 while it is open."""
    empty = high < low
    return [
        spec.kind_index,
        spec.start_ms // 1000,
        opened_at,
        have,
        has_previous_close,
        None if empty else low,
        None if empty else high - low,
    ]
