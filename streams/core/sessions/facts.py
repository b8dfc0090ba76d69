"""Sessions, their quality and their gaps as they are published."""

from __future__ import annotations

from tapeline.streams.core.volume import Volume


class SessionFact:
    """A session as it is published; high and low in ticks, None without bars."""

    def __init__(
        self,
        index: int,
        event_ms: int,
        closed: bool,
        bars: int,
        volume: Volume,
        high: int | None,
        low: int | None,
    ) -> None:
        self.index = index
        self.event_ms = event_ms
        self.closed = closed
        self.bars = bars
        self.volume = volume
        self.high = high
        self.low = low


class QualityFact:
    """Completeness of a session as of an instant."""

    def __init__(self, session: str, as_of_ms: int, due: int, actual: int) -> None:
        self.session = session
        self.as_of_ms = as_of_ms
        self.due = due
        self.actual = actual


class GapFact:
    """A run of missing slots [start_ms, end_ms)."""

    def __init__(
        self, session: str, start_ms: int, end_ms: int, missing: int, event_ms: int, closed: bool
    ) -> None:
        self.session = session
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.missing = missing
        self.event_ms = event_ms
        self.closed = closed
