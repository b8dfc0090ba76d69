"""What sets of indicators come to for one instrument."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.indicator_sets import (
    BUILT_IN_SETS,
    IndicatorSet,
    SetPart,
    check_set,
    indicators_of,
)

OWN = IndicatorSet(parts=(SetPart(("sma(5, of=rsi_14)", "ema(9)"), ("5m", "15m")),))


def test_sets_come_to_their_specifications_by_interval_with_the_sets_that_ask_for_them() -> None:
    found = indicators_of([("common", BUILT_IN_SETS["common"]), ("own", OWN)], "1m")
    assert [(each.interval, each.sets) for each in found] == [
        ("5m", ("common", "own")),
        ("15m", ("own",)),
        ("1d", ("common",)),
    ]
    stems = [[made.stem for made in each.specifications] for each in found]
    assert stems[0][-1] == "sma_5_of_rsi_14"
    assert stems[0].count("ema_9") == stems[0].count("rsi_14") == 1
    assert stems[1] == ["rsi_14", "sma_5_of_rsi_14", "ema_9"]


def test_built_in_sets_are_in_the_intervals_of_the_base_and_own_ones_must_be() -> None:
    found = indicators_of([("common", BUILT_IN_SETS["common"])], "15m")
    assert [each.interval for each in found] == ["1d"]
    with pytest.raises(ValueError, match="own is in 5m"):
        indicators_of([("own", OWN)], "15m")


@pytest.mark.parametrize(
    ("text", "interval", "message"),
    [
        ("avg_volume(10)", "5m", "1d alone"),
        ("vwap", "1w", "below 1d"),
        ("pivot_points", "1w", "below 1w"),
        ("sma(5, of=atr)", "5m", "names no indicator"),
    ],
)
def test_what_an_interval_cannot_have_is_refused(text: str, interval: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_set(SetPart((text,), (interval,)))


def test_common_contradicts_nothing() -> None:
    for part in BUILT_IN_SETS["common"].parts:
        check_set(part)
