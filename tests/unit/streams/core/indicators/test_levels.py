"""Pivots of the session before, and highs and lows that stand out."""

from __future__ import annotations

from tapeline.streams.core.indicators.model import NEVER
from tests.unit.streams.core.indicators.books import Indicators, bar, run


def test_pivots_are_those_of_the_session_before() -> None:
    indicators = Indicators("pivot_points")
    for each in [
        bar(0, (5, 9, 4, 6), session="2025-07-01"),
        bar(1, (6, 8, 3, 6), session="2025-07-01"),
    ]:
        indicators.push(each)
        assert indicators.values() == [None] * 7
    indicators.push(bar(2, (1, 1, 1, 1), session="2025-07-03"))
    assert indicators.values() == [6.0, 9.0, 12.0, 15.0, 3.0, 0.0, -3.0]
    assert indicators.all[0].warm_from == NEVER
    indicators.push(bar(3, (2, 2, 2, 2), session="2025-07-03"))
    assert indicators.values()[0] == 6.0
    indicators.push(bar(4, (2, 2, 2, 2), session="2025-07-04"))
    assert indicators.values()[0] == 5 / 3
    assert indicators.all[0].warm_from == 0


def test_a_high_stands_out_where_no_neighbour_goes_beyond() -> None:
    bars = [bar(n, (1, high, 0, 1)) for n, high in enumerate((5, 7, 7, 6, 8, 4))]
    assert run("swing_high(1)", bars) == [None, None, 7.0, 7.0, None, 8.0]
    lows = [bar(n, (9, 9, low, 9)) for n, low in enumerate((5, 3, 3, 4, 2, 6))]
    assert run("swing_low(1)", lows) == [None, None, 3.0, 3.0, None, 2.0]
