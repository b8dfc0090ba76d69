"""Makes the calendar artefacts: ``python -m tapeline.streams.calendars.build [--check]``.

The only module that knows the calendar libraries (the extra ``calendars``). It reads the sessions
of the seed libraries as wall times, applies the override file last, and turns them into UTC with
the pinned zones. Two runs give equal bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tapeline.schemas.errors import CheckFailedError, TapelineError
from tapeline.schemas.instants import DAY_MS, EPOCH_ORDINAL, MINUTE_MS
from tapeline.streams.calendars.artefacts import (
    ARTEFACT_FILES,
    FLAG_BITS,
    FORMAT_VERSION,
    CalendarDocument,
    checksum,
)
from tapeline.streams.calendars.overrides import CLOSED, EARLY_CLOSE, Override, read_overrides
from tapeline.streams.calendars.zones import load_zone, time_zone_version
from tapeline.streams.core.calendar import ZoneTable

FIRST_DATE: Final = date(2015, 1, 1)
LAST_DATE: Final = date(2030, 12, 31)
WEEKDAYS: Final = (0, 1, 2, 3, 4)
DATA_FOLDER: Final = Path(__file__).parent / "data"
OVERRIDE_FILE: Final = DATA_FOLDER / "overrides.toml"
_DAY_MINUTES: Final = 24 * 60


class BuildError(CheckFailedError):
    """A seed library or an override holds something that a calendar's rules exclude."""


@dataclass(frozen=True)
class Hours:
    """Open and close of a session, in wall minutes from 00:00 local time of its date.

    An open on the day before is negative: 17:00 is -420.
    """

    open_min: int
    close_min: int


@dataclass(frozen=True)
class Exchange:
    """What the tool must know of a calendar besides its days."""

    calendar_id: str
    zone: str
    regular: Hours
    library: str
    seed: Callable[[Exchange], dict[date, Hours]]


def seed_cme_equity(exchange: Exchange) -> dict[date, Hours]:
    """Sessions of CME equity index by the library's ``CME Globex Equity``."""
    import pandas_market_calendars

    calendar = pandas_market_calendars.get_calendar("CME Globex Equity")
    # Open and close alone: a break inside, where a version of the library has one, is not ours.
    schedule = calendar.schedule(FIRST_DATE.isoformat(), LAST_DATE.isoformat())
    rows = zip(schedule.index, schedule["market_open"], schedule["market_close"], strict=True)
    return _wall_hours(rows, exchange.zone)


def seed_xnys(exchange: Exchange) -> dict[date, Hours]:
    """Sessions of the New York Stock Exchange by the library's ``XNYS``."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(
        "XNYS", start=FIRST_DATE.isoformat(), end=LAST_DATE.isoformat()
    )
    rows = zip(calendar.sessions, calendar.opens, calendar.closes, strict=True)
    return _wall_hours(rows, exchange.zone)


EXCHANGES: Final = (
    Exchange(
        "CME_EQUITY",
        "America/Chicago",
        Hours(-7 * 60, 16 * 60),
        "pandas_market_calendars",
        seed_cme_equity,
    ),
    Exchange(
        "XNYS",
        "America/New_York",
        Hours(9 * 60 + 30, 16 * 60),
        "exchange_calendars",
        seed_xnys,
    ),
)


def build(exchange: Exchange, override_text: str) -> bytes:
    """Content of a calendar's artefact.

    Raises
    ------
    ImportError
        The calendar libraries are not installed.
    BuildError
        A library or an override contradicts the calendar's rules.
    OverrideError
        The override file breaks a rule of its own.
    """
    hours = exchange.seed(exchange)
    overrides = read_overrides(override_text, ARTEFACT_FILES)
    apply_overrides(exchange, hours, [o for o in overrides if o.calendar == exchange.calendar_id])
    sources = {
        exchange.library: version(exchange.library),
        "overrides_sha256": hashlib.sha256(override_text.encode()).hexdigest(),
        "tzdata": time_zone_version(),
    }
    return render(describe(exchange, hours, sources))


def apply_overrides(
    exchange: Exchange, hours: dict[date, Hours], overrides: Iterable[Override]
) -> None:
    """Change `hours` by the overrides; a named day starts from the regular hours.

    Raises
    ------
    BuildError
        An override outside the dates, or one that neither shortens the session nor closes the day.
    """
    named: dict[date, Hours] = {}
    for override in overrides:
        day = override.day
        if not FIRST_DATE <= day <= LAST_DATE or day.weekday() not in WEEKDAYS:
            raise BuildError(
                f"override of {exchange.calendar_id} {day}: not a weekday "
                f"from {FIRST_DATE} to {LAST_DATE}"
            )
        if override.change == CLOSED:
            hours.pop(day, None)
            continue
        assert override.at is not None, "the reader gives every other change a time"
        minutes = _wall_minutes(override.at)
        start = named.get(day, exchange.regular)
        if override.change == EARLY_CLOSE:
            named[day] = replace(start, close_min=minutes)
        else:
            on_day_before = minutes - _DAY_MINUTES
            before = on_day_before >= exchange.regular.open_min
            named[day] = replace(start, open_min=on_day_before if before else minutes)
        _check_shortened(exchange, day, override.change, named[day])
    hours.update(named)


def describe(
    exchange: Exchange, hours: dict[date, Hours], sources: dict[str, str]
) -> CalendarDocument:
    """The document of a calendar, given the wall hours of its sessions.

    Raises
    ------
    BuildError
        Hours beyond the regular ones, a session on a weekend, or an edge that no clock shows.
    """
    zone = load_zone(exchange.zone)
    regular: list[tuple[str, list[int]]] = []
    closed: list[str] = []
    special: list[tuple[str, list[int], list[str]]] = []
    for ordinal in range(FIRST_DATE.toordinal(), LAST_DATE.toordinal() + 1):
        day = date.fromordinal(ordinal)
        found = hours.get(day)
        if found is None:
            if day.weekday() in WEEKDAYS:
                closed.append(day.isoformat())
            continue
        edges = _utc_edges(zone, day, found)
        flags = _flags(exchange, day, found)
        if flags:
            special.append((day.isoformat(), edges, flags))
        elif not regular or regular[-1][1] != edges:
            regular.append((day.isoformat(), edges))
    return {
        "v": FORMAT_VERSION,
        "calendar": exchange.calendar_id,
        "zone": exchange.zone,
        "first_date": FIRST_DATE.isoformat(),
        "last_date": LAST_DATE.isoformat(),
        "first_ms": _utc_ms(zone, FIRST_DATE, min(0, exchange.regular.open_min)),
        "weekdays": list(WEEKDAYS),
        "regular": regular,
        "closed": closed,
        "special": special,
        "sources": sources,
    }


def render(document: CalendarDocument) -> bytes:
    """An artefact's bytes: JSON with its checksum, one row of a table per line."""
    content: dict[str, Any] = {**document, "sha256": checksum(document)}
    lines = [f"{json.dumps(key)}: {_render_value(value)}" for key, value in content.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def main(arguments: list[str] | None = None) -> int:
    """Write the artefacts, or with ``--check`` compare them; 1 if one differs or on an error."""
    parser = argparse.ArgumentParser(prog="python -m tapeline.streams.calendars.build")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail if an artefact would change"
    )
    parser.add_argument(
        "--into", type=Path, default=DATA_FOLDER, metavar="FOLDER", help="default: the package"
    )
    options = parser.parse_args(arguments)
    override_text = OVERRIDE_FILE.read_text(encoding="utf-8")
    try:
        made = {ARTEFACT_FILES[e.calendar_id]: build(e, override_text) for e in EXCHANGES}
    except ImportError as error:
        return _fail(f"{error}; install the extra: pip install 'tapeline[calendars]'")
    except (TapelineError, ValueError) as error:
        return _fail(str(error))
    status = 0
    for name, content in made.items():
        path: Path = options.into / name
        if path.is_file() and path.read_bytes() == content:
            sys.stdout.write(f"{name}: unchanged\n")
        elif options.check:
            status = _fail(f"{name}: differs from what the tool makes")
        else:
            path.write_bytes(content)
            sys.stdout.write(f"{name}: written, {len(content)} bytes\n")
    return status


