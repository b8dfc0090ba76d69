"""The largest numbers that are taken: every driver gives the same view of them, and keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.schemas.topics import input_log, output_topics
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.kafka.snapshots import SnapshotHead, SnapshotPart, joined, snapshot_messages
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import Identity
from tapeline.streams.store.reading import StoreReader
from tapeline.streams.store.run import StoreOptions, run_into_store
from tapeline.streams.worker.fold import Counts, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition, batches, read_partition
from tests.unit.streams.worker.log_records import chunk, raw_records

FIRST_MS = 1_751_414_400_000
"""2025-07-02 00:00 UTC."""
MINUTE_MS = 60_000
DAY_MINUTES = 1_440
DAYS = 2
CHUNK = 500
ROOMY = 1 << 24
TEMPLATE = '[instruments.A]\ntick = {}\ncalendar = "24/7"\nranges = ["prior_session"]\n'
LARGEST_WHOLE = (1 << 63) - 1

View = dict[str, dict[str, Any]]


BOOKS = {
    "volumes whose sums exceed 64 bits": ("0.01", 1_000, 1, 100, LARGEST_WHOLE),
    "prices of 73 bits of ticks": ("0.0001", 10**18, 1 << 20, 1, 5),
    "the smallest tick": ("1e-12", 1_000_000, 1, 1_000, 0.5),
    "large volumes with fractions": ("0.01", 1_000, 1, 100, 1e290),
}
"""Tick; lowest price and step of prices in units, units of one; volume."""


def _records(lowest: int, step: int, units: int, volume: float) -> list[LogRecord]:
    """Days with every third minute, one bar changed, one late, and time until the next day."""
    found: list[LogRecord] = []
    for minute in range(0, DAYS * DAY_MINUTES, 3):
        lot = lowest + minute * 7 % 40 * step
        low, high = lot / units, (lot + step) / units
        start = FIRST_MS + minute * MINUTE_MS
        found.append(Bar("A", "1m", start, low, high, low, low, volume))
    first = found[100]
    assert isinstance(first, Bar)
    changed = msgspec.structs.replace(first, high=(lowest + 90 * step) / units)
    late = msgspec.structs.replace(first, start_ms=first.start_ms + MINUTE_MS)
    end = Clock("A", FIRST_MS + (DAYS + 1) * DAY_MINUTES * MINUTE_MS)
    return [*found, changed, late, end]


def _folded(lines: list[bytes]) -> View:
    """Facts by id, whatever they were delivered with."""
    found: View = {}
    for line in lines:
        event = json.loads(line)
        found.pop(event["id"], None)
        if event["op"] == "upsert":
            found[event["id"]] = {name: event[name] for name in event if name != "seq"}
    return found


def _of_run(config: Config, log: Path, folder: Path) -> View:
    run_files(config, [Source(str(log))], folder)
    files = [path for path in sorted(folder.glob("tape.*.jsonl")) if "rejects" not in path.name]
    return _folded([line for path in files for line in path.read_bytes().splitlines()])


def _of_store(config: Config, log: Path, folder: Path, step_rows: int) -> View:
    """The log in two halves: the state is read again in between."""
    lines = log.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    for number, part in enumerate((lines[:half], lines[half:])):
        path = log.with_name(f"part{number}.jsonl")
        path.write_bytes(b"".join(part))
        options = StoreOptions(step_rows=step_rows)
        run_into_store(config, [Source(str(path))], folder, options)
    with StoreReader(folder) as reader:
        return _folded(list(reader.view()))


def _of_worker(config: Config, records: list[LogRecord]) -> View:
    """Chunks, each folded by a worker that has just read the state of the one before."""
    raws = raw_records(records)
    table: dict[bytes, bytes] = {}
    published: dict[bytes, bytes | None] = {}
    for first in range(0, len(raws), CHUNK):
        stored = read_partition(table.items()) if table else StoredPartition()
        fold = PartitionFold(config, input_log(), 0, 1, stored, Counts())
        step = fold.fold(chunk(raws[first : first + CHUNK]))
        for batch in batches(step.state.changes(), step.checkpoint(), ROOMY):
            table.update(batch)
        for topic, messages in step.outputs.items():
            if topic in output_topics():
                # A message without a value takes its fact back.
                published.update((each.key, each.value) for each in messages)
    return _folded([value for value in published.values() if value is not None])


UNKNOWN = Identity("", None, None)


def _of_snapshots(config: Config, records: list[LogRecord]) -> View:
    """An engine that is taken down to the messages of a snapshot, and made again from them."""
    plan = plan_group(config, "A")
    engine = GroupEngine(plan)
    published: list[bytes] = []
    for offset, record in enumerate(records):
        if offset % CHUNK == CHUNK - 1:
            head = SnapshotHead("A", "2025-07-02", offset, UNKNOWN, 0, 0, 0, 0)
            messages = snapshot_messages(head, engine.snapshot(), 0, 64, 1_000)
            assert len(messages) > 1
            parts = [msgspec.json.decode(each.value or b"", type=SnapshotPart) for each in messages]
            restored = joined(parts)
            assert restored is not None
            engine = GroupEngine.restore(plan, restored)
        published += [encode(event) for event in engine.apply(record, offset).events]
    return _folded(published)


@pytest.mark.parametrize(
    ("tick", "lowest", "step", "units", "volume"), BOOKS.values(), ids=BOOKS.keys()
)
def test_every_driver_takes_the_largest_numbers_and_gives_the_same_view(
    tmp_path: Path, tick: str, lowest: int, step: int, units: int, volume: float
) -> None:
    config = read_config(TEMPLATE.format(tick), "test")
    records = _records(lowest, step, units, volume)
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(encode(record) + b"\n" for record in records))
    whole = _of_run(config, log, tmp_path / "run")
    assert len(whole) > 1_000
    assert _of_worker(config, records) == whole
    assert _of_snapshots(config, records) == whole
    assert _of_store(config, log, tmp_path / "S", 20_000) == whole
    assert _of_store(config, log, tmp_path / "T", 300) == whole
