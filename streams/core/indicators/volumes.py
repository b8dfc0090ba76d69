"""Volumes of a window, and sums since the session's, or history's, first bar.

From the first fraction of a session on, sums since its first bar are doubles, added in order of the
bars; those of a window are added anew while one of its volumes is a fraction.
"""

from __future__ import annotations

from typing import Any

from tapeline.streams.core.indicators.model import (
    NEVER,
    SINCE_BEGINNING,
    SINCE_SESSION,
    BarRing,
    Indicator,
    Value,
    Windowed,
)
from tapeline.streams.core.indicators.unit import PriceUnit
from tapeline.streams.core.ratio import quotient, ratio
from tapeline.streams.core.volume import LARGEST_INTEGER


class MeanVolume(Windowed):
    """Volumes of the last n bars: their mean, or the last in proportion to it.

    Parameters
    ----------
    proportion
        Whether the value is the proportion.
    """

    __slots__ = ("_n", "_proportion", "_sum")

    def __init__(self, ring: BarRing, n: int, proportion: bool) -> None:
        super().__init__(ring, n)
        self.look_back = n
        self._n = n
        self._proportion = proportion
        self._sum = 0

    def update(self, index: int, seen: int) -> None:
        volumes = self.ring.volumes
        self._sum += volumes[index]
        if seen > self._n:
            self._sum -= volumes[index - self._n]

    def value(self, number: int) -> Value:
        ring = self.ring
        n = self._n
        if ring.has_fraction(n):
            total = 0.0
            for volume in ring.doubles[-n:]:
                total += volume
            if not self._proportion:
                return quotient(total, float(n))
            return 1.0 if total == 0.0 else quotient(ring.doubles[-1] * float(n), total)
        if not self._proportion:
            return ratio(self._sum, n)
        return 1.0 if self._sum == 0 else ratio(ring.volumes[-1] * n, self._sum)

    def clear(self) -> None:
        self._sum = 0


class Anchored(Indicator):
    """Sums since the first bar of the session, or of history.

    Parameters
    ----------
    by_session
        Whether they begin anew with each session.
    """

    __slots__ = ("_by_session",)

    def __init__(self, ring: BarRing, by_session: bool) -> None:
        super().__init__(ring, 1, NEVER)
        self._by_session = by_session
        self.look_back = SINCE_SESSION if by_session else SINCE_BEGINNING

    def begins(self, seen: int) -> bool:
        """Whether the bar is the first of its anchor."""
        if not self._by_session:
            return seen == 1
        if self.ring.session_bars > 1:
            return False
        self.look_for_warmth()
        return True

    def look_for_warmth(self) -> None:
        """The first session of history may have been seen in part."""
        self.warm_from = 0 if self._by_session and self.ring.sessions > 1 else NEVER


class Vwap(Anchored):
    """Mean of typical prices, each as heavy as its volume."""

    __slots__ = ("_doubles", "_down", "_sum", "_sum_double", "_up", "_volume", "_volume_double")

    def __init__(self, ring: BarRing, by_session: bool, unit: PriceUnit) -> None:
        super().__init__(ring, by_session)
        self._up = unit.numerator
        self._down = unit.denominator
        self._sum = 0
        self._volume = 0
        self._doubles = False
        self._sum_double = 0.0
        self._volume_double = 0.0

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        if self.begins(seen):
            self._sum = 0
            self._volume = 0
            self._doubles = False
        typical = ring.highs[index] + ring.lows[index] + ring.closes[index]
        if ring.last_fraction == seen or self._doubles:
            self._add_double(typical, ring.doubles[index] if ring.doubles else 0.0, index)
            return
        volume = ring.volumes[index]
        self._sum += typical * volume
        self._volume += volume

    def _add_double(self, typical: int, volume: float, index: int) -> None:
        if not self._doubles:
            self._doubles = True
            self._sum_double = float(self._sum)
            self._volume_double = float(self._volume)
        if not self.ring.doubles:
            volume = float(self.ring.volumes[index])
        self._sum_double += float(typical) * volume
        self._volume_double += volume

    def value(self, number: int) -> Value:
        if self._doubles and self._volume_double != 0.0:
            total = self._sum_double * float(self._up)
            return quotient(total, 3.0 * self._volume_double * float(self._down))
        if self._volume == 0:
            return ratio(self.ring.closes[-1] * self._up, self._down)
        return ratio(self._sum * self._up, 3 * self._volume * self._down)

    def snapshot(self) -> list[Any]:
        if self._doubles:
            return [0, 0, self._sum_double, self._volume_double]
        return [self._sum, self._volume]

    def restore(self, data: list[Any]) -> None:
        self._sum, self._volume = data[0], data[1]
        self._doubles = len(data) > 2
        if self._doubles:
            self._sum_double = float(data[2])
            self._volume_double = float(data[3])
        self.look_for_warmth()


