"""The last in-session bars of a symbol."""

from __future__ import annotations

from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.history.ring import NO_ROW


class LastBars:
    """The last two in-session bars of a symbol, and how many there were; its owner writes it.

    Shipped rules that need no more of a bar than this look here, and take no runs.

    Attributes
    ----------
    last, before
        The last bar and the one before it, those of the fast path with them; `NO_ROW` where there
        is none.
    position
        Bars so far, but for those of the fast path that are not flushed yet.
    """

    __slots__ = ("before", "last", "position")

    def __init__(self) -> None:
        self.last: PackedRow = NO_ROW
        self.before: PackedRow = NO_ROW
        self.position = 0

    def reset(self) -> None:
        """Before the first bar."""
        self.last = self.before = NO_ROW
        self.position = 0
