"""Reads a TOML file over the built-in configuration and checks that its parts agree."""

from __future__ import annotations

import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from tapeline.schemas.config.feed_loading import read_feeds
from tapeline.schemas.config.host_loading import (
    CONTRACT_READERS,
    check_strategies,
    read_accounts,
    read_contracts,
    read_host,
    read_strategies,
)
from tapeline.schemas.config.indicator_loading import check_indicators, read_indicator_sets
from tapeline.schemas.config.model import (
    CALENDAR_IDS,
    CONFIG_FILE,
    Config,
    ConfigFileError,
    DerivedConfig,
    InstrumentConfig,
    KafkaConfig,
    LimitsConfig,
    TimeConfig,
    built_in_config,
)
from tapeline.schemas.config.security import (
    SASL_MECHANISMS,
    SECURITY_PROTOCOLS,
    KafkaSecurity,
    KafkaSecurityError,
)
from tapeline.schemas.config.templates import check_ranges, read_templates
from tapeline.schemas.config.values import (
    ALLOWED,
    HORIZON_LIMIT,
    INPUT_MIB_LIMIT,
    PARTITIONS_LIMIT,
    REPLICATION_LIMIT,
    SNAPSHOT_DAYS_LIMIT,
    SYMBOLS_LIMIT,
    ConfigKey,
    Reader,
    as_list,
    as_table,
    iso_date,
    names_once,
    one_of,
    read_base,
    read_bootstrap,
    read_command,
    read_file,
    read_flag,
    read_intervals,
    read_max_ahead,
    read_name,
    read_structural_class,
    read_table,
    read_tick,
    read_topic_prefix,
    refuse_unknown_key,
    whole_number,
)
from tapeline.schemas.config.windows import check_windows, read_windows
from tapeline.schemas.intervals import is_coarser_multiple, parse_interval
from tapeline.schemas.symbols import is_name

KAFKA_READERS: dict[str, Reader] = {
    "bootstrap": read_bootstrap,
    "topic_prefix": read_topic_prefix,
    "partitions": whole_number(1, PARTITIONS_LIMIT),
    "replication": whole_number(1, REPLICATION_LIMIT),
    "snapshot_days": whole_number(1, SNAPSHOT_DAYS_LIMIT),
    "security_protocol": one_of(SECURITY_PROTOCOLS),
    "sasl_mechanism": one_of(("", *SASL_MECHANISMS)),
    "token_command": read_command,
    "ca_file": read_file,
    "cert_file": read_file,
    "key_file": read_file,
}
SECURITY_KEYS = KafkaSecurity.__struct_fields__
INSTRUMENT_READERS: dict[str, Reader] = {
    "tick": read_tick,
    "calendar": one_of(CALENDAR_IDS),
    "base": read_base,
    "ranges": names_once("ranges"),
    "swings": read_flag,
    "structural_class": read_structural_class,
    "negative_prices": read_flag,
    "quality": read_flag,
    "horizon_sessions": whole_number(0, HORIZON_LIMIT),
    "max_ahead": read_max_ahead,
    "indicators": names_once("indicators"),
    **CONTRACT_READERS,
}
DERIVED_READERS: dict[str, Reader] = {
    "intervals": read_intervals,
    "incomplete": one_of(("publish", "skip")),
}
TIME_READERS: dict[str, Reader] = {"earliest": iso_date("earliest"), "latest": iso_date("latest")}
LIMITS_READERS: dict[str, Reader] = {
    "symbols": whole_number(0, SYMBOLS_LIMIT),
    "input_mib": whole_number(1, INPUT_MIB_LIMIT),
}
SECTIONS = (
    "kafka",
    "time",
    "limits",
    "instruments",
    "groups",
    "derived",
    "templates",
    "indicators",
    "windows",
    "feeds",
    "accounts",
    "strategies",
    "host",
)


def load_config(path: str | Path | None = None) -> Config:
    """Effective configuration of a file over the built-in one.

    Parameters
    ----------
    path
        The file; None: ``./tapeline.toml`` if there is one, else the built-in configuration alone.

    Raises
    ------
    ConfigFileError
        When the file cannot be read or is no TOML.
    ConfigError
        When a key or value is wrong; it names file, key, value and what is allowed.
    """
    if path is None:
        if not Path(CONFIG_FILE).exists():
            return built_in_config()
        path = CONFIG_FILE
    return read_config(_read_text(Path(path)), str(path))


