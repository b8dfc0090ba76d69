"""Indicators that follow another one."""

from __future__ import annotations

from tests.unit.streams.core.indicators.books import QUARTERS, Indicators, bar, closes, run


def test_an_average_of_an_average_is_cold_until_both_are_there() -> None:
    indicators = Indicators("sma(2, of=sma_3)", scale=QUARTERS)
    found = []
    for each in closes(4, 8, 12, 24):
        indicators.push(each)
        found.append(indicators.values()[0])
    assert found == [None, None, None, (2.0 + 44 / 12) / 2]


def test_what_follows_is_warm_after_what_it_follows() -> None:
    indicators = Indicators("sma(2, of=vwap)")
    for n in range(3):
        indicators.push(bar(n, (4, 4, 4, 4)))
    warm = []
    for n in range(3):
        indicators.push(bar(9 + n, (4, 4, 4, 4), session="2025-07-03"))
        warm.append(indicators.ring.counted >= indicators.all[1].warm_from)
    assert warm == [False, True, True]


def test_a_missing_value_is_passed_over() -> None:
    found = []
    indicators = Indicators("sma(2, of=roc_1)")
    for each in closes(4, 8, 0, 4, 8, 4):
        indicators.push(each)
        found.append(indicators.values()[0])
    # The change from 0 is none: the mean is of the changes around it.
    assert found == [None, None, 0.0, None, 0.0, 25.0]


def test_followers_of_flat_values_are_neutral() -> None:
    bars = closes(*([7] * 30))
    for text, value in {
        "rsi(3, of=sma_2)": 50.0,
        "rsi(3, smoothing=simple, of=sma_2)": 50.0,
        "cmo(3, of=sma_2)": 0.0,
        "roc(3, of=sma_2)": 0.0,
        "mom(3, of=sma_2)": 0.0,
        "histvol(3, of=sma_2)": 0.0,
        "kama(3, of=sma_2)": 7.0,
        "hma(4, of=sma_2)": 7.0,
    }.items():
        indicators = Indicators(text)
        for each in bars:
            indicators.push(each)
        assert str(indicators.values()[0]) == str(value), text


def test_a_change_from_nothing_has_no_value() -> None:
    indicators = Indicators("roc(2, of=mom_1)", "histvol(2, of=mom_1)")
    for each in closes(*([7] * 9)):
        indicators.push(each)
    assert indicators.values(1) == [None]
    assert indicators.values(2) == [None]
    assert run("mom(1)", closes(7, 7)) == [None, 0.0]
