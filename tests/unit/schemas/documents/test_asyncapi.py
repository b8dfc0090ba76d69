"""The AsyncAPI document against its official schema and our catalogue."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tapeline.schemas.documents.json_schema import generated_files
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import catalogue

HOSTS = ("signal", "note", "decision", "account", "strategy")
OFFICIAL_SCHEMA = Path(__file__).parents[1] / "data" / "asyncapi-3.0.0.schema.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(generated_files()["asyncapi.json"])
    return loaded


@pytest.fixture(scope="module")
def official() -> Any:
    return jsonschema.Draft7Validator(json.loads(OFFICIAL_SCHEMA.read_text("utf-8")))


def resolved(document: dict[str, Any], reference: str) -> dict[str, Any]:
    """What a reference points at, through further references."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return resolved(document, found["$ref"]) if "$ref" in found else found


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for entry in value.values() for each in references(entry)]
    if isinstance(value, list):
        return [each for entry in value for each in references(entry)]
    return []


def test_the_document_is_valid_by_the_official_schema(
    document: dict[str, Any], official: Any
) -> None:
    assert [error.message for error in official.iter_errors(document)] == []


@pytest.mark.parametrize(
    "path",
    [
        ("asyncapi",),
        ("info", "title"),
        ("channels", "touch", "bindings", "kafka", "partitions"),
        ("operations", "send_touch", "action"),
        ("components", "schemas", "touch", "type"),
    ],
)
def test_the_official_schema_notices_a_broken_document(
    document: dict[str, Any], official: Any, path: tuple[str, ...]
) -> None:
    broken = copy.deepcopy(document)
    node: Any = broken
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = {"broken": True}
    assert not official.is_valid(broken)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert found
    for reference in found:
        assert resolved(document, reference)


def test_channels_are_the_catalogue(document: dict[str, Any]) -> None:
    channels = document["channels"]
    assert [channel["address"] for channel in channels.values()] == [
        topic.name for topic in catalogue()
    ]
    for topic in catalogue():
        binding = channels[topic.type]["bindings"]["kafka"]
        assert binding["topic"] == topic.name
        assert set(binding["topicConfiguration"]) == set(topic.settings)


def test_the_log_is_received_and_everything_else_is_sent(document: dict[str, Any]) -> None:
    actions = {name: each["action"] for name, each in document["operations"].items()}
    assert actions == {
        "receive_log_record": "receive",
        **{f"send_{name}": "send" for name in (*EVENTS.folded, "feeds", *HOSTS)},
    }


@pytest.mark.parametrize("name", EVENTS.facts)
def test_an_output_has_its_event_and_the_tombstone_with_headers(
    document: dict[str, Any], name: str
) -> None:
    messages = document["channels"][name]["messages"]
    assert list(messages) == [name, "tombstone"]
    for message in messages.values():
        found = resolved(document, message["$ref"])
        trait = resolved(document, found["traits"][0]["$ref"])
        assert trait["headers"]["required"] == ["seq", "rev", "type", "group"]
        assert found["bindings"]["kafka"]["key"]["description"] == "id"
    assert resolved(document, messages["tombstone"]["$ref"])["payload"] == {"type": "null"}


def test_the_topic_of_feeds_has_a_message_for_each_of_its_types(document: dict[str, Any]) -> None:
    of_feeds = [row.tag for row in EVENTS.rows if row.origin == "feed"]
    assert list(document["channels"]["feeds"]["messages"]) == of_feeds


def test_events_of_hosts_have_headers_and_no_tombstones(document: dict[str, Any]) -> None:
    messages = document["channels"]["account"]["messages"]
    assert list(messages) == ["order", "fill", "position", "account"]
    for name in (*HOSTS, *messages):
        found = document["components"]["messages"][name]
        assert resolved(document, found["traits"][0]["$ref"])["headers"]["required"]
    assert all("tombstone" not in document["channels"][name]["messages"] for name in HOSTS)
    assert "messages" not in document["channels"]["host_state"]


def test_examples_are_valid_payloads(document: dict[str, Any]) -> None:
    for message in document["components"]["messages"].values():
        for example in message.get("examples", []):
            schema = {**message["payload"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(example["payload"])
