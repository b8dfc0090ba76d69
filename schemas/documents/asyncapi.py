"""The AsyncAPI 3 document: channels, operations and messages of all topics."""

from __future__ import annotations

from typing import Any

import msgspec

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.documents.examples import event_examples, record_examples
from tapeline.schemas.documents.meanings import RECORDS, RETRACT
from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import Topic, catalogue

ASYNCAPI_VERSION = "3.0.0"
CONTRACT_VERSION = "1.0.0"
BINDING_VERSION = "0.5.0"

# Types of topics that no consumer reads: their records are versioned state.
INTERNAL = {
    "snapshot": "Full states of groups at session closes. Internal: versioned state, no contract.",
    "state": "Changelog of the worker's state. Internal: versioned state, no contract.",
    "host_state": "States of hosts of strategies. Internal: versioned state, no contract.",
}

_HEADERS = {
    "seq": "`seq` of the event.",
    "rev": "`rev` of the event.",
    "type": "Type of the event; a tombstone has no other field for it.",
    "group": "Group id.",
}


def asyncapi_document(
    schemas: dict[str, dict[str, Any]], registry: Registry = EVENTS
) -> dict[str, Any]:
    """The document for the default topic prefix.

    Parameters
    ----------
    schemas
        Schemas of all types, with references to ``#/components/schemas``.
    """
    topics = catalogue(registry=registry)
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Tapeline",
            "version": CONTRACT_VERSION,
            "description": (
                "Market bars in; derived bars, sessions, quality, gaps, session ranges, touches,"
                " pairs and swings out, and of strategies signals, decisions and paper accounts."
                " Each output topic is an ordered stream and, folded by key, the current view."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": KafkaConfig().bootstrap, "protocol": "kafka"}},
        "channels": {topic.type: _channel(topic, registry) for topic in topics},
        "operations": dict(
            _operation(topic, registry) for topic in topics if topic.type not in INTERNAL
        ),
        "components": {
            "messages": _messages(registry),
            "messageTraits": {"event": {"headers": _header_schema()}},
            "schemas": schemas,
        },
    }


def _channel(topic: Topic, registry: Registry) -> dict[str, Any]:
    kafka = KafkaConfig()
    channel: dict[str, Any] = {
        "address": topic.name,
        "description": f"Key: {topic.key}. Partition: {topic.partitioning}.",
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for name in _message_names(topic, registry)
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": kafka.partitions,
                "replicas": kafka.replication,
                "topicConfiguration": _settings(topic),
                "bindingVersion": BINDING_VERSION,
            }
        },
    }
    if topic.type in INTERNAL:
        channel["description"] = f"{INTERNAL[topic.type]} {channel['description']}"
        del channel["messages"]
    return channel


def _message_names(topic: Topic, registry: Registry) -> tuple[str, ...]:
    if topic.type == "log_record":
        return tuple(RECORDS)
    # What is no fact of the fold is never taken back.
    if all(each not in registry.facts for each in topic.events):
        return topic.events
    return (*topic.events, "tombstone")


def _settings(topic: Topic) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, text in topic.settings.items():
        if name == "cleanup.policy":
            settings[name] = text.split(",")
        else:
            settings[name] = int(text) if text.lstrip("-").isdigit() else text
    return settings


def _operation(topic: Topic, registry: Registry) -> tuple[str, dict[str, Any]]:
    channel = f"#/channels/{topic.type}"
    action = "receive" if topic.type == "log_record" else "send"
    return f"{action}_{topic.type}", {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [
            {"$ref": f"{channel}/messages/{name}"} for name in _message_names(topic, registry)
        ],
    }


def _messages(registry: Registry) -> dict[str, Any]:
    examples = {**record_examples(), **event_examples(registry)}
    messages: dict[str, Any] = {}
    meanings = {row.tag: row.meaning for row in registry.rows}
    for name, summary in {**RECORDS, **meanings}.items():
        messages[name] = {
            "name": name,
            "summary": summary,
            "payload": {"$ref": f"#/components/schemas/{name}"},
            "bindings": _message_binding("symbol" if name in RECORDS else registry.row(name).key),
            "examples": [{"payload": msgspec.to_builtins(examples[name])}],
        }
        if name in registry and registry.row(name).numbered:
            messages[name]["traits"] = [{"$ref": "#/components/messageTraits/event"}]
    messages["tombstone"] = {
        "name": "tombstone",
        "summary": RETRACT,
        "payload": {"type": "null"},
        "bindings": _message_binding("id"),
        "traits": [{"$ref": "#/components/messageTraits/event"}],
    }
    return messages


def _message_binding(key: str) -> dict[str, Any]:
    return {
        "kafka": {
            "key": {"type": "string", "description": key},
            "bindingVersion": BINDING_VERSION,
        }
    }


def _header_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(_HEADERS),
        "properties": {
            name: {"type": "string", "description": text} for name, text in _HEADERS.items()
        },
    }
