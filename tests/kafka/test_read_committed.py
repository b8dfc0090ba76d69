"""What a transactional producer leaves is read alike by all readers: records, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tapeline.replay import Replay
from tapeline.replay.sources.items import Extent
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Touch
from tapeline.schemas.records import LogRecord
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.consuming.subscription import Subscription
from tests.kafka.acme import acme_log, prepared
from tests.kafka.broker import Broker
from tests.kafka.expectation import FACTS, embedded_run
from tests.kafka.test_reading import tapeline
from tests.kafka.test_subscription import touch
from tests.kafka.test_worker_transactions import (
    BARS,
    LAYOUTS,
    in_transactions,
    send,
    transactional,
)
from tests.kafka.worker_process import append, configuration, read

Log = list[LogRecord | bytes]


def settings(config: Config, folder: Path) -> tuple[str, str]:
    path = folder / "tapeline.toml"
    path.write_text(configuration(config))
    return "--config", str(path)


def assert_is_embedded_run(config: Config, folder: Path, out: Path, log: Sequence[object]) -> None:
    expected = embedded_run(config, folder, log)  # type: ignore[arg-type]
    for kind in FACTS:
        lines = (out / f"{topic_of(kind)}.jsonl").read_bytes().splitlines()
        assert [json.loads(line)["seq"] for line in lines] == [each.seq for each in expected[kind]]
        assert [line for line in lines if b'"op":"retract"' not in line] == [
            each.value for each in expected[kind] if each.value is not None
        ]
    assert (out / f"{topic_of('reject')}.jsonl").read_bytes() == b""


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fetch_records", ["1", "20", "5000"])
async def test_a_replay_reads_what_was_committed(
    broker: Broker, topic_prefix: str, tmp_path: Path, layout: str, fetch_records: str
) -> None:
    config = await prepared(broker, topic_prefix)
    log = await in_transactions(config, LAYOUTS[layout])
    out = tmp_path / "out"
    command = ("replay", "--out", str(out), "--fetch-records", fetch_records)
    done = tapeline(tmp_path, *command, *settings(config, tmp_path))
    assert done.returncode == 0, done.stderr
    assert_is_embedded_run(config, tmp_path / "embedded", out, log)
    span = json.loads((out / "manifest.json").read_bytes())["source"]["partitions"]["0"]
    assert span["end"] == len(log)


async def test_a_replay_ends_where_a_transaction_is_open_and_one_that_follows_waits_for_it(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await append(config, 0, BARS[:100])
    async with transactional(config, "open") as producer:
        await producer.begin_transaction()
        await send(producer, config, BARS[100:110])
        # Written behind it, and as little to be read.
        await append(config, 0, BARS[110:120])
        out = tmp_path / "out"
        done = tapeline(tmp_path, "replay", "--out", str(out), *settings(config, tmp_path))
        assert done.returncode == 0, done.stderr
        assert_is_embedded_run(config, tmp_path / "embedded", out, BARS[:100])
        async with Replay.topic(config, follow=True) as run:
            assert run.source.extents == {0: Extent(0, 100)}
            offsets = []
            async for release in run.releases():
                offsets.append(release.item.offset)
                if release.item.offset == 99:
                    await producer.commit_transaction()
                if release.item.offset == 119:
                    break
            assert run.live.is_set()
    assert offsets == list(range(120))


async def test_a_fact_is_explained_and_shown_as_of_an_instant_over_aborted_records(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    log = await in_transactions(config, LAYOUTS["aborted batches across chunks"])
    expected = embedded_run(config, tmp_path / "embedded", log)
    wanted = settings(config, tmp_path)
    fact = expected["derived_bar"][-1]
    done = tapeline(tmp_path, "why", fact.key, *wanted, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["versions"][-1]["seq"] == fact.seq
    as_of = ("--as-of", "2025-11-25T18:00:00Z", "--type", "session", "--json")
    done = tapeline(tmp_path, "state", *as_of, *wanted)
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["state"] for line in done.stdout.splitlines()} == {"closed", "open"}
    done = tapeline(tmp_path, "topics", "describe", "--records", "50", "--json", *wanted)
    # The last fifty offsets end with a marker.
    assert json.loads(done.stdout)[0]["records"] == 49


async def test_two_runs_that_differ_are_compared_over_aborted_records(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    await in_transactions(config, LAYOUTS["aborted batches across chunks"])
    wanted = settings(config, tmp_path)
    for name in ("one", "other"):
        assert tapeline(tmp_path, "replay", "--out", name, *wanted).returncode == 0
    path = tmp_path / "other" / f"{topic_of('derived_bar')}.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[-1] = lines[-1].replace('"have":', '"have":9')
    path.write_text("".join(lines))
    done = tapeline(tmp_path, "parity", "one", "other", *wanted, "--json")
    assert done.returncode == 1, done.stderr
    around = json.loads(done.stdout)["around"]
    assert around["a"] == around["b"]
    # The log is one and the same: it parts nowhere.
    assert around["parted"] is None


@pytest.mark.parametrize("open_end", [False, True], ids=["aborted", "open"])
async def test_a_publication_goes_on_after_what_was_committed(
    broker: Broker, topic_prefix: str, tmp_path: Path, open_end: bool
) -> None:
    config = await prepared(broker, topic_prefix)
    lines = [encode(bar) + b"\n" for bar in BARS[:300]]
    (tmp_path / "begun.jsonl").write_bytes(b"".join(lines[:100]))
    (tmp_path / "acme.jsonl").write_bytes(b"".join(lines))
    assert tapeline(tmp_path, "publish", "begun.jsonl", *settings(config, tmp_path)).returncode == 0
    topic = input_log(topic_prefix)
    async with transactional(config, "feed") as producer:
        await producer.begin_transaction()
        for bar in BARS[100:130]:
            await producer.send(topic, encode(bar), key=b"ACME", partition=0)
        await producer.flush()
        if not open_end:
            await producer.abort_transaction()
        done = tapeline(tmp_path, "publish", "acme.jsonl", "--resume", *settings(config, tmp_path))
        assert done.returncode == 0, done.stderr
        if open_end:
            await producer.abort_transaction()
    values = [each.value for each in await read(broker.bootstrap, topic, 0)]
    assert values == [encode(bar) for bar in BARS[:300]]


async def publish(producer: AIOKafkaProducer, topic: str, *events: Touch) -> None:
    for event in events:
        headers = [
            ("type", b"touch"),
            ("seq", b"%d" % event.seq),
            ("rev", b"0"),
            ("group", b"ES"),
        ]
        await producer.send(
            topic,
            encode(event),
            key=event.id.encode(),
            partition=0,
            headers=headers,
            timestamp_ms=event.watermark_ms,
        )
    await producer.flush()


async def test_consumers_get_no_event_of_a_transaction_that_is_open_or_was_aborted(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = await prepared(broker, topic_prefix)
    topic = topic_of("touch", topic_prefix)
    async with transactional(config, "events") as producer:
        for number, committed in ((1, True), (9, False), (2, True)):
            await producer.begin_transaction()
            await publish(producer, topic, touch(number))
            await (producer.commit_transaction() if committed else producer.abort_transaction())
        await producer.begin_transaction()
        await publish(producer, topic, touch(3))
        async with Subscription(
            [topic], bootstrap=broker.bootstrap, since="beginning", follow=False
        ) as events:
            found = [event async for event in events]
            assert found == [touch(1), touch(2)]
            # Behind the last marker, where the open one begins.
            assert events.token.positions[f"{topic}/0"].seq == 2
        done = tapeline(tmp_path, "tail", "touches", *settings(config, tmp_path))
        assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2]
        async with Subscription([topic], bootstrap=broker.bootstrap, since="beginning") as events:
            assert [await anext(events), await anext(events)] == [touch(1), touch(2)]
            await producer.commit_transaction()
            assert await anext(events) == touch(3)
    assert len(await read(broker.bootstrap, topic, 0)) == 3


async def test_the_source_of_a_log_that_holds_nothing_but_markers_is_empty(
    broker: Broker, topic_prefix: str
) -> None:
    config = await prepared(broker, topic_prefix)
    await in_transactions(config, [(acme_log(1)[:5], False)])
    async with TopicSource(broker.brokers, topic_prefix) as source:
        assert [items async for items in source.read({0: 0})] == []
        assert source.extents == {0: Extent(0, 6)}
