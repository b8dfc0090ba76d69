"""Messages of output topics, what a consumer keeps of them, and the table they leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tapeline.schemas.registry import EVENTS

FACTS = EVENTS.facts
"""Types of events that carry a `seq`."""


class TopicMessage(NamedTuple):
    """One message of an output topic; its value is None when it removes a fact."""

    seq: int
    key: str
    rev: int
    type: str
    value: bytes | None


class Kept(NamedTuple):
    """What a consumer has that drops whatever has no greater `seq` than the last.

    Attributes
    ----------
    messages
        What it keeps.
    identical
        Number of dropped messages that are equal to the one kept of their `seq`.
    differing
        Dropped messages that are not, or whose `seq` was never kept.
    """

    messages: list[TopicMessage]
    identical: int
    differing: list[TopicMessage]


def topic_messages(records: Iterable[Any]) -> list[TopicMessage]:
    """Messages of an output topic as the client reads them."""
    found = []
    for record in records:
        headers = dict(record.headers)
        found.append(
            TopicMessage(
                int(headers["seq"]),
                record.key.decode(),
                int(headers["rev"]),
                headers["type"].decode(),
                record.value,
            )
        )
    return found


def kept(messages: Iterable[TopicMessage]) -> Kept:
    """Read messages as a consumer does, and compare each that is dropped."""
    found = Kept([], 0, [])
    by_seq: dict[int, TopicMessage] = {}
    last, identical = -1, 0
    for each in messages:
        if each.seq > last:
            last = each.seq
            found.messages.append(each)
            by_seq[each.seq] = each
        elif by_seq.get(each.seq) == each:
            identical += 1
        else:
            found.differing.append(each)
    return found._replace(identical=identical)


def view(messages: Sequence[TopicMessage]) -> dict[str, bytes]:
    """The table that the messages leave: the last of each key, whatever its `seq`."""
    found: dict[str, bytes] = {}
    for each in messages:
        if each.value is None:
            found.pop(each.key, None)
        else:
            found[each.key] = each.value
    return found
