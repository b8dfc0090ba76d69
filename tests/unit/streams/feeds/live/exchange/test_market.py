"""Bars of the sample exchange follow from nothing but symbol, slot and seed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tapeline.streams.feeds.live.exchange.market import QUIET, SLOT_MS, SampleMarket

START_MS = 1_796_050_800_000
HOUR = range(START_MS, START_MS + 3_600 * SLOT_MS, SLOT_MS)


def test_two_markets_of_one_seed_are_one() -> None:
    one, two, other = SampleMarket(), SampleMarket(), SampleMarket(seed=2)
    for symbol in QUIET:
        assert [one.bar(symbol, at) for at in HOUR] == [two.bar(symbol, at) for at in HOUR]
    assert one.bar("ALPHA", START_MS) != other.bar("ALPHA", START_MS)


@pytest.mark.parametrize("symbol", QUIET)
def test_bars_are_sound_continue_each_other_and_are_as_rare_as_said(symbol: str) -> None:
    market = SampleMarket()
    found = [market.bar(symbol, at) for at in HOUR]
    bars = [bar for bar in found if bar is not None]
    assert abs(100 - 100 * len(bars) / len(found) - QUIET[symbol]) < 3
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert round(bar.close * 100) / 100 == bar.close
    for before, after in pairwise(found):
        assert before is None or after is None or before.close == after.open


def test_some_bars_come_with_less_volume_first() -> None:
    market = SampleMarket()
    revised = [at for at in HOUR if market.first("ALPHA", at) != market.bar("ALPHA", at)]
    assert 100 < len(revised) < 280
    assert all(market.is_revised("ALPHA", at) for at in revised)
