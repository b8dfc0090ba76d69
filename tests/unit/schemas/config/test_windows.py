"""Historical windows of a configuration file."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, ConfigError, built_in_config, config_hash
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.windows import WindowSpec

VOLUME = "kind = 'trailing_average'\nfield = 'volume'\nperiod = '10d'\n"
MINUTES = VOLUME + "granularity = 'minute'\n"


def config(text: str) -> Config:
    return read_config(text, "desk.toml")


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        config(text)
    return caught.value


def test_a_window_has_a_kind_a_field_and_a_period() -> None:
    found = config(f"[windows.avg_volume_10d]\n{VOLUME}").windows
    assert found == {
        "avg_volume_10d": WindowSpec(kind="trailing_average", field="volume", period="10d")
    }


def test_a_window_may_be_of_some_symbols() -> None:
    found = config(f"[windows.v]\n{VOLUME}symbols = ['ES', 'AAPL']")
    assert [list(found.windows_of(symbol)) for symbol in ("ES", "NQ", "AAPL")] == [["v"], [], ["v"]]
    assert list(config(f"[windows.v]\n{VOLUME}symbols = 'all'").windows_of("NQ")) == ["v"]


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("[windows]\nv = 3", "windows.v", "a table"),
        ("[windows.'a|b']\n" + VOLUME, 'windows."a|b"', "characters"),
        ("[windows.v]\nfield = 'volume'\nperiod = '1d'", "windows.v", "a table with kind"),
        ("[windows.v]\nkind = 'sum'\nperiod = '1d'", "windows.v", "a table with field"),
        ("[windows.v]\nkind = 'sum'\nfield = 'low'", "windows.v", "a table with period"),
        (
            f"[windows.v]\n{VOLUME.replace('trailing_average', 'median')}",
            "windows.v.kind",
            '"trailing_average" or "trailing_max" or "trailing_min" or "sum" or "stddev"',
        ),
        (
            f"[windows.v]\n{VOLUME.replace('volume', 'vwap')}",
            "windows.v.field",
            '"open" or "high" or "low" or "close" or "volume" or "range"',
        ),
        (
            f"[windows.v]\n{VOLUME.replace('10d', '10x')}",
            "windows.v.period",
            "such as 10d, 2w, 3m or 1y, at most 5000d, 1000w, 240m, 20y",
        ),
        (
            f"[windows.v]\n{VOLUME.replace(chr(39) + '10d' + chr(39), '10')}",
            "windows.v.period",
            "d",
        ),
        (
            f"[windows.v]\n{VOLUME}granularity = 'hour'",
            "windows.v.granularity",
            '"daily" or "minute"',
        ),
        (
            f"[windows.v]\n{VOLUME}skip_early_close = 1",
            "windows.v.skip_early_close",
            "true or false",
        ),
        (f"[windows.v]\n{VOLUME}symbols = 'some'", "windows.v.symbols", '"all", or a list'),
        (f"[windows.v]\n{VOLUME}symbols = []", "windows.v.symbols", '"all", or a list'),
        (f"[windows.v]\n{VOLUME}symbols = ['A', 'A']", "windows.v.symbols[1]", "each once"),
        (f"[windows.v]\n{VOLUME}length = 3", "windows.v.length", "the keys kind, field"),
        (
            f"[instruments]\ndefault = false\n[windows.v]\n{VOLUME}symbols = ['ES', 'AAPL']",
            "windows.v.symbols[1]",
            "configured symbols",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(
    text: str, key: str, allowed: str
) -> None:
    error = refusal(text)
    assert error.key == key
    assert allowed in error.allowed


def test_a_window_by_slots_of_seconds_is_refused_by_its_symbol() -> None:
    text = f"[instruments.BTC]\nbase = '1s'\n[windows.v]\n{MINUTES}"
    error = refusal(text)
    assert error.key == "windows.v.granularity"
    assert "BTC" in error.allowed
    assert "1440" in error.allowed
    assert config(text + "symbols = ['ES']").windows["v"].symbols == ("ES",)
    assert config(text.replace(MINUTES, VOLUME)).windows["v"].granularity == "daily"


@pytest.mark.parametrize(
    ("calendar", "period", "fits"),
    [
        ("24/7", "60d", True),
        ("24/7", "61d", False),
        ("24/7", "8w", True),
        ("24/7", "9w", False),
        ("24/7", "1m", True),
        ("24/7", "2m", False),
        ("XNYS", "60d", True),
        ("XNYS", "61d", False),
        ("XNYS", "12w", True),
        ("XNYS", "13w", False),
        ("XNYS", "2m", True),
        ("XNYS", "3m", False),
        ("CME_EQUITY", "1y", False),
    ],
)
def test_a_window_by_slots_holds_60_sessions_at_most(
    calendar: str, period: str, fits: bool
) -> None:
    window = MINUTES.replace("10d", period)
    text = f"[instruments.X]\ncalendar = '{calendar}'\n[windows.v]\n{window}symbols = ['X']"
    if fits:
        assert config(text).windows["v"].period == period
        return
    error = refusal(text)
    assert (error.key, error.value) == ("windows.v.period", period)
    assert "60 sessions" in error.allowed


def test_windows_read_back_as_they_are_shown() -> None:
    found = config(
        f"[windows.v]\n{VOLUME}symbols = ['ES']\nskip_early_close = true\n"
        f"[windows.52w_high]\nkind = 'trailing_max'\nfield = 'high'\nperiod = '52w'\n"
    )
    shown = to_toml(found)
    assert config(shown) == found
    assert "[windows.v]\n" in shown


def test_only_windows_change_the_hash_of_a_configuration() -> None:
    plain = config_hash(built_in_config())
    assert config_hash(config("[windows]\n")) == plain
    assert config_hash(config(f"[windows.v]\n{VOLUME}")) != plain
