"""Historical windows as they are configured: over which sessions, and what of them.

docs/rules.md 18.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

WindowKind = Literal["trailing_average", "trailing_max", "trailing_min", "sum", "stddev"]
WindowField = Literal["open", "high", "low", "close", "volume", "range"]
Granularity = Literal["daily", "minute"]
PeriodUnit = Literal["d", "w", "m", "y"]

KINDS: tuple[WindowKind, ...] = (
    "trailing_average",
    "trailing_max",
    "trailing_min",
    "sum",
    "stddev",
)
FIELDS: tuple[WindowField, ...] = ("open", "high", "low", "close", "volume", "range")
GRANULARITIES: tuple[Granularity, ...] = ("daily", "minute")
LONGEST: dict[PeriodUnit, int] = {"d": 5_000, "w": 1_000, "m": 240, "y": 20}
"""Greatest count of a period by its unit."""
MOST_SLOTS = 1_440
"""Base slots of a session that a window by minutes may have."""
MOST_SESSIONS = 60
"""Sessions that a window by minutes may hold."""
MOST_DAYS: dict[PeriodUnit, int] = {"d": 2, "w": 7, "m": 31, "y": 366}
"""Calendar days of a unit at most; of many sessions, one on every other day."""

_PATTERN = re.compile(r"([1-9][0-9]{0,3})([dwmy])", re.ASCII)


class Period(Struct, frozen=True):
    """So many sessions (``d``), or calendar weeks, months or years, before a session.

    ``10d`` are the ten latest sessions; ``1w`` are the sessions of the seven calendar days before.
    """

    count: int
    unit: PeriodUnit

    @property
    def most_days(self) -> int:
        """Calendar days it spans at most, but for holidays."""
        return self.count * MOST_DAYS[self.unit]


def parse_period(text: str) -> Period:
    """Period of a text such as ``10d``, ``2w``, ``3m``, ``1y`` or ``52w``.

    Raises
    ------
    ValueError
        When the text is none, or it is longer than `LONGEST`.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a period such as 10d, 2w, 3m or 1y")
    count = int(match[1])
    for unit, longest in LONGEST.items():
        if unit == match[2] and count <= longest:
            return Period(count, unit)
    raise ValueError(f"{text!r} is too long")


class WindowSpec(Struct, frozen=True, kw_only=True):
    """A window of one name.

    Attributes
    ----------
    kind
        What is made of the values of the sessions.
    field
        Which value of a session, or of a slot; ``range`` is high less low.
    granularity
        ``daily``: one value a session. ``minute``: one for each base slot of it.
    period
        Over which sessions before: text that `parse_period` takes.
    skip_early_close
        Sessions that close early are not counted, and not looked at.
    symbols
        Which have the window; None: all.
    """

    kind: WindowKind
    field: WindowField
    granularity: Granularity = "daily"
    period: str
    skip_early_close: bool = False
    symbols: tuple[str, ...] | None = None

    def is_of(self, symbol: str) -> bool:
        """Whether a symbol has the window."""
        return self.symbols is None or symbol in self.symbols
