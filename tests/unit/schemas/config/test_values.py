"""Single values: their normal form, and the error of every wrong one."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, ConfigError, InstrumentConfig
from tapeline.schemas.config.values import ALLOWED, ConfigKey, with_nearest

DAY_MS = 86_400_000


def instrument_of(line: str) -> InstrumentConfig:
    return read_config(f"[instruments.X]\n{line}", "desk.toml").instruments["X"]


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_config(text, "desk.toml")
    return caught.value


@pytest.mark.parametrize(
    ("written", "tick"),
    [
        ("0.25", "0.25"),
        ('"0.25"', "0.25"),
        ("0.250", "0.25"),
        ("1", "1"),
        ("1.0", "1"),
        ("100", "100"),
        ("1e-4", "0.0001"),
        ('"1E2"', "100"),
        ("0.1", "0.1"),
        ("1_000.5", "1000.5"),
        ("0.03125", "0.03125"),
        ('"0.000000000001"', "0.000000000001"),
        ("999999999", "999999999"),
    ],
)
def test_a_tick_is_its_decimal_text(written: str, tick: str) -> None:
    assert instrument_of(f"tick = {written}").tick == tick


@given(st.decimals("1e-12", "999999999", allow_nan=False, places=12))
def test_no_digit_of_a_tick_is_lost(tick: Decimal) -> None:
    assert Decimal(instrument_of(f"tick = {tick:f}").tick) == tick


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ('"35d"', 35 * DAY_MS),
        ('"12h"', DAY_MS // 2),
        ('"90m"', 5_400_000),
        ('"30s"', 30_000),
        ("2", 2 * DAY_MS),
        ("0", 0),
        ('"0d"', 0),
    ],
)
def test_max_ahead_is_a_duration_or_whole_days(written: str, milliseconds: int) -> None:
    assert instrument_of(f"max_ahead = {written}").max_ahead_ms == milliseconds


@pytest.mark.parametrize(
    ("written", "name"),
    [("1s", "1s"), ("60s", "1m"), ("1h", "60m"), ("4h", "240m"), ("240m", "240m"), ("300s", "5m")],
)
def test_a_base_is_normalised(written: str, name: str) -> None:
    assert instrument_of(f'base = "{written}"').base == name


@pytest.mark.parametrize(("written", "found"), [("1", 1), ("6", 6), ('"auto"', None)])
def test_a_structural_class_is_a_class_or_auto(written: str, found: int | None) -> None:
    assert instrument_of(f"structural_class = {written}").structural_class == found


WRONG_INSTRUMENT_VALUES = [
    ("tick", ["0", "-0.25", "nan", "inf", "true", '"a quarter"', '""', '" 0.25"', '"1_0"']),
    ("tick", ['"0x1"', "1e-13", "1000000000", "[0.25]", "2025-12-08", '"1/4"', "1e99999999999999"]),
    ("tick", ["0.3333333333333333333333333333333333333333", '"1234567.0000000000001"']),
    ("calendar", ['"NYSE"', '"cme_equity"', "24", "[]"]),
    ("base", ['"2m"', '"1d"', '"2h"', '"0m"', '""', "1", '"1M"']),
    ("swings", ["1", '"true"', '"yes"']),
    ("structural_class", ["0", "7", "true", "3.0", '"3"', '""']),
    ("negative_prices", ["0", '"no"']),
    ("quality", ["0", '"off"']),
    ("horizon_sessions", ["-1", "10001", "true", "1.5", '"10"']),
    ("max_ahead", ["-1", "true", "1.5", '"35"', '"35 d"', '"-1d"', '"1w"', '""', "1000000"]),
]


@pytest.mark.parametrize(
    ("key", "written"),
    [(key, value) for key, values in WRONG_INSTRUMENT_VALUES for value in values],
)
@pytest.mark.parametrize("table", ["ES", "default", "X"])
def test_a_wrong_value_of_an_instrument_is_named(table: str, key: str, written: str) -> None:
    error = refusal(f"[instruments.{table}]\n{key} = {written}")
    assert (error.file, error.key) == ("desk.toml", f"instruments.{table}.{key}")
    assert error.allowed == ALLOWED[key]
    assert str(error).startswith(f"desk.toml: instruments.{table}.{key} = ")
    assert str(error).endswith(f"allowed: {ALLOWED[key]}")


@pytest.mark.parametrize(
    ("section", "key", "written"),
    [
        *(("kafka", "bootstrap", value) for value in ('""', '"kafka"', '"kafka:0"', '"k:70000"')),
        *(("kafka", "bootstrap", value) for value in ('"a b:1"', '"a:1,"', '"a:1, b:2"', "9092")),
        *(("kafka", "topic_prefix", value) for value in ('""', '"a b"', '"a/b"', '"."', '".."')),
        ("kafka", "topic_prefix", f'"{"x" * 201}"'),
        *(("kafka", "partitions", value) for value in ("0", "-1", "10001", "true", "1.5", '"6"')),
        *(("kafka", "replication", value) for value in ("0", "101", "false", '"1"')),
        *(("limits", "symbols", value) for value in ("-1", "10000001", "true", "1.5")),
        *(("limits", "input_mib", value) for value in ("0", "1048577", "true", "1.5")),
        *(("kafka", "snapshot_days", value) for value in ("0", "3661", "true", "1.5")),
        *(("derived", "incomplete", value) for value in ('"hide"', "true", '""')),
        *(
            ("time", key, value)
            for key in ("earliest", "latest")
            for value in ("1990", '"1990"', '"1990-02-30"', '"0000-01-01"', '"10000-01-01"')
        ),
        *(("time", "latest", value) for value in ("1990-01-01T00:00:00Z", '"1990-1-1"', "true")),
        ("time", "earliest", '"2100-01-01"'),
        ("time", "latest", '"1990-01-01"'),
        *(("derived", "intervals", value) for value in ('"5m"', "5", "true")),
    ],
)
def test_a_wrong_value_of_another_section_is_named(section: str, key: str, written: str) -> None:
    error = refusal(f"[{section}]\n{key} = {written}")
    assert error.key == f"{section}.{key}"
    assert error.allowed == ALLOWED[key]


@pytest.mark.parametrize("bootstrap", ["kafka:9092", "a:1,b:65535", "127.0.0.1:9092", "[::1]:9092"])
def test_brokers_are_hosts_with_ports(bootstrap: str) -> None:
    config: Config = read_config(f'[kafka]\nbootstrap = "{bootstrap}"', "desk.toml")
    assert config.kafka.bootstrap == bootstrap


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[instrments]", "instrments", "instruments"),
        ("x = 1", "x", None),
        ("[instruments.ES]\ntik = 1", "instruments.ES.tik", "tick"),
        ("[instruments.default]\nhorizon = 1", "instruments.default.horizon", "horizon_sessions"),
        ("[kafka]\nprefix = 'x'", "kafka.prefix", "topic_prefix"),
        ("[derived]\ninterval = []", "derived.interval", "intervals"),
        ("[templates.m]\nzones = 'UTC'", "templates.m.zones", "zone"),
        (
            "[templates.m]\nzone = 'UTC'\n[[templates.m.kinds]]\nexpires = 5",
            "templates.m.kinds[0].expires",
            "expires_minutes",
        ),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(
    text: str, key: str, nearest: str | None
) -> None:
    error = refusal(text)
    assert error.key == key
    assert ("(nearest: " in error.allowed) == (nearest is not None)
    assert f"(nearest: {nearest})" in error.allowed or nearest is None


def test_a_symbol_with_a_dot_that_was_not_quoted_is_explained() -> None:
    error = refusal("[instruments.BRK.B]\ntick = 0.01")
    assert error.key == "instruments.BRK.B"
    assert "quote a name that holds a dot" in error.allowed


@pytest.mark.parametrize(
    "text",
    [
        "kafka = 1",
        "instruments = []",
        "groups = 'ES'",
        "derived = true",
        "templates = 1.5",
        "[instruments]\nES = 1",
        "[templates]\nmine = 'x'",
    ],
)
def test_a_section_that_is_no_table_is_refused(text: str) -> None:
    assert refusal(text).allowed == "a table"


def test_a_key_is_written_as_toml_would() -> None:
    at = ConfigKey("f", "").child("instruments").child("BRK.B").child("ranges").item(2)
    assert at.key == 'instruments."BRK.B".ranges[2]'


def test_nothing_near_is_no_hint() -> None:
    assert with_nearest("zzz", ["tick", "base"]) == "tick, base"
    assert with_nearest("tik", ["tick", "base"]) == "tick, base (nearest: tick)"


def test_every_key_of_an_instrument_has_words_for_what_is_allowed() -> None:
    fields = {field.name for field in msgspec.structs.fields(InstrumentConfig)}
    assert fields - {"max_ahead_ms"} | {"max_ahead"} <= set(ALLOWED)
