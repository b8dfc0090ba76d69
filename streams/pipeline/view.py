"""The view: of every fact its last version, by id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tapeline.schemas.events import Event, Reject, Retract

Fact = TypeVar("Fact", bound=Event | Reject)


def fold(facts: dict[str, Fact], events: Iterable[Fact | Retract]) -> None:
    """Take published events into a view, in their order.

    A version replaces the one before, at the place of the first; a retraction takes the fact away.

    Parameters
    ----------
    facts
        By id; changed.
    """
    for event in events:
        if isinstance(event, Retract):
            facts.pop(event.id, None)
        else:
            facts[event.id] = event