def _wall_hours(rows: Iterable[tuple[Any, Any, Any]], zone: str) -> dict[date, Hours]:
    """Hours by date, from rows of a library: session, open, close as pandas timestamps."""
    return {
        session.date(): Hours(
            _minutes_since(opened.tz_convert(zone), session),
            _minutes_since(closed.tz_convert(zone), session),
        )
        for session, opened, closed in rows
    }


def _minutes_since(instant: Any, session: Any) -> int:
    """Wall minutes of a local instant from 00:00 of the session date."""
    wall: datetime = instant.tz_localize(None).to_pydatetime()
    midnight = datetime.combine(session.date(), time())
    return (wall - midnight) // timedelta(minutes=1)


def _wall_minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _check_shortened(exchange: Exchange, day: date, change: str, hours: Hours) -> None:
    regular = exchange.regular
    early = hours.close_min < regular.close_min
    late = hours.open_min > regular.open_min
    fits = early if change == EARLY_CLOSE else late
    if not fits or hours.open_min >= hours.close_min:
        raise BuildError(
            f"override of {exchange.calendar_id} {day}: {change} leaves {hours}, "
            f"which is no shorter session than the regular {regular}"
        )


def _flags(exchange: Exchange, day: date, hours: Hours) -> list[str]:
    """Names of the ways in which a session is shorter than a full one."""
    regular = exchange.regular
    beyond = hours.open_min < regular.open_min or hours.close_min > regular.close_min
    if beyond or day.weekday() not in WEEKDAYS:
        raise BuildError(
            f"{exchange.calendar_id} {day}: {hours} is not within the regular {regular}"
        )
    shorter = {
        "early_close": hours.close_min < regular.close_min,
        "late_open": hours.open_min > regular.open_min,
    }
    return [name for name in FLAG_BITS if shorter[name]]


def _utc_edges(zone: ZoneTable, day: date, hours: Hours) -> list[int]:
    """Open and close in minutes from 00:00 UTC of the session date."""
    midnight_ms = (day.toordinal() - EPOCH_ORDINAL) * DAY_MS
    edges = [_utc_ms(zone, day, minutes) for minutes in (hours.open_min, hours.close_min)]
    return [(edge - midnight_ms) // MINUTE_MS for edge in edges]


def _utc_ms(zone: ZoneTable, day: date, wall_min: int) -> int:
    wall_ms = (day.toordinal() - EPOCH_ORDINAL) * DAY_MS + wall_min * MINUTE_MS
    instant_ms = zone.to_utc(wall_ms)
    if instant_ms is None:
        raise BuildError(f"{day}: a clock change skips the edge at {wall_min} minutes local time")
    return instant_ms


def _render_value(value: Any) -> str:
    if isinstance(value, list) and value and not isinstance(value[0], int):
        return "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"
    return json.dumps(value, sort_keys=True)


def _fail(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
