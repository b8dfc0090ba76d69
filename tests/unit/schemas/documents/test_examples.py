"""The examples are of the kind they are for, with the ids of their facts."""

from __future__ import annotations

import json
from inspect import signature

import pytest

from tapeline.schemas import ids
from tapeline.schemas.codec import encode
from tapeline.schemas.documents.examples import event_examples, record_examples
from tapeline.schemas.documents.json_schema import RECORD_STRUCTS
from tapeline.schemas.registry import EVENTS


def test_there_is_one_example_of_every_type() -> None:
    examples = {**record_examples(), **event_examples()}
    structs = {**RECORD_STRUCTS, **{row.tag: row.struct for row in EVENTS.rows}}
    assert {name: type(example) for name, example in examples.items()} == structs


@pytest.mark.parametrize("name", EVENTS.types)
def test_the_id_of_an_example_is_that_of_its_fact(name: str) -> None:
    event = json.loads(encode(event_examples()[name]))
    # Of a window the name stands in the id alone, as of a connection its number.
    event.setdefault("name", "avg_volume_10d")
    if "kind" in event:
        event["label"] = ids.range_label(event["kind"], event["name"])
    # So does of a pause what it holds back.
    event.setdefault("connection", 3)
    event.setdefault("held", "history")
    # And of an order what it is for.
    event.setdefault("role", "entry")
    event.setdefault("n", 0)
    make = getattr(ids, f"{name}_id")
    assert event["id"] == make(*(event[part] for part in signature(make).parameters))


@pytest.mark.parametrize("name", EVENTS.hosted)
def test_an_example_of_a_host_has_the_common_fields_of_its_type(name: str) -> None:
    event = json.loads(encode(event_examples()[name]))
    assert (event["corrects"] is None) == (name != "note")
    assert (event["symbol"] is None) == (name in ("account", "strategy"))
    assert (event["strategy"] is None) == (name in ("account", "position"))
    assert event["seq"] % 1_000_000 >= 500_000
    assert event["cause"] == {"0": event["seq"] // 1_000_000}


@pytest.mark.parametrize("name", EVENTS.facts)
def test_no_example_is_published_before_it_is_decided(name: str) -> None:
    event = json.loads(encode(event_examples()[name]))
    assert event["watermark_ms"] >= event["event_ms"]
