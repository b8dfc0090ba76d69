"""The view as of an instant: what was published before the watermark passed it.

The bound is that of the end of a replay: of each partition the records before the first one after
which its greatest watermark exceeds the instant. So a correction that came later is not in it, and
one that came earlier is, whatever bar it was of.

A topic is replayed from the beginning of its log: snapshots hold the state of the rules, not the
facts they have left behind, and compacted outputs no longer hold what was replaced since. A store
keeps every version it published, and its log shows how far to read them.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from tapeline.replay.bounds import Bound, calendars_of
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.codec import RecordDecoder, encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Event
from tapeline.schemas.ids import ids_of
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tapeline.streams.errors import InputError
from tapeline.streams.kafka.messages import event_time_ms
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.view import fold, set_version
from tapeline.streams.store.layout import LOG_FILE
from tapeline.streams.store.reading import StoreReader


async def view_of_log(
    config: Config,
    source: LogSource,
    bound: Bound,
    symbol: str | None = None,
    kind: str | None = None,
) -> list[bytes]:
    """Facts as JSON, in order of their ids, by a replay of a log.

    Parameters
    ----------
    bound
        The instant, or a session date: its close.
    symbol
        Only of this symbol; of pairs: of this group.
    kind
        Only of this type.

    Raises
    ------
    InputError
        When there is no such type.
    LogMissingError
        When the log does not begin at its beginning any more.
    """
    _check_type(kind)
    facts: dict[str, Event] = {}
    async with Replay(config, source, ReplayOptions(stop=bound)) as run:
        async for batch in run.batches():
            for release in batch:
                fold(facts, release.events)
    beginning = None if kind is None else ids_of(kind)
    return [
        encode(fact)
        for name, fact in sorted(facts.items())
        if (symbol is None or fact.symbol == symbol)
        and (beginning is None or name.startswith(beginning))
    ]


def view_of_store(
    config: Config,
    folder: Path,
    bound: Bound,
    symbol: str | None = None,
    kind: str | None = None,
) -> list[bytes]:
    """The same of a store, from what it published.

    Raises
    ------
    InputError
        When there is no such type.
    StoreError
        When the folder is no store, or was made with another configuration.
    """
    _check_type(kind)
    with StoreReader(folder) as reader:
        reader.check_settings(config)
        reader.check_log()
        instant_ms = bound.time_ms
        if instant_ms is None:
            # Only the groups of the store count; an empty one has none.
            groups = reader.plans() or None
            instant_ms = bound.instant(calendars_of(config, groups), "close")
        assert instant_ms is not None, "a view is of an instant, not of offsets"
        end = first_above(config, folder / LOG_FILE, reader.checkpoint.log_records, instant_ms)
        facts: dict[str, bytes] = {}
        for topic in _topics(kind):
            for line in reader.tail(topic, symbol):
                event = orjson.loads(line)
                if event["seq"] // OUTPUTS_PER_RECORD >= end:
                    continue
                set_version(facts, event["id"], line if event["op"] == "upsert" else None)
    return [facts[each] for each in sorted(facts)]


def first_above(config: Config, log: Path, records: int, instant_ms: int) -> int:
    """Offset of the first record of a store's log that raised the watermark above an instant.

    Every record of a store's log was accepted, so its own time decides; the bar that a cancel takes
    away came before it.
    """
    router = Router(config)
    decode = RecordDecoder().decode
    with log.open("rb") as lines:
        for offset, line in enumerate(lines):
            if offset >= records:
                break
            record = decode(line)
            if event_time_ms(record, router) > instant_ms:
                return offset
    return records


def _topics(kind: str | None) -> list[str]:
    return [topic_of(each) for each in (EVENTS.facts if kind is None else (kind,))]


def _check_type(kind: str | None) -> None:
    if kind is not None and kind not in EVENTS.facts:
        raise InputError(f"--type {kind}: is none of {', '.join(EVENTS.facts)}")
