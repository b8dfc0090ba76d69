"""A clock for tests: time passes only while a task waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

NS_IN_S = 1_000_000_000


class VirtualClock:
    """Waits take no time; what is planned for a time happens when a wait comes to it."""

    def __init__(self) -> None:
        self.start_ns = 12_345_678_901_234
        self._now_ns = self.start_ns
        self._plan: list[tuple[int, int, Callable[[], object]]] = []
        self.waits = 0
        self.longest_wait_s = 0.0

    @property
    def elapsed_s(self) -> float:
        return (self._now_ns - self.start_ns) / NS_IN_S

    def plan(self, after_ns: int, act: Callable[[], object]) -> None:
        """Do something so many nanoseconds after the start."""
        heappush(self._plan, (after_ns, len(self._plan), act))

    def now_ns(self) -> int:
        return self._now_ns

    def pass_by(self, nanoseconds: int) -> None:
        self._now_ns += nanoseconds

    async def wait(self, changed: asyncio.Event, seconds: float | None) -> None:
        self.waits += 1
        self.longest_wait_s = max(self.longest_wait_s, seconds or 0)
        end_ns = None if seconds is None else self._now_ns + round(seconds * NS_IN_S)
        while not changed.is_set():
            if self._plan and (end_ns is None or self.start_ns + self._plan[0][0] <= end_ns):
                at_ns, _, act = heappop(self._plan)
                self._now_ns = max(self._now_ns, self.start_ns + at_ns)
                act()
            elif end_ns is None:
                raise AssertionError("waits for ever: nothing is planned that could end it")
            else:
                self._now_ns = max(self._now_ns, end_ns)
                return
