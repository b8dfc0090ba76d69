"""What one may want to jump to: the next gap, touch, session, signal or mark. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Gap, Output, Session, Touch
from tapeline.schemas.host_events import HostEvent, IssuedSignal
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.registry import EVENTS

Landmark = str
"""Type of an event of the registry that is one, or `MARK`."""
MARK = "mark"
"""A record that a strategy marked."""
EXPIRED = "expired"


def landmarks(registry: Registry = EVENTS) -> tuple[Landmark, ...]:
    """All there are."""
    return (*(row.tag for row in registry.rows if row.landmark), MARK)


class Landmarks:
    """Distinguishes what is new from what is only published again.

    A gap that grows or closes is no new gap: the last one of each symbol is remembered. A session
    is new with the first symbol that opens it, not once more with each of the others. An expiry
    is published as a touch, but no price touched anything. A signal is new when it is issued.
    """

    def __init__(self, registry: Registry = EVENTS) -> None:
        self._tags = {row.struct: row.tag for row in registry.rows if row.landmark}
        self._gaps: dict[str, str] = {}
        self._open_ms = FAR_PAST_MS

    def among(self, events: Iterable[Output | HostEvent]) -> list[Landmark]:
        """Kinds of landmarks that one record published; every record's events must come by."""
        found: list[Landmark] = []
        tags = self._tags
        for event in events:
            # Most events are none of these, and this runs for every record.
            if type(event) in tags and (landmark := self._of(event)) is not None:
                found.append(landmark)
        return found

    def _of(self, event: Output | HostEvent) -> Landmark | None:
        landmark = self._tags[type(event)]
        if isinstance(event, Touch):
            return None if event.event == EXPIRED else landmark
        if isinstance(event, Gap):
            if self._gaps.get(event.symbol) == event.id:
                return None
            self._gaps[event.symbol] = event.id
        elif isinstance(event, IssuedSignal):
            return landmark if event.state == "issued" else None
        elif isinstance(event, Session):
            if event.open_ms <= self._open_ms:
                return None
            self._open_ms = event.open_ms
            return landmark if event.state == "open" else None
        return landmark
