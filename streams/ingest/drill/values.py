"""Messages made of paths: the inverse of looking a value up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tapeline.schemas.config.feed_mapping import TimeField, Wanted
from tapeline.schemas.config.feed_paths import Path, PathStep
from tapeline.schemas.instants import SECOND_MS, iso_time
from tapeline.streams.calendars import load_zone
from tapeline.streams.feeds.live.mapping.lookups import is_wanted

Member = tuple[str, Any]
"""An element, and the name that its key would have."""
_UNITS = {
    "ms": Decimal(1),
    "s": Decimal("0.001"),
    "us": Decimal(1_000),
    "ns": Decimal(1_000_000),
}
"""Units in a millisecond."""


def put(tree: Any, steps: Sequence[PathStep], value: Any) -> Any:
    """A tree with a value at a path of one value; what the path needs is made."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if step.kind == "name":
        table = tree if isinstance(tree, dict) else {}
        table[step.name] = put(table.get(step.name), rest, value)
        return table
    places = tree if isinstance(tree, list) else []
    places.extend([None] * (step.place + 1 - len(places)))
    places[step.place] = put(places[step.place], rest, value)
    return places


def wrap(steps: Sequence[PathStep], members: Sequence[Member]) -> Any:
    """Elements inside of a message, at a path that leads to all of them."""
    if not steps:
        return members[0][1] if members else None
    step, rest = steps[0], steps[1:]
    if step.kind == "name":
        return {step.name: wrap(rest, members)}
    if step.kind == "place":
        return [*[None] * step.place, wrap(rest, members)]
    if step.kind == "each":
        return [wrap(rest, [member]) for member in members]
    names = dict.fromkeys(name for name, _ in members)
    return {name: wrap(rest, [each for each in members if each[0] == name]) for name in names}


def holds_many(path: Path) -> bool:
    """Whether a message holds several elements of one symbol."""
    return any(step.kind == "each" for step in path.steps)


def holds_names(path: Path) -> bool:
    """Whether elements stand under a key of their symbol."""
    return any(step.kind in ("symbol", "any") for step in path.steps)


def written(value: str | bool) -> Any:
    """A value of a table as a provider writes it: digits as a number."""
    if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
        return int(value)
    return value


def wanted_value(wanted: Wanted) -> Any:
    """A value that a comparison wants."""
    return written(wanted[0])


def other_value(wanted: Wanted) -> Any:
    """A value that a comparison does not want, of the same kind where there is one."""
    test: Callable[[Any], bool] = is_wanted(wanted)
    candidates = (not wanted[0],) if isinstance(wanted[0], bool) else (1, 2, 0)
    return next((each for each in candidates if not test(each)), "other")


def time_value(field: TimeField, instant_ms: int) -> Any:
    """An instant in the form of a table."""
    unit = _UNITS.get(field.unit)
    if unit is not None:
        number = instant_ms * unit
        return int(number) if number == int(number) else str(number)
    if field.unit == "local":
        (_, offset_ms), *_ = load_zone(field.zone).changes(instant_ms, instant_ms + 1)
        return iso_time(instant_ms + offset_ms).removesuffix("Z").replace("T", " ")
    return iso_time(instant_ms)


def stamp_value(field: TimeField, start_ms: int, base_ms: int) -> Any:
    """The stamp of a bar in the form of a table."""
    shift_ms = {"open": 0, "close": base_ms, "last_ms": base_ms - 1}[field.stamp]
    return time_value(field, start_ms + shift_ms)


def instant_of_text(form: str, text: str) -> int:
    """The instant of a variable of an address, by the form that its name ends with."""
    if form == "rfc3339":
        return round(datetime.fromisoformat(text).timestamp() * SECOND_MS)
    return int(Decimal(text) / _UNITS[form])
