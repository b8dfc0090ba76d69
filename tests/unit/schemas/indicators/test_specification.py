"""A configuration names an indicator by its name and its parameters, and a key follows."""

from __future__ import annotations

import pytest

from tapeline.schemas.indicators.specification import (
    check_interval,
    parse_specification,
    parse_stem,
)
from tapeline.schemas.indicators.table import INDICATORS


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("sma(20)", "sma_20"),
        ("sma( n = 20 )", "sma_20"),
        ("macd", "macd_12_26_9"),
        ("macd()", "macd_12_26_9"),
        ("macd(12, 26)", "macd_12_26_9"),
        ("macd(5,35,signal=5)", "macd_5_35_5"),
        ("rsi(14)", "rsi_14"),
        ("rsi(14, smoothing=wilder)", "rsi_14"),
        ("rsi(14, smoothing=simple)", "rsi_14_simple"),
        ("bbands(20)", "bbands_20"),
        ("bbands(20, num_std=2.0)", "bbands_20"),
        ("bbands(20, num_std=3)", "bbands_20_k3"),
        ("bbands(20, num_std=2.50)", "bbands_20_k2p5"),
        ("stochastic(14)", "stochastic_14"),
        ("stochastic(14, smooth=5)", "stochastic_14_s5"),
        ("keltner(20, multiplier=1.5, atr_period=14)", "keltner_20_a14_m1p5"),
        ("keltner(20, smoothing=simple)", "keltner_20_simple"),
        ("gap_stats(10, threshold=0.05)", "gap_stats_10_t0p05"),
        ("gap_stats(10, threshold=0)", "gap_stats_10_t0"),
        ("psar", "psar"),
        ("psar(.02, .2)", "psar"),
        ("psar(step=0.03, maximum=0.3)", "psar_s0p03_m0p3"),
        ("supertrend", "supertrend_10_3"),
        ("supertrend(10, 2.5)", "supertrend_10_2p5"),
        ("supertrend(10, multiplier=3.00)", "supertrend_10_3"),
        ("kama", "kama_10_2_30"),
        ("ichimoku", "ichimoku_9_26_52"),
        ("ultimate_osc", "ultimate_osc_7_14_28"),
        ("rvol", "rvol_10"),
        ("vwap", "vwap"),
        ("vwap(anchor=history)", "vwap_history"),
        ("pivot_points", "pivot_points"),
        ("sma(5, of=rsi_14)", "sma_5_of_rsi_14"),
        ("ema(9, of=macd_12_26_9.signal)", "ema_9_of_macd_12_26_9.signal"),
        ("sma(5, of=rsi_14, key=calm)", "calm"),
    ],
)
def test_a_key_holds_periods_and_what_is_not_the_default(text: str, stem: str) -> None:
    made = parse_specification(text)
    assert made.stem == stem
    assert made.key("5m") == f"{stem}_5m"
    assert parse_specification(made.written) == made


def test_several_values_follow_the_key_behind_a_dot() -> None:
    assert parse_specification("macd").keys("15m") == (
        "macd_12_26_9_15m.macd",
        "macd_12_26_9_15m.signal",
        "macd_12_26_9_15m.histogram",
    )
    assert parse_specification("atr(14)").keys("5m") == ("atr_14_5m",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no indicator such as"),
        ("sma(20", "is no indicator such as"),
        ("moving(20)", "no indicator 'moving'; there are sma, ema"),
        ("sma", "n is missing; it is a whole number from 1 to 5,000"),
        ("sma(0)", "n = '0' is not a whole number from 1 to 5,000"),
        ("sma(5001)", "n = '5001' is not a whole number from 1 to 5,000"),
        ("sma(2.5)", "n = '2.5' is not a whole number"),
        ("sma(-3)", "n = '-3' is not a whole number"),
        ("hma(1)", "n = '1' is not a whole number from 2 to 5,000"),
        ("adx(1)", "a whole number from 2"),
        ("kama(1)", "a whole number from 2"),
        ("sma(5, 6)", "'6' is one too many; sma has n, of, key"),
        ("sma(5, n=6)", "n is given twice"),
        ("sma(n=5, 6)", "'6' comes after a word"),
        ("sma(5, depth=6)", "no parameter 'depth'; sma has n, of, key"),
        ("bbands(20, 3)", "'3' is one too many; bbands has n, num_std=2"),
        ("bbands(20, num_std=0)", "num_std = '0' is not a decimal number above 0"),
        ("bbands(20, num_std=x)", "num_std = 'x' is not a decimal number above 0"),
        ("bbands(20, num_std=)", "num_std = '' is not a decimal number above 0"),
        ("bbands(20, num_std=1e3)", "num_std = '1e3' is not a decimal number above 0"),
        ("rsi(14, smoothing=none)", "smoothing = 'none' is not wilder or simple"),
        ("vwap(anchor=day)", "anchor = 'day' is not session or history"),
        ("macd(26, 12)", "fast < slow is asked for"),
        ("macd(12, 12)", "fast < slow is asked for"),
        ("ultimate_osc(14, 7)", "short < medium < long is asked for"),
        ("ichimoku(26, 9)", "conversion < base < span is asked for"),
        ("psar(0.3, 0.2)", "0 < step <= maximum <= 1 is asked for"),
        ("psar(0.1, 1.2)", "0 < step <= maximum <= 1 is asked for"),
        ("atr(14, of=rsi_14)", "of= is for indicators of closes alone: sma, ema"),
        ("sma(5, of=)", "of='' is no key without interval"),
        ("sma(5, key=Fast)", "key='Fast' is not 1 to 64 of a-z"),
    ],
)
def test_an_error_names_the_text_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        parse_specification(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "interval", "message"),
    [
        ("vwap", "1d", "would begin anew with each bar"),
        ("obv", "1w", "would begin anew with each bar"),
        ("avg_volume(10)", "5m", "it is allowed on 1d alone"),
        ("avg_range(10)", "1w", "it is allowed on 1d alone"),
        ("atr_daily(14)", "60m", "it is allowed on 1d alone"),
        ("gap_stats(10)", "5m", "it is allowed on 1d alone"),
        ("pivot_points", "1w", "it is allowed on intervals below 1w"),
        ("rvol", "1w", "it is allowed on intervals below 1w"),
    ],
)
def test_an_indicator_that_makes_no_sense_in_an_interval_is_refused(
    text: str, interval: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_interval(parse_specification(text), interval)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("vwap(anchor=history)", "1d"),
        ("avg_volume(10)", "1d"),
        ("pivot_points", "1d"),
        ("sma(5)", "1w"),
    ],
)
def test_an_indicator_is_allowed_where_it_makes_sense(text: str, interval: str) -> None:
    check_interval(parse_specification(text), interval)


@pytest.mark.parametrize("name", INDICATORS)
def test_a_key_leads_back_to_its_specification(name: str) -> None:
    kind = INDICATORS[name]
    for words in (False, True):
        given = []
        for position, parameter in enumerate(kind.parameters):
            value = str(7 + 3 * position) if parameter.form == "period" else parameter.default
            if words and parameter.form == "word":
                value = parameter.words[-1]
            elif words and parameter.form != "period":
                value = "0.75"
            given.append(f"{parameter.name}={value}")
        given += ["of=rsi_14"] if kind.closes and words else []
        made = parse_specification(f"{name}({', '.join(given)})")
        assert parse_stem(made.stem) == made


@pytest.mark.parametrize("text", ["sma", "sma_", "sma_x", "sma_20_30", "rsi_14_wilder", "other_5"])
def test_what_is_no_key_leads_to_none(text: str) -> None:
    assert parse_stem(text) is None
