"""A type that is registered by one row passes through everything that knows types of events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from aiokafka import ConsumerRecord
from msgspec.structs import replace

from tapeline.replay.compare.events import ignorable_fields
from tapeline.replay.compare.recorded_files import RecordedFolder, RecordedStore
from tapeline.replay.compare.runs import ParityOptions, ParityReport, parity
from tapeline.replay.explain.chain import Chain
from tapeline.replay.explain.engine_view import engine_view
from tapeline.replay.explain.why import asked
from tapeline.replay.export import events_in
from tapeline.replay.pace.landmarks import Landmarks, landmarks
from tapeline.replay.results.release_messages import ReleaseWriter
from tapeline.replay.run import Replay
from tapeline.replay.sources.fingerprint import PartitionHashes
from tapeline.replay.sources.items import LogItem, Release
from tapeline.replay.sources.opening import Origin, source_of
from tapeline.replay.verify.causality import rewritings
from tapeline.schemas.codec import CodecError, EventDecoder, decode_event, encode
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.documents.json_schema import generated_files
from tapeline.schemas.documents.page import events_page
from tapeline.schemas.events import Event, Output, Retract, retracted
from tapeline.schemas.ids import ids_of
from tapeline.schemas.partition import partition_for
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import (
    DEFAULT_PREFIX,
    catalogue,
    input_log,
    output_topics,
    run_of,
    run_topics,
    topic_of,
)
from tapeline.streams.consuming.received import MessageReader, Removed, SymbolFilter, is_final
from tapeline.streams.core.correct.corrections import Change, in_order
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.outputs.messages import EventMessage
from tapeline.streams.outputs.run_folder import RunDirectory
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.pipeline.summary import RunSummary
from tapeline.streams.store.keeper import Keeper
from tapeline.streams.store.opened import OpenStore
from tapeline.streams.store.reading import StoreReader
from tapeline.streams.store.rebuild import rebuild
from tapeline.streams.worker.fold import Counts, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition
from tests.unit.schemas.toys import CONFIG, SYMBOL, TOY, TOYS, Toy, records, toy_engine
from tests.unit.streams.worker.log_records import chunk, raw_records

TOPIC = "tape.toys.v1"
LOG = records()
DECODE = EventDecoder(TOYS).decode


def published(step: float = 0.0) -> list[list[Output]]:
    """What each record of the log leads to."""

    def slot(group: str) -> GroupSlot:
        return GroupSlot(group, toy_engine(_engine(group), step))

    drive = Drive(Router(CONFIG, slot, registry=TOYS))
    return [drive.apply(record, offset).events for offset, record in enumerate(LOG)]


def _engine(group: str) -> GroupEngine:
    return GroupEngine(plan_group(CONFIG, group, TOYS))


def toys_of(events: list[list[Output]]) -> list[Any]:
    return [event for record in events for event in record if event.id.startswith(ids_of("toy"))]


def store(folder: Path, step: float = 0.0) -> Path:
    """A store of the log with its toys."""
    with OpenStore(folder, registry=TOYS) as opened:
        keeper = Keeper(CONFIG, opened)
        keeper.router.replace(SYMBOL, toy_engine(keeper.router.group_engine(SYMBOL), step))
        for record in LOG:
            keeper.take(record)
        keeper.commit(None)
    return folder


def test_its_lines_are_read_by_a_reader_that_knows_it_and_by_no_other() -> None:
    line = encode(TOY.example)
    assert DECODE(line) == TOY.example
    gone = retracted(TOY.example, 7, 1, 2, 3)
    assert DECODE(encode(gone)) == gone
    with pytest.raises(CodecError, match="'toy'"):
        decode_event(line)


def test_it_has_a_topic_in_the_catalogue_of_workers_and_of_runs() -> None:
    there = {topic.name: topic for topic in catalogue(registry=TOYS)}
    assert there[TOPIC].settings == there["tape.touches.v1"].settings
    assert output_topics(registry=TOYS) == (*output_topics(), TOPIC)
    [own] = [topic.name for topic in run_topics("a", registry=TOYS) if topic.type == "toy"]
    assert run_of(own, registry=TOYS) == "a"
    assert run_of(own) is None


def test_it_is_described_in_every_generated_document() -> None:
    files = generated_files(TOYS)
    schema = json.loads(files["toy.schema.json"])
    assert schema["properties"]["close"]["description"] == TOY.fields["close"]
    assert "toy" in json.loads(files["retract.schema.json"])["properties"]["type"]["enum"]
    asyncapi = json.loads(files["asyncapi.json"])
    assert asyncapi["channels"]["toy"]["address"] == TOPIC
    assert asyncapi["components"]["messages"]["toy"]["examples"]
    assert f"### `toy`\n\n{TOY.meaning} Topic `{TOPIC}`." in events_page(TOYS)
    assert generated_files().keys() | {"toy.schema.json"} == files.keys()


def test_corrections_publish_it_at_its_position() -> None:
    rows = {tag: Change(None, TOYS.row(tag).example) for tag in TOYS.facts}
    found = [change.fact for change in in_order(list(rows.values()), TOYS)]
    order = [str(fact.__struct_config__.tag) for fact in found]
    assert order == list(TOYS.published())
    assert order.index("gap") < order.index("toy") < order.index("range")


def test_a_run_writes_its_file_and_counts_it(tmp_path: Path) -> None:
    summary = RunSummary()
    with RunDirectory(tmp_path / "out", summary.add, TOYS) as directory:
        for events in published():
            directory.files.write(events)
        counts, hashes = directory.files.finish()
        directory.commit({OUTPUT_SHA256: hashes})
    toys = toys_of(published())
    assert counts[TOPIC] == len(toys) == len(LOG)
    assert summary.others == {"toy": len(toys)}
    assert events_in(tmp_path / "out", Toy, TOYS) == toys  # type: ignore[arg-type]
    change = Change(toys[0], None)
    summary.corrected([change])
    assert summary.others == {"toy": len(toys) - 1}
    assert summary.ids_changed["toy"].totals()["retracted"] == 1


def test_a_run_over_files_has_its_file_and_may_be_replaced_by_a_version_without_it(
    tmp_path: Path,
) -> None:
    book = _book(tmp_path)
    result = run_files(CONFIG, [book], tmp_path / "out", registry=TOYS)
    assert result.manifest["topics"][TOPIC] == 0
    assert (tmp_path / "out" / f"{TOPIC}.jsonl").read_bytes() == b""
    again = run_files(CONFIG, [book], tmp_path / "out")
    assert TOPIC not in again.manifest["topics"]
    assert not (tmp_path / "out" / f"{TOPIC}.jsonl").exists()


async def test_a_run_without_it_has_no_such_events(tmp_path: Path) -> None:
    run_files(CONFIG, [_book(tmp_path)], tmp_path / "before")
    run_files(CONFIG, [_book(tmp_path)], tmp_path / "after", registry=TOYS)
    assert events_in(tmp_path / "before", Toy, TOYS) == []  # type: ignore[arg-type]
    async with (
        RecordedFolder(tmp_path / "before", CONFIG, Brokers(""), TOYS) as before,
        RecordedFolder(tmp_path / "after", CONFIG, Brokers(""), TOYS) as after,
    ):
        report = await parity(before, after, CONFIG, ParityOptions(registry=TOYS))
    assert report.equal
    assert (report.types["toy"].a, report.types["toy"].b) == (0, 0)


def _book(folder: Path) -> Source:
    path = folder / "log.jsonl"
    path.write_bytes(b"".join(encode(record) + b"\n" for record in LOG))
    return Source(str(path), None)


def test_a_store_keeps_its_lines_and_its_view(tmp_path: Path) -> None:
    with StoreReader(store(tmp_path / "store"), TOYS) as reader:
        lines = list(reader.tail("toys"))
        facts = list(reader.view(SYMBOL, "toy"))
        assert set(facts) <= set(reader.view())
    toys = toys_of(published())
    assert [DECODE(line) for line in lines] == toys
    last = {toy.id: toy for toy in toys}
    assert [DECODE(line) for line in facts] == [last[each] for each in sorted(last)]


def test_a_rebuild_takes_back_what_the_final_bars_do_not_give(tmp_path: Path) -> None:
    store(tmp_path / "store")
    with OpenStore(tmp_path / "store", registry=TOYS) as opened:
        keeper = Keeper(CONFIG, opened)
        keeper.rebuilds[SYMBOL] = None
        # An engine of the shipped rules publishes no toys.
        assert rebuild(keeper, SYMBOL, lambda: None)
    with StoreReader(tmp_path / "store", TOYS) as reader:
        assert list(reader.view(SYMBOL, "toy")) == []
        last = [DECODE(line) for line in reader.tail("toy")][-len(LOG) // 5 :]
    assert {event.type for event in last if isinstance(event, Retract)} == {"toy"}


async def test_parity_compares_it(tmp_path: Path) -> None:
    async def compared(a: Path, b: Path) -> ParityReport:
        async with RecordedStore(a, CONFIG, TOYS) as one, RecordedStore(b, CONFIG, TOYS) as two:
            return await parity(one, two, CONFIG, ParityOptions(registry=TOYS))

    first, same = store(tmp_path / "a"), store(tmp_path / "b")
    report = await compared(first, same)
    assert report.equal
    assert report.types["toy"].equal == len(LOG)
    report = await compared(first, store(tmp_path / "c", step=1.0))
    assert {kind for kind, found in report.types.items() if not found.same} == {"toy"}
    assert report.types["toy"].fields == {"close": len(LOG)}
    assert "bars" in ignorable_fields(TOYS)


def test_causality_lets_it_grow_and_nothing_else() -> None:
    whole: list[list[Any]] = [list(events) for events in published()]
    assert list(rewritings(whole, TOYS)) == []
    grown = toys_of(published())[1]
    whole[1] = [replace(grown, session="2025-12-09")]
    [finding, _] = rewritings(whole, TOYS)
    assert (finding.type, finding.fields[0]) == ("toy", "session")


def test_a_worker_publishes_it_under_its_id(tmp_path: Path) -> None:
    partition = partition_for(SYMBOL, 4)
    fold = PartitionFold(CONFIG, input_log(), partition, 4, StoredPartition(), Counts(), TOYS)
    raw = raw_records(LOG)
    fold.fold(chunk(raw[:1]))
    state = fold.groups[SYMBOL]
    state.slot.engine = toy_engine(state.engine)
    found = fold.fold(chunk(raw[1:])).outputs[TOPIC]
    assert len(found) == len(LOG) - 1
    reader = MessageReader(TOYS)
    events: list[Any] = [reader.event(received(each)) for each in found]
    assert all(isinstance(event, Toy) for event in events)
    assert {dict(each.headers)["type"] for each in found} == {b"toy"}
    assert [is_final(event, TOYS) for event in events[:6]] == [False] * 4 + [True, False]
    assert SymbolFilter([SYMBOL], TOYS).passes(events[0])
    assert not SymbolFilter(["NQ"], TOYS).passes(events[0])
    gone = reader.event(received(found[0]._replace(value=None)))
    assert gone == Removed("toy", "toy|ACME|0", events[0].seq, 0, SYMBOL, 7)
    assert is_final(gone, TOYS)


def received(message: EventMessage) -> ConsumerRecord[bytes | None, bytes | None]:
    """A message as the client gives it."""
    headers = tuple(message.headers)
    return ConsumerRecord(TOPIC, 0, 1, 7, 0, message.key, message.value, None, 0, 0, headers)


async def test_a_replay_folds_with_it_and_it_may_be_a_landmark(tmp_path: Path) -> None:
    origin = Origin(files=(_book(tmp_path),))
    async with Replay(CONFIG, source_of(CONFIG, origin).source, registry=TOYS) as run:
        plans = [batch async for batch in run.batches()]
    assert plans
    assert [engine.plan.registry for engine in run.fold.engines().values()] == [TOYS]
    marked = EVENTS.with_(replace(TOY, landmark=True))
    assert "toy" in landmarks(marked)
    assert Landmarks(marked).among([TOY.example]) == ["toy"]
    assert Landmarks(TOYS).among([TOY.example]) == []


def test_a_replay_hashes_it_by_partition_and_sends_it_as_a_worker_does() -> None:
    item = LogItem(7, LOG[0], 0, 1, None)
    release = Release(item, [TOY.example], None, SYMBOL, 7, None)
    hashes = PartitionHashes(TOYS)
    hashes.add([release])
    assert list(hashes.digests()) == [f"{TOPIC}/0"]
    [(topic, message)] = ReleaseWriter("desk", TOYS).messages(release)
    assert (topic, message.value) == ("desk.toys.v1", encode(TOY.example))


def test_why_asks_for_it_and_names_nothing_behind_it() -> None:
    assert asked(CONFIG, "toy|ACME|0", TOYS) == ("toy", SYMBOL)
    plan = plan_group(CONFIG, SYMBOL, TOYS)
    facts: dict[str, Event] = {}
    assert Chain(plan, facts).causes(TOY.example) == []
    engine = GroupEngine(plan)
    for offset, record in enumerate(LOG):
        engine.apply(record, offset)
    assert engine_view(engine, "toy|ACME|0")[SYMBOL].keys() == {
        "watermark_ms",
        "bars",
        "last_bar_ms",
    }


def test_its_topic_is_named_with_any_prefix() -> None:
    assert topic_of("toy", "desk", TOYS) == "desk.toys.v1"
    assert topic_of("toy", DEFAULT_PREFIX, TOYS) == TOPIC
    assert orjson.loads(msgspec.json.encode(TOY.example))["type"] == "toy"
