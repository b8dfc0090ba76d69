"""How late the bars of a feed come, and how long a silence must last to mean something."""

from __future__ import annotations

from collections import deque
from typing import Final

from tapeline.schemas.instants import HOUR_MS, MINUTE_MS, SECOND_MS

LEAST_MS: Final = 2 * SECOND_MS
GREATEST_MS: Final = 30 * SECOND_MS
STEP_MS: Final = 100
FEW: Final = 10_000


class Lateness:
    """Lateness of first final statements by stream over the last hour, in steps of 100 ms.

    Only of slots that the connection was there for from their start: what was fetched or held back
    tells nothing of the provider.
    """

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, list[int]]] = deque()
        self._total = [0] * (GREATEST_MS // STEP_MS + 1)
        self._count = 0
        self._grace_ms: int | None = None

    def add(self, lateness_ms: int, now_ms: int) -> None:
        """One more bar, so long after its end."""
        minute = now_ms // MINUTE_MS
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, [0] * len(self._total)))
            self._forget(minute)
            self._grace_ms = None
        step = min(max(lateness_ms, 0), GREATEST_MS) // STEP_MS
        self._minutes[-1][1][step] += 1
        self._total[step] += 1
        self._count += 1
        if step * STEP_MS >= LEAST_MS:
            self._grace_ms = None

    def grace_ms(self) -> int:
        """The 99.9th percentile, below 10,000 bars the 99th; from 2 s to 30 s."""
        if self._grace_ms is None:
            self._grace_ms = min(max(self._percentile(), LEAST_MS), GREATEST_MS)
        return self._grace_ms

    def _percentile(self) -> int:
        beyond = self._count // (100 if self._count < FEW else 1_000)
        for step in range(len(self._total) - 1, -1, -1):
            beyond -= self._total[step]
            if beyond < 0:
                return (step + 1) * STEP_MS
        return 0

    def _forget(self, minute: int) -> None:
        while self._minutes[0][0] <= minute - HOUR_MS // MINUTE_MS:
            for step, count in enumerate(self._minutes.popleft()[1]):
                self._total[step] -= count
                self._count -= count
