"""Volume of the session so far, in proportion to that of the sessions before it."""

from __future__ import annotations

from typing import Any

from tapeline.streams.core.indicators.model import (
    NEVER,
    SINCE_SESSION,
    BarRing,
    Indicator,
    Value,
)
from tapeline.streams.core.ratio import quotient, ratio
from tapeline.streams.core.windows.volumes import SlotVolumes


class Rvol(Indicator):
    """Volume of the session up to the bar's end, over its mean at the same time after the open.

    Parameters
    ----------
    volumes
        Of the base bars; its owner hands them over before the bars that they make.
    n
        Calendar sessions before the present one that are looked at.
    """

    __slots__ = ("_n", "_volumes")

    def __init__(self, ring: BarRing, n: int, volumes: SlotVolumes) -> None:
        super().__init__(ring, NEVER, NEVER)
        self.look_back = SINCE_SESSION
        self._n = n
        self._volumes = volumes

    def update(self, index: int, seen: int) -> None:
        if self.ring.session_bars == 1:
            self._look_at_sessions()

    def _look_at_sessions(self) -> None:
        """The first session has none before it, and may have been seen in part."""
        volumes = self._volumes
        passed = volumes.index - volumes.first_index
        self.first = 0 if passed > 0 else NEVER
        self.warm_from = 0 if passed > self._n else NEVER

    def value(self, number: int) -> Value:
        volumes = self._volumes
        earlier = volumes.earlier(self.ring.end_ms, self._n)
        if not earlier:
            return None
        total: Any = 0
        for each in earlier:
            total += each
        now: Any = volumes.so_far()
        if total == 0:
            return 1.0
        if isinstance(total, int) and isinstance(now, int):
            return ratio(now * len(earlier), total)
        return quotient(float(now) * float(len(earlier)), float(total))

    def restore(self, data: list[Any]) -> None:
        self._look_at_sessions()
