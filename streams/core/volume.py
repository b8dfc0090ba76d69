"""Volumes: what is accepted, how they are summed, how they are written."""

from __future__ import annotations

from math import inf
from typing import Final

from tapeline.schemas.codec import normal_volume

Volume = int | float | None

GREATEST_VOLUME: Final = 1e300
"""Sums stay finite doubles below it."""
WHOLE_BITS: Final = 60
"""Whole volumes of no more bits take the fast path."""
LARGEST_INTEGER: Final = (1 << 63) - 1


def add_volume(total: Volume, volume: Volume) -> Volume:
    """Sum of two volumes; None is the absence of any."""
    if volume is None:
        return total
    if total is None:
        return volume
    return total + volume


def written_volume(total: Volume) -> Volume:
    """Volume as it is published: whole numbers without a fraction, doubles beyond 64 bits."""
    if isinstance(total, int):
        return total if total <= LARGEST_INTEGER else float(total)
    return normal_volume(total)


def refusal_of_volume(volume: int | float) -> str:
    """Why a volume is refused, in words."""
    if volume < 0 or volume != volume or volume == inf:
        return f"volume {volume!r} is negative or not finite"
    return f"volume {volume!r} is too large; it must be below {GREATEST_VOLUME:.0e}"
