"""Whether a later version of a fact grew out of the earlier one, or rewrote it; pure.

What was published may grow as time goes on, by type as docs/rules.md 15.4 lists; anything else
that happens to it without a correction is a *rewritten reading*: whoever acted on it acted on what
was not so.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from tapeline.schemas.events import Event, Gap, Pair, Range, Session, Swing, content_of, type_of

SAID_ONCE = ("side", "resolution", "first_break_ms", "return_ms", "second_break_ms", "resolved_ms")
"""Fields of a range that a transition gives a value; none of them takes it back."""
GROWING: Mapping[str, frozenset[str]] = {
    "derived_bar": frozenset(),
    "session": frozenset({"state", "bars", "volume", "high", "low"}),
    "quality": frozenset({"as_of_ms", "due", "actual", "missing", "quality"}),
    "gap": frozenset({"end_ms", "missing", "state"}),
    "range": frozenset({"state", "expired", *SAID_ONCE}),
    "touch": frozenset(),
    "pair": frozenset({"session", "times", "delta_min", "leader"}),
    "swing": frozenset({"class_", "prior"}),
}
"""Fields that may have another value in a later version."""
PLACE = frozenset({"seq", "rev", "event_ms", "watermark_ms", "corrects"})


def is_growth(old: Event, new: Event) -> bool:
    """Whether a version may follow another one of its id without a correction."""
    if content_of(old) == content_of(new):
        return True
    growing = GROWING[type_of(old)]
    if not growing or new.event_ms < old.event_ms:
        return False
    # The second symbol of a pair may be the one behind: the later touch is then the one known.
    if new.event_ms == old.event_ms and not isinstance(old, Pair):
        return False
    changed = frozenset(changed_fields(old, new)) - PLACE
    return changed <= growing and _may_grow(old, new)


def changed_fields(old: Event, new: Event) -> list[str]:
    """Names of the fields with other values, in the order of the wire."""
    before, after = structs.asdict(old), structs.asdict(new)
    return [name for name, value in before.items() if value != after[name]]


def _may_grow(old: Event, new: Event) -> bool:
    """Conditions of a type beyond the fields that may change."""
    if isinstance(old, Session):
        assert isinstance(new, Session)
        return (old.state, new.state) == ("open", "closed")
    if isinstance(old, Gap):
        return old.state == "open"
    if isinstance(old, Range):
        kept = all(getattr(old, name) in (None, getattr(new, name)) for name in SAID_ONCE)
        return kept and not old.expired
    if isinstance(old, Pair):
        assert isinstance(new, Pair)
        given = {name: time for name, time in old.times.items() if time is not None}
        return len(given) < len(old.times) and given.items() <= new.times.items()
    if isinstance(old, Swing):
        assert isinstance(new, Swing)
        return new.class_ >= old.class_
    return True
