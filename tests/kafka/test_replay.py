"""A replay of a topic publishes what the worker did, in any stretch, fetch size and start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from tapeline.replay.bounds import Bound, parse_bound
from tapeline.replay.fold import Selection, selected
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.corrected import CorrectedSource
from tapeline.replay.sources.items import Extent
from tapeline.replay.sources.protocol import LogMissingError
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.topics import input_log, snapshot_topic, topic_of
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.kafka.connection import admin_client
from tapeline.streams.kafka.snapshots import label_of
from tests.kafka.broker import Broker
from tests.kafka.expectation import FACTS
from tests.kafka.recording import (
    FETCH,
    PAIR,
    TSLA,
    Outputs,
    Recording,
    assert_equal,
    between,
    crossing,
    logs,
    outputs_of,
    prepare,
    record,
    recorded,
    replayed,
    starts_of,
)
from tests.kafka.test_reading import tapeline
from tests.kafka.worker_process import WorkerProcess, append, configuration, read, until_committed

KILLS = 4


@pytest.mark.parametrize("fetch_records", [1, 10, FETCH])
async def test_the_replay_of_a_log_is_what_the_worker_published_of_it(
    recording: Recording, fetch_records: int
) -> None:
    found, run = await outputs_of(recording, fetch_records=fetch_records)
    assert_equal(found, recording.outputs)
    assert run.released == sum(recording.lengths)


async def test_what_a_worker_published_that_was_killed_on_the_way_is_what_its_replay_publishes(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    disturbed = await record(config, tmp_path, KILLS)
    found, _ = await outputs_of(disturbed)
    assert_equal(found, disturbed.outputs)


@pytest.mark.parametrize("snapshots", [True, False], ids=["snapshots", "log start"])
@pytest.mark.parametrize(
    ("start", "stop"),
    [
        ("2025-11-25", "2025-11-26"),
        ("2025-11-24", "2025-11-24"),
        ("2025-11-25T14:31:30Z", "2025-11-25T18:00:00Z"),
        ("2025-11-26", None),
        (None, "2025-11-24T15:00:00Z"),
        ("2026-01-01T00:00:00Z", None),
    ],
)
async def test_a_stretch_is_what_the_worker_published_of_its_records(
    recording: Recording, start: str | None, stop: str | None, snapshots: bool
) -> None:
    options = ReplayOptions(
        start=None if start is None else parse_bound("--from", start),
        stop=None if stop is None else parse_bound("--to", stop),
        snapshots=snapshots,
    )
    found, run = await outputs_of(recording, options)
    starts = [0 if run.from_ms is None else crossing(log, run.from_ms) for log in recording.logs]
    stops = [len(log) if run.to_ms is None else crossing(log, run.to_ms) for log in recording.logs]
    assert_equal(found, between(recording.outputs, starts, stops))
    kinds = {state["kind"] for state in run.start_states.values()}
    assert ("snapshot" in kinds) == (snapshots and any(starts))


async def test_every_group_that_had_a_watermark_before_the_start_begins_with_its_snapshot(
    recording: Recording,
) -> None:
    options = ReplayOptions(start=parse_bound("--from", "2025-11-26T12:00:00Z"))
    _, run = await outputs_of(recording, options)
    kinds = {name: state["kind"] for name, state in run.start_states.items()}
    assert kinds == dict.fromkeys(("ES-NQ", "SOL", "ACME", "BTC", "TSLA"), "snapshot")
    assert run.start_states["ES-NQ"]["session"] == "2025-11-25"


@pytest.mark.parametrize("snapshots", [True, False], ids=["snapshots", "log start"])
@pytest.mark.parametrize("start", [None, "2025-11-25T14:31:30Z"])
async def test_groups_and_symbols_can_be_selected(
    recording: Recording, start: str | None, snapshots: bool
) -> None:
    bound = None if start is None else parse_bound("--from", start)
    config = recording.config
    _, run = await outputs_of(recording, ReplayOptions(start=bound))
    due = between(recording.outputs, starts_of(run), recording.lengths)
    for symbols, groups, wanted in (
        (["BTC"], [], {b"BTC": None}),
        ([], ["ES-NQ", "TSLA"], {b"ES-NQ": None, b"TSLA": None}),
        (["NQ", "TSLA"], [], {b"ES-NQ": {"NQ", "ES-NQ"}, b"TSLA": None}),
    ):
        options = ReplayOptions(
            start=bound, selection=selected(config, symbols, groups), snapshots=snapshots
        )
        found, _ = await outputs_of(recording, options)
        facts = {part: each for part, each in found.items() if part[0] != "reject"}
        assert_equal(facts, _of_groups(due, wanted))


async def test_four_processes_that_share_the_groups_publish_together_what_one_publishes(
    recording: Recording,
) -> None:
    together: Outputs = {}
    for number in range(4):
        options = ReplayOptions(selection=Selection(share=(number, 4)))
        found, _ = await outputs_of(recording, options)
        for part, messages in found.items():
            together.setdefault(part, []).extend(messages)
    for messages in together.values():
        messages.sort(key=lambda each: (each.offset, dict(each.headers).get("seq", b"")))
    assert_equal(together, recording.outputs)


async def test_a_warm_up_is_muted_and_what_does_not_depend_on_earlier_days_is_equal(
    recording: Recording,
) -> None:
    options = ReplayOptions(
        start=parse_bound("--from", "2025-11-26"),
        selection=selected(recording.config, [], ["ES-NQ"]),
        snapshots=False,
        warmup_sessions=1,
    )
    found, run = await outputs_of(recording, options)
    start = crossing(recording.logs[PAIR], run.from_ms or 0)
    assert starts_of(run) == [start]
    due = between(
        {part: each for part, each in recording.outputs.items() if part[1] == PAIR},
        [start],
        recording.lengths,
    )
    bars = ("derived_bar", PAIR)
    assert found[bars] == _of_groups({bars: due[bars]}, {b"ES-NQ": None})[bars]
    [state] = run.start_states.values()
    assert state["kind"] == "warm-up"
    assert 0 < run.read_from[PAIR] < start


async def test_as_corrected_is_what_an_embedded_run_as_corrected_publishes_of_each_partition(
    recording: Recording, tmp_path: Path
) -> None:
    found, run = await outputs_of(recording, ReplayOptions(as_corrected=True))
    for partition, log in enumerate(recording.logs):
        folder = tmp_path / str(partition)
        folder.mkdir()
        lines = [each if isinstance(each, bytes) else encode(each) for each in log]
        # What lies in a wrong partition is right in a file.
        lines = [line for line in lines if partition == PAIR or b'"ES"' not in line]
        path = folder / "log.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        run_files(recording.config, [Source(str(path))], folder / "out", as_corrected=True)
        for kind in FACTS:
            printed = [each.value for each in found.get((kind, partition), [])]
            written = (folder / "out" / f"{topic_of(kind)}.jsonl").read_bytes().splitlines()
            assert printed == written, (kind, partition)
    assert run.rejects["wrong_partition"] == 1


async def test_a_log_that_lost_its_beginning_is_refused_unless_snapshots_replace_it(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    recording = await record(await prepare(broker.bootstrap, topic_prefix), tmp_path, sessions=3)
    begin = parse_bound("--from", "2025-11-26T00:30:00Z")
    _, whole = await outputs_of(recording, ReplayOptions(start=begin))
    lost = whole.read_from[PAIR]
    await truncate(recording, PAIR, lost)
    found, run = await outputs_of(recording, ReplayOptions(start=begin))
    due = between(recording.outputs, starts_of(whole), recording.lengths)
    assert_equal(found, due)
    assert run.read_from == whole.read_from
    with pytest.raises(LogMissingError, match=f"begins at offset {lost}.*from 0 to {lost - 1}"):
        await outputs_of(recording)
    with pytest.raises(LogMissingError, match="--warmup-sessions"):
        await outputs_of(recording, ReplayOptions(start=begin, snapshots=False))
    await truncate(recording, PAIR, lost + 10)
    with pytest.raises(LogMissingError, match=f"from offset {lost} on, .* begins at {lost + 10}"):
        await outputs_of(recording, ReplayOptions(start=begin))
    with pytest.raises(LogMissingError, match=f"begins at {lost + 10}"):
        await outputs_of(recording, ReplayOptions(start=Bound(offsets={PAIR: 5})))


async def test_where_snapshots_are_gone_the_log_is_read_and_output_and_manifest_show_why(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    recording = await record(await prepare(broker.bootstrap, topic_prefix), tmp_path, sessions=3)
    settings = ("--config", str(recording.folder / "tapeline.toml"))
    stretch = ("--from", "2025-11-25", "--to", "2025-11-25", "--out")
    done = tapeline(tmp_path, "replay", *stretch, "before", *settings)
    assert done.returncode == 0, done.stderr
    before = orjson.loads((tmp_path / "before" / "manifest.json").read_bytes())
    assert {each["kind"] for each in before["start_state"].values()} == {"snapshot"}
    assert before["notes"] == []
    await _bury(recording, "ES-NQ", older_than="2025-11-25")
    done = tapeline(tmp_path, "replay", *stretch, "after", *settings)
    assert done.returncode == 0, done.stderr
    after = orjson.loads((tmp_path / "after" / "manifest.json").read_bytes())
    state = after["start_state"][f"partition {PAIR}"]
    assert state == {"kind": "log start", "offset": 0, "lacking": "ES-NQ", "oldest": "2025-11-25"}
    assert {name for name, each in after["start_state"].items() if each != state} == {
        name for name in before["start_state"] if name not in ("ES-NQ", "SOL")
    }
    [note] = after["notes"]
    assert f"partition {PAIR}: no snapshots were used, group ES-NQ has none so far back" in note
    assert "its oldest one is of session 2025-11-25" in " ".join(done.stdout.decode().split())
    assert after["output_sha256"] == before["output_sha256"]
    # What was read instead of the snapshots is no part of the input.
    again = tapeline(tmp_path, "replay", "--manifest", "before", *settings)
    assert note.encode() in again.stdout
    assert again.stdout.splitlines()[-1].startswith(b"Equal"), again


async def _bury(recording: Recording, group: str, older_than: str) -> None:
    """Tombstones for the snapshots of a group of sessions before a date."""
    kafka = recording.config.kafka
    topic = snapshot_topic(kafka.topic_prefix)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    buried = 0
    for message in await read(kafka.bootstrap, topic, PAIR):
        label = label_of(message.key, dict(message.headers))
        # Admitted symbols lie in the topic, too: they are of no group.
        if label is not None and label.group == group and label.session < older_than:
            await producer.send_and_wait(topic, None, message.key, PAIR)
            buried += 1
    await producer.stop()
    assert buried > 1


async def test_a_run_as_corrected_is_repeated_over_as_much_of_the_log_as_it_read(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    log = logs(1)
    for partition, records in enumerate(log):
        await append(config, partition, records[:300])
    settings = tmp_path / "tapeline.toml"
    settings.write_text(configuration(config))
    mode = ("--as-corrected", "--symbols", "ES", "--config", str(settings))
    done = tapeline(tmp_path, "replay", *mode, "--out", "final")
    assert done.returncode == 0, done.stderr
    spans = orjson.loads((tmp_path / "final" / "manifest.json").read_bytes())["source"]
    assert {each: (span["begin"], span["end"]) for each, span in spans["partitions"].items()} == {
        str(PAIR): (0, 300)
    }
    for partition, records in enumerate(log):
        await append(config, partition, records[300:330])
    again = tapeline(tmp_path, "replay", "--manifest", "final", "--config", str(settings))
    assert again.stdout.startswith(b"Equal"), again
    source = TopicSource(broker.brokers, topic_prefix)
    async with Replay(config, source, ReplayOptions(as_corrected=True)) as run:
        # What came meanwhile is in a new replay.
        assert isinstance(run.source, CorrectedSource)
        assert run.source.log[PAIR] == Extent(0, 330)
    # Partitions of others are not read, and may lack what they like.
    recording = Recording(config, log, {}, tmp_path)
    await truncate(recording, TSLA, 20)
    lines = (tmp_path / "final" / f"{topic_of('derived_bar')}.jsonl").read_bytes().splitlines()
    asked = ("why", orjson.loads(lines[0])["id"], "final", "--config", str(settings))
    why = tapeline(tmp_path, *asked)
    assert why.returncode == 0, why.stderr
    # Another log of that name ends elsewhere.
    spans["partitions"][str(PAIR)]["end"] = 331
    manifest = orjson.loads((tmp_path / "final" / "manifest.json").read_bytes())
    (tmp_path / "final" / "manifest.json").write_bytes(orjson.dumps({**manifest, "source": spans}))
    other = tapeline(tmp_path, "replay", "--manifest", "final", "--config", str(settings))
    assert other.returncode != 0
    assert b"the log ends at offset 330, that of the manifest at 331" in other.stderr
    await truncate(recording, PAIR, 20)
    cut = tapeline(tmp_path, "replay", *mode, "--out", "cut")
    assert cut.returncode != 0
    assert b"the log begins at offset 20; as corrected, the records from 0 to 19" in cut.stderr


async def truncate(recording: Recording, partition: int, begin: int) -> None:
    """Delete the records of a partition of the log below an offset."""
    kafka = recording.config.kafka
    part = TopicPartition(input_log(kafka.topic_prefix), partition)
    async with admin_client(kafka.brokers) as admin:
        await admin.delete_records({part: RecordsToDelete(begin)})


async def test_a_replay_beside_a_live_worker_changes_none_of_its_groups_and_offsets(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    log = logs(1)
    await append(config, TSLA, log[TSLA])
    with WorkerProcess(config, tmp_path) as worker:
        await until_committed(config, [len(log[each]) if each == TSLA else 0 for each in range(3)])
        before = await groups_and_offsets(config)
        source = TopicSource(broker.brokers, topic_prefix)
        async with Replay(config, source, ReplayOptions()) as run:
            found = await replayed(run)
        assert await groups_and_offsets(config) == before
        assert worker.drain() == 0
    assert_equal(found, await recorded(config))


async def groups_and_offsets(config: Config) -> dict[str, tuple[str, dict[Any, Any]]]:
    """All groups of the cluster with their offsets; state and members of this test's own alone.

    Members of others end by themselves meanwhile: sessions of workers that were killed run out.
    """
    found = {}
    async with admin_client(config.kafka.brokers) as admin:
        for name in sorted(each[0] for each in await admin.list_consumer_groups()):
            own = name.startswith(f"{config.kafka.topic_prefix}-")
            described = str(await admin.describe_consumer_groups([name])) if own else ""
            found[name] = (described, await admin.list_consumer_group_offsets(name))
    assert any(described for described, _ in found.values())
    return found


def test_a_run_is_repeated_from_its_manifest_and_one_that_comes_out_otherwise_is_named(
    recording: Recording, tmp_path: Path
) -> None:
    out, settings = tmp_path / "out", ("--config", str(recording.folder / "tapeline.toml"))
    stretch = ("--from", "2025-11-25", "--to", "2025-11-25", "--symbols", "ES,BTC")
    done = tapeline(tmp_path, "replay", *stretch, "--out", str(out), *settings)
    assert done.returncode == 0, done.stderr
    manifest = orjson.loads((out / "manifest.json").read_bytes())
    assert manifest["source"]["kind"] == "topic"
    assert {each["kind"] for each in manifest["start_state"].values()} == {"snapshot"}
    again = tapeline(tmp_path, "replay", "--manifest", str(out), *settings)
    assert (again.returncode, again.stderr) == (0, b"")
    assert again.stdout.startswith(b"Equal")
    manifest["output_sha256"]["tape.touches.v1"] = "0" * 64
    (out / "manifest.json").write_bytes(orjson.dumps(manifest))
    other = tapeline(tmp_path, "replay", "--manifest", str(out), *settings)
    assert other.returncode == 1
    assert b"output_sha256 tape.touches.v1" in other.stdout


def _of_groups(outputs: Outputs, wanted: Mapping[bytes, set[str] | None]) -> Outputs:
    """Events of groups, or of symbols in them."""
    found: Outputs = {}
    for part, messages in outputs.items():
        if part[0] == "reject":
            continue
        for each in messages:
            group = dict(each.headers)["group"]
            names = wanted.get(group, set())
            if names is None or each.key.decode().split("|")[1] in names:
                found.setdefault(part, []).append(each)
    return found