def read_config(text: str, file: str) -> Config:
    """Effective configuration of TOML text; `file` is the name that errors show."""
    document = _parse(text, file)
    root = ConfigKey(file, "")
    for key, value in document.items():
        if key not in SECTIONS:
            refuse_unknown_key(key, value, root, SECTIONS)
    start = built_in_config()
    templates = {
        **start.templates,
        **read_templates(document.get("templates", {}), root.child("templates")),
    }
    default, instruments = _read_instruments(
        document.get("instruments", {}), start, root.child("instruments")
    )
    kafka = _read_kafka(document.get("kafka", {}), root.child("kafka"))
    time = _read_time(document.get("time", {}), root.child("time"))
    limits = read_table(document.get("limits", {}), root.child("limits"), LIMITS_READERS)
    derived = read_table(document.get("derived", {}), root.child("derived"), DERIVED_READERS)
    own_groups = _read_groups(document.get("groups", {}), root.child("groups"))
    config = Config(
        kafka=kafka,
        instruments=instruments,
        default=default,
        groups={**start.groups, **own_groups},
        derived=_in_order(DerivedConfig(**derived)),
        templates=templates,
        time=time,
        limits=LimitsConfig(**limits),
        indicators=read_indicator_sets(document.get("indicators", {}), root.child("indicators")),
        windows=read_windows(document.get("windows", {}), root.child("windows")),
        contracts=read_contracts(
            document.get("instruments", {}), start.contracts, root.child("instruments")
        ),
        accounts=read_accounts(document.get("accounts", {}), root.child("accounts")),
        strategies=read_strategies(document.get("strategies", {}), root.child("strategies")),
        host=read_host(document.get("host", {}), root.child("host")),
    )
    _check_templates(config, root.child("instruments"))
    check_indicators(config, root.child("instruments"))
    _check_groups(config, root.child("groups"))
    check_windows(config, root.child("windows"))
    check_strategies(config, root)
    if "intervals" in derived:
        named = _named_instruments(config, document, own_groups)
        _check_intervals(document["derived"]["intervals"], named, root.child("derived"))
    if "feeds" in document:
        feeds = read_feeds(document["feeds"], root.child("feeds"), config)
        return msgspec.structs.replace(config, feeds=feeds)
    return config


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigFileError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigFileError(str(path), f"is not UTF-8 text (byte {error.start})") from error


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(file, f"is not TOML: {error}") from error


