"""Prints the effective configuration as TOML that reads back as the same configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from tapeline.schemas.config.accounts import AccountConfig, ContractConfig, StopGuard
from tapeline.schemas.config.feed_keys import TABLE_READERS
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.indicator_sets import IndicatorSet
from tapeline.schemas.config.model import (
    DEFAULT,
    Config,
    DerivedConfig,
    InstrumentConfig,
    KafkaConfig,
    LimitsConfig,
    TimeConfig,
    built_in_config,
)
from tapeline.schemas.config.security import KafkaSecurity
from tapeline.schemas.config.strategies import HostConfig, StrategyConfig
from tapeline.schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso_time
from tapeline.schemas.templates import RangeKind, Template
from tapeline.schemas.windows import WindowSpec

Section = KafkaConfig | TimeConfig | LimitsConfig | DerivedConfig | HostConfig

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_UNITS = (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS))
_PLAIN_KIND = RangeKind(kind="", period="day")


def to_toml(config: Config) -> str:
    """The effective configuration as TOML, every key written out.

    What is built in and unchanged comes after ``#``: `schemas.config.loading.read_config` of the
    text gives an equal configuration, and the rest is all that a file needs to hold. An unchanged
    list of intervals must not be given, because a given one has to fit every instrument. Remarks
    on what indicators add come after ##.
    """
    plain = built_in_config()
    lines = ["# The effective configuration; after # comes what is built in and unchanged."]
    lines += ["", *_section("kafka", config.kafka, plain.kafka)]
    lines += ["", *_section("time", config.time, plain.time)]
    lines += ["", *_section("limits", config.limits, plain.limits)]
    if config.default is None:
        lines += ["", "[instruments]", "default = false"]
    else:
        lines += ["", *_instrument_table(config, DEFAULT, config.default, plain.default)]
    for symbol, instrument in config.instruments.items():
        built_in = plain.instruments.get(symbol)
        lines += ["", *_instrument_table(config, symbol, instrument, built_in)]
    lines += ["", "[groups]"]
    for name, members in config.groups.items():
        line = f"{_key(name)} = {_value(members)}"
        lines += _unless(members == plain.groups.get(name), [line])
    lines += ["", *_section("derived", config.derived, plain.derived)]
    for name, window in config.windows.items():
        lines += ["", f"[windows.{_key(name)}]", *_window(window)]
    for name, template in config.templates.items():
        table = [f"[templates.{_key(name)}]", *_template(template)]
        lines += ["", *_unless(template == plain.templates.get(name), table)]
    for name, found in config.indicators.items():
        lines += ["", *_indicator_set(name, found)]
    for name, feed in config.feeds.items():
        lines += ["", *_feed(f"feeds.{_key(name)}", feed)]
    for name, account in config.accounts.items():
        table = [f"[accounts.{_key(name)}]", *_account(account)]
        lines += ["", *_unless(account == plain.accounts.get(name), table)]
    for name, strategy in config.strategies.items():
        lines += ["", f"[strategies.{_key(name)}]", *_strategy(strategy)]
    lines += ["", *_section("host", config.host, plain.host)]
    return "\n".join(lines) + "\n"


def max_ahead_text(milliseconds: int) -> str:
    """Duration of whole seconds in its greatest whole unit, such as ``35d``; ``0d`` is off."""
    for unit, length_ms in _UNITS:
        if milliseconds % length_ms == 0:
            return f"{milliseconds // length_ms}{unit}"
    raise ValueError(f"{milliseconds} ms are no whole seconds")


def _section(name: str, section: Section, plain: Section) -> Iterable[str]:
    yield f"[{name}]"
    yield from _lines(section, plain)


def _lines(section: Section | KafkaSecurity, plain: Section | KafkaSecurity) -> Iterable[str]:
    for key in _fields(section):
        value, built_in = getattr(section, key), getattr(plain, key)
        if isinstance(value, KafkaSecurity):
            yield from _lines(value, built_in)
        else:
            yield from _unless(value == built_in, [f"{key} = {_value(value)}"])


def _unless(unchanged: bool, lines: Iterable[str]) -> list[str]:
    return [f"# {line}" if unchanged else line for line in lines]


def _instrument_table(
    config: Config, symbol: str, instrument: InstrumentConfig, built_in: InstrumentConfig | None
) -> Iterable[str]:
    """The table of an instrument with its contract, and remarks on its indicators."""
    contract = config.contract(symbol)
    table = [f"[instruments.{_key(symbol)}]", *_instrument(instrument), *_contract(contract)]
    unchanged = instrument == built_in and contract == built_in_config().contract(symbol)
    yield from _unless(unchanged, table)
    yield from _computed(config, instrument)


def _contract(contract: ContractConfig) -> Iterable[str]:
    for name in _fields(contract):
        yield f"{name} = {_value(getattr(contract, name))}"


def _account(account: AccountConfig) -> Iterable[str]:
    """Keys of an account; one that is left out sets no limit."""
    for name in _fields(account):
        value = getattr(account, name)
        if isinstance(value, StopGuard):
            yield f"{name} = {{ stops = {value.stops}, bars = {value.bars} }}"
        elif value is not None:
            yield f"{name} = {_value(value)}"


def _strategy(strategy: StrategyConfig) -> Iterable[str]:
    """Keys of a strategy, then its own."""
    for name in _fields(strategy):
        value = getattr(strategy, name)
        if name == "settings":
            yield from (f"{_key(key)} = {_plain_value(each)}" for key, each in value.items())
        elif name == "muted" and not isinstance(value, bool):
            yield f"muted = {_value(f'until {iso_time(value)}')}"
        else:
            yield f"{name} = {_value(value)}"


def _instrument(instrument: InstrumentConfig) -> Iterable[str]:
    for name in _fields(instrument):
        value = getattr(instrument, name)
        if name == "max_ahead_ms":
            yield f"max_ahead = {_value(max_ahead_text(value))}"
        elif name == "structural_class" and value is None:
            yield 'structural_class = "auto"'
        else:
            yield f"{name} = {_value(value)}"


def _indicator_set(name: str, found: IndicatorSet) -> Iterable[str]:
    """A set as a file has it; a built-in one of several parts only as a remark."""
    if len(found.parts) > 1:
        for part in found.parts:
            listed = ", ".join(part.specifications)
            yield f"## indicators.{_key(name)} is built in: {listed} on {', '.join(part.intervals)}"
        return
    [part] = found.parts
    yield f"[indicators.{_key(name)}]"
    yield f"list = {_value(part.specifications)}"
    yield f"intervals = {_value(part.intervals)}"
    yield f"publish = {_value(found.publish)}"
    yield f"on_incomplete = {_value(found.on_incomplete)}"


def _computed(config: Config, instrument: InstrumentConfig) -> Iterable[str]:
    """Remarks on what indicators add beyond the keys of an instrument."""
    computed = {each.name for each in config.computed_for(instrument)}
    for each in config.indicators_for(instrument):
        keys = ", ".join(found.key(each.interval) for found in each.specifications)
        sets = ", ".join(each.sets)
        yield f"## indicators in {each.interval}, of {sets}: {keys}"
        if each.interval in computed:
            yield f"## bars of {each.interval} are computed for {sets}, and not published"


def _template(template: Template) -> Iterable[str]:
    yield f"zone = {_value(template.zone)}"
    yield "kinds = ["
    for kind in template.kinds:
        yield f"  {{ {', '.join(_kind(kind))} }},"
    yield "]"


def _kind(kind: RangeKind) -> Iterable[str]:
    for name in _fields(kind):
        value = getattr(kind, name)
        # A session's coverage has a default of its own (0), so it is always written.
        required = name in ("kind", "period") or (name == "coverage" and kind.period == "session")
        if required or value != getattr(_PLAIN_KIND, name):
            yield f"{name} = {_value(value)}"


def _window(window: WindowSpec) -> Iterable[str]:
    for name in _fields(window):
        value = getattr(window, name)
        yield f"{name} = {_value('all' if value is None else value)}"


def _feed(name: str, feed: FeedConfig) -> Iterable[str]:
    """A feed with the keys of its preset; secrets stand in it by name."""
    yield f"[{name}]"
    for key, value in feed.table.items():
        if key not in TABLE_READERS:
            yield f"{key} = {_plain_value(value)}"
    for key in TABLE_READERS:
        if key in feed.table:
            yield f"[{name}.{key}]"
            yield from (
                f"{_key(each)} = {_plain_value(held)}" for each, held in feed.table[key].items()
            )


def _plain_value(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_plain_value(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_plain_value(each) for each in value)}]"
    return _value(value).replace("\x7f", "\\u007f")


def _fields(struct: object) -> tuple[str, ...]:
    names: tuple[str, ...] = type(struct).__struct_fields__  # type: ignore[attr-defined]
    return names


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    """A string, number, flag or list; the JSON text of one is its TOML text too.

    Names hold no control characters, the one case where the two differ.
    """
    return json.dumps(value, ensure_ascii=False)
