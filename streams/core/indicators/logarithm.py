"""The logarithm of a ratio, of the four operations alone: the bits of libraries differ."""

from __future__ import annotations

from typing import Final

from tapeline.streams.core.ratio import quotient, ratio

LN2: Final = 0.6931471805599453


def log_ratio(later: int, earlier: int) -> float:
    """Logarithm of later / earlier, both above 0: 2 atanh((a - b) / (a + b))."""
    halvings = 0
    while later > 2 * earlier:
        earlier *= 2
        halvings += 1
    while earlier > 2 * later:
        later *= 2
        halvings -= 1
    return _by_series(ratio(later - earlier, later + earlier), halvings)


def log_quotient(later: float, earlier: float) -> float:
    """As `log_ratio`, of doubles."""
    halvings = 0
    while later > 2.0 * earlier:
        earlier *= 2.0
        halvings += 1
    while earlier > 2.0 * later:
        later *= 2.0
        halvings -= 1
    return _by_series(quotient(later - earlier, later + earlier), halvings)


def _by_series(z: float, halvings: int) -> float:
    """2 (z + z^3 / 3 + z^5 / 5 ...) until a term changes nothing; abs(z) is at most 1 / 3."""
    square = z * z
    power = z
    total = z
    odd = 1.0
    while True:
        power *= square
        odd += 2.0
        after = total + quotient(power, odd)
        if after == total:
            break
        total = after
    if halvings == 0:
        return 2.0 * total
    return 2.0 * total + float(halvings) * LN2
