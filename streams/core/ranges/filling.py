"""Windows of session ranges from their start to the decision: what bars fill."""

from __future__ import annotations

from typing import Final

from tapeline.schemas.instants import DAY_MS
from tapeline.streams.core.last_bars import LastBars
from tapeline.streams.core.ranges.levels import FAR
from tapeline.streams.core.ranges.live_range import NO_BAR
from tapeline.streams.core.ranges.schedule import ZONE_REACH_MS, RangeSchedule, RangeSpec
from tapeline.streams.core.ranges.windows import RangesPoint, RangeWindow

PREVIOUS_CLOSE_REACH_MS: Final = 5 * DAY_MS


class RangeFilling:
    """The ranges of one symbol that are not decided: to come, open, and ended.

    Every open window takes in every bar, so two prices are enough while bars come: those of the
    narrowest window. `widen` gives the windows what the bars have reached.

    Attributes
    ----------
    windows
        Open ones.
    upcoming, awaiting
        As in `RangesPoint`, which shares them: they are replaced, and never changed.
    next_day
        First civil date whose ranges are not listed.
    highest, lowest
        High and low of the narrowest window: a bar inside them changes none.
    """

    __slots__ = (
        "_bars", "_schedule", "awaiting", "highest", "lowest", "next_day", "upcoming", "windows",
    )  # fmt: skip

    def __init__(self, schedule: RangeSchedule, bars: LastBars) -> None:
        self._schedule = schedule
        self._bars = bars
        self.windows: list[RangeWindow] = []
        self.upcoming: list[RangeSpec] = []
        self.awaiting: list[RangeWindow] = []
        self.next_day = 0
        self.highest = FAR
        self.lowest = -FAR

    def begin(self, label_ms: int) -> None:
        """The symbol's history starts there: windows that have begun are open."""
        for spec in self._schedule.starting_around(label_ms):
            self._open(spec)
        self.next_day = label_ms // DAY_MS - 1
        self._list_starts(label_ms, label_ms)

    def advance(self, instant_ms: int) -> None:
        """Open and end windows up to an instant; `narrow` follows once they are looked at."""
        self.widen()
        self._list_starts(instant_ms, NO_BAR)
        opened = 0
        for spec in self.upcoming:
            if spec.start_ms > instant_ms:
                break
            self._open(spec)
            opened += 1
        if opened:
            self.upcoming = self.upcoming[opened:]
        self._end(instant_ms)

    def take_due(self, instant_ms: int) -> list[RangeWindow]:
        """Windows to be decided by an instant, which leave."""
        due = [window for window in self.awaiting if window.spec.publish_ms <= instant_ms]
        if due:
            self.awaiting = [
                window for window in self.awaiting if window.spec.publish_ms > instant_ms
            ]
        return due

    def next_ms(self) -> int:
        """First instant at which a window begins, ends or is due."""
        earliest = self.next_day * DAY_MS - ZONE_REACH_MS
        if self.upcoming and self.upcoming[0].start_ms < earliest:
            earliest = self.upcoming[0].start_ms
        for window in self.windows:
            if window.spec.window_end_ms < earliest:
                earliest = window.spec.window_end_ms
        for window in self.awaiting:
            if window.spec.publish_ms < earliest:
                earliest = window.spec.publish_ms
        return earliest

    def widen(self) -> None:
        """Give the windows what the bars since the last time reached: before they are looked at."""
        for window in self.windows:
            if self.highest > window.high:
                window.high = self.highest
            if self.lowest < window.low:
                window.low = self.lowest

    def narrow(self) -> None:
        """The windows are others now: find the prices of the narrowest."""
        highest = FAR
        lowest = -FAR
        for window in self.windows:
            if window.high < highest:
                highest = window.high
            if window.low > lowest:
                lowest = window.low
        self.highest = highest
        self.lowest = lowest

    def _list_starts(self, instant_ms: int, after_ms: int) -> None:
        """List the ranges of every civil date that may have begun in some zone."""
        if self.next_day * DAY_MS - ZONE_REACH_MS <= instant_ms:
            upcoming = self.upcoming.copy()
            self.next_day = self._schedule.list_starts(
                self.next_day, instant_ms, after_ms, upcoming
            )
            self.upcoming = upcoming

    def _open(self, spec: RangeSpec) -> None:
        last = self._bars.last
        window = RangeWindow(spec, self._bars.position)
        reach = spec.start_ms - PREVIOUS_CLOSE_REACH_MS
        if spec.previous_close and reach <= last[0] < spec.start_ms:
            window.has_previous_close = True
            window.high = last[4]
            window.low = last[4]
        self.windows.append(window)

    def _end(self, instant_ms: int) -> None:
        ended: list[RangeWindow] = []
        for window in self.windows:
            if window.spec.window_end_ms <= instant_ms:
                window.have = self._bars.position - window.opened_at
                ended.append(window)
        if ended:
            self.windows = [window for window in self.windows if window.have < 0]
            self.awaiting = self.awaiting + ended

    def install(self, point: RangesPoint) -> None:
        """Take the windows of a restore point, which stays as it is; `narrow` follows."""
        self.windows = []
        for spec, opened_at, high, low, has_previous_close in point.windows:
            window = RangeWindow(spec, opened_at)
            window.high = high
            window.low = low
            window.has_previous_close = has_previous_close
            self.windows.append(window)
        self.awaiting = point.awaiting
        self.upcoming = point.upcoming
        self.next_day = point.next_day

    def reset(self) -> None:
        """Before the first bar."""
        self.windows = []
        self.awaiting = []
        self.upcoming = []
        self.highest = FAR
        self.lowest = -FAR
