"""A set of indicators is ordered, complete and without two of one key."""

from __future__ import annotations

import pytest

from tapeline.schemas.indicators.sets import followed, read_set, unite


def stems(*texts: str) -> list[str]:
    return [made.stem for made in read_set(texts)]


def test_what_a_specification_follows_stands_before_it() -> None:
    assert stems("sma(5, of=rsi_14)", "ema(9)", "rsi(14)") == ["rsi_14", "sma_5_of_rsi_14", "ema_9"]


def test_what_is_followed_and_not_listed_is_added() -> None:
    assert stems("sma(5, of=macd_12_26_9.signal)") == [
        "macd_12_26_9",
        "sma_5_of_macd_12_26_9.signal",
    ]
    assert stems("sma(3, of=sma_5_of_rsi_14)") == [
        "rsi_14",
        "sma_5_of_rsi_14",
        "sma_3_of_sma_5_of_rsi_14",
    ]


def test_an_own_key_may_be_followed() -> None:
    assert stems("sma(5, of=calm)", "rsi(14, key=calm)") == ["calm", "sma_5_of_calm"]


def test_the_value_that_is_followed_is_known_by_its_number() -> None:
    made = read_set(["ema(9, of=macd_12_26_9.histogram)"])
    inner, number = followed(made[1], {made[0].stem: made[0]})
    assert (inner.stem, number) == ("macd_12_26_9", 2)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["sma(20)", "sma(n=20)"], "has the key sma_20, too"),
        (["sma(20)", "ema(9, key=sma_20)"], "has the key sma_20, too"),
        (["sma(5, of=nothing_3)"], "of=nothing_3 names no indicator"),
        (["sma(5, of=macd_12_26_9)"], "behind a dot: macd, signal, histogram"),
        (["sma(5, of=macd_12_26_9.upper)"], "must name a value of macd behind a dot"),
        (["sma(5, of=rsi_14.signal)"], "must name a value of rsi behind a dot: none"),
        (["sma(5, of=swing_high_3)"], "may have no value between two others"),
        (["sma(5, of=rvol_10)"], "may have no value between two others"),
        (["sma(5, of=b, key=a)", "sma(5, of=a, key=b)"], "in a circle: a -> b -> a"),
        (["sma(5, of=a, key=a)"], "in a circle: a -> a"),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        read_set(texts)
    assert message in str(caught.value)


def test_equal_specifications_of_two_sets_are_one() -> None:
    united = unite([read_set(["sma(20)", "macd"]), read_set(["macd(12,26,9)", "ema(9)"])])
    assert [made.stem for made in united] == ["sma_20", "macd_12_26_9", "ema_9"]


def test_one_key_for_two_specifications_is_refused() -> None:
    with pytest.raises(ValueError, match="have one key, slow"):
        unite([read_set(["sma(20, key=slow)"]), read_set(["sma(50, key=slow)"])])
