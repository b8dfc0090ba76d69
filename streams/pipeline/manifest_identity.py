"""Identities in a manifest, and whether settings and schedules are still those it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tapeline.schemas.config.model import Config
from tapeline.schemas.instants import day_of, iso_date
from tapeline.streams.calendars import load_calendar, load_zone
from tapeline.streams.calendars.schedules import is_arithmetic, month_of, zone_rows
from tapeline.streams.core.calendar import Calendar, ZoneTable
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.plan import GroupPlan
from tapeline.streams.pipeline.differences import schedule_differences
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import (
    GroupIdentity,
    calendar_parts,
    identity_over,
    zones_of,
)

IDENTITY: Final = "identity"
SCHEDULE: Final = "schedule"
ROW_DAYS: Final = 730
"""Sessions of so many days are rows of a manifest; those of the months before are digests."""

Span = tuple[int, int]


def identities(config: Config, engines: Mapping[str, GroupEngine]) -> dict[str, Any]:
    """The parts of a manifest that name the settings and schedules groups were run with.

    Returns
    -------
    dict[str, Any]
        ``identity``: by group the hash, and between which dates sessions and zone changes are part
        of it; ``schedule``: these, by calendar and zone.
    """
    found = {}
    for group, engine in sorted(engines.items()):
        identity = GroupIdentity(config, engine).current()
        found[group] = {
            "sha256": identity.sha256,
            "first": _date(identity.first),
            "last": _date(identity.last),
        }
    return {IDENTITY: found, SCHEDULE: schedule(config, found)}


def schedule(config: Config, identity: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The part ``schedule`` that belongs to the part ``identity`` of a manifest."""
    calendars: dict[str, tuple[Calendar, Span]] = {}
    zones: dict[str, tuple[ZoneTable, Span]] = {}
    for group, each in identity.items():
        if each["first"] is None:
            continue
        span = day_of(each["first"]), day_of(each["last"])
        plan = plan_group(config, group)
        for member in plan.instruments:
            name = member.calendar.calendar_id
            calendars[name] = member.calendar, _around(calendars.get(name), span)
        for zone in zones_of(plan):
            zones[zone.zone] = zone, _around(zones.get(zone.zone), span)
    return {
        "calendars": {
            name: _calendar(calendar, *span)
            for name, (calendar, span) in sorted(calendars.items())
            if not is_arithmetic(calendar)
        },
        "zones": {
            name: {
                "first": iso_date(first),
                "last": iso_date(last),
                "offsets": zone_rows(zone, first, last),
            }
            for name, (zone, (first, last)) in sorted(zones.items())
        },
    }


def identity_differences(config: Config, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What differs now from a manifest: a session, a zone change, the rules.

    Raises
    ------
    ValueError
        When a date of it is none.
    """
    found = False
    then = manifest[SCHEDULE]
    for name, old in then["calendars"].items():
        span = day_of(old["first"]), day_of(old["last"])
        new = _calendar(load_calendar(name), *span)
        for difference in schedule_differences(
            {"calendars": {name: old}}, {"calendars": {name: new}}
        ):
            found = True
            yield difference
    for name, old in then["zones"].items():
        offsets = zone_rows(load_zone(name), day_of(old["first"]), day_of(old["last"]))
        for difference in schedule_differences(
            {"zones": {name: old["offsets"]}}, {"zones": {name: offsets}}
        ):
            found = True
            yield difference
    if not found:
        yield from _other_differences(config, manifest[IDENTITY])


def _other_differences(config: Config, identity: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for group, each in identity.items():
        plan: GroupPlan = plan_group(config, group)
        first, last = (
            None if each[key] is None else day_of(each[key]) for key in ("first", "last")
        )
        now = identity_over(config, plan, first, last).sha256
        if now != each["sha256"]:
            yield f"{IDENTITY} {group}: then {each['sha256']}, now {now}"


def _around(known: tuple[object, Span] | None, span: Span) -> Span:
    if known is None:
        return span
    return min(known[1][0], span[0]), max(known[1][1], span[1])


def _calendar(calendar: Calendar, first: int, last: int) -> dict[str, Any]:
    found: dict[str, Any] = calendar_parts(calendar, first, last, month_of(last - ROW_DAYS))
    return {"first": iso_date(first), "last": iso_date(last), **found}


def _date(day: int | None) -> str | None:
    return None if day is None else iso_date(day)
