"""Windows of session ranges while they fill, and a tracker of ranges at a restore point."""

from __future__ import annotations

from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.ranges.live_range import NO_BAR, RangeTouch
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


class RangesPoint:
    """What a tracker of ranges was at a restore point; the ranges themselves are in its journal.

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
    journal_position
        Position in the journal.
    passed_ms
        Instant at which the calendar was looked at last.
    """

    __slots__ = (
        "awaiting", "expiring", "journal_position", "latest_touch", "next_day", "passed_ms",
        "upcoming", "windows",
    )  # fmt: skip

    def __init__(
        self,
        windows: list[tuple[RangeSpec, int, int, int, bool]],
        awaiting: list[RangeWindow],
        expiring: list[RangeSpec],
        upcoming: list[RangeSpec],
        next_day: int,
        latest_touch: TouchRank | None,
        journal_position: int,
        passed_ms: int,
    ) -> None:
        self.windows = windows
        self.awaiting = awaiting
        self.expiring = expiring
        self.upcoming = upcoming
        self.next_day = next_day
        self.latest_touch = latest_touch
        self.journal_position = journal_position
        self.passed_ms = passed_ms


def open_windows(windows: list[RangeWindow]) -> list[tuple[RangeSpec, int, int, int, bool]]:
    """Open windows as a `RangesPoint` holds them."""
    return [
        (each.spec, each.opened_at, each.high, each.low, each.has_previous_close)
        for each in windows
    ]


def missing_in(window: RangeWindow, last: PackedRow) -> str:
    """Why a range has no levels: the first reason that holds, "" when it has them.

    Parameters
    ----------
    last
        The in-session bar before the watermark.
    """
    spec = window.spec
    if not spec.first_touch and last[0] != spec.to_ms:
        return "no_to_bar"
    if not window.has_previous_close:
        return "no_previous_close"
    if spec.need == 0 or window.have == 0 or 100 * window.have < spec.coverage * spec.need:
        return "coverage"
    return ""


def latest_of(best: TouchRank | None, touch: RangeTouch, position: int) -> TouchRank:
    """The touch that swings link to: latest bar, then rank, later start, name."""
    spec = touch.owner.spec
    if best is not None and best.bar_ms == touch.bar_ms:
        ours = (spec.rank, -spec.start_ms, spec.name)
        if ours > (best.rank, -best.start_ms, best.name):
            return best
    return TouchRank(touch.touch_id, touch.bar_ms, position, spec.rank, spec.start_ms, spec.name)
