"""Events and dead letters as messages: topic, key, value, headers, time."""

from __future__ import annotations

from typing import NamedTuple

from tapeline.schemas.codec import encode
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output, Reject, Retract
from tapeline.schemas.feed_events import Unnumbered
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import DEFAULT_PREFIX, topic_of

Headers = list[tuple[str, bytes]]
_NO_REVISION = ("rev", b"0")
_new = tuple.__new__


class EventMessage(NamedTuple):
    """One message of a topic; `value` is None for a tombstone. A plain tuple: one for every event.

    Attributes
    ----------
    timestamp_ms
        CreateTime; not negative, because Kafka knows no time before 1970.
    """

    timestamp_ms: int
    key: bytes
    value: bytes | None
    headers: Headers


class Writer:
    """Makes messages of what the engines publish.

    Parameters
    ----------
    prefix
        First part of all topic names.
    registry
        The types of the events.
    """

    def __init__(self, prefix: str = DEFAULT_PREFIX, registry: Registry = EVENTS) -> None:
        self._kinds: dict[type, tuple[str, tuple[str, bytes]]] = {}
        self._retracts: dict[str, tuple[str, tuple[str, bytes]]] = {}
        for tag in registry.facts:
            address = (topic_of(tag, prefix, registry), ("type", tag.encode()))
            self._kinds[registry.row(tag).struct] = address
            self._retracts[tag] = address
        self._rejects = topic_of("reject", prefix)
        for tag in registry.hosted:
            address = (topic_of(tag, prefix, registry), ("type", tag.encode()))
            self._kinds[registry.row(tag).struct] = address

    def event(
        self, event: Output, group: tuple[str, bytes], timestamp_ms: int
    ) -> tuple[str, EventMessage]:
        """Topic and message of an event.

        Parameters
        ----------
        group
            The header that names the group.
        timestamp_ms
            Greatest watermark of the group.
        """
        value: bytes | None
        if type(event) is Retract:
            topic, kind = self._retracts[event.type]
            value = None
        else:
            topic, kind = self._kinds[type(event)]
            value = encode(event)
        revision = ("rev", b"%d" % event.rev) if event.rev else _NO_REVISION
        headers = [("seq", b"%d" % event.seq), revision, kind, group]
        # The constructor of a named tuple would cost as much as all of the headers.
        return topic, _new(EventMessage, (timestamp_ms, event.id.encode(), value, headers))

    def hosted(self, event: HostEvent, book: int) -> tuple[str, EventMessage]:
        """Topic and message of what a host published; its market time is the CreateTime.

        Parameters
        ----------
        book
            Number of the host's book, which is the partition of all its outputs.
        """
        topic, kind = self._kinds[type(event)]
        revision = ("rev", b"%d" % event.rev) if event.rev else _NO_REVISION
        headers = [("seq", b"%d" % event.seq), revision, kind, group_header(f"book-{book}")]
        time_ms = max(event.event_ms, 0)
        return topic, EventMessage(time_ms, event.id.encode(), encode(event), headers)

    def letter(self, letter: Reject, time_ms: int) -> tuple[str, EventMessage]:
        """Topic and message of a dead letter; see `unnumbered_message`."""
        return self._rejects, unnumbered_message(letter, time_ms)


def unnumbered_message(event: Unnumbered, time_ms: int) -> EventMessage:
    """A dead letter, or an event of the operation of a feed, as a message.

    Parameters
    ----------
    time_ms
        CreateTime; one before 1970 becomes the first that Kafka knows.
    """
    headers = [("type", str(event.__struct_config__.tag).encode())]
    return EventMessage(max(time_ms, 0), event.id.encode(), encode(event), headers)


def group_header(group: str) -> tuple[str, bytes]:
    """The header that names the group of an event."""
    return ("group", group.encode())
