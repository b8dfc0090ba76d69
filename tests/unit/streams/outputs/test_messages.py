"""Events as messages: topic by type, key by id, headers that hold what the value need not."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from msgspec.structs import replace

from tapeline.schemas.codec import decode_event, encode
from tapeline.schemas.documents.examples import event_examples, retract_example
from tapeline.schemas.events import Event, Reject
from tapeline.schemas.feed_events import Unnumbered
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tapeline.streams.outputs.messages import Writer, unnumbered_message
from tapeline.streams.pipeline.refusals import Refusal, dead_letter

GROUP = ("group", b"ES-NQ")
FACTS = {
    kind: event
    for kind, event in event_examples().items()
    if kind in EVENTS.facts and not isinstance(event, Reject)
}


@pytest.mark.parametrize("kind", FACTS)
def test_an_event_goes_to_the_topic_of_its_type_under_its_id(kind: str) -> None:
    event: Event = replace(FACTS[kind], seq=17_000_003, rev=2)
    topic, message = Writer("desk").event(event, GROUP, 1_000)
    assert topic == topic_of(kind, "desk")
    assert (message.key, message.value) == (event.id.encode(), encode(event))
    assert message.timestamp_ms == 1_000
    assert message.headers == [
        ("seq", b"17000003"),
        ("rev", b"2"),
        ("type", kind.encode()),
        GROUP,
    ]


def test_a_first_version_has_revision_nought() -> None:
    event = replace(FACTS["touch"], rev=0)
    _, message = Writer().event(event, GROUP, 0)
    assert dict(message.headers)["rev"] == b"0"


def test_a_retraction_is_a_tombstone_with_all_its_headers() -> None:
    event = retract_example()
    topic, message = Writer().event(event, GROUP, 5)
    assert topic == topic_of(event.type)
    assert message.value is None
    assert message.key == event.id.encode()
    assert [name for name, _ in message.headers] == ["seq", "rev", "type", "group"]


def test_a_dead_letter_names_the_position_of_its_record_and_keeps_its_bytes() -> None:
    raw = b"\xff not json"
    letter = dead_letter("tape.bars.v1/3/17", raw, Refusal("decode_error", "why", None))
    topic, message = Writer().letter(letter, 9)
    assert topic == topic_of("reject")
    assert message.key == b"reject|tape.bars.v1/3/17"
    assert message.headers == [("type", b"reject")]
    assert message.value is not None
    content = json.loads(message.value)
    assert b64decode(content["raw"]) == raw
    assert isinstance(decode_event(message.value), Reject)


def test_a_dead_letter_from_before_1970_has_the_first_time_that_kafka_knows() -> None:
    letter = dead_letter("tape.bars.v1/3/17", b"", Refusal("decode_error", "why", None))
    assert [unnumbered_message(letter, time_ms).timestamp_ms for time_ms in (-1, 0, 7)] == [0, 0, 7]


@pytest.mark.parametrize(
    "event", [each for each in event_examples().values() if isinstance(each, Unnumbered)]
)
def test_what_no_view_holds_has_its_type_for_a_header_and_no_number(event: Unnumbered) -> None:
    message = unnumbered_message(event, 9)
    assert message.headers == [("type", json.loads(encode(event))["type"].encode())]
    assert (message.key, message.value) == (event.id.encode(), encode(event))
