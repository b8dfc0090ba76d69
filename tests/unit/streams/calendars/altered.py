"""Built-in calendars with days that are otherwise, and installations that have such data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import tapeline
from tapeline.streams.calendars.artefacts import (
    ARTEFACT_FILES,
    CalendarDocument,
    checksum,
    make_calendar,
    read_artefact,
)
from tapeline.streams.core.calendar import Calendar

REMOVED: Final = None
"""Instead of an hour: there is no session on that date."""


def altered_document(calendar_id: str, days: Mapping[str, str | None]) -> CalendarDocument:
    """The document of a built-in calendar with some of its sessions changed.

    Parameters
    ----------
    days
        By session date the earlier close as UTC time ``HH:MM``, or `REMOVED`.
    """
    raw = (
        files("tapeline.streams.calendars")
        .joinpath("data", ARTEFACT_FILES[calendar_id])
        .read_bytes()
    )
    document = read_artefact(raw, calendar_id)
    document["special"] = [row for row in document["special"] if row[0] not in days]
    for day, close in days.items():
        if close is REMOVED:
            document["closed"].append(day)
            continue
        edges = max(row for row in document["regular"] if row[0] <= day)[1]
        hours, minutes = close.split(":")
        early = [*edges[:-1], int(hours) * 60 + int(minutes)]
        document["special"].append((day, early, ["early_close"]))
    document["closed"].sort()
    document["special"].sort(key=lambda row: row[0])
    return document


def altered_artefact(calendar_id: str, days: Mapping[str, str | None]) -> bytes:
    """The same as the bytes of an artefact, with the checksum that fits."""
    document = altered_document(calendar_id, days)
    return json.dumps({**document, "sha256": checksum(document)}).encode()


def altered(calendar_id: str, days: Mapping[str, str | None]) -> Calendar:
    """The same as a calendar."""
    return make_calendar(altered_document(calendar_id, days))


def other_installation(folder: Path, calendar_id: str, days: Mapping[str, str | None]) -> Path:
    """A copy of the package, with such a calendar, for processes that have it on their path."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(tapeline.__file__).parent, folder / "tapeline", ignore=ignored)
    data = folder / "tapeline" / "streams" / "calendars" / "data"
    (data / ARTEFACT_FILES[calendar_id]).write_bytes(altered_artefact(calendar_id, days))
    return folder


def other_zone(folder: Path, zone: str, like: str) -> Path:
    """A copy of the package tzdata whose zone has the data of another."""
    shutil.copytree(str(files("tzdata")), folder / "tzdata")
    zones = folder / "tzdata" / "zoneinfo"
    shutil.copyfile(zones / like, zones / zone)
    with (folder / "tzdata" / "__init__.py").open("a") as package:
        package.write('\n__version__ = "2099.1"\n')
    return folder
