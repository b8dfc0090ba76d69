"""A type of events and its rule, registered by rows, pass through every driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from tapeline.replay.bounds import Bound
from tapeline.replay.explain.why import why
from tapeline.replay.options import ReplayOptions
from tapeline.replay.run import Replay
from tapeline.replay.sources.opening import Origin, source_of
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.event_types import EventType
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.records import Bar, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import input_log
from tapeline.streams.calendars import load_calendar
from tapeline.streams.cli.show.run import print_summary, summary_data
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.outputs.terminal import plain_console
from tapeline.streams.store.from_log import make_again
from tapeline.streams.store.layout import StoreError
from tapeline.streams.store.reading import StoreReader
from tapeline.streams.store.run import StoreOptions, run_into_store
from tapeline.streams.worker.fold import Counts, FoldStep, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition, batches, read_partition
from tests.contract.toys import REGISTRY, SessionVwap, SpanHighs
from tests.unit.replay.memory_source import MemorySource
from tests.unit.streams.worker.log_records import chunk, raw_records

CONFIG = read_config('[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n', "test")
RULES = {"session_vwap": SessionVwap, "span_high": SpanHighs}
TOPICS = ("tape.vwap.v1", "tape.span_highs.v1")


def with_rule(name: str) -> EventType:
    """The row of a toy, with its rule."""
    return replace(REGISTRY.row(name), tracker=RULES[name])


OWN = EVENTS.with_(with_rule("session_vwap")).with_(with_rule("span_high"))


def records() -> list[LogRecord]:
    """Two sessions of bars, of which one comes late and one is changed."""
    book = sample_book("ACME", load_calendar("XNYS"), "2025-12-08", 2, 3, 12_500, 0.01)
    bars: list[LogRecord] = [each for each in book if isinstance(each, Bar)]
    late = bars.pop(100)
    first = bars[40]
    assert isinstance(first, Bar)
    changed = replace(first, high=first.high + 5)
    return [*bars[:200], late, *bars[200:420], changed, *bars[420:]]


LOG = records()


def lines_of(records: list[LogRecord]) -> bytes:
    return b"".join(encode(record) + b"\n" for record in records)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the log, and the log itself."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "log.jsonl").write_bytes(lines_of(LOG))
    result = run_files(
        CONFIG, [Source(str(folder / "log.jsonl"), None)], folder / "out", registry=OWN
    )
    assert result.summary.others.keys() >= RULES.keys()
    return folder


def written(run: Path) -> dict[str, list[bytes]]:
    """Lines of the toys' topics."""
    return {name: (run / "out" / f"{name}.jsonl").read_bytes().splitlines() for name in TOPICS}


def test_a_run_writes_what_the_rules_publish_and_corrects_it(run: Path) -> None:
    for lines in written(run).values():
        events = [orjson.loads(line) for line in lines]
        assert len(events) > 20
        assert any(event["rev"] for event in events)
        assert any(event["corrects"] is not None for event in events)


def test_the_summary_counts_events_of_types_that_it_has_no_line_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").write_bytes(lines_of(LOG[:40]))
    source = Source(str(tmp_path / "log.jsonl"), None)
    result = run_files(CONFIG, [source], tmp_path / "out", registry=OWN)
    counts = {name: result.manifest["topics"][f"tape.{OWN.row(name).topic}"] for name in RULES}
    assert min(counts.values()) > 3
    assert summary_data(result)["others"].items() >= counts.items()
    print_summary(plain_console(), result)
    printed = capsys.readouterr().out.splitlines()
    assert set(printed) >= {f"{name}: {count} events" for name, count in counts.items()}


def test_the_shipped_types_are_as_without_them(run: Path, tmp_path: Path) -> None:
    run_files(CONFIG, [Source(str(run / "log.jsonl"), None)], tmp_path / "out")
    for path in sorted((tmp_path / "out").glob("tape.*.jsonl")):
        own = [_without_seq(line) for line in (run / "out" / path.name).read_bytes().splitlines()]
        assert own == [_without_seq(line) for line in path.read_bytes().splitlines()]


def _without_seq(line: bytes) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(line)
    event.pop("seq", None)
    return event


