"""The effective configuration: what it answers, its hash, its errors."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal

import msgspec
import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import (
    CALENDAR_IDS,
    ConfigError,
    ConfigFileError,
    InstrumentConfig,
    KafkaConfig,
    built_in_config,
    config_hash,
    shown_value,
)
from tapeline.streams.calendars import CALENDAR_IDS as BUILT_CALENDARS


def test_without_a_file_es_and_nq_are_paired_index_futures() -> None:
    config = built_in_config()
    for symbol in ("ES", "NQ"):
        instrument = config.instrument(symbol)
        assert instrument is not None
        assert (instrument.tick, instrument.calendar, instrument.base, instrument.ranges) == (
            "0.25",
            "CME_EQUITY",
            "1m",
            ("cme_index",),
        )
        assert config.group_of(symbol) == "ES-NQ"
    assert config.members("ES-NQ") == ("ES", "NQ")


def test_without_a_file_any_other_symbol_is_accepted_without_ranges() -> None:
    config = built_in_config()
    assert config.instrument("DOGE") == InstrumentConfig(
        tick="0.0001",
        calendar="24/7",
        base="1m",
        ranges=(),
        swings=True,
        structural_class=None,
        negative_prices=False,
        quality=True,
        horizon_sessions=10,
        max_ahead_ms=35 * 24 * 3_600_000,
    )
    assert config.group_of("DOGE") == "DOGE"
    assert config.members("DOGE") == ("DOGE",)


def test_the_name_of_a_group_is_no_symbol_unless_it_names_a_member() -> None:
    assert built_in_config().instrument("ES-NQ") is None
    alone = read_config('[groups]\nYM = ["YM", "RTY"]', "tapeline.toml")
    assert alone.instrument("YM") == alone.default


def test_without_a_default_only_configured_symbols_are_accepted() -> None:
    config = read_config("[instruments]\ndefault = false", "tapeline.toml")
    assert config.instrument("DOGE") is None
    assert config.instrument("ES") is not None


@pytest.mark.parametrize(
    ("base", "names"),
    [
        ("1s", "5m 15m 30m 60m 240m 1d 1w"),
        ("1m", "5m 15m 30m 60m 240m 1d 1w"),
        ("5m", "15m 30m 60m 240m 1d 1w"),
        ("30m", "60m 240m 1d 1w"),
        ("60m", "240m 1d 1w"),
        ("240m", "1d 1w"),
    ],
)
def test_of_the_default_list_coarser_multiples_of_the_base_apply(base: str, names: str) -> None:
    intervals = built_in_config().intervals_for(base)
    assert [interval.name for interval in intervals] == names.split()


@pytest.mark.parametrize(
    ("base", "configured", "in_force"),
    [
        ("1s", None, 3),
        ("30m", None, 3),
        ("60m", None, 2),
        ("240m", None, 2),
        ("1m", 1, 1),
        ("240m", 5, 5),
    ],
)
def test_the_structural_class_follows_the_base_unless_it_is_set(
    base: str, configured: int | None, in_force: int
) -> None:
    instrument = InstrumentConfig(tick="1", calendar="24/7", base=base, structural_class=configured)
    assert instrument.swing_structural_class == in_force


def test_the_calendars_are_those_that_are_built_in() -> None:
    assert CALENDAR_IDS == BUILT_CALENDARS


@pytest.mark.parametrize(
    "text",
    [
        '[instruments.ES]\ntick = "0.250"',
        "[instruments.ES]\ntick = 25e-2",
        '[instruments.ES]\nbase = "60s"',
        '[instruments.ES]\nmax_ahead = "840h"',
        '[instruments.ES]\nstructural_class = "auto"',
        '[derived]\nintervals = ["1w", "1d", "4h", "1h", "30m", "15m", "5m"]',
        '[kafka]\nbootstrap = "kafka-1:9092"\npartitions = 64',
        "[templates]",
    ],
)
def test_the_hash_does_not_depend_on_spelling_nor_on_brokers(text: str) -> None:
    assert config_hash(read_config(text, "tapeline.toml")) == config_hash(built_in_config())


@pytest.mark.parametrize(
    "text",
    [
        "[instruments.ES]\ntick = 0.5",
        "[instruments.ES]\nhorizon_sessions = 9",
        "[instruments.YM]",
        "[instruments]\ndefault = false",
        '[groups]\nES-NQ = ["NQ", "ES"]',
        '[derived]\nincomplete = "skip"',
        '[time]\nlatest = "2050-01-01"',
        '[templates.mine]\nzone = "UTC"\nkinds = [{kind = "Long", period = "month"}]',
    ],
)
def test_the_hash_changes_with_what_decides_results(text: str) -> None:
    assert config_hash(read_config(text, "tapeline.toml")) != config_hash(built_in_config())


def test_the_order_of_tables_in_the_file_does_not_change_the_hash() -> None:
    tables = ["[instruments.YM]\ntick = 1\n", "[instruments.RTY]\ntick = 0.1\n"]
    one, other = (read_config("".join(order), "f") for order in (tables, tables[::-1]))
    assert config_hash(one) == config_hash(other)


def test_a_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        built_in_config().kafka.partitions = 3  # type: ignore[misc]
    assert msgspec.structs.asdict(KafkaConfig())["partitions"] == 12


def test_an_error_names_file_key_value_and_what_is_allowed() -> None:
    error = ConfigError("desk.toml", "derived.intervals[2]", "7x", "an interval")
    assert str(error) == (
        'desk.toml: derived.intervals[2] = "7x" is not allowed; allowed: an interval'
    )


@pytest.mark.parametrize(
    "error",
    [ConfigError("f", "k", 1, "2"), ConfigFileError("f", "cannot be read")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_a_process_boundary(error: ConfigError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.file) == (type(error), str(error), error.file)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (Decimal("0.250"), "0.250"),
        ("1h", '"1h"'),
        (["5m", 1], '["5m", 1]'),
        ("x" * 200, '"' + "x" * 76 + "..."),
        pytest.param(10**5_000, "a value too large to show", id="5001 digits"),
    ],
)
def test_a_value_is_shown_as_the_file_would_write_it(value: object, shown: str) -> None:
    assert shown_value(value) == shown


def test_the_effective_configuration_is_plain_json() -> None:
    document = json.loads(msgspec.json.encode(built_in_config()))
    assert document["instruments"]["ES"]["tick"] == "0.25"
    assert list(document["templates"]) == ["cme_index", "cme_long", "prior_session"]
