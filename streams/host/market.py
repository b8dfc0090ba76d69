"""What a host knows of the market beyond the records: the engines that folded them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from tapeline.schemas.events import Output
from tapeline.schemas.records import LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.host.errors import SetupError
from tapeline.streams.pipeline.routing import Router


class HostRecord(Struct, frozen=True):
    """One record that the fold applied.

    Attributes
    ----------
    step
        Number of the record among those that the host takes; in files and stores its offset.
    partition, offset
        Where it lies in the log.
    group
        Group of its symbol.
    kind
        What became of it: one of `streams.core.outcome.OUTCOMES`; ``rebuilt`` of a correction that
        a store made beyond the horizon, which reaches no hook.
    events
        What changed in the view, in the order of publication.
    correction
        Of a late, changed or cancelled bar, what it replaced.
    watermark_ms
        Watermark of the record's symbol after it.
    """

    step: int
    partition: int
    offset: int
    record: LogRecord
    group: str
    kind: str
    events: list[Output]
    correction: Correction | None
    watermark_ms: int


class Market(Protocol):
    """The symbols as the fold has them."""

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol; None before its first bar or clock."""
        ...

    def quality(self, symbol: str) -> float | None:
        """Quality of the session of the watermark, 0 to 100; see `GroupEngine.quality`."""
        ...

    def calendar(self, symbol: str) -> Calendar:
        """Calendar of a symbol."""
        ...


class RouterMarket:
    """The market of a drive's router."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._groups: dict[str, str] = {}

    def _engine(self, symbol: str) -> GroupEngine | None:
        group = self._groups.get(symbol)
        if group is None:
            group = self._groups[symbol] = self._router.config.group_of(symbol)
        slot = self._router.slots.get(group)
        return None if slot is None else slot.engine

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol; None before its first bar or clock."""
        engine = self._engine(symbol)
        return None if engine is None else engine.watermark_ms(symbol)

    def quality(self, symbol: str) -> float | None:
        """Quality of the session of the watermark, 0 to 100; see `GroupEngine.quality`."""
        engine = self._engine(symbol)
        return None if engine is None else engine.quality(symbol)

    def calendar(self, symbol: str) -> Calendar:
        """Calendar of a symbol.

        Raises
        ------
        SetupError
            When it is not configured.
        """
        instrument = self._router.config.instrument(symbol)
        if instrument is None:
            raise SetupError(f"symbol {symbol} is not configured")
        return load_calendar(instrument.calendar)
