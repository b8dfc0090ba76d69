"""Direction, and stops that turn."""

from __future__ import annotations

import json

from tapeline.streams.core.indicators.model import NEVER
from tapeline.streams.core.tracker import ClosedBar
from tests.unit.streams.core.indicators.books import Indicators, bar, closes, run


def zigzag(bars: int, leg: int) -> list[ClosedBar]:
    """Legs of so many bars up, then down."""
    found = []
    for n in range(bars):
        middle = 100 + (n % (2 * leg) if n % (2 * leg) < leg else 2 * leg - n % (2 * leg)) * 4
        found.append(bar(n, (middle, middle + 1, middle - 1, middle)))
    return found


def test_a_steady_trend_has_full_strength() -> None:
    bars = [bar(n, (n, n + 1, n, n)) for n in range(30)]
    found = run("adx(3)", bars)
    assert found[4] is None
    assert found[5] == found[-1] == 100.0


def test_a_market_without_a_direction_has_none() -> None:
    assert run("adx(3)", closes(*([7] * 12)))[-1] == 0.0


def test_a_stop_begins_on_the_side_of_the_first_move() -> None:
    up = [bar(0, (5, 6, 4, 5)), bar(1, (6, 8, 5, 7)), bar(2, (7, 9, 6, 8))]
    assert run("psar", up) == [None, 4.0, 4.08]
    down = [bar(0, (5, 6, 4, 5)), bar(1, (5, 5, 2, 3)), bar(2, (3, 4, 1, 2))]
    assert run("psar", down) == [None, 6.0, 5.92]


def test_a_stop_that_is_touched_turns_to_the_extreme() -> None:
    bars = [bar(0, (5, 6, 4, 5)), bar(1, (6, 8, 5, 7)), bar(2, (7, 7, 4, 4))]
    assert run("psar", bars) == [None, 4.0, 8.0]


def test_a_stop_is_warm_from_its_25th_turn_on() -> None:
    indicators = Indicators("psar")
    warm_at = None
    for each in zigzag(400, 5):
        indicators.push(each)
        if warm_at is None and indicators.all[0].warm_from == 0:
            warm_at = indicators.ring.count
    assert warm_at is not None
    assert 25 * 5 < warm_at < 25 * 5 + 25


def test_a_trend_turns_when_a_close_passes_its_band() -> None:
    indicators = Indicators("supertrend(2, 1)")
    directions = []
    for each in [*closes(5, 6, 7, 8, 9), bar(5, (3, 3, 3, 3)), bar(6, (30, 30, 30, 30))]:
        indicators.push(each)
        directions.append(indicators.values()[1])
    assert directions == [None, None, 1, 1, 1, -1, 1]


def test_a_close_at_its_band_turns_no_trend() -> None:
    indicators = Indicators("supertrend(2)")
    for each in closes(7, 7, 7, 7, 7):
        indicators.push(each)
    assert indicators.values() == [7.0, 1]


def test_a_trend_is_up_at_its_first_bar_whatever_its_close() -> None:
    # The close of 881 lies below the lower band.
    prices = [(1000, 1001, 999, 1000), (1000, 1001, 940, 941), (941, 942, 880, 881)]
    indicators = Indicators("supertrend(2, 0.25)")
    for number, each in enumerate(prices):
        indicators.push(bar(number, each))
    assert indicators.values() == [895.625, 1]


def test_a_trend_is_warm_from_its_first_turn_after_its_range() -> None:
    indicators = Indicators("supertrend(2, 1)", "atr(2)")
    range_warm = indicators.all[1].warm_from
    assert range_warm == 3 + 2 * 54
    turned: list[int] = []
    before = None
    for each in zigzag(200, 5):
        indicators.push(each)
        direction = indicators.values(0)[1]
        turned += [indicators.ring.count] if before not in (None, direction) else []
        before = direction
        warm = indicators.all[0].warm_from != NEVER
        assert warm == any(count >= range_warm for count in turned)
    assert turned[-1] > range_warm


def test_trends_go_on_from_a_snapshot() -> None:
    texts = ("psar", "supertrend(3)", "adx(3)")
    whole, after = Indicators(*texts), Indicators(*texts)
    bars = zigzag(200, 6)
    for each in bars[:150]:
        whole.push(each)
    ring, states = json.loads(
        json.dumps([whole.ring.snapshot(), [each.snapshot() for each in whole.all]])
    )
    after.ring.restore(ring)
    for indicator, state in zip(after.all, states, strict=True):
        indicator.restore(state)
    for each in bars[150:]:
        whole.push(each)
        after.push(each)
    for position, indicator in enumerate(whole.all):
        assert after.values(position) == whole.values(position)
        assert after.all[position].warm_from == indicator.warm_from


def test_clouds_are_midpoints() -> None:
    bars = [bar(n, (5, high, 1, 5)) for n, high in enumerate((9, 8, 7, 3))]
    indicators = Indicators("ichimoku(1, 2, 4)")
    for each in bars:
        indicators.push(each)
    assert indicators.values() == [2.0, 4.0, 3.0, 5.0]
