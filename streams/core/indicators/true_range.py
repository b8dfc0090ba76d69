"""The true range of a bar: as far as prices went since the close before."""

from __future__ import annotations

from tapeline.streams.core.indicators.model import BarRing


def true_range(high: int, low: int, before: int) -> int:
    """Range of a bar that includes the close before it."""
    if before > high:
        high = before
    elif before < low:
        low = before
    return high - low


def range_at(ring: BarRing, index: int) -> int:
    """True range of a bar of the ring; there is one before it."""
    return true_range(ring.highs[index], ring.lows[index], ring.closes[index - 1])


def range_total(ring: BarRing, n: int) -> int:
    """Sum of the true ranges of the last n bars, of all that have one where there are fewer."""
    total = 0
    kept = len(ring.closes)
    first = kept - n if kept > n else 1
    for index in range(first, kept):
        total += range_at(ring, index)
    return total
