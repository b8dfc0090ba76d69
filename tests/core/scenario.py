"""Small books written by hand, and the view they give."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.config_loading import read_config
from schemas.events import Event
from schemas.records import Bar, Clock, LogRecord
from streams.core.engine import GroupEngine
from streams.core.rejection import RecordRejected
from streams.planning import plan_group
from tests.properties.folding import fold

NEW_YORK = ZoneInfo("America/New_York")
MINUTE_MS = 60_000


def at(text: str) -> int:
    """Epoch milliseconds of a New York wall time such as ``2025-07-02 09:30``."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1000


def flat(symbol: str, start: str | int, price: float, interval: str = "1m") -> Bar:
    """A bar without movement."""
    start_ms = at(start) if isinstance(start, str) else start
    return Bar(symbol, interval, start_ms, price, price, price, price, 1)


def bar(symbol: str, start: str | int, low: float, high: float, close: float | None = None) -> Bar:
    """A bar that opens at its low, and closes there unless told otherwise."""
    start_ms = at(start) if isinstance(start, str) else start
    return Bar(symbol, "1m", start_ms, low, high, low, low if close is None else close, 1)


def minutes(symbol: str, start: str, count: int, price: float = 100.0) -> list[LogRecord]:
    """So many flat bars in a row."""
    first = at(start)
    return [flat(symbol, first + number * MINUTE_MS, price) for number in range(count)]


class Tape:
    """One engine, what it said, and what it refused.

    Parameters
    ----------
    toml
        Configuration over the built-in one.
    group
        Group whose records are given.
    """

    def __init__(self, toml: str = "", group: str = "ES-NQ") -> None:
        self.engine = GroupEngine(plan_group(read_config(toml, "scenario"), group))
        self.events: list[Event] = []
        self.rejected: list[str] = []
        self._offset = 0

    def take(self, *records: LogRecord) -> list[Event]:
        """Hand records over; returns the events of the last one."""
        said: list[Event] = []
        for record in records:
            said = []
            try:
                said = self.engine.apply(record, self._offset)
            except RecordRejected as error:
                self.rejected.append(error.code)
            self._offset += 1
            self.events += said
        return said

    def clock(self, symbol: str, time: str) -> list[Event]:
        """Hand a clock record over."""
        return self.take(Clock(symbol, at(time)))

    @property
    def view(self) -> dict[str, dict[str, Any]]:
        """What the events fold to."""
        return fold(self.events)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Facts of one type by id."""
        return {key: fact for key, fact in self.view.items() if fact["type"] == kind}


XNYS = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n'


def equity(extra: str = "") -> Tape:
    """An equity on XNYS."""
    return Tape(XNYS + extra, "ACME")
