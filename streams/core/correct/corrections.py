"""What a late, changed or cancelled bar did to the view.

docs/rules.md 7: the bars are run again, old and new, and the difference is published by
id: what is new, what has other content, what is gone, and nothing else.
"""

from __future__ import annotations

from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import (
    DerivedBar,
    Event,
    Indicators,
    Output,
    content_of,
    retracted,
    revised,
)
from tapeline.schemas.ids import SEPARATOR, parsed_id
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar


class Change:
    """One fact before and after: `old` None is new, `new` None is gone, both have the same id."""

    def __init__(self, old: Event | None, new: Event | None) -> None:
        self.old = old
        self.new = new

    @property
    def fact(self) -> Event:
        """The new version, or the old one of a fact that is gone."""
        if self.new is not None:
            return self.new
        assert self.old is not None
        return self.old


class Correction:
    """What one correcting record did.

    Attributes
    ----------
    start_ms
        Label of its bar.
    before, after
        The bar, None where there was or is none.
    from_ms
        Watermark of the restore point it went back to, None for the start of the history.
    bars_again
        Bars run again, old and new ones.
    changes
        In order of publication.
    """

    def __init__(self, symbol: str, start_ms: int, before: Bar | None, after: Bar | None) -> None:
        self.symbol = symbol
        self.start_ms = start_ms
        self.before = before
        self.after = after
        self.from_ms: int | None = None
        self.bars_again = 0
        self.changes: list[Change] = []


def differences(
    old: dict[str, Event], new: dict[str, Event], standing: dict[str, Event]
) -> list[Change]:
    """Compare what two runs of the same stretch published last of each fact.

    Parameters
    ----------
    old, new
        By id the last version of every fact that a run touched.
    standing
        Content, where the runs began, of facts that only one of them touched.
    """
    found: list[Change] = []
    for fact_id, before in old.items():
        after = new.get(fact_id)
        if after is None:
            after = standing.get(fact_id)
        if after is None or _differ(before, after):
            found.append(Change(before, after))
    for fact_id, after in new.items():
        if fact_id not in old:
            known = standing.get(fact_id)
            if known is None or _differ(known, after):
                found.append(Change(known, after))
    return found


def _differ(before: Event, after: Event) -> bool:
    # Whole events are compared faster than their contents, and nearly all are equal.
    return before != after and content_of(before) != content_of(after)


def in_order(changes: list[Change], registry: Registry) -> list[Change]:
    """Type by type in the order of publication, then by event_ms, length of interval, id."""
    positions = registry.positions
    order: list[tuple[int, int, int, str, int]] = []
    for number, change in enumerate(changes):
        fact = change.fact
        length_ms = 0
        if isinstance(fact, DerivedBar | Indicators):
            length_ms = parse_interval(fact.interval).length_ms
        order.append((positions[type(fact)], fact.event_ms, length_ms, fact.id, number))
    order.sort()
    return [changes[each[4]] for each in order]


class Revisions:
    """How often corrections changed each id; ids that none has changed are not in it.

    Attributes
    ----------
    registry
        The types of the events.
    known
        By id: revision, event_ms of its latest version, number of the symbol whose record it was.
    touched
        Ids that changed since the owner looked last, once `track` was called.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.known: dict[str, tuple[int, int, int]] = {}
        self.touched: dict[str, bool] = {}
        self._tracked = False

    def track(self) -> None:
        """Remember from now on which ids change."""
        self._tracked = True

    def _set(self, fact_id: str, rev: int, event_ms: int, member: int) -> None:
        self.known[fact_id] = (rev, event_ms, member)
        if self._tracked:
            self.touched[fact_id] = True

    def forget(self, fact_id: str) -> None:
        """Count an id from the beginning again."""
        del self.known[fact_id]
        if self._tracked:
            self.touched[fact_id] = True

    def mark(self, events: list[Event]) -> None:
        """Give the events of a record in order the revisions of their ids."""
        for number, event in enumerate(events):
            known = self.known.get(event.id)
            if known is not None:
                events[number] = revised(
                    event, event.seq, known[0], event.watermark_ms, event.corrects
                )
                self._set(event.id, known[0], event.event_ms, known[2])

    def publish(
        self,
        changes: list[Change],
        first_seq: int,
        corrects: int,
        member: int,
        watermark_ms: int,
        group_watermark_ms: int,
    ) -> list[Output]:
        """The events of a correction: `new` of the changes becomes what is published."""
        out: list[Output] = []
        for change in changes:
            fact = change.fact
            known = self.known.get(fact.id)
            rev = 0 if known is None else known[0]
            if change.old is not None or known is not None:
                rev += 1
                self._set(fact.id, rev, fact.event_ms, member)
            of_group = self.registry.row_of(fact).scope == "group"
            mark_ms = group_watermark_ms if of_group else watermark_ms
            seq = first_seq + len(out)
            if change.new is not None:
                change.new = revised(change.new, seq, rev, mark_ms, corrects)
                out.append(change.new)
                continue
            out.append(retracted(fact, seq, rev, mark_ms, corrects))
        return out

    def forget_final(self, horizons: list[int], ids: set[str]) -> None:
        """Forget the ids that can change no more.

        Parameters
        ----------
        horizons
            By member, where its correction horizon begins.
        ids
            Ids that may still change; one that ends with ``|`` means all that begin with it.
        """
        final: list[str] = []
        for fact_id, (_, event_ms, member) in self.known.items():
            parts = parsed_id(fact_id)
            row = self.registry.row(parts.type)
            reach_ms = min(horizons) if row.scope == "group" else horizons[member]
            if event_ms > reach_ms or fact_id in ids or _begins_one(fact_id, ids):
                continue
            final.append(fact_id)
        for fact_id in final:
            self.forget(fact_id)


def _begins_one(fact_id: str, ids: set[str]) -> bool:
    """Whether the first parts of an id mean all ids that begin with them."""
    at = fact_id.find(SEPARATOR)
    while at >= 0:
        if fact_id[: at + 1] in ids:
            return True
        at = fact_id.find(SEPARATOR, at + 1)
    return False
