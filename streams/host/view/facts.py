"""Facts of the types that a strategy named, of its last sessions (docs/rules.md 19.7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import convert

from tapeline.schemas.codec import plain
from tapeline.schemas.event_types import EventType
from tapeline.schemas.events import Event, Gap, Range
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.view import set_version


def _outlives_its_session(fact: Event) -> bool:
    """Whether a fact stays until it is over: a range that is not resolved, a gap that is open."""
    if isinstance(fact, Range):
        return not EVENTS.row_of(fact).is_final(fact)
    return isinstance(fact, Gap) and fact.state == "open"


def _by_time(fact: Event) -> tuple[int, str]:
    return fact.event_ms, fact.id


class FactTable:
    """Facts of one strategy, by type and by what they are of: a symbol, or a group."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, str], dict[str, Event]] = {}
        self._touched: dict[str, tuple[str, str]] = {}
        self._from: dict[str, str] = {}

    def put(self, event_type: str, fact: Event) -> None:
        """A fact is new, or another version of one."""
        oldest = self._from.get(fact.symbol)
        if oldest is not None and fact.session < oldest and not _outlives_its_session(fact):
            self.take_away(event_type, fact.symbol, fact.id)
            return
        key = (event_type, fact.symbol)
        self._set(key, fact.id, fact)

    def take_away(self, event_type: str, name: str, fact_id: str) -> None:
        """A fact is gone, if it was there."""
        key = (event_type, name)
        if fact_id in self._facts.get(key, ()):
            self._set(key, fact_id, None)

    def _set(self, key: tuple[str, str], fact_id: str, fact: Event | None) -> None:
        facts = self._facts.get(key)
        if facts is None:
            facts = self._facts[key] = {}
        set_version(facts, fact_id, fact)
        self._touched[fact_id] = key

    def keep_from(self, name: str, session: str) -> None:
        """Sessions before one are forgotten of a symbol or group, but for what is not over."""
        self._from[name] = session
        for key, facts in self._facts.items():
            if key[1] == name:
                gone = [
                    fact_id
                    for fact_id, fact in facts.items()
                    if fact.session < session and not _outlives_its_session(fact)
                ]
                for fact_id in gone:
                    self._set(key, fact_id, None)

    def of(self, event_type: str, name: str) -> list[Event]:
        """Facts of a type and a symbol or group, oldest first: by event_ms, then id."""
        return sorted(self._facts.get((event_type, name), {}).values(), key=_by_time)

    def latest(self, event_type: str, name: str) -> Event | None:
        """The fact of the latest session."""
        facts = self._facts.get((event_type, name))
        return max(facts.values(), key=_by_session) if facts else None

    def changed(self) -> dict[str, Any]:
        """Records that differ since the last call, by id; None: the fact is gone."""
        found: dict[str, Any] = {}
        for fact_id, key in self._touched.items():
            fact = self._facts[key].get(fact_id)
            found[fact_id] = None if fact is None else plain(fact)
        self._touched = {}
        return found

    def restore(self, records: Iterable[Any]) -> None:
        """Take the facts that `changed` gave, the latest of each."""
        for data in records:
            row: EventType = EVENTS.row(data["type"])
            fact: Any = convert(data, row.struct)
            self._set((row.tag, fact.symbol), fact.id, fact)
        self._touched = {}

    def replace(self, other: FactTable) -> None:
        """Take the place of another table, whose facts are gone."""
        for key, facts in other._facts.items():
            self._facts[key] = {}
            self._touched.update(dict.fromkeys(facts, key))
        self._touched.update(other._touched)

    def forgets(self, name: str) -> bool:
        """Whether sessions of a symbol are forgotten by now."""
        return name in self._from

    def oldest_sessions(self) -> dict[str, str]:
        """By symbol or group, the first session that is kept."""
        return dict(self._from)

    def restore_oldest(self, sessions: dict[str, str]) -> None:
        """Take what `oldest_sessions` gave."""
        self._from = dict(sessions)


def _by_session(fact: Event) -> tuple[str, int, str]:
    return fact.session, fact.event_ms, fact.id
