"""What one may want to jump to: the next gap, touch or session in a stream of events. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tapeline.schemas.events import Gap, Output, Session, Touch

Landmark = Literal["gap", "touch", "session", "signal"]
LANDMARKS: tuple[Landmark, ...] = ("gap", "touch", "session", "signal")
EXPIRED = "expired"
BEFORE_ALL = -(1 << 62)
_TELLING = frozenset({Gap, Session, Touch})


class Landmarks:
    """Tells what is new from what is only published again.

    A gap that grows or closes is no new gap: the last one of each symbol is remembered. A session
    is new with the first symbol that opens it, not once more with each of the others. An expiry
    is published as a touch, but no price touched anything.
    """

    def __init__(self) -> None:
        self._gaps: dict[str, str] = {}
        self._open_ms = BEFORE_ALL

    def among(self, events: Iterable[Output]) -> list[Landmark]:
        """Kinds of landmarks that one record published; every record's events must come by."""
        found: list[Landmark] = []
        for event in events:
            # Most events are none of these, and this stands in the way of every record.
            if type(event) in _TELLING and (landmark := self._of(event)) is not None:
                found.append(landmark)
        return found

    def _of(self, event: Output) -> Landmark | None:
        if isinstance(event, Touch):
            return None if event.event == EXPIRED else "touch"
        if isinstance(event, Gap):
            if self._gaps.get(event.symbol) != event.id:
                self._gaps[event.symbol] = event.id
                return "gap"
        elif isinstance(event, Session) and event.open_ms > self._open_ms:
            self._open_ms = event.open_ms
            if event.state == "open":
                return "session"
        return None