def test_a_store_goes_on_with_them_in_a_later_run_and_from_its_log(
    run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    for number, part in enumerate((LOG[:300], LOG[300:])):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(lines_of(part))
        run_into_store(CONFIG, [Source(str(path), None)], folder, StoreOptions(), registry=OWN)
    assert stored(folder) == written(run)
    view = facts(folder)
    assert view
    make_again(CONFIG, folder, registry=OWN)
    assert stored(folder) == written(run)
    assert facts(folder) == view
    with pytest.raises(StoreError, match=r"tape\.span_highs\.v1, tape\.vwap\.v1, which this"):
        StoreReader(folder)


def stored(folder: Path) -> dict[str, list[bytes]]:
    with StoreReader(folder, OWN) as reader:
        reader.check_settings(CONFIG)
        return {name: list(reader.tail(name)) for name in TOPICS}


def facts(folder: Path) -> list[bytes]:
    with StoreReader(folder, OWN) as reader:
        return [line for kind in RULES for line in reader.view("ACME", kind)]


def test_a_worker_goes_on_with_them_after_a_restart(run: Path) -> None:
    raw = raw_records(LOG)
    table: dict[bytes, bytes] = {}
    found: dict[str, list[bytes]] = {name: [] for name in TOPICS}
    for first in range(0, len(raw), 150):
        stored = read_partition(table.items())
        fold = PartitionFold(CONFIG, input_log(), 0, 1, stored, Counts(), OWN)
        step = fold.fold(chunk(raw[first : first + 150]))
        for name in TOPICS:
            found[name] += [each.value for each in step.outputs.get(name, ()) if each.value]
        table.update(_state(step))
    upserts = {
        name: [line for line in lines if b'"op":"retract"' not in line]
        for name, lines in written(run).items()
    }
    assert found == upserts


def _state(step: FoldStep) -> list[tuple[bytes, bytes]]:
    written = batches(step.state.changes(), step.checkpoint(), 1 << 24)
    return [pair for batch in written for pair in batch]


async def test_a_replay_releases_them_as_the_run_wrote_them(run: Path) -> None:
    source = source_of(CONFIG, Origin(files=(Source(str(run / "log.jsonl"), None),))).source
    found: dict[str, list[bytes]] = {name: [] for name in TOPICS}
    topics = {kind: f"tape.{OWN.row(kind).topic}" for kind in RULES}
    async with Replay(CONFIG, source, registry=OWN) as replay:
        async for batch in replay.batches():
            for release in batch:
                for event in release.events:
                    kind = event.id.partition("|")[0]
                    if kind in RULES:
                        found[topics[kind]].append(encode(event))
    assert found == written(run)


async def test_a_replay_begins_with_their_state_in_a_snapshot(run: Path) -> None:
    raw = raw_records(LOG)
    fold = PartitionFold(CONFIG, input_log(), 0, 1, StoredPartition(), Counts(), OWN)
    source = MemorySource({0: raw}, {0: fold.fold(chunk(raw)).outputs}, 1)
    start = 430
    options = ReplayOptions(start=Bound(offsets={0: start}))
    async with Replay(CONFIG, source, options, registry=OWN) as replay:
        found = [
            encode(event)
            async for batch in replay.batches()
            for release in batch
            for event in release.events
        ]
    assert replay.start_states["ACME"]["kind"] == "snapshot"
    due = [line for lines in written(run).values() for line in lines if _record(line) >= start]
    assert due
    assert sorted(line for line in found if orjson.loads(line)["type"] in RULES) == sorted(due)


def _record(line: bytes) -> int:
    seq: int = orjson.loads(line)["seq"]
    return seq // OUTPUTS_PER_RECORD


async def test_why_names_the_records_that_published_a_fact_of_theirs(run: Path) -> None:
    def source() -> Any:
        return source_of(CONFIG, Origin(files=(Source(str(run / "log.jsonl"), None),))).source

    lines = written(run)["tape.span_highs.v1"]
    wanted = orjson.loads(lines[0])["id"]
    answer = await why(source, CONFIG, wanted, OWN)
    assert answer is not None
    seqs = [event["seq"] for event in map(orjson.loads, lines) if event["id"] == wanted]
    assert [version.seq for version in answer.versions] == seqs
