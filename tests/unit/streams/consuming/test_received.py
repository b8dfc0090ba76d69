"""What a message of an output topic holds, and the error of one that cannot be read."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from msgspec.structs import replace

from tapeline.schemas.codec import encode
from tapeline.schemas.events import Pair
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tapeline.streams.consuming.received import (
    MessageReader,
    Removed,
    SymbolFilter,
    UnreadableEventError,
    is_final,
    seq_of,
)

PAIR = Pair(
    "pair|ES-NQ|Major|Asia|TO|return",
    "upsert",
    7,
    0,
    "ES-NQ",
    "2025-07-02",
    1,
    1,
    None,
    "ES-NQ",
    "Major",
    "Asia",
    "TO",
    "return",
    {"ES": 1, "NQ": None},
    None,
    None,
)
event_of = MessageReader().event
COUNTED = (("seq", b"7"), ("rev", b"1"))


def message(
    value: bytes | None,
    key: bytes | None = b"touch|ES|Major|Asia|return",
    headers: tuple[tuple[str, bytes | None], ...] = COUNTED,
    topic: str = "tape.touches.v1",
) -> ConsumerRecord[bytes | None, bytes | None]:
    """A message as the client gives it."""
    return ConsumerRecord(
        topic,
        3,
        41,
        1_000,
        0,
        key,
        value,
        None,
        0,
        0,
        headers,
    )


def read(received: ConsumerRecord[bytes | None, bytes | None]) -> None:
    """All that a subscription reads of a message."""
    seq_of(received)
    event_of(received)


def test_a_tombstone_shows_what_left_by_its_key_and_headers() -> None:
    gone = Removed("touch", "touch|ES|Major|Asia|return", 7, 1, "ES", 1_000)
    assert event_of(message(None)) == gone
    assert seq_of(message(None)) == 7
    assert seq_of(message(b"{}", headers=())) is None


@pytest.mark.parametrize("kind", EVENTS.hosted)
@pytest.mark.parametrize("prefix", ["tape", "a.b", "tape.run.day-2"])
def test_events_of_hosts_are_read_from_their_topics(kind: str, prefix: str) -> None:
    event: Any = EVENTS.row(kind).example
    topic = topic_of(kind, prefix)
    assert event_of(message(encode(event), topic=topic)) == event
    passes = SymbolFilter(["ES"]).passes(event)
    assert passes == (event.symbol == "ES")
    assert not SymbolFilter(["NQ"]).passes(event)


def test_what_can_still_change_of_a_strategy_is_not_final() -> None:
    final = {kind: is_final(EVENTS.row(kind).example) for kind in EVENTS.hosted}
    assert {kind for kind, each in final.items() if each} == {"decision", "fill"}
    signal: Any = EVENTS.row("signal").example
    order: Any = EVENTS.row("order").example
    assert is_final(replace(signal, state="cancelled"))
    assert is_final(replace(order, state="filled"))


UNREADABLE = {
    "seq is a word": (message(None, headers=(("seq", b"abc"), COUNTED[1])), "seq is b'abc'"),
    "seq is empty": (message(None, headers=(("seq", b""), COUNTED[1])), "seq is b''"),
    "seq is null": (message(None, headers=(("seq", None), COUNTED[1])), "seq is None"),
    # Taken for a number, it would be a duplicate, and the message would be lost unnoticed.
    "seq is negative": (message(None, headers=(("seq", b"-5"), COUNTED[1])), "seq is b'-5'"),
    "seq is beyond 64 bits": (
        message(None, headers=(("seq", b"9223372036854775808"), COUNTED[1])),
        "seq is b'9223372036854775808'",
    ),
    "rev is a word": (message(None, headers=(COUNTED[0], ("rev", b"one"))), "rev is b'one'"),
    "no headers": (message(None, headers=()), "without key, seq and rev"),
    "no key": (message(None, None), "without key, seq and rev"),
    "a key without bars": (message(None, b"touch"), "'touch' of a tombstone is no id"),
    "a key cut short": (message(None, b"touch|ES"), "'touch|ES' of a tombstone is no id"),
    "a key of no type": (message(None, b"trade|ES|1"), "'trade|ES|1' of a tombstone is no id"),
    "a key that is no text": (message(None, b"touch|\xff|1"), r"b'touch|\xff|1' of a tombstone"),
    "no JSON": (message(b"hello"), "malformed"),
    "no value at all": (message(b""), "truncated"),
    "JSON of another shape": (message(b'{"type":"touch","id":"x"}'), "`op`"),
    "an unknown type": (message(b'{"type":"trade"}'), "'trade'"),
    "no text": (message(b'{"type":"touch","id":"\xff"}'), "not UTF-8"),
}


@pytest.mark.parametrize(("unreadable", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_message_that_cannot_be_read_is_named_by_its_position_and_its_fault(
    unreadable: ConsumerRecord[bytes | None, bytes | None], reason: str
) -> None:
    with pytest.raises(UnreadableEventError) as caught:
        read(unreadable)
    assert str(caught.value).startswith("tape.touches.v1/3/41: ")
    assert reason in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.position) == (str(caught.value), "tape.touches.v1/3/41")


def test_the_removal_of_a_pair_is_of_the_members_that_the_pair_named() -> None:
    assert event_of(message(encode(PAIR))) == PAIR
    gone = event_of(message(None, PAIR.id.encode()))
    for symbol, wanted in (("ES", True), ("NQ", True), ("ES-NQ", True), ("CL", False)):
        only = SymbolFilter([symbol])
        assert (only.passes(PAIR), only.passes(gone)) == (wanted, wanted)


def test_the_removal_of_a_pair_of_an_unknown_group_passes() -> None:
    gone = event_of(message(None, PAIR.id.encode()))
    assert SymbolFilter(["ES"]).passes(gone)
    assert not SymbolFilter(["ES"]).passes(event_of(message(None, b"touch|NQ|Major|Asia|return")))
