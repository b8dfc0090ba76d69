"""Reads sets of indicators of a configuration file, and checks what instruments name."""

from __future__ import annotations

from msgspec.structs import replace

from tapeline.schemas.config.indicator_sets import (
    BUILT_IN_SETS,
    IndicatorSet,
    SetPart,
    check_set,
)
from tapeline.schemas.config.model import Config, InstrumentConfig
from tapeline.schemas.config.values import (
    ALLOWED,
    ConfigKey,
    Reader,
    as_list,
    as_table,
    one_of,
    read_intervals,
    read_name,
    read_table,
    with_nearest,
)
from tapeline.schemas.indicators.specification import Specification, parse_specification
from tapeline.schemas.intervals import parse_interval


def _read_list(value: object, at: ConfigKey) -> tuple[str, ...]:
    """Specifications as they are written shortest."""
    found: dict[str, Specification] = {}
    for index, entry in enumerate(as_list(value, at, ALLOWED["list"])):
        if not isinstance(entry, str):
            at.item(index).refuse(entry, ALLOWED["list"])
        try:
            made = parse_specification(entry)
        except ValueError as error:
            at.item(index).refuse(entry, str(error))
        known = found.setdefault(made.stem, made)
        if known is not made:
            at.item(index).refuse(
                entry,
                f"each specification and each key once; {made.stem} is the key of {known.written}",
            )
    return tuple(made.written for made in found.values())


READERS: dict[str, Reader] = {
    "list": _read_list,
    "intervals": read_intervals,
    "publish": one_of(("rows", "latest")),
    "on_incomplete": one_of(("use", "skip")),
}


def read_indicator_sets(value: object, at: ConfigKey) -> dict[str, IndicatorSet]:
    """Sets of a file over the built-in ones, by name."""
    found = dict(BUILT_IN_SETS)
    for name, entry in as_table(value, at).items():
        read_name(name, at.child(name))
        found[name] = _read_set(entry, at.child(name))
    return found


def _read_set(value: object, at: ConfigKey) -> IndicatorSet:
    fields = read_table(value, at, READERS)
    for key in ("list", "intervals"):
        if not fields.get(key):
            at.child(key).refuse(fields.get(key), f"{ALLOWED[key]}, one at least")
    intervals = tuple(sorted(fields.pop("intervals"), key=parse_interval))
    part = SetPart(fields.pop("list"), intervals)
    try:
        check_set(part)
    except ValueError as error:
        at.child("list").refuse(list(part.specifications), str(error))
    return IndicatorSet(parts=(part,), **fields)


def check_indicators(config: Config, at: ConfigKey) -> None:
    """Refuse sets that there are not, or that an instrument cannot have together."""
    for symbol, instrument in config.instruments.items():
        _check(config, instrument, at.child(symbol).child("indicators"))
    if config.default is not None:
        _check(config, config.default, at.child("default").child("indicators"))


def _check(config: Config, instrument: InstrumentConfig, at: ConfigKey) -> None:
    for index, name in enumerate(instrument.indicators):
        if name not in config.indicators:
            at.item(index).refuse(name, f"the sets {with_nearest(name, config.indicators)}")
    for count in range(1, len(instrument.indicators) + 1):
        try:
            config.indicators_for(replace(instrument, indicators=instrument.indicators[:count]))
        except ValueError as error:
            at.item(count - 1).refuse(instrument.indicators[count - 1], str(error))
