"""Reads the committed calendar artefacts and refuses a damaged one.

An artefact is a JSON document of one calendar. All instants are UTC, so that no time zone is needed
to read it:

===============  =================================================================================
``v``            version of this format
``calendar``     calendar id
``zone``         time zone of the exchange, for the reader
``first_date``   first and last date that it covers
``last_date``
``first_ms``     first instant covered
``weekdays``     weekdays (0 = Monday) that have a session unless the date is in ``closed``
``regular``      rows ``[date, edges]``: the edges of full sessions from that date on
``closed``       such dates without a session
``special``      rows ``[date, edges, flags]``: sessions that differ, ``early_close``, ``late_open``
``sources``      what it was made from
``sha256``       of the document without this key, as JSON with sorted keys and no spaces
===============  =================================================================================

Edges are the opens and closes of the session's segments in turn, in minutes from 00:00 UTC of the
session date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple, TypedDict, cast

from tapeline.schemas.errors import BrokenPromiseError, UnusableError
from tapeline.schemas.instants import DAY_MS, EPOCH_ORDINAL, MINUTE_MS
from tapeline.streams.core.calendar import EARLY_CLOSE, LATE_OPEN, Calendar, DailyCalendar

FORMAT_VERSION: Final = 1
FLAG_BITS: Final = {"early_close": EARLY_CLOSE, "late_open": LATE_OPEN}
ARTEFACT_FILES: Final = {"CME_EQUITY": "cme_equity.json", "XNYS": "xnys.json"}
DAILY_ID: Final = "24/7"
CALENDAR_IDS: Final = (*ARTEFACT_FILES, DAILY_ID)


class UnknownCalendarError(UnusableError, ValueError):
    """A calendar id that is not built in."""


class ArtefactError(BrokenPromiseError):
    """A calendar artefact that is missing, damaged, or made for another version."""


class CalendarDocument(TypedDict):
    """Content of an artefact without its checksum; the module's docstring describes the keys."""

    v: int
    calendar: str
    zone: str
    first_date: str
    last_date: str
    first_ms: int
    weekdays: list[int]
    regular: list[tuple[str, list[int]]]
    closed: list[str]
    special: list[tuple[str, list[int], list[str]]]
    sources: dict[str, str]


class DatedSession(NamedTuple):
    """A session as an artefact holds it: edges in minutes from 00:00 UTC of its date."""

    day: date
    edges: list[int]
    flags: int


@lru_cache(maxsize=len(CALENDAR_IDS))  # immutable, and every group of a configuration asks for it
def load_calendar(calendar_id: str) -> Calendar:
    """A built-in calendar: one of `CALENDAR_IDS`.

    Raises
    ------
    UnknownCalendarError
        Not one of `CALENDAR_IDS`.
    ArtefactError
        The committed artefact is missing or damaged.
    """
    if calendar_id == DAILY_ID:
        return DailyCalendar()
    return make_calendar(read_artefact(_content_of(calendar_id), calendar_id))


def calendar_checksum(calendar_id: str) -> str:
    """SHA-256, as 64 hexadecimal digits, that identifies a built-in calendar in manifests.

    The checksum of its artefact's content; of ``24/7`` that of its rule, which has no artefact.

    Raises
    ------
    UnknownCalendarError
        Not one of `CALENDAR_IDS`.
    ArtefactError
        The committed artefact is missing or damaged.
    """
    if calendar_id == DAILY_ID:
        return hashlib.sha256(b"24/7: every UTC day is a full session").hexdigest()
    return checksum(read_artefact(_content_of(calendar_id), calendar_id))


def checksum(document: CalendarDocument) -> str:
    """SHA-256 of a document's canonical JSON: sorted keys, no spaces, ASCII."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def read_artefact(content: bytes, calendar_id: str) -> CalendarDocument:
    """The checked content of an artefact, without its checksum.

    Raises
    ------
    ArtefactError
        Not JSON, another format version, another calendar, or a checksum that does not fit.
    """
    name = ARTEFACT_FILES[calendar_id]
    try:
        document = json.loads(content)
    except ValueError as error:
        raise _damaged(name, f"it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise _damaged(name, "it is not a JSON object")
    if document.get("v") != FORMAT_VERSION:
        raise _damaged(name, f"its format version is {document.get('v')!r}, not {FORMAT_VERSION}")
    if document.get("calendar") != calendar_id:
        raise _damaged(name, f"it describes {document.get('calendar')!r}, not {calendar_id!r}")
    written = document.pop("sha256", None)
    # From here on the checksum vouches for keys and types: only the tool makes documents.
    checked = cast(CalendarDocument, document)
    found = checksum(checked)
    if written != found:
        raise _damaged(name, f"its checksum is {written!r}, but its content gives {found!r}")
    return checked


def sessions(document: CalendarDocument) -> Iterator[DatedSession]:
    """Sessions of a document in order of date."""
    closed = set(document["closed"])
    special = {day: (edges, flags) for day, edges, flags in document["special"]}
    regular = dict(document["regular"])
    full: list[int] = []
    day = date.fromisoformat(document["first_date"])
    last = date.fromisoformat(document["last_date"])
    while day <= last:
        name = day.isoformat()
        full = regular.get(name, full)
        if name in special:
            edges, flags = special[name]
            yield DatedSession(day, edges, sum(FLAG_BITS[flag] for flag in flags))
        elif day.weekday() in document["weekdays"] and name not in closed:
            yield DatedSession(day, full, 0)
        day += timedelta(days=1)


def make_calendar(document: CalendarDocument) -> Calendar:
    """The calendar that a document describes."""
    days: list[int] = []
    opens: list[list[int]] = []
    closes: list[list[int]] = []
    flags: list[int] = []
    for session in sessions(document):
        day = session.day.toordinal() - EPOCH_ORDINAL
        edges_ms = [day * DAY_MS + minutes * MINUTE_MS for minutes in session.edges]
        days.append(day)
        opens.append(edges_ms[0::2])
        closes.append(edges_ms[1::2])
        flags.append(session.flags)
    return Calendar(
        document["calendar"], days, opens, closes, flags, document["first_ms"], closes[-1][-1]
    )


def _content_of(calendar_id: str) -> bytes:
    name = ARTEFACT_FILES.get(calendar_id)
    if name is None:
        raise UnknownCalendarError(
            f"unknown calendar {calendar_id!r}: use one of {', '.join(CALENDAR_IDS)}"
        )
    try:
        return files("tapeline.streams.calendars").joinpath("data", name).read_bytes()
    except FileNotFoundError as error:
        raise _damaged(name, "it is missing") from error


def _damaged(name: str, finding: str) -> ArtefactError:
    return ArtefactError(
        f"calendar artefact {name}: {finding}; install the package again, "
        "or make it with `python -m tapeline.streams.calendars.build`"
    )
