"""What is known of a type of events, one row a type; a registry is an immutable value of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from msgspec import Struct

from tapeline.schemas.topic_settings import Settings

BY_GROUP = "murmur2 of the group id, set explicitly"

DELIVERY = frozenset({"seq", "rev", "watermark_ms", "corrects"})
"""Fields that are not of the view (docs/rules.md 2.6)."""

Origin = Literal["fold", "feed", "host"]
Scope = Literal["symbol", "group"]


def never(_: Any) -> bool:
    """Of a fact that bars in order may always change."""
    return False


def always(_: Any) -> bool:
    """Of a fact that bars in order never change."""
    return True


def any_growth(_: Any, __: Any) -> bool:
    """No condition on two versions beyond the fields that may grow."""
    return True


def own_name(event: Any) -> tuple[str, ...]:
    """The symbol an event is of."""
    return (event.symbol,)


def symbol_if_any(event: Any) -> tuple[str, ...]:
    """The symbol an event is of, where it is of one."""
    return () if event.symbol is None else (event.symbol,)


class Nested(Struct, frozen=True):
    """A struct inside an event, by the field that holds it; `fields` has what its fields mean."""

    field: str
    struct: type[Struct]
    fields: Mapping[str, str]


class EventType(Struct, frozen=True, kw_only=True):
    """One type of events: everything about it that is not its rule.

    Attributes
    ----------
    struct
        Struct of an event; its tag is the name of the type, its fields are those of the wire.
    topic
        Name of its topic without prefix, such as ``touches.v1``; a topic of its own, or, of origin
        ``feed`` or ``host``, one that types of that origin share.
    settings
        Of the topic, by the broker's own names.
    key
        What the message key is: a field of the event.
    partitioning
        How the partition follows from the event.
    position
        Among the events of one record, lower first; None of what no record of the log publishes.
    rule
        Which rule publishes it, the name of a folder of `streams.core`; empty: none.
    tracker
        Makes the rule of one symbol from its plan, where the core has none of its own: a
        `TrackerFactory` of `streams.core.plan`. One that publishes several types is in the row
        of one of them.
    scope
        Whether `symbol` of an event is a symbol, or a group whose symbols it all concerns.
    names
        The symbols, and the group, that an event concerns.
    origin
        ``fold``: it follows from the log alone, so every run of it gives the same. ``feed``: it
        reports what happened while data came in. ``host``: it follows from the log and from
        strategies, and only a host of them publishes it.
    numbered
        Whether events have `seq` and `rev`, fold by `id` to a view and can be taken back.
    landmark
        Whether a replay can jump to the next one.
    grows
        Fields (names of attributes) that may differ in a later version without a correction; none
        where an id is published once.
    grew
        Whether one version may follow another, beyond the fields that grow.
    is_final
        Whether bars in order can no longer change an event.
    delivery
        Fields that are not of the view, by their names on the wire; one of nested structs with a
        dot, such as ``inputs.rev``.
    meaning
        One or two sentences for readers of schemas and docs.
    fields
        What each field means that is not common to all numbered events, by its name on the wire.
    nested
        Structs inside the event.
    example
        A whole event.
    """

    struct: type[Struct]
    topic: str
    position: int | None
    meaning: str
    fields: Mapping[str, str]
    example: Any
    settings: Settings
    key: str = "id"
    partitioning: str = BY_GROUP
    rule: str = ""
    tracker: Callable[[Any], Any] | None = None
    scope: Scope = "symbol"
    names: Callable[[Any], tuple[str, ...]] = own_name
    origin: Origin = "fold"
    numbered: bool = True
    landmark: bool = False
    grows: frozenset[str] = frozenset()
    grew: Callable[[Any, Any], bool] = any_growth
    is_final: Callable[[Any], bool] = never
    delivery: frozenset[str] = DELIVERY
    nested: tuple[Nested, ...] = ()

    @property
    def tag(self) -> str:
        """Name of the type: the value of the field ``type``."""
        return str(self.struct.__struct_config__.tag)


@dataclass(frozen=True)
class Registry:
    """Types of events, in the order in which catalogue and docs list them.

    A value: `with_` gives another one, and nothing registers itself.

    Attributes
    ----------
    rows
        One a type.
    types
        Names of all of them.
    folded
        Names of those that follow from the log: what a run, a worker and a store write.
    facts
        Names of those of `folded` that make a view; without dead letters.
    hosted
        Names of those that hosts of strategies publish.
    positions
        By struct of a fact, its position among the events of a record.

    Raises
    ------
    ValueError
        When two rows have one name, topic or position, or a fact has no position. Types of feeds
        may share a topic, with one key, partitioning and settings, and so may those of hosts.
    """

    rows: tuple[EventType, ...]
    types: tuple[str, ...] = field(init=False, compare=False, repr=False)
    folded: tuple[str, ...] = field(init=False, compare=False, repr=False)
    facts: tuple[str, ...] = field(init=False, compare=False, repr=False)
    hosted: tuple[str, ...] = field(init=False, compare=False, repr=False)
    positions: dict[type[Struct], int] = field(init=False, compare=False, repr=False)
    _by_tag: dict[str, EventType] = field(init=False, compare=False, repr=False)
    _by_struct: dict[type[Struct], EventType] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        rows = tuple(self.rows)
        facts = [row for row in rows if row.origin == "fold" and row.numbered]
        for row in facts:
            if row.position is None:
                raise ValueError(f"{row.tag}: a fact has a position in the order of publication")
        _check_distinct("type", [row.tag for row in rows])
        _check_topics(rows)
        _check_distinct("position", [row.position for row in rows if row.position is not None])
        derived = {
            "rows": rows,
            "types": tuple(row.tag for row in rows),
            "folded": tuple(row.tag for row in rows if row.origin == "fold"),
            "facts": tuple(row.tag for row in facts),
            "hosted": tuple(row.tag for row in rows if row.origin == "host"),
            "positions": {row.struct: cast(int, row.position) for row in facts},
            "_by_tag": {row.tag: row for row in rows},
            "_by_struct": {row.struct: row for row in rows},
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def with_(self, row: EventType) -> Registry:
        """The same types and one more.

        Raises
        ------
        ValueError
            When its name, topic or position is taken.
        """
        return Registry((*self.rows, row))

    def __contains__(self, event_type: str) -> bool:
        return event_type in self._by_tag

    def row(self, event_type: str) -> EventType:
        """Row of a type by its name.

        Raises
        ------
        KeyError
            When there is no such type.
        """
        return self._by_tag[event_type]

    def row_of(self, event: Struct) -> EventType:
        """Row of the type of an event.

        Raises
        ------
        KeyError
            When it is of no type of this registry.
        """
        return self._by_struct[type(event)]

    def trackers(self) -> tuple[Callable[[Any], Any], ...]:
        """Rules that rows bring, in the order in which a record publishes their events."""
        rows = (self._by_tag[tag] for tag in self.published())
        return tuple(row.tracker for row in rows if row.tracker is not None)

    def published(self) -> tuple[str, ...]:
        """Names of the facts in the order in which a record publishes them."""
        by_position = sorted(self.facts, key=lambda tag: self._by_tag[tag].position or 0)
        return tuple(by_position)


def _check_topics(rows: tuple[EventType, ...]) -> None:
    shared: dict[str, EventType] = {}
    for row in rows:
        first = shared.setdefault(row.topic, row)
        if first is row:
            continue
        if row.origin == "fold" or first.origin != row.origin:
            raise ValueError(f"two types of events have the topic {row.topic}")
        if _of_topic(first) != _of_topic(row):
            raise ValueError(f"{row.tag}: the topic {row.topic} has other settings for {first.tag}")


def _of_topic(row: EventType) -> tuple[object, ...]:
    return row.key, row.partitioning, row.settings


def _check_distinct(what: str, names: Iterable[object]) -> None:
    known: set[object] = set()
    for name in names:
        if name in known:
            raise ValueError(f"two types of events have the {what} {name}")
        known.add(name)
