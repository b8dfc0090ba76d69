"""Whether a later version of a fact grew out of the earlier one, or rewrote it; pure.

What was published may grow as time goes on, by type as docs/rules.md 15.4 lists; anything else
that happens to it without a correction is a *rewritten reading*: who acted on it acted on what
was not so.
"""

from __future__ import annotations

from msgspec import structs

from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, content_of
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS

STAMP = frozenset({"seq", "rev", "event_ms", "watermark_ms", "corrects"})


def is_growth(old: Event, new: Event, registry: Registry = EVENTS) -> bool:
    """Whether a version may follow another one of its id without a correction."""
    if content_of(old) == content_of(new):
        return True
    row = registry.row_of(old)
    if not row.grows or new.event_ms < old.event_ms:
        return False
    # The later symbol of a group may be the one behind: its event is then the one known.
    if new.event_ms == old.event_ms and row.scope != "group":
        return False
    changed = frozenset(changed_fields(old, new)) - STAMP
    return changed <= row.grows and row.grew(old, new)


def is_growth_of_host(old: HostEvent, new: HostEvent, registry: Registry = EVENTS) -> bool:
    """Whether a version of an event of a host may follow another one.

    Several records may share the host's market time, so it need not rise; it never goes back.
    """
    row = registry.row_of(old)
    changed = frozenset(changed_fields(old, new)) - STAMP - row.delivery
    return new.event_ms >= old.event_ms and changed <= row.grows


def changed_fields(old: Event | HostEvent, new: Event | HostEvent) -> list[str]:
    """Names of the fields with other values, in the order of the wire."""
    before, after = structs.asdict(old), structs.asdict(new)
    return [name for name, value in before.items() if value != after[name]]
