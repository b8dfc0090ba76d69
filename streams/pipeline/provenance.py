"""What decides the results of a group, in one hash: the identity of its settings.

A state goes on only with what it was made with: a worker, a replay from a snapshot, a store and a
repetition by manifest compare identities, and name what differs. Its parts are the version of the
rules, the settings of the group and its instruments without ``max_ahead``, which decides what is
let in and not what becomes of it, and what is in reach of the state: sessions of the calendar from
200 days before the first bar to the end of the ISO week of the watermark, and the changes of the
template zones in between. Days beyond it are looked up anew when a state is restored, and what lies
before it nothing asks for. Versions of artefacts and of ``tzdata`` are no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.instants import DAY_MS, FAR_FUTURE_MS, FAR_PAST_MS, iso_minute
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.windows import WindowSpec, parse_period
from tapeline.streams.calendars.schedules import (
    is_arithmetic,
    month_digests,
    month_of,
    session_rows,
    zone_rows,
)
from tapeline.streams.core.calendar import Calendar, ZoneTable
from tapeline.streams.core.engine import RULES_VERSION, GroupEngine, check_state_version
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan, PlannedIndicators
from tapeline.streams.core.ranges.schedule import RangeNotFoundError
from tapeline.streams.core.rules import tracker_versions
from tapeline.streams.pipeline.differences import (
    INDICATORS,
    WINDOWS,
    SettingDifferences,
    differences,
    refusal,
)
from tapeline.streams.pipeline.planning import plan_group

IDENTITY: Final = "identity"
"""Name of the state record."""
LEAD_DAYS: Final = 200
"""Days before the first bar: the longest range window has 160, and a month looks at its 31."""
SPARE_DAYS: Final = 64
"""More of them for holidays, where a historical window reaches back farther."""

Parts = dict[str, Any]
"""An identity as plain data: its parts by name."""


class Identity(Struct, frozen=True, array_like=True):
    """What a state was made with.

    Attributes
    ----------
    sha256
        Of the canonical JSON of all parts, as hexadecimal digits.
    first, last
        Dates between which sessions and zones are part of it, both included, as days since
        1970-01-01; None before the first bar.
    """

    sha256: str
    first: int | None
    last: int | None

    def stored(self) -> list[Any]:
        """Plain data."""
        return [self.sha256, self.first, self.last]


class IdentityError(BrokenPromiseError, ValueError):
    """State that was made with other settings, or on another schedule, than those of now.

    Attributes
    ----------
    group
        Whose state.
    found
        What differs.
    """

    def __init__(self, text: str, group: str, found: SettingDifferences) -> None:
        super().__init__(text, group, found)
        self.group = group
        self.found = found

    def __str__(self) -> str:
        return str(self.args[0])


def stored_identity(data: object) -> Identity | None:
    """The identity of its plain data; None when it is none."""
    try:
        return msgspec.convert(data, Identity)
    except msgspec.ValidationError:
        return None


def identity_over(config: Config, plan: GroupPlan, first: int | None, last: int | None) -> Identity:
    """The identity of a group with what lies between two dates; see `Identity`."""
    parts = _settings(config, plan)
    if first is not None and last is not None:
        parts["calendars"] = {
            calendar.calendar_id: calendar.calendar_id
            if is_arithmetic(calendar)
            else month_digests(calendar, first, last)
            for calendar in (each.calendar for each in plan.instruments)
        }
        parts["zones"] = {zone.zone: zone_rows(zone, first, last) for zone in zones_of(plan)}
    content = msgspec.json.encode(parts, order="sorted")
    return Identity(hashlib.sha256(content).hexdigest(), first, last)


def identity_parts(
    config: Config, plan: GroupPlan, identity: Identity, rows_from: int | None
) -> Parts:
    """The parts of an identity: sessions as rows from a date on, before it a digest a month.

    Parameters
    ----------
    rows_from
        First day of a month; None: the first date of the identity.
    """
    first, last = identity.first, identity.last
    parts = _settings(config, plan)
    parts |= {"first": first, "last": last, "rows_from": rows_from}
    if first is not None and last is not None:
        parts["calendars"] = {
            each.calendar.calendar_id: calendar_parts(each.calendar, first, last, rows_from)
            for each in plan.instruments
        }
        parts["zones"] = {zone.zone: zone_rows(zone, first, last) for zone in zones_of(plan)}
    return parts


def calendar_parts(calendar: Calendar, first: int, last: int, rows_from: int | None) -> Any:
    """Sessions of a calendar between two dates as `identity_parts` has them."""
    if is_arithmetic(calendar):
        return calendar.calendar_id
    begin = first if rows_from is None else max(first, rows_from)
    return {
        "months": month_digests(calendar, first, begin - 1),
        "sessions": session_rows(calendar, begin, last),
    }


def _settings(config: Config, plan: GroupPlan) -> Parts:
    instruments: dict[str, Any] = {}
    templates: dict[str, Any] = {}
    for member in plan.instruments:
        instrument = config.instrument(member.symbol)
        assert instrument is not None, "a plan has configured members"
        settings = _plain(instrument)
        del settings["max_ahead_ms"]
        # What they come to is a part of its own.
        del settings["indicators"]
        instruments[member.symbol] = settings
        templates |= {name: _plain(config.templates[name]) for name in instrument.ranges}
    return {
        "rules": RULES_VERSION,
        "trackers": tracker_versions(plan),
        "derived": _plain(config.derived),
        "members": [member.symbol for member in plan.instruments],
        "instruments": instruments,
        "templates": templates,
        **_indicators(plan),
        **_windows(plan),
    }


def _indicators(plan: GroupPlan) -> Parts:
    """Indicators by symbol, interval and key; no part where no member has any."""
    found = {
        member.symbol: {each.interval.name: _rows(each) for each in member.indicators}
        for member in plan.instruments
        if member.indicators
    }
    return {INDICATORS: found} if found else {}


def _rows(planned: PlannedIndicators) -> Parts:
    return {
        "publish": "latest" if planned.latest else "rows",
        "on_incomplete": "skip" if planned.complete_only else "use",
        "keys": {each.key(planned.interval.name): each.written for each in planned.specifications},
    }


def _windows(plan: GroupPlan) -> Parts:
    """Historical windows by symbol and name; no part where no member has any."""
    found = {
        member.symbol: {name: _window(spec) for name, spec in member.windows}
        for member in plan.instruments
        if member.windows
    }
    return {WINDOWS: found} if found else {}


def _window(spec: WindowSpec) -> Any:
    """Settings of a historical window; whose it is, its key shows."""
    found = _plain(spec)
    del found["symbols"]
    return found


def _plain(value: Struct) -> Any:
    """As it is read back: lists instead of tuples."""
    return msgspec.json.decode(msgspec.json.encode(value))


def zones_of(plan: GroupPlan) -> list[ZoneTable]:
    """Zones of the templates of a group, each once."""
    found = {kind.zone.zone: kind.zone for member in plan.instruments for kind in member.kinds}
    return list(found.values())


class GroupIdentity:
    """The identity of a group while its engine goes on; it changes about once a week.

    Parameters
    ----------
    engine
        Of the group.
    stored
        What the state it was restored from had, None for a new one.
    """

    __slots__ = ("_config", "_current", "_engine", "_labels", "_tracks", "_until_ms", "_written")

    def __init__(self, config: Config, engine: GroupEngine, stored: Identity | None = None) -> None:
        self._config = config
        self._engine = engine
        self._tracks = [engine.tracks(each.symbol) for each in engine.plan.instruments]
        self._written = stored
        self._current: Identity | None = None
        self._labels: list[int] = []
        self._until_ms = FAR_PAST_MS

    def current(self) -> Identity:
        """The identity as of the last record."""
        labels = [tracks.first_label_ms for tracks in self._tracks]
        mark_ms = max(tracks.watermark_ms for tracks in self._tracks)
        if self._current is None or labels != self._labels or mark_ms >= self._until_ms:
            self._labels = labels
            first, last, self._until_ms = self._reach()
            self._current = identity_over(self._config, self._engine.plan, first, last)
        return self._current

    def record(self) -> Parts:
        """The state record that belongs to `current`."""
        return identity_parts(
            self._config, self._engine.plan, self.current(), self._horizon_month()
        )

    def changed_record(self) -> Parts | None:
        """The same if it was not given out, or stored, yet; otherwise None."""
        current = self.current()
        if current == self._written:
            return None
        self._written = current
        return self.record()

    def _reach(self) -> tuple[int | None, int | None, int]:
        """First and last date, and the watermark that moves the last one."""
        first = last = None
        until_ms = FAR_FUTURE_MS
        for plan, tracks in zip(self._engine.plan.instruments, self._tracks, strict=True):
            if tracks.first_label_ms == FAR_PAST_MS:
                continue
            begin = tracks.first_label_ms // DAY_MS - lead_days(plan)
            first = begin if first is None else min(first, begin)
            calendar = tracks.calendar
            index = calendar.session_of(tracks.watermark_ms)
            beyond = not calendar.has_session(index)
            _, index = calendar.week_bounds(index - 1 if beyond else index)
            if last is None or calendar.day(index) >= last:
                last = calendar.day(index)
                until_ms = FAR_FUTURE_MS if beyond else calendar.close_ms(index)
        return first, last, until_ms

    def _horizon_month(self) -> int | None:
        """First day of the oldest month that corrections still reach."""
        days = [
            tracks.horizon_ms() // DAY_MS
            for tracks in self._tracks
            if tracks.first_label_ms != FAR_PAST_MS
        ]
        return month_of(min(days)) if days else None


def lead_days(plan: InstrumentPlan) -> int:
    """Days before the first bar of a symbol that its facts depend on."""
    spans = [parse_period(spec.period).most_days + SPARE_DAYS for _, spec in plan.windows]
    return max([LEAD_DAYS, *spans])


def check_identity(
    config: Config,
    group: str,
    identity: Identity | None,
    parts: Mapping[str, Any] | None,
    registry: Registry = EVENTS,
) -> GroupPlan:
    """The plan of a group, when a state of it was made with these settings and this schedule.

    Parameters
    ----------
    identity
        Of the state.
    parts
        Its state record, to name what differs.
    registry
        The types of the events.

    Raises
    ------
    IdentityError
        When it was made with others; the message names what differs, then and now.
    """
    try:
        plan = plan_group(config, group, registry)
    except LookupError as error:
        raise _refused(group, f"{error.args[0]} any more") from error
    check_plan(config, plan, identity, parts)
    return plan


def check_plan(
    config: Config,
    plan: GroupPlan,
    identity: Identity | None,
    parts: Mapping[str, Any] | None,
) -> None:
    """Raise `IdentityError` when a state does not go on with a plan; see `check_identity`."""
    if identity is None:
        raise _refused(plan.group, "it does not name them")
    now = identity_over(config, plan, identity.first, identity.last)
    if now == identity:
        return
    found = SettingDifferences([], [])
    if parts is not None:
        found = differences(parts, identity_parts(config, plan, now, parts.get("rows_from")))
    if not found.added and not found.others:
        found.others.append(f"the hash of all was {identity.sha256[:12]}, now {now.sha256[:12]}")
    raise _error(plan.group, found)


def restore_engine(
    config: Config,
    group: str,
    identity: Identity | None,
    records: dict[str, Any],
    registry: Registry = EVENTS,
) -> GroupEngine:
    """The engine of stored records, when they were made with these settings and this schedule.

    Raises
    ------
    StateVersionError
        When another version of the core made them.
    StateIncompleteError
        When records are missing.
    IdentityError
        When they were made with other settings, or on a schedule that has no such range.
    """
    check_state_version(group, records)
    plan = check_identity(config, group, identity, records.get(IDENTITY), registry)
    return restore_planned(plan, records)


def restore_planned(plan: GroupPlan, records: dict[str, Any]) -> GroupEngine:
    """`GroupEngine.restore`; a range that the calendar lacks now is named.

    Raises
    ------
    IdentityError
        When the calendar of now has no such range.
    """
    try:
        return GroupEngine.restore(plan, records)
    except RangeNotFoundError as error:
        raise _refused(
            plan.group,
            f"the {error.kind} range that starts at {iso_minute(error.start_ms)} is in the state,"
            " and the calendar or the time zone of now has none there",
        ) from error


def _refused(group: str, what: str) -> IdentityError:
    return _error(group, SettingDifferences([], [what]))


def _error(group: str, found: SettingDifferences) -> IdentityError:
    # What is refused everywhere comes first: no more than a few are shown.
    return IdentityError(refusal(group, [*found.others, *found.added]), group, found)
