"""Interval names: `<n>s|m|h|d|w`, normalised so that equal lengths have one name."""

from __future__ import annotations

import re

from msgspec import Struct

from tapeline.schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS

BASE_INTERVALS = ("1s", "1m", "5m", "15m", "30m", "60m", "240m")
DEFAULT_INTERVALS = ("5m", "15m", "30m", "60m", "240m", "1d", "1w")

_PATTERN = re.compile(r"([1-9][0-9]{0,5})([smhdw])", re.ASCII)
_UNIT_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": WEEK_MS}


class Interval(Struct, frozen=True, order=True):
    """Normalised interval; ``1d`` and ``1w`` follow the calendar, their `length_ms` is nominal."""

    length_ms: int
    name: str

    @property
    def is_intraday(self) -> bool:
        """Whether windows are counted inside a segment rather than by session or week."""
        return self.name not in ("1d", "1w")


def parse_interval(text: str) -> Interval:
    """Interval of a name such as ``5m``; hours become minutes, whole minutes of seconds too.

    Raises
    ------
    ValueError
        When the text is no interval, its length is 0, or it is ``nd``/``nw`` with n > 1.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an interval such as 30s, 5m, 4h, 1d or 1w")
    count, unit = int(match[1]), match[2]
    if unit in "dw":
        if count != 1:
            raise ValueError(f"{text!r}: days and weeks come one at a time (1d, 1w)")
        return Interval(_UNIT_MS[unit], text)
    length_ms = count * _UNIT_MS[unit]
    if length_ms % MINUTE_MS == 0:
        return Interval(length_ms, f"{length_ms // MINUTE_MS}m")
    return Interval(length_ms, f"{length_ms // SECOND_MS}s")


def is_coarser_multiple(interval: Interval, base: Interval) -> bool:
    """Whether bars of `interval` can be made of `base` bars; days and weeks always can."""
    if not interval.is_intraday:
        return True
    return interval.length_ms > base.length_ms and interval.length_ms % base.length_ms == 0
