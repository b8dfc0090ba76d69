"""What a worker must have published of a partition: an embedded run over its log, in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import topic_of
from tapeline.streams.drill.messages import FACTS, TopicMessage, kept, topic_messages, view
from tapeline.streams.drill.readback import read_topics
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source

__all__ = ["FACTS", "TopicMessage", "embedded_run", "read_outputs", "view", "without_duplicates"]


def embedded_run(
    config: Config, folder: Path, records: Sequence[LogRecord | bytes]
) -> dict[str, list[TopicMessage]]:
    """The outputs of an embedded run over the records as a log, by event type."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.jsonl"
    lines = [each if isinstance(each, bytes) else encode(each) for each in records]
    log.write_bytes(b"\n".join(lines) + b"\n")
    run_files(config, [Source(str(log))], folder / "out")
    found = {}
    for kind in FACTS:
        text = (folder / "out" / f"{topic_of(kind)}.jsonl").read_bytes()
        found[kind] = [_line(line) for line in text.splitlines()]
    return found


def _line(line: bytes) -> TopicMessage:
    event: dict[str, Any] = orjson.loads(line)
    value = None if event["op"] == "retract" else line
    return TopicMessage(event["seq"], event["id"], event["rev"], event["type"], value)


async def read_outputs(config: Config, partition: int) -> dict[str, list[TopicMessage]]:
    """What lies in the topics of events, by type."""
    topics = {kind: topic_of(kind, config.kafka.topic_prefix) for kind in FACTS}
    found = await read_topics(config.kafka.brokers, list(topics.values()), partition)
    return {kind: topic_messages(found[topic]) for kind, topic in topics.items()}


def without_duplicates(messages: Sequence[TopicMessage]) -> list[TopicMessage]:
    """What a consumer sees that drops whatever has no greater seq than the last; checks the rest.

    Every message that is dropped must be equal to the first of its seq.
    """
    seen = kept(messages)
    assert seen.differing == [], "a repetition differs"
    return seen.messages
