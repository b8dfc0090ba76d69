"""What a historical window makes of the values of its sessions: exact, and rounded once.

Rules: docs/rules.md 18.5.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from tapeline.streams.core.ratio import quotient, ratio, root_ratio
from tapeline.streams.core.volume import Volume, written_volume


class WindowArithmetic:
    """One kind over values of one field.

    Parameters
    ----------
    kind
        Of the window.
    numerator, denominator
        Of the tick in lowest terms, for fields that are prices; 1 and 1 for volumes.
    is_volume
        Whether values are volumes, which need not be whole.
    """

    __slots__ = ("_denominator", "_is_volume", "_kind", "_numerator")

    def __init__(self, kind: str, numerator: int, denominator: int, is_volume: bool) -> None:
        self._kind = kind
        self._numerator = numerator
        self._denominator = denominator
        self._is_volume = is_volume

    def value(self, values: list[Any]) -> Volume:
        """The value over those of the sessions, oldest first, of which there is one at least.

        A volume of a window is whole where all are: its sum, greatest and least.
        """
        kind = self._kind
        if kind == "trailing_max":
            return self._one(max(values))
        if kind == "trailing_min":
            return self._one(min(values))
        if self._is_volume:
            for each in values:
                if isinstance(each, float):
                    return self._of_floats(values)
        count = len(values)
        total = 0
        each_value: int
        for each_value in values:
            total += each_value
        if kind == "sum":
            return self._one(total)
        if kind == "trailing_average":
            return ratio(total * self._numerator, count * self._denominator)
        squares = 0
        for each_value in values:
            squares += each_value * each_value
        return root_ratio(
            count * squares - total * total, self._numerator, count * self._denominator
        )

    def _one(self, value: Any) -> Volume:
        if self._is_volume:
            return written_volume(value)
        ticks: int = value
        return ratio(ticks * self._numerator, self._denominator)

    def _of_floats(self, values: list[Any]) -> Volume:
        """Volumes of which some are no whole numbers: added as doubles, oldest first."""
        total = 0.0
        for each in values:
            total += float(each)
        if self._kind == "sum":
            return written_volume(total)
        mean = quotient(total, float(len(values)))
        if self._kind == "trailing_average":
            return mean
        squares = 0.0
        for each in values:
            off = float(each) - mean
            squares += off * off
        return sqrt(quotient(squares, float(len(values))))
