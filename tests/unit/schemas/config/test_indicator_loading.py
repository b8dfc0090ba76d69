"""Sets of indicators in a configuration file."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, ConfigError, config_hash
from tapeline.schemas.config.rendering import to_toml

TREND = '[indicators.trend]\nlist = ["sma(20)", "rsi(14)"]\nintervals = ["5m", "3m"]\n'
ES = "[instruments.ES]\nindicators = "


def config(text: str) -> Config:
    return read_config(text, "desk.toml")


def keys(found: Config, symbol: str = "ES") -> dict[str, list[str]]:
    instrument = found.instrument(symbol)
    assert instrument is not None
    return {
        each.interval: [made.key(each.interval) for made in each.specifications]
        for each in found.indicators_for(instrument)
    }


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        config(text)
    return str(error.value)


def test_no_instrument_has_indicators_that_it_does_not_name() -> None:
    assert keys(config(TREND)) == {}
    assert config_hash(config(TREND)) == config_hash(config(""))


def test_an_instrument_has_the_indicators_of_its_sets_by_length_of_interval() -> None:
    found = config(TREND + ES + '["trend"]')
    assert keys(found) == {
        "3m": ["sma_20_3m", "rsi_14_3m"],
        "5m": ["sma_20_5m", "rsi_14_5m"],
    }
    assert keys(found, "NQ") == {}
    assert config_hash(found) != config_hash(config(TREND))


def test_the_sets_of_an_instrument_replace_those_of_the_default() -> None:
    text = TREND + '[instruments.default]\nindicators = ["common"]\n[instruments.X]\nindicators = '
    assert "vwap_5m" in keys(config(text + '["trend"]'), "Y")["5m"]
    assert list(keys(config(text + '["trend"]'), "X")) == ["3m", "5m"]
    assert keys(config(text + "[]"), "X") == {}


def test_common_has_twelve_indicators_on_five_minutes_and_ten_on_days() -> None:
    found = keys(config(ES + '["common"]'))
    assert {interval: len(each) for interval, each in found.items()} == {"5m": 12, "1d": 10}
    assert "obv_5m" in found["5m"]
    assert "macd_12_26_9_1d" in found["1d"]


def test_common_is_in_the_intervals_that_a_base_has() -> None:
    hours = '[instruments.H]\nbase = "60m"\nindicators = ["common"]'
    assert list(keys(config(hours), "H")) == ["1d"]
    fives = '[instruments.F]\nbase = "5m"\nindicators = ["common"]'
    assert list(keys(config(fives), "F")) == ["5m", "1d"]


def test_equal_specifications_of_two_sets_are_one() -> None:
    found = keys(config(TREND + ES + '["common", "trend"]'))
    assert len(found["5m"]) == 12
    assert found["3m"] == ["sma_20_3m", "rsi_14_3m"]


def test_an_own_set_replaces_the_built_in_one_of_its_name() -> None:
    own = '[indicators.common]\nlist = ["sma(3)"]\nintervals = ["1d"]\n'
    assert keys(config(own + ES + '["common"]')) == {"1d": ["sma_3_1d"]}


def test_what_an_indicator_follows_is_added_before_it() -> None:
    text = '[indicators.x]\nlist = ["sma(5, of=rsi_14)", "sma(3, of=macd_12_26_9.signal)"]\n'
    found = keys(config(text + 'intervals = ["5m"]\n' + ES + '["x"]'))
    assert found["5m"] == [
        "rsi_14_5m", "sma_5_of_rsi_14_5m", "macd_12_26_9_5m", "sma_3_of_macd_12_26_9.signal_5m",
    ]  # fmt: skip


def test_an_indicator_can_follow_one_of_its_list_by_its_own_key() -> None:
    text = '[indicators.x]\nlist = ["sma(5, of=fast)", "ema(9, key=fast)"]\nintervals = ["5m"]\n'
    assert keys(config(text + ES + '["x"]'))["5m"] == ["fast_5m", "sma_5_of_fast_5m"]


def test_intervals_that_only_indicators_ask_for_are_computed_beside_the_published_ones() -> None:
    found = config(TREND + ES + '["trend"]')
    instrument = found.instrument("ES")
    assert instrument is not None
    assert [each.name for each in found.computed_for(instrument)] == ["3m"]
    assert "3m" not in [each.name for each in found.intervals_for("1m")]


def test_the_shown_configuration_names_keys_and_added_intervals_and_reads_back() -> None:
    found = config(TREND + ES + '["common", "trend"]')
    shown = to_toml(found)
    assert "## indicators in 3m, of trend: sma_20_3m, rsi_14_3m\n" in shown
    assert "## bars of 3m are computed for trend, and not published\n" in shown
    assert "## bars of 5m" not in shown
    assert "## indicators.common is built in: vwap, obv on 5m\n" in shown
    assert config(shown) == found


SET = '[indicators.x]\nintervals = ["5m"]\nlist = '


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        (SET + '["sma(0)"]', "indicators.x.list[0]", "a whole number from 1 to 5,000"),
        (SET + '["sma(20)", "smaa(20)"]', "indicators.x.list[1]", "no indicator 'smaa'"),
        (SET + '["sma(20, speed=3)"]', "indicators.x.list[0]", "no parameter 'speed'"),
        (SET + '["sma(20)", "sma(n=20)"]', "indicators.x.list[1]", "each key once; sma_20"),
        (SET + '["ema(9)", "sma(3, key=ema_9)"]', "indicators.x.list[1]", "each key once; ema_9"),
        (SET + '["sma(5, of=rsi)"]', "indicators.x.list", "of=rsi names no indicator"),
        (SET + '["sma(5, of=macd_12_26_9)"]', "indicators.x.list", "macd, signal, histogram"),
        (SET + '["sma(5, of=rsi_14.k)"]', "indicators.x.list", "it has one value"),
        (SET + '["sma(5, of=swing_high_2)"]', "indicators.x.list", "no value between two others"),
        (
            SET + '["sma(5, of=b, key=a)", "sma(6, of=a, key=b)"]',
            "indicators.x.list",
            "a -> b -> a",
        ),
        (SET + "[]", "indicators.x.list", "one at least"),
        (SET + "[20]", "indicators.x.list[0]", 'such as "sma(20)"'),
        (SET + '["avg_volume(10)"]', "indicators.x.list", "1d alone"),
        ('[indicators.x]\nlist = ["vwap"]\nintervals = ["1d"]', "indicators.x.list", "below 1d"),
        ('[indicators.x]\nlist = ["rvol"]\nintervals = ["1w"]', "indicators.x.list", "below 1w"),
        ('[indicators.x]\nlist = ["rsi(14)"]', "indicators.x.intervals", "one at least"),
        (SET + '["rsi(14)"]\npublish = "all"', "indicators.x.publish", '"rows" or "latest"'),
        (SET + '["rsi(14)"]\non_incomplete = 1', "indicators.x.on_incomplete", '"use" or "skip"'),
        (SET + '["rsi(14)"]\nof = "x"', "indicators.x.of", "list, intervals, publish"),
        (ES + '["comon"]', "instruments.ES.indicators[0]", "nearest: common"),
        (ES + '["common", "common"]', "instruments.ES.indicators[1]", "each once"),
        (
            TREND + '[instruments.H]\nbase = "5m"\nindicators = ["trend"]',
            "instruments.H.indicators[0]",
            "trend is in 3m",
        ),
        (
            SET + '["sma(9, key=ema_9)"]\n' + ES + '["common", "x"]',
            "instruments.ES.indicators[1]",
            "one key, ema_9; give one of them another key=",
        ),
        (
            SET + '["mom(3)"]\npublish = "latest"\n' + ES + '["common", "x"]',
            "instruments.ES.indicators[1]",
            'one publish in each interval; in 5m common has "rows", x "latest"',
        ),
        (
            SET + '["mom(3)"]\non_incomplete = "skip"\n' + ES + '["common", "x"]',
            "instruments.ES.indicators[1]",
            "one on_incomplete in each interval",
        ),
    ],
)
def test_a_refusal_names_the_key_and_what_is_allowed(text: str, key: str, allowed: str) -> None:
    message = refusal(text)
    assert message.startswith(f"desk.toml: {key} = ")
    assert allowed in message
