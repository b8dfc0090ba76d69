"""Instants for people: dates where there are any, numbers where the calendar of ISO has none."""

from __future__ import annotations

from datetime import UTC, datetime

FIRST_MS = -62_135_596_800_000
"""0001-01-01 00:00:00 UTC: the first instant that has a date."""
LAST_MS = 253_402_300_799_999
"""The last millisecond of 9999-12-31; a bar of its last minute ends after it."""
DATE_AND_TIME = "%Y-%m-%d %H:%M:%S"
WITH_ZONE = "%Y-%m-%d %H:%M:%SZ"
ISO = "%Y-%m-%dT%H:%M:%SZ"
TIME = "%H:%M:%S"


def instant_text(instant_ms: int, form: str = WITH_ZONE) -> str:
    """An instant in UTC, without fractions of a second.

    Parameters
    ----------
    instant_ms
        UTC epoch milliseconds; one that has no date is shown as this number.
    form
        As `datetime.strftime` takes it.
    """
    if not FIRST_MS <= instant_ms <= LAST_MS:
        return str(instant_ms)
    return datetime.fromtimestamp(instant_ms // 1_000, UTC).strftime(form)
