"""Sharpe and Sortino are of sessions, and a year is what the calendar makes of it."""

from __future__ import annotations

import statistics
from math import isclose, sqrt
from random import Random

import pytest

from tapeline.replay.report.ratios import return_ratios
from tapeline.schemas.instants import day_of
from tapeline.streams.calendars import load_calendar


def sessions_from_2015_to_2024(calendar_id: str) -> int:
    calendar = load_calendar(calendar_id)
    return calendar.index_from_day(day_of("2025-01-01")) - calendar.index_from_day(
        day_of("2015-01-01")
    )


@pytest.mark.parametrize("calendar_id", ["XNYS", "CME_EQUITY", "24/7"])
def test_ratios_are_those_of_the_textbook_over_the_sessions_of_a_year(calendar_id: str) -> None:
    draw = Random(7)
    returns = [draw.gauss(0.001, 0.01) for _ in range(80)]
    year = sessions_from_2015_to_2024(calendar_id) / 10
    found = return_ratios(returns, load_calendar(calendar_id))
    assert found.sessions_a_year == year
    assert found.sharpe is not None
    assert found.sortino is not None
    mean = statistics.fmean(returns)
    assert isclose(found.sharpe, mean / statistics.stdev(returns) * sqrt(year), rel_tol=1e-12)
    downside = sqrt(sum(min(each, 0.0) ** 2 for each in returns) / len(returns))
    assert isclose(found.sortino, mean / downside * sqrt(year), rel_tol=1e-12)


@pytest.mark.parametrize(("count", "meaningful"), [(59, False), (60, True)])
def test_below_sixty_sessions_a_ratio_means_nothing(count: int, meaningful: bool) -> None:
    returns = [0.01 * (-1) ** each for each in range(count)]
    assert return_ratios(returns, load_calendar("XNYS")).meaningful is meaningful


@pytest.mark.parametrize("returns", [[], [0.01], [0.1, 0.1, 0.1]])
def test_returns_that_do_not_vary_have_no_ratios(returns: list[float]) -> None:
    found = return_ratios(returns, load_calendar("XNYS"))
    assert (found.sharpe, found.sortino) == (None, None)
