"""The view: of every fact its last version, by id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, overload

from tapeline.schemas.events import Event, Reject, Retract

Fact = TypeVar("Fact", bound=Event | Reject)
Gone = TypeVar("Gone")


@overload
def fold(facts: dict[str, Fact], events: Iterable[Fact | Retract]) -> None: ...
@overload
def fold(facts: dict[str, Fact], events: Iterable[Fact | Gone], gone: type[Gone]) -> None: ...
def fold(facts: dict[str, Any], events: Iterable[Any], gone: type[Any] = Retract) -> None:
    """Take published events into a view, in their order.

    A version replaces the one before, at the place of the first; a retraction takes the fact away.

    Parameters
    ----------
    facts
        By id; changed.
    gone
        The class of retractions, which have the id of the fact.
    """
    # What a store keeps of a step is no view: there a retraction is a deletion still to be written.
    for event in events:
        if isinstance(event, gone):
            facts.pop(event.id, None)
        else:
            facts[event.id] = event
