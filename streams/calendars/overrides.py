"""Reads the override file: days on which the seed libraries are wrong or disagree.

A part of the tool that makes the artefacts; nothing reads the file at run time.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from tapeline.schemas.errors import UnusableError

CLOSED: Final = "closed"
EARLY_CLOSE: Final = "early_close"
LATE_OPEN: Final = "late_open"
CHANGES: Final = (CLOSED, EARLY_CLOSE, LATE_OPEN)
_KEYS: Final = ("calendar", "date", "change", "time", "note")


class OverrideError(UnusableError, ValueError):
    """An entry of the override file that breaks a rule."""


@dataclass(frozen=True)
class Override:
    """What holds on one date, whatever the seed library has.

    Attributes
    ----------
    calendar
        Calendar id.
    day
        Session date.
    change
        ``closed``: no session of that date; ``early_close``, ``late_open``: `at` replaces the
        regular close or open.
    at
        Wall time in the exchange's zone; None when closed.
    note
        What was chosen and why.
    """

    calendar: str
    day: date
    change: str
    at: time | None
    note: str


def read_overrides(text: str, calendars: Collection[str]) -> list[Override]:
    """Entries of an override file (TOML, tables ``[[override]]``), in the order of the file.

    Raises
    ------
    OverrideError
        Not TOML, or an entry with an unknown key, calendar or change, with a time that is missing,
        forbidden or malformed, without a note, or for a day that another entry contradicts.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OverrideError(f"override file: not TOML ({error})") from error
    if set(document) - {"override"}:
        raise OverrideError(f"override file: only tables [[override]], found {sorted(document)}")
    found: list[Override] = []
    for number, entry in enumerate(document.get("override", []), start=1):
        override = _read_entry(entry, f"override {number}", calendars)
        _refuse_contradiction(override, found)
        found.append(override)
    return found


def _read_entry(entry: dict[str, object], where: str, calendars: Collection[str]) -> Override:
    unknown = sorted(set(entry) - set(_KEYS))
    if unknown:
        raise OverrideError(f"{where}: unknown key {unknown[0]!r}; allowed: {', '.join(_KEYS)}")
    day = entry.get("date")
    if not isinstance(day, date) or isinstance(day, datetime):
        raise OverrideError(f"{where}: date = {day!r}; write it as 2024-03-29, without quotes")
    where = f"{where} ({day})"
    calendar = _choice(entry, "calendar", calendars, where)
    change = _choice(entry, "change", CHANGES, where)
    note = entry.get("note")
    if not isinstance(note, str) or not note.strip():
        raise OverrideError(f"{where}: note is missing; write what was chosen and why")
    return Override(calendar, day, change, _read_time(entry, change, where), note)


def _choice(entry: dict[str, object], key: str, allowed: Collection[str], where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise OverrideError(f"{where}: {key} = {value!r}; allowed: {', '.join(allowed)}")
    return value


def _read_time(entry: dict[str, object], change: str, where: str) -> time | None:
    text = entry.get("time")
    if change == CLOSED:
        if text is not None:
            raise OverrideError(f"{where}: time = {text!r}, but a closed day has none")
        return None
    try:
        # Text, since TOML's own times need seconds, which no exchange's schedule has.
        return datetime.strptime(str(text), "%H:%M").time()
    except ValueError as error:
        raise OverrideError(
            f'{where}: time = {text!r}; write the wall time of the exchange as "08:15"'
        ) from error


def _refuse_contradiction(override: Override, earlier: list[Override]) -> None:
    for other in earlier:
        if (other.calendar, other.day) != (override.calendar, override.day):
            continue
        if CLOSED in (other.change, override.change) or other.change == override.change:
            raise OverrideError(
                f"{override.calendar} {override.day}: {other.change} and {override.change} "
                "contradict each other"
            )