def _decimal(text: str) -> Decimal | str:
    """Number with its decimal text; one beyond any exponent stays text and fails as a value."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _read_kafka(value: object, at: ConfigKey) -> KafkaConfig:
    fields = read_table(value, at, KAFKA_READERS)
    security = {key: fields.pop(key) for key in SECURITY_KEYS if key in fields}
    try:
        return KafkaConfig(**fields, security=KafkaSecurity(**security))
    except KafkaSecurityError as error:
        written = security.get(error.key, getattr(KafkaSecurity(), error.key))
        at.child(error.key).refuse(written, error.allowed)


def _read_time(value: object, at: ConfigKey) -> TimeConfig:
    fields = read_table(value, at, TIME_READERS)
    time = TimeConfig(**fields)
    if time.earliest >= time.latest:
        # The one that the file names is the one to change.
        key = "latest" if "latest" in fields else "earliest"
        at.child(key).refuse(fields[key], ALLOWED[key])
    return time


def _read_instruments(
    value: object, start: Config, at: ConfigKey
) -> tuple[InstrumentConfig | None, dict[str, InstrumentConfig]]:
    """The default instrument and the configured ones, each merged key by key."""
    tables = as_table(value, at)
    base_default = start.default
    assert base_default is not None, "the built-in configuration accepts every symbol"
    default: InstrumentConfig | None = base_default
    own_default = tables.get("default", {})
    if own_default is False:
        default = None
    elif isinstance(own_default, dict):
        default = _merged(base_default, own_default, at.child("default"))
    else:
        at.child("default").refuse(own_default, "a table, or false to accept no other symbols")
    instruments = dict(start.instruments)
    for symbol, entry in tables.items():
        if symbol == "default":
            continue
        if not is_name(symbol):
            read_name(symbol, at.child(symbol))
        below = instruments.get(symbol) or default or base_default
        instruments[symbol] = _merged(below, entry, at.child(symbol))
    return default, instruments


def _merged(below: InstrumentConfig, table: object, at: ConfigKey) -> InstrumentConfig:
    read = read_table(table, at, INSTRUMENT_READERS)
    # Contracts are apart: what a lot is worth is in no identity of a state.
    fields = {key: value for key, value in read.items() if key not in CONTRACT_READERS}
    if "max_ahead" in fields:
        fields["max_ahead_ms"] = fields.pop("max_ahead")
    return msgspec.structs.replace(below, **fields)


def _read_groups(value: object, at: ConfigKey) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    allowed = "a list of one or two different symbols"
    for group_id, entry in as_table(value, at).items():
        below = at.child(group_id)
        if not is_name(group_id):
            read_name(group_id, below)
        symbols = as_list(entry, below, allowed)
        if not 1 <= len(symbols) <= 2:
            below.refuse(entry, allowed)
        for index, symbol in enumerate(symbols):
            read_name(symbol, below.item(index))
            if symbol in symbols[:index]:
                below.item(index).refuse(symbol, allowed)
        groups[group_id] = tuple(symbols)
    return groups


def _in_order(derived: DerivedConfig) -> DerivedConfig:
    intervals = sorted(parse_interval(name) for name in derived.intervals)
    return msgspec.structs.replace(derived, intervals=tuple(each.name for each in intervals))


def _check_templates(config: Config, at: ConfigKey) -> None:
    for symbol, instrument in config.instruments.items():
        check_ranges(instrument.ranges, instrument.base, config.templates, at.child(symbol))
    if config.default is not None:
        check_ranges(
            config.default.ranges, config.default.base, config.templates, at.child("default")
        )


def _check_groups(config: Config, at: ConfigKey) -> None:
    group_of: dict[str, str] = {}
    for group_id, members in config.groups.items():
        for index, symbol in enumerate(members):
            if symbol in group_of:
                at.child(group_id).item(index).refuse(
                    symbol, f"symbols of no other group; {symbol} is in {group_of[symbol]}"
                )
            group_of[symbol] = group_id
    symbols = {**dict.fromkeys(config.instruments), **dict.fromkeys(group_of)}
    for group_id, members in config.groups.items():
        below = at.child(group_id)
        if group_id in symbols and group_id not in members:
            below.refuse(members, f"a group name that is no symbol outside it; {group_id} is one")
        _check_members(config, members, below)


def _check_members(config: Config, members: tuple[str, ...], at: ConfigKey) -> None:
    instruments = []
    for index, symbol in enumerate(members):
        instrument = config.instrument(symbol)
        if instrument is None:
            at.item(index).refuse(symbol, "configured symbols (no others are accepted)")
        instruments.append(instrument)
    first = instruments[0]
    for symbol, instrument in zip(members[1:], instruments[1:], strict=True):
        for key in ("base", "calendar", "ranges"):
            one, other = getattr(first, key), getattr(instrument, key)
            if one != other:
                at.refuse(
                    members,
                    f"symbols of the same {key}; {members[0]} has {_listed(one)},"
                    f" {symbol} has {_listed(other)}",
                )


def _listed(value: str | tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    return f"[{', '.join(value)}]"


def _named_instruments(
    config: Config, document: dict[str, Any], own_groups: dict[str, tuple[str, ...]]
) -> dict[str, InstrumentConfig]:
    """Instruments an explicit list of intervals is checked against: those the file names.

    A file that configures seconds for one symbol need not repeat the built-in minute instruments to
    be allowed 10s; for those, only the intervals that apply are used.
    """
    tables = dict.fromkeys(document.get("instruments", {}))
    symbols = [*tables, *(symbol for members in own_groups.values() for symbol in members)]
    named: dict[str, InstrumentConfig] = {}
    for symbol in symbols or [*config.instruments, "default"]:
        instrument = config.default if symbol == "default" else config.instrument(symbol)
        if instrument is not None:
            named[symbol] = instrument
    return named


def _check_intervals(
    entries: list[str], instruments: dict[str, InstrumentConfig], at: ConfigKey
) -> None:
    for index, entry in enumerate(entries):
        interval = parse_interval(entry)
        for symbol, instrument in instruments.items():
            if not is_coarser_multiple(interval, parse_interval(instrument.base)):
                at.child("intervals").item(index).refuse(
                    entry,
                    f"multiples of {instrument.base}, the base of {symbol}, longer than it,"
                    " and 1d, 1w",
                )
