"""Range templates: which session ranges an instrument follows, as data.

The kinds and their rules are those of docs/rules.md 8.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Period = Literal["day", "week", "month", "year", "session"]
Machine = Literal["poi", "first_touch"]
TrueOpen = Literal["open", "close"]


class RangeKind(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of session range; instances follow the calendar.

    Attributes
    ----------
    kind
        Kind as published, such as ``Major``.
    label
        First word of the names of a daily kind (``Asia`` in ``Asia 2025-12-08``), else "".
    period
        ``day``: one a civil date of the template's zone, from `start` to `until` or for `minutes`.
        ``week``: from Sunday `start` to Monday `until`. ``month`` and ``year``: the rules of
        market-structure.md section 1. ``session``: window is the calendar's previous session.
    start, until
        Wall times ``HH:MM``. A window is [start, until); an `until` at or before `start` lies on
        the next date.
    minutes
        Length of the window in elapsed minutes, instead of `until`.
    previous_close
        Whether the close before the start belongs to the window.
    true_open
        ``open``: TO is the open of the bar labelled with the window's end (outside the window);
        ``close``: TO is the close of the last minute of the window.
    machine
        ``poi`` (levels PoC, RPP, TO) or ``first_touch`` (levels high, low).
    coverage
        Least share of the window's slots that must be present, in per cent; 0: one bar is enough.
    expires_minutes
        Expiry in elapsed minutes after the TO label; None: never. Ranges of period ``session``
        expire at the close of their session.
    """

    kind: str
    period: Period
    label: str = ""
    start: str = "18:00"
    until: str | None = None
    minutes: int | None = None
    previous_close: bool = False
    true_open: TrueOpen = "open"
    machine: Machine = "poi"
    coverage: int = 95
    expires_minutes: int | None = None


class Template(Struct, frozen=True, forbid_unknown_fields=True):
    """A named list of range kinds; wall times are those of `zone` (an IANA name)."""

    zone: str
    kinds: tuple[RangeKind, ...]

    @property
    def needs_minutes(self) -> bool:
        """Whether a kind has windows below a session, which only base bars of 1m can fill."""
        return any(kind.period == "day" for kind in self.kinds)


def _major(label: str, start: str, until: str, previous_close: bool = False) -> RangeKind:
    return RangeKind(
        kind="Major",
        period="day",
        label=label,
        start=start,
        until=until,
        previous_close=previous_close,
    )


def _minor(start: str, previous_close: bool = False) -> RangeKind:
    return RangeKind(
        kind="Minor",
        period="day",
        label="m" + start.replace(":", ""),
        start=start,
        minutes=23,
        previous_close=previous_close,
        true_open="close",
        expires_minutes=24 * 60,
    )


_LONG_KINDS = (
    RangeKind(kind="Weekly", period="week", start="18:00", until="18:00"),
    RangeKind(kind="Monthly", period="month", start="18:00"),
    RangeKind(kind="Yearly", period="year", start="18:00"),
)

_MINOR_STARTS = (
    "19:30 21:00 22:30 00:00 01:30 03:00 04:30 06:00 07:30 09:00 10:30 12:00 13:30 15:00 16:30"
)

BUILT_IN_TEMPLATES: dict[str, Template] = {
    "cme_index": Template(
        zone="America/New_York",
        kinds=(
            _major("Asia", "18:00", "19:30", previous_close=True),
            _major("London", "00:00", "01:30"),
            _major("NY_AM", "06:00", "07:30"),
            _major("NY_PM", "12:00", "13:30"),
            _major("Afternoon", "13:30", "15:00"),
            _minor("18:00", previous_close=True),
            *(_minor(start) for start in _MINOR_STARTS.split()),
            *_LONG_KINDS,
        ),
    ),
    "cme_long": Template(zone="America/New_York", kinds=_LONG_KINDS),
    "prior_session": Template(
        zone="UTC",
        kinds=(RangeKind(kind="Prior", period="session", machine="first_touch", coverage=0),),
    ),
}
"""The templates that need no configuration."""
