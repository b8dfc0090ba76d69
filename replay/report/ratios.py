"""Ratios of returns of sessions; a year has the sessions that the calendar gives it."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from typing import Final

from msgspec import Struct

from tapeline.schemas.intervals import parse_interval
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.indicators.periods import periods_a_year

MEANINGFUL: Final = 60
"""Fewer sessions give a number that means nothing."""


class ReturnRatios(Struct, frozen=True):
    """Sharpe and Sortino of returns of sessions, a year's; the rate without risk is 0.

    Attributes
    ----------
    sessions
        Number of returns.
    sessions_a_year
        Of the calendar, mean of 2015 to 2024.
    meaningful
        Whether there are at least `MEANINGFUL`.
    sharpe
        Mean / standard deviation (n - 1), times the root of `sessions_a_year`; None where nothing
        varies.
    sortino
        The same over the root of the mean square of returns below 0; None where there is none.
    """

    sessions: int
    sessions_a_year: float
    meaningful: bool
    sharpe: float | None
    sortino: float | None


def return_ratios(returns: Sequence[float], calendar: Calendar) -> ReturnRatios:
    """The ratios of returns, one a session that closed."""
    count = len(returns)
    year = periods_a_year(calendar, parse_interval("1d"))
    sharpe = sortino = None
    if count:
        mean = fsum(returns) / count
        if count > 1 and any(each != returns[0] for each in returns):
            variance = fsum((each - mean) * (each - mean) for each in returns) / (count - 1)
            sharpe = mean / sqrt(variance) * sqrt(year) if variance > 0.0 else None
        downside = fsum(each * each for each in returns if each < 0.0) / count
        if downside > 0.0:
            sortino = mean / sqrt(downside) * sqrt(year)
    return ReturnRatios(count, year, count >= MEANINGFUL, sharpe, sortino)
