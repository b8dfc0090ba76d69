"""Volumes of a window, and since the session's first bar."""

from __future__ import annotations

import pytest

from tapeline.streams.core.indicators.model import NEVER, SINCE_BEGINNING, SINCE_SESSION
from tapeline.streams.core.tracker import ClosedBar
from tests.unit.streams.core.indicators.books import Indicators, bar, run


def moved(*steps: tuple[int, int | float | None], session: str = "2025-07-02") -> list[ClosedBar]:
    return [bar(n, (c, c, c, c), v, session) for n, (c, v) in enumerate(steps)]


def test_the_price_of_a_session_is_weighted_by_volume() -> None:
    assert run("vwap", moved((2, 1), (6, 3), (9, None))) == [2.0, 5.0, 5.0]


def test_without_volume_it_is_the_close() -> None:
    assert run("vwap", moved((2, None), (6, 0), (6, 0.0))) == [2.0, 6.0, 6.0]


def test_fractions_are_added_in_order() -> None:
    assert run("vwap", moved((2, 1), (6, 0.5), (2, 0.5), (2, 2))) == [2.0, 10 / 3, 3.0, 2.5]
    assert run("obv", moved((2, 1), (6, 0.5), (2, 2), (2, 9))) == [0, 0.5, -1.5, -1.5]


@pytest.mark.parametrize(
    ("text", "today"),
    [("vwap", 4.0), ("twap", 4.0), ("obv", 0), ("pvt", 0.0)],
)
def test_a_session_begins_anew(text: str, today: float) -> None:
    later = [bar(9, (4, 4, 4, 4), 2.5, "2025-07-03")]
    assert run(text, [*moved((2, 1), (6, 0.5), (8, 3)), *later])[-1] == today


def test_history_goes_on_through_sessions() -> None:
    later = [bar(9, (4, 4, 4, 4), 2, "2025-07-03")]
    assert run("obv(anchor=history)", [*moved((2, 1), (6, 7)), *later]) == [0, 7, 5]
    assert run("pvt(anchor=history)", [*moved((2, 1), (6, 7)), *later])[-1] == 14.0 - 4 / 6
    assert run("twap(anchor=history)", [*moved((2, 1), (6, 7)), *later])[-1] == 4.0


def test_a_move_from_zero_adds_nothing() -> None:
    assert run("pvt", moved((0, 1), (5, 3), (-5, 1), (5, 2))) == [0.0, 0.0, -2.0, -6.0]


def test_the_first_session_of_a_history_is_not_trusted() -> None:
    indicators = Indicators("vwap", "vwap(anchor=history)")
    for each in moved((2, 1), (6, 1)):
        indicators.push(each)
    assert [each.warm_from for each in indicators.all] == [NEVER, NEVER]
    indicators.push(bar(9, (4, 4, 4, 4), 2, "2025-07-03"))
    assert [each.warm_from for each in indicators.all] == [0, NEVER]
    assert [each.look_back for each in indicators.all] == [SINCE_SESSION, SINCE_BEGINNING]


def test_means_of_volumes_count_an_unknown_one_as_none() -> None:
    assert run("volume_sma(2)", moved((1, 4), (1, None), (1, 6))) == [None, 2.0, 3.0]
    assert run("volume_ratio(2)", moved((1, 4), (1, None), (1, 6))) == [None, 0.0, 2.0]
    assert run("volume_ratio(2)", moved((1, 0), (1, None))) == [None, 1.0]
    assert run("volume_sma(2)", moved((1, 4), (1, 0.5), (1, 1), (1, 3))) == [None, 2.25, 0.75, 2.0]
    assert run("volume_ratio(2)", moved((1, 0.0), (1, 0.0))) == [None, 1.0]


def test_a_sum_beyond_64_bits_is_a_double() -> None:
    huge = 1 << 63
    assert run("obv", moved((1, 1), (2, huge), (1, 1)))[-2:] == [2.0**63, huge - 1]
