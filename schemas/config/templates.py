"""Range templates of a configuration file: ``[templates.<name>]`` and its list ``kinds``."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from tapeline.schemas.config.values import (
    ConfigKey,
    Reader,
    as_list,
    as_table,
    one_of,
    read_flag,
    read_name,
    read_table,
    whole_number,
    with_nearest,
)
from tapeline.schemas.symbols import is_name
from tapeline.schemas.templates import RangeKind, Template

LEVELS = {"poi": ("poc", "rpp", "to"), "first_touch": ("high", "low")}
MINUTES_LIMIT = 1_440
EXPIRES_LIMIT = 5_256_000
KINDS_LIMIT = 256

_WALL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_PERIODS = ("day", "week", "month", "year", "session")

# Which of the window's keys belong to a period; the others would be ignored, so they are refused.
_WINDOW_KEYS = {
    "day": ("label", "start", "until", "minutes", "previous_close", "true_open"),
    "week": ("start", "until", "previous_close", "true_open"),
    "month": ("start", "previous_close"),
    "year": ("start", "previous_close"),
    "session": (),
}


def time_zones() -> tuple[str, ...]:
    """Names of the time zones known to the pinned zone data."""
    return tuple(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


def read_templates(value: object, at: ConfigKey) -> dict[str, Template]:
    """Own templates by name; each replaces a built-in one of that name as a whole."""
    templates: dict[str, Template] = {}
    for name, entry in as_table(value, at).items():
        if not is_name(name):
            read_name(name, at.child(name))
        templates[name] = _read_template(entry, at.child(name))
    return templates


def _read_template(value: object, at: ConfigKey) -> Template:
    fields = read_table(value, at, {"zone": _read_zone, "kinds": _read_kinds})
    if "zone" not in fields:
        at.refuse(value, "a table with zone, an IANA name such as America/New_York")
    if "kinds" not in fields:
        at.refuse(value, "a table with kinds, at least one")
    return Template(**fields)


def _read_zone(value: object, at: ConfigKey) -> str:
    allowed = "an IANA time zone such as UTC, America/New_York, Europe/London"
    if not isinstance(value, str) or value not in time_zones():
        at.refuse(value, allowed)
    return value


def _read_kinds(value: object, at: ConfigKey) -> tuple[RangeKind, ...]:
    allowed = "a list of one or more tables [[...kinds]]"
    entries = as_list(value, at, allowed)
    if not entries:
        at.refuse(value, allowed)
    kinds: list[RangeKind] = []
    for index, entry in enumerate(entries):
        kind = _read_kind(entry, at.item(index))
        for earlier, other in enumerate(kinds):
            if (kind.kind, kind.label) == (other.kind, other.label):
                at.item(index).refuse(entry, f"kind and label other than those of [{earlier}]")
        kinds.append(kind)
    return tuple(kinds)


def _read_wall_time(value: object, at: ConfigKey) -> str:
    if not isinstance(value, str) or _WALL_TIME.fullmatch(value) is None:
        at.refuse(value, 'a wall time "HH:MM" from "00:00" to "23:59"')
    return value


def _read_label(value: object, at: ConfigKey) -> str:
    # No label at all is the answer for every period but a day; that is checked with the period.
    return "" if value == "" else read_name(value, at)


def _read_levels(value: object, at: ConfigKey) -> str:
    """Machine that belongs to a list of levels, in whatever order they are named."""
    allowed = '["poc", "rpp", "to"] or ["high", "low"]'
    names = as_list(value, at, allowed)
    machines = [
        machine
        for machine, levels in LEVELS.items()
        if len(names) == len(levels) and all(level in names for level in levels)
    ]
    if not machines:
        at.refuse(value, allowed)
    return machines[0]


KIND_READERS: dict[str, Reader] = {
    "kind": read_name,
    "label": _read_label,
    "period": one_of(_PERIODS),
    "start": _read_wall_time,
    "until": _read_wall_time,
    "minutes": whole_number(1, MINUTES_LIMIT),
    "previous_close": read_flag,
    "true_open": one_of(("open", "close")),
    "levels": _read_levels,
    "machine": one_of(tuple(LEVELS)),
    "coverage": whole_number(0, 100),
    "expires_minutes": whole_number(1, EXPIRES_LIMIT),
}


def _read_kind(value: object, at: ConfigKey) -> RangeKind:
    table = as_table(value, at)
    fields = read_table(table, at, KIND_READERS)
    for key in ("kind", "period"):
        if key not in fields:
            at.refuse(value, f"a table with {key}")
    _resolve_machine(table, fields, at)
    _check_window(table, fields, at)
    if fields["period"] == "session":
        # The previous session needs one bar only, unless the file sets another.
        fields.setdefault("coverage", 0)
    return RangeKind(**fields)


def _resolve_machine(table: dict[str, Any], fields: dict[str, Any], at: ConfigKey) -> None:
    """Let `levels` name the machine, and refuse what the machine cannot do."""
    by_levels = fields.pop("levels", None)
    if by_levels is not None and fields.setdefault("machine", by_levels) != by_levels:
        machine = fields["machine"]
        wanted = ", ".join(f'"{level}"' for level in LEVELS[machine])
        at.child("levels").refuse(table["levels"], f"[{wanted}], the levels of machine {machine}")
    machine = fields.get("machine", "poi")
    if machine == "poi" and fields["period"] == "session":
        at.child("machine").refuse(machine, '"first_touch" for period session')
    if machine == "first_touch" and "true_open" in fields:
        at.child("true_open").refuse(
            fields["true_open"], "no true_open with machine first_touch, whose levels need none"
        )


def _check_window(table: dict[str, Any], fields: dict[str, Any], at: ConfigKey) -> None:
    """Refuse keys that the period would ignore, and ask for those it needs."""
    period = fields["period"]
    own_keys = _WINDOW_KEYS[period]
    for key in _WINDOW_KEYS["day"]:
        if key in fields and key not in own_keys and fields[key] != "":
            keys = ", ".join(own_keys) or "none, the calendar gives its window"
            at.child(key).refuse(table[key], f"no {key} for period {period}; its keys: {keys}")
    if period == "session" and "expires_minutes" in fields:
        at.child("expires_minutes").refuse(
            fields["expires_minutes"],
            "no expires_minutes for period session, which expires at the close",
        )
    if period == "day":
        if not fields.get("label"):
            at.child("label").refuse(fields.get("label"), "a label, which names ranges of a day")
        if ("until" in fields) == ("minutes" in fields):
            at.refuse(table, "exactly one of until and minutes for period day")
    if period == "week" and "until" not in fields:
        at.refuse(table, "a table with until, the wall time on Monday, for period week")


def check_ranges(
    ranges: tuple[str, ...], base: str, templates: dict[str, Template], at: ConfigKey
) -> None:
    """Check an instrument's templates: known, on a base that can fill them, without a shared kind.

    Raises
    ------
    ConfigError
        Naming ``ranges`` or ``base`` below `at`.
    """
    seen: dict[tuple[str, str], str] = {}
    for index, name in enumerate(ranges):
        item = at.child("ranges").item(index)
        if name not in templates:
            item.refuse(name, f"the templates {with_nearest(name, templates)}")
        template = templates[name]
        if template.needs_minutes and base != "1m":
            at.child("base").refuse(
                base,
                f"1m with template {name}, whose windows lie below a session;"
                " on another base use cme_long",
            )
        for kind in template.kinds:
            other = seen.setdefault((kind.kind, kind.label), name)
            if other != name:
                label = f"{kind.kind} {kind.label}".strip()
                item.refuse(name, f"templates without the kind {label}, which {other} has")
    if len(seen) > KINDS_LIMIT:
        at.child("ranges").refuse(ranges, f"templates of at most {KINDS_LIMIT} kinds together")
