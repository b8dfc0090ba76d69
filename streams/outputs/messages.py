"""Events and dead letters as messages: topic, key, value, headers, time."""

from __future__ import annotations

from typing import NamedTuple

from tapeline.schemas.codec import encode
from tapeline.schemas.events import (
    DerivedBar,
    Gap,
    Output,
    Pair,
    Quality,
    Range,
    Reject,
    Retract,
    Session,
    Swing,
    Touch,
)
from tapeline.schemas.topics import DEFAULT_PREFIX, EVENT_TYPES, topic_of

Headers = list[tuple[str, bytes]]
_NO_REVISION = ("rev", b"0")
_new = tuple.__new__
_STRUCTS = (DerivedBar, Session, Quality, Gap, Range, Touch, Pair, Swing)


class Message(NamedTuple):
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
    """Makes messages of what the engines say.

    Parameters
    ----------
    prefix
        First part of all topic names.
    """

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self._kinds: dict[type, tuple[str, tuple[str, bytes]]] = {}
        for struct in _STRUCTS:
            tag = str(struct.__struct_config__.tag)
            self._kinds[struct] = (topic_of(tag, prefix), ("type", tag.encode()))
        self._retracts = {
            tag: (topic_of(tag, prefix), ("type", tag.encode()))
            for tag in EVENT_TYPES
            if tag != "reject"
        }
        self._rejects = topic_of("reject", prefix)

    def event(
        self, event: Output, group: tuple[str, bytes], timestamp_ms: int
    ) -> tuple[str, Message]:
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
        return topic, _new(Message, (timestamp_ms, event.id.encode(), value, headers))

    def letter(self, letter: Reject, timestamp_ms: int) -> tuple[str, Message]:
        """Topic and message of a dead letter."""
        headers = [("type", b"reject")]
        return self._rejects, Message(timestamp_ms, letter.id.encode(), encode(letter), headers)
