"""Instants: lengths, the ends of time, and how an instant or a day is written.

Instants are UTC epoch milliseconds, days are counted since 1970-01-01. Compiled code takes numbers
that are `Final` here as its own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
WEEK_MS: Final = 604_800_000

FAR_PAST_MS: Final = -(1 << 62)
"""Before every instant: what has not begun."""
FAR_FUTURE_MS: Final = 1 << 62
"""After every instant: what does not end."""
OUTPUTS_PER_RECORD: Final = 1_000_000
"""``seq`` is the source offset times this, plus the index among the outputs of that record."""

EPOCH_ORDINAL: Final = 719_163
FIRST_DAY: Final = -719_162
"""0001-01-01: no earlier date has an ISO name."""
LAST_DAY: Final = 2_932_896
"""9999-12-31: no later date has one."""
FIRST_MS: Final = -62_135_596_800_000
"""The first instant that has a date."""
LAST_MS: Final = 253_402_300_799_999
"""The last one; a bar of its minute ends after it."""

DATE_AND_TIME = "%Y-%m-%d %H:%M:%S"
WITH_ZONE = "%Y-%m-%d %H:%M:%SZ"
ISO = "%Y-%m-%dT%H:%M:%SZ"
TIME = "%H:%M:%S"


# Twenty ranges a day carry the same dates.
@lru_cache(maxsize=1_024)
def iso_date(day: int) -> str:
    """ISO date of a day."""
    return date.fromordinal(EPOCH_ORDINAL + day).isoformat()


def day_of(text: str) -> int:
    """Day of an ISO date.

    Raises
    ------
    ValueError
        When it is none.
    """
    return date.fromisoformat(text).toordinal() - EPOCH_ORDINAL


def iso_time(instant_ms: int) -> str:
    """ISO time of an instant, to the second where it is whole; the number where it has none."""
    day, passed_ms = divmod(instant_ms, DAY_MS)
    if not FIRST_DAY <= day <= LAST_DAY:
        return f"{instant_ms} ms since 1970"
    seconds, ms = divmod(passed_ms, SECOND_MS)
    hour, minute = seconds // 3_600, seconds // 60 % 60
    fraction = f".{ms:03d}" if ms else ""
    return f"{iso_date(day)}T{hour:02d}:{minute:02d}:{seconds % 60:02d}{fraction}Z"


def iso_minute(instant_ms: int) -> str:
    """An instant such as ``2025-11-10T14:30Z``, with seconds where it has some."""
    whole = iso_time(instant_ms)
    dated = FIRST_MS <= instant_ms <= LAST_MS
    return f"{whole[:-4]}Z" if dated and not instant_ms % MINUTE_MS else whole


def iso_now(clock_s: float) -> str:
    """What a clock of the machine shows, in seconds since 1970, to the millisecond."""
    return datetime.fromtimestamp(clock_s, UTC).isoformat(timespec="milliseconds")


def instant_text(instant_ms: int, form: str = WITH_ZONE) -> str:
    """An instant for people, without fractions of a second.

    Parameters
    ----------
    instant_ms
        One that has no date is shown as this number.
    form
        As `datetime.strftime` takes it.
    """
    if not FIRST_MS <= instant_ms <= LAST_MS:
        return str(instant_ms)
    return datetime.fromtimestamp(instant_ms // SECOND_MS, UTC).strftime(form)
