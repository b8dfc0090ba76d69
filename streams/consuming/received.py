"""What a message of an output topic means to a consumer: an event, or that a fact is gone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import Struct

from tapeline.schemas.codec import CodecError, EventDecoder, FeedEventDecoder, HostEventDecoder
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Retract
from tapeline.schemas.feed_events import Unnumbered
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.ids import parsed_id
from tapeline.schemas.records import INT64_MAX
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import names_of

SHOWN = 60
COUNTER_DIGITS = 19
"""Digits of the greatest integer of 64 bits."""


class Removed(Struct, frozen=True):
    """A fact left the view: the tombstone of `id`, with what its headers and key hold."""

    type: str
    id: str
    seq: int
    rev: int
    symbol: str
    watermark_ms: int


class UnreadableEventError(UnusableError, ValueError):
    """A message of an output topic that this version cannot read; nothing was skipped.

    A topic's name carries the version of its schema. Fields added to it are passed over; anything
    else needs a newer version of this package, or was written by another program.

    Parameters
    ----------
    position
        ``topic/partition/offset``.
    reason
        What is wrong with it.
    """

    def __init__(self, position: str, reason: str) -> None:
        super().__init__(
            f"{position}: this message cannot be read: {reason};"
            " a newer tapeline wrote it, or something else did"
        )
        self.position = position
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableEventError], tuple[str, str]]:
        return (type(self), (self.position, self.reason))


def position_of(message: Any) -> str:
    """Where a message lies, as ``topic/partition/offset``."""
    return f"{message.topic}/{message.partition}/{message.offset}"


def seq_of(message: Any) -> int | None:
    """The header `seq` of a message; None when it has none, as dead letters do.

    Raises
    ------
    UnreadableEventError
        When it is no decimal text.
    """
    return _counter(message, dict(message.headers), "seq")


class MessageReader:
    """Makes events of messages.

    Parameters
    ----------
    registry
        The types that this reader knows.
    """

    def __init__(self, registry: Registry = EVENTS) -> None:
        self._registry = registry
        self._decode = EventDecoder(registry).decode
        self._decode_feed = FeedEventDecoder(registry).decode
        self._decode_hosted = HostEventDecoder(registry).decode
        self._of_feeds = {row.topic for row in registry.rows if row.origin == "feed"}
        self._of_hosts = tuple(f".{registry.row(tag).topic}" for tag in registry.hosted)

    def event(self, message: Any) -> Event | Removed | Unnumbered | HostEvent:
        """The event of a message.

        Raises
        ------
        UnreadableEventError
            When it is of no schema that this version knows.
        """
        if message.value is None:
            return _removed(message, self._registry)
        try:
            if _entity(message.topic) in self._of_feeds:
                return self._decode_feed(message.value)
            if message.topic.endswith(self._of_hosts):
                return self._decode_hosted(message.value)
            event = self._decode(message.value)
        except CodecError as error:
            raise UnreadableEventError(position_of(message), error.reason) from error
        if isinstance(event, Retract):
            return Removed(
                event.type, event.id, event.seq, event.rev, event.symbol, event.watermark_ms
            )
        return event


def is_final(event: Event | Removed | Unnumbered | HostEvent, registry: Registry = EVENTS) -> bool:
    """Whether bars in order cannot change a fact any more; a removal is final."""
    return isinstance(event, Removed) or registry.row_of(event).is_final(event)


class SymbolFilter:
    """Which events are of some symbols: a pair is of its group and of each of its members.

    The tombstone of a fact of a group names the group alone; its members are known from earlier
    facts of it. Of a group without such a fact it passes: to forget a fact that one does not have
    is nothing, to keep one that is gone is wrong.

    Parameters
    ----------
    symbols
        Symbols and groups.
    registry
        The types of the events.

    Attributes
    ----------
    without_events
        Those of which no event has come yet.

    Raises
    ------
    TypeError
        When `symbols` is one text instead of a collection.
    """

    def __init__(self, symbols: Collection[str], registry: Registry = EVENTS) -> None:
        self._registry = registry
        self._symbols = frozenset(names_of("symbols", symbols))
        self.without_events = set(self._symbols)
        self._groups: dict[str, frozenset[str]] = {}

    def passes(self, event: Event | Removed | Unnumbered | HostEvent) -> bool:
        """Whether an event is of the symbols; events come in their order."""
        if isinstance(event, Removed):
            if self._registry.row(event.type).scope == "group":
                names = self._groups.get(event.symbol, self._symbols)
                return not names.isdisjoint(self._symbols)
        elif event.symbol is not None and self._registry.row_of(event).scope == "group":
            names = frozenset(self._registry.row_of(event).names(event))
            self._groups[event.symbol] = names
            self.without_events -= names
            return not names.isdisjoint(self._symbols)
        if event.symbol not in self._symbols:
            return False
        self.without_events.discard(event.symbol)
        return True


def _entity(topic: str) -> str:
    """Name of a topic without prefix, such as ``touches.v1``."""
    return ".".join(topic.rsplit(".", 2)[-2:])


def _removed(message: Any, registry: Registry) -> Removed:
    position = position_of(message)
    headers = dict(message.headers)
    seq, rev = (_counter(message, headers, name) for name in ("seq", "rev"))
    if seq is None or rev is None or message.key is None:
        raise UnreadableEventError(position, "a tombstone without key, seq and rev")
    try:
        fact_id = message.key.decode()
    except UnicodeDecodeError as error:
        reason = f"the key {message.key[:SHOWN]!r} of a tombstone is no UTF-8"
        raise UnreadableEventError(position, reason) from error
    try:
        parts = parsed_id(fact_id)
    except ValueError:
        parts = None
    if parts is None or parts.type not in registry.facts:
        raise UnreadableEventError(position, f"the key {fact_id[:SHOWN]!r} of a tombstone is no id")
    return Removed(parts.type, fact_id, seq, rev, parts.name, message.timestamp)


def _counter(message: Any, headers: dict[str, bytes | None], name: str) -> int | None:
    """A header that counts, None when it is not there."""
    if name not in headers:
        return None
    text = headers[name]
    if text is not None and text.isdigit() and len(text) <= COUNTER_DIGITS:
        number = int(text)
        if number <= INT64_MAX:
            return number
    shown = None if text is None else text[:SHOWN]
    raise UnreadableEventError(position_of(message), f"the header {name} is {shown!r}, no number")