class Twap(Anchored):
    """Mean of closes."""

    __slots__ = ("_count", "_sum", "_unit")

    def __init__(self, ring: BarRing, by_session: bool, unit: PriceUnit) -> None:
        super().__init__(ring, by_session)
        self.look_back = 0
        self._unit = unit
        self._sum = 0
        self._count = 0

    def update(self, index: int, seen: int) -> None:
        if self.begins(seen):
            self._sum = 0
            self._count = 0
        self._sum += self.ring.closes[index]
        self._count += 1

    def value(self, number: int) -> Value:
        return ratio(self._sum * self._unit.numerator, self._count * self._unit.denominator)

    def snapshot(self) -> list[Any]:
        return [self._sum, self._count]

    def restore(self, data: list[Any]) -> None:
        self._sum, self._count = data
        self.look_for_warmth()


class Obv(Anchored):
    """Volume of bars that rose less that of bars that fell."""

    __slots__ = ("_doubles", "_sum", "_sum_double")

    def __init__(self, ring: BarRing, by_session: bool) -> None:
        super().__init__(ring, by_session)
        self._sum = 0
        self._doubles = False
        self._sum_double = 0.0

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        if self.begins(seen):
            self._sum = 0
            self._doubles = False
            return
        move = ring.closes[index] - ring.closes[index - 1]
        if move == 0:
            return
        if ring.last_fraction == seen and not self._doubles:
            self._doubles = True
            self._sum_double = float(self._sum)
        if self._doubles:
            volume = ring.doubles[index] if ring.doubles else float(ring.volumes[index])
            self._sum_double += volume if move > 0 else -volume
        elif move > 0:
            self._sum += ring.volumes[index]
        else:
            self._sum -= ring.volumes[index]

    def value(self, number: int) -> Value:
        if self._doubles:
            return self._sum_double
        total = self._sum
        # Beyond 64 bits as volumes are written.
        return total if -LARGEST_INTEGER <= total <= LARGEST_INTEGER else float(total)

    def snapshot(self) -> list[Any]:
        return [0, self._sum_double] if self._doubles else [self._sum]

    def restore(self, data: list[Any]) -> None:
        self._sum = data[0]
        self._doubles = len(data) > 1
        if self._doubles:
            self._sum_double = float(data[1])
        self.look_for_warmth()


class Pvt(Anchored):
    """Sum of volumes, each times the move of its bar."""

    __slots__ = ("_sum",)

    def __init__(self, ring: BarRing, by_session: bool) -> None:
        super().__init__(ring, by_session)
        self._sum = 0.0

    def update(self, index: int, seen: int) -> None:
        ring = self.ring
        if self.begins(seen):
            self._sum = 0.0
            return
        before = ring.closes[index - 1]
        move = ring.closes[index] - before
        if before < 0:
            before, move = -before, -move
        if before == 0 or move == 0:
            return
        if ring.last_fraction == seen:
            self._sum += quotient(ring.doubles[index] * float(move), float(before))
        else:
            self._sum += ratio(ring.volumes[index] * move, before)

    def value(self, number: int) -> Value:
        return self._sum

    def snapshot(self) -> list[Any]:
        return [self._sum]

    def restore(self, data: list[Any]) -> None:
        self._sum = float(data[0])
        self.look_for_warmth()
