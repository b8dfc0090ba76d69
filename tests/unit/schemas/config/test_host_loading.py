"""Strategies, accounts and contracts of a configuration file, and whether they agree."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tapeline.schemas.config.accounts import AccountConfig, ContractConfig, StopGuard
from tapeline.schemas.config.host_loading import ACCOUNT_READERS, STRATEGY_READERS
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, ConfigError, built_in_config, config_hash
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.config.strategies import HostConfig, StrategyConfig

SMA = '[strategies.sma]\nmodule = "sma_crossover"\nsymbols = ["ES"]\n'


def read(text: str) -> Config:
    return read_config(text, "/desk/tapeline.toml")


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value


def test_a_strategy_has_our_keys_and_its_own() -> None:
    config = read(
        f"{SMA}fast = 5\nslow = 20.5\nsides = ['buy', {{ sell = true }}]\n"
        "[strategies.sma.levels]\nx = 1"
    )
    assert config.strategies == {
        "sma": StrategyConfig(
            module="sma_crossover",
            symbols=("ES",),
            settings={
                "fast": 5,
                "slow": 20.5,
                "sides": ["buy", {"sell": True}],
                "levels": {"x": 1},
            },
        )
    }
    assert type(config.strategies["sma"].settings["slow"]) is float


def test_a_file_of_a_strategy_is_found_from_the_folder_of_the_configuration() -> None:
    text = SMA.replace("sma_crossover", "rules/fade.py:Fade")
    assert read(text).strategies["sma"].module == "/desk/rules/fade.py:Fade"
    found = read_config(SMA.replace("sma_crossover", "fade.py:Fade"), "tapeline.toml")
    assert found.strategies["sma"].module == f"{Path.cwd()}/fade.py:Fade"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("muted", "true", True),
        ("muted", '"until 2026-12-01T14:30:00Z"', 1_796_135_400_000),
        ("muted", '"until 1970-01-01T01:00:00.5+01:00"', 500),
        ("enabled", "false", False),
        ("on_fault", '"flatten"', "flatten"),
        ("begin", '"log"', "log"),
        ("allow", '["numpy", "scipy.stats"]', ("numpy", "scipy.stats")),
        ("note_sessions", "0", 0),
    ],
)
def test_a_key_of_a_strategy_is_read(key: str, value: str, expected: object) -> None:
    assert getattr(read(f"{SMA}{key} = {value}").strategies["sma"], key) == expected


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("[strategies.sma]\nsymbols = ['ES']", "strategies.sma", "a table with module"),
        ("[strategies.sma]\nmodule = 'rsi'", "strategies.sma", "a table with symbols"),
        ("strategies = 1", "strategies", "a table"),
        ("[strategies]\nsma = 1", "strategies.sma", "a table"),
        ("[strategies.'a|b']\nmodule = 'rsi'", 'strategies."a|b"', "without whitespace"),
        (f"{SMA}symbol = 'ES'", "strategies.sma.symbol", "nearest: symbols"),
        (f"{SMA}enable = true", "strategies.sma.enable", "nearest: enabled"),
        (f"{SMA}at = 2026-12-01", "strategies.sma.at", "text, whole numbers"),
        (f"{SMA}x = [1, nan]", "strategies.sma.x[1]", "text, whole numbers"),
        (f"{SMA}muted = 'until 2026-12-01'", "strategies.sma.muted", '"until" and a time'),
        (f"{SMA}muted = 'until 2026-12-01T14:30:00'", "strategies.sma.muted", "an offset"),
        (f"{SMA}muted = 1", "strategies.sma.muted", "true, false"),
        (f"{SMA}allow = ['a b']", "strategies.sma.allow[0]", "names of modules"),
        (f"{SMA}account = 'defalt'", "strategies.sma.account", "nearest: default"),
        (SMA.replace("sma_cross", "a/sma_cross"), "strategies.sma.module", "entry points"),
        (SMA.replace("sma_crossover", "fade.py"), "strategies.sma.module", "entry points"),
        (SMA.replace("sma_crossover", "fade.txt:Fade"), "strategies.sma.module", "entry points"),
        (SMA.replace("sma_crossover", "fade.py:1"), "strategies.sma.module", "entry points"),
        (SMA.replace('["ES"]', "[]"), "strategies.sma.symbols", "one or more"),
        (SMA.replace('["ES"]', '["ES", "ES"]'), "strategies.sma.symbols[1]", "each once"),
        (
            f"[instruments]\ndefault = false\n{SMA.replace('ES', 'BTC')}",
            "strategies.sma.symbols[0]",
            "no others are accepted",
        ),
        ("[accounts.default]\ncash = 0", "accounts.default.cash", "above 0"),
        ("[accounts.default]\ncash = 1e15", "accounts.default.cash", "below 1e15"),
        ("[accounts.default]\nmin_quality = 101", "accounts.default.min_quality", "0 to 100"),
        ("[accounts.default]\nmin_quality = nan", "accounts.default.min_quality", "0 to 100"),
        ("[accounts.default]\nmin_confidence = true", "accounts.default.min_confidence", "0 to 1"),
        ("[accounts.x]\nstop_guard = { stops = 1 }", "accounts.x.stop_guard", "stops = 3"),
        (
            "[accounts.x]\nstop_guard = { stops = 0, bars = 2 }",
            "accounts.x.stop_guard",
            "above 0",
        ),
        ("[accounts.x]\ncash_ = 1", "accounts.x.cash_", "nearest: cash"),
        ("[instruments.ES]\nmultiplier = 0", "instruments.ES.multiplier", "above 0"),
        ("[instruments.ES]\ncurrency = 'usd'", "instruments.ES.currency", "capital letters"),
        ("[host]\nhang_seconds = 0", "host.hang_seconds", "from 1"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(
    text: str, key: str, allowed: str
) -> None:
    error = refusal(text)
    assert (error.file, error.key) == ("/desk/tapeline.toml", key)
    assert allowed in error.allowed


def test_futures_have_their_multipliers_and_every_other_symbol_counts_units() -> None:
    config = built_in_config()
    assert [config.contract(each).multiplier for each in ("ES", "NQ", "ACME")] == ["50", "20", "1"]
    assert config.contract("ACME") == ContractConfig()


def test_contracts_are_merged_as_instruments_are() -> None:
    config = read(
        '[instruments.default]\ncurrency = "EUR"\nlot = 100\n[instruments.A]\nmultiplier = "2.50"\n'
        "[instruments.ES]\nlot = 2"
    )
    assert config.contract("A") == ContractConfig(multiplier="2.5", currency="EUR", lot="100")
    assert config.contract("B") == ContractConfig(currency="EUR", lot="100")
    assert config.contract("ES") == ContractConfig(multiplier="50", lot="2")
    assert config.contract("NQ") == ContractConfig(multiplier="20")


def test_what_concerns_strategies_decides_nothing_of_the_market() -> None:
    config = read(
        f"{SMA}[accounts.default]\ncash = 5\n[host]\nhang_seconds = 7\n"
        "[instruments.ES]\nmultiplier = 5\nlot = 3"
    )
    assert config.host == HostConfig(hang_seconds=7)
    assert config.instruments == built_in_config().instruments
    assert config_hash(config) == config_hash(built_in_config())


def test_an_account_has_decimal_money_and_limits_that_are_not_set() -> None:
    config = read(
        '[accounts.a]\ncash = 2_500.50\ncommission_per_unit = "0.85"\nmax_per_trade = 1e5\n'
        "max_drawdown = 0.2\nstop_guard = { stops = 3, bars = 60 }\nmin_quality = 90"
    )
    found = config.accounts["a"]
    assert (found.cash, found.commission_per_unit, found.max_per_trade) == (
        "2500.5",
        "0.85",
        "100000",
    )
    assert found.stop_guard == StopGuard(3, 60)
    assert math.isclose(found.max_drawdown or 0, 0.2)
    assert (found.max_buying_power, found.cooldown_bars) == (None, None)
    assert config.accounts["default"] == AccountConfig()


@pytest.mark.parametrize(
    ("instrument", "cash", "key", "allowed"),
    [
        ("tick = 0.0001\nlot = 1e-9", 1000, "strategies.s.symbols[0]", "at most 12 decimals"),
        ("currency = 'EUR'", 1000, "strategies.s.symbols[0]", "X has EUR"),
        ("tick = 0.0001", 1000.00001, "accounts.default.cash", "units of 10^-4 USD"),
        ("tick = 1e-8\nlot = '0.001'", 100_000, "accounts.default.cash", "below 2^53"),
    ],
)
def test_an_account_that_cannot_count_its_money_is_refused(
    instrument: str, cash: float, key: str, allowed: str
) -> None:
    error = refusal(
        f"[accounts.default]\ncash = {cash}\n[instruments.X]\n{instrument}\n"
        "[strategies.s]\nmodule = 'rsi'\nsymbols = ['X']"
    )
    assert error.key == key
    assert allowed in error.allowed


def test_an_account_that_nothing_trades_is_not_asked_for_its_unit() -> None:
    assert read("[instruments.X]\ntick = 1e-9\nlot = 1e-9").accounts == built_in_config().accounts


@pytest.mark.parametrize(
    "text",
    [
        f"{SMA}fast = 5\nlevels = [1.5, 2.0]\nname = 'a \"b\"'\ninner = {{ x = true, y = [] }}",
        f"{SMA}muted = true\nenabled = false\nallow = ['numpy']\nbegin = 'log'",
        f"{SMA}muted = 'until 2026-12-01T14:30:00.250Z'",
        '[strategies."a.b"]\nmodule = "fade.py:Fade"\nsymbols = ["ES", "BRK.B"]',
        "[accounts.x]\ncash = 5\nmax_per_trade = 7\nstop_guard = { stops = 3, bars = 60 }",
        "[accounts.default]\nstate = 'halted'\nmin_confidence = 0",
        "[instruments.default]\nlot = 100\n[instruments.A]\ncurrency = 'EUR'",
        "[instruments.ES]\nmultiplier = 5",
        "[instruments]\ndefault = false\n[instruments.A]\nmultiplier = 5",
        "[host]\nhang_seconds = 5",
    ],
)
def test_a_configuration_with_strategies_is_shown_as_it_reads_back(text: str) -> None:
    config = read(text)
    assert config != built_in_config()
    assert read(to_toml(config)) == config


def test_every_field_has_a_key() -> None:
    assert set(ACCOUNT_READERS) == set(AccountConfig.__struct_fields__)
    assert {*STRATEGY_READERS, "settings"} == set(StrategyConfig.__struct_fields__)
