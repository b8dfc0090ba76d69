"""The view: of every fact its last version, by id. What is no view has its reason where it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, overload

from tapeline.schemas.events import Event, Reject, Retract
from tapeline.schemas.host_events import HostEvent

Fact = TypeVar("Fact", bound=Event | Reject | HostEvent)
Gone = TypeVar("Gone")
Version = TypeVar("Version")


@overload
def fold(facts: dict[str, Fact], events: Iterable[Fact | Retract]) -> None: ...
@overload
def fold(facts: dict[str, Fact], events: Iterable[Fact | Gone], gone: type[Gone]) -> None: ...
def fold(facts: dict[str, Any], events: Iterable[Any], gone: type[Any] = Retract) -> None:
    """Take published events into a view, in their order.

    A version replaces the one before, at the position of the first; a retraction removes the fact.

    Parameters
    ----------
    facts
        By id; changed.
    gone
        The class of retractions, which have the id of the fact.
    """
    for event in events:
        set_version(facts, event.id, None if isinstance(event, gone) else event)


def set_version(facts: dict[str, Version], fact_id: str, version: Version | None) -> None:
    """Take one version of a fact into a view, in whatever form the view keeps versions.

    Parameters
    ----------
    facts
        By id; changed.
    version
        None: the fact is taken away.
    """
    if version is None:
        facts.pop(fact_id, None)
    else:
        facts[fact_id] = version
