"""Windows of derived bars while they fill, in ticks."""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.ids import ids_of
from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.schemas.intervals import Interval
from tapeline.streams.core.tracker import ClosedBar, Tracker
from tapeline.streams.core.volume import Volume

NO_END: Final = FAR_FUTURE_MS
NOTHING: Final[list[Any]] = []
"""What a window without bars is in a snapshot; not to be changed."""


class Window:
    """The open window of one interval; `end_ms` is `NO_END` while it holds no bar.

    Attributes
    ----------
    prefix
        What the ids of its bars begin with.
    nominal
        Base slots of a window that no session end cuts short.
    published
        False of what only feeds others: the daily window that sessions and weeks need, and
        intervals that indicators alone ask for.
    fed
        Windows of coarser intervals that this one is merged into when it closes.
    followers
        Trackers that asked for its bars.
    """

    __slots__ = (
        "close", "end_ms", "fed", "followers", "have", "high", "is_day", "is_long", "is_week",
        "length_ms", "low", "name", "need", "nominal", "open", "prefix", "published", "session",
        "start_ms", "truncated", "volume",
    )  # fmt: skip

    def __init__(self, symbol: str, interval: Interval, published: bool, base_ms: int) -> None:
        self.prefix = ids_of("derived_bar", symbol, interval.name)
        self.nominal = interval.length_ms // base_ms
        self.name = interval.name
        self.length_ms = interval.length_ms
        self.is_day = interval.name == "1d"
        self.is_week = interval.name == "1w"
        self.is_long = self.is_day or self.is_week
        self.published = published
        self.fed: list[Window] = []
        self.followers: list[Tracker] = []
        self.start_ms = 0
        self.end_ms = NO_END
        self.need = 0
        self.truncated = False
        self.session = ""
        self.open = 0
        self.high = 0
        self.low = 0
        self.close = 0
        self.have = 0
        self.volume: Volume = None

    def snapshot(self) -> list[Any]:
        """Plain data of an open window; [] when it holds nothing."""
        if self.end_ms == NO_END:
            # What the last window left is no state, but for a volume that waits for the next one.
            if self.volume is None:
                return NOTHING
            return [0, None, 0, False, "", 0, 0, 0, 0, 0, self.volume]
        return [
            self.start_ms,
            self.end_ms if self.end_ms != NO_END else None,
            self.need,
            self.truncated,
            self.session,
            self.open,
            self.high,
            self.low,
            self.close,
            self.have,
            self.volume,
        ]

    def restore(self, data: list[Any]) -> None:
        """Take the values of `snapshot`."""
        if not data:
            self.end_ms = NO_END
            self.have = 0
            self.volume = None
            return
        self.start_ms = data[0]
        self.end_ms = data[1] if data[1] is not None else NO_END
        self.need = data[2]
        self.truncated = data[3]
        self.session = data[4]
        self.open = data[5]
        self.high = data[6]
        self.low = data[7]
        self.close = data[8]
        self.have = data[9]
        self.volume = data[10]

    def notify(
        self,
        session: str,
        bar: tuple[int, int, int, int, int, int],
        volume: Volume,
        have: int,
        need: int,
    ) -> None:
        """Hand a bar that closed to those who asked for it; see `ClosedBar`."""
        closed = ClosedBar(self.name, session, bar, volume, have, need)
        for follower in self.followers:
            follower.on_derived(closed)
