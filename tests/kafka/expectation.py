"""What a worker must have said of a partition: the embedded run over the same log, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from schemas.codec import encode
from schemas.config import Config
from schemas.records import LogRecord
from schemas.topics import EVENT_TYPES, topic_of
from streams.embedded import run_files
from streams.inputs import Source
from tests.kafka.worker_process import read

FACTS = tuple(each for each in EVENT_TYPES if each != "reject")


class Said(NamedTuple):
    """One message of an output topic."""

    seq: int
    key: str
    rev: int
    type: str
    value: bytes | None


def embedded_run(
    config: Config, folder: Path, records: Sequence[LogRecord | bytes]
) -> dict[str, list[Said]]:
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


def _line(line: bytes) -> Said:
    event: dict[str, Any] = orjson.loads(line)
    value = None if event["op"] == "retract" else line
    return Said(event["seq"], event["id"], event["rev"], event["type"], value)


async def read_outputs(config: Config, partition: int) -> dict[str, list[Said]]:
    """What lies in the topics of events, by type."""
    prefix, bootstrap = config.kafka.topic_prefix, config.kafka.bootstrap
    return {kind: said(await read(bootstrap, topic_of(kind, prefix), partition)) for kind in FACTS}


def said(records: Sequence[Any]) -> list[Said]:
    """Messages of an output topic as they lie there."""
    found = []
    for record in records:
        headers = dict(record.headers)
        found.append(
            Said(
                int(headers["seq"]),
                record.key.decode(),
                int(headers["rev"]),
                headers["type"].decode(),
                record.value,
            )
        )
    return found


def without_duplicates(messages: Sequence[Said]) -> list[Said]:
    """What a consumer sees that drops whatever has no greater seq than the last; checks the rest.

    Every message that is dropped must be equal to the first of its seq.
    """
    kept: list[Said] = []
    by_seq: dict[int, Said] = {}
    for each in messages:
        if not kept or each.seq > kept[-1].seq:
            kept.append(each)
            by_seq[each.seq] = each
        else:
            assert by_seq.get(each.seq) == each, f"a repetition differs: {each}"
    return kept


def view(messages: Sequence[Said]) -> dict[str, bytes]:
    """The table that the messages leave."""
    found: dict[str, bytes] = {}
    for each in messages:
        if each.value is None:
            found.pop(each.key, None)
        else:
            found[each.key] = each.value
    return found
