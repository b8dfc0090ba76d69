"""`tapeline publish` on a broker: what goes in is what is read back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from tapeline.schemas.codec import decode_event
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.events import Reject
from tapeline.schemas.partition import partition_for
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.cli import main as cli
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import write_samples
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.connection import admin_client
from tapeline.streams.kafka.messages import Message
from tapeline.streams.kafka.publishing import PublishOptions, publish_files
from tests.kafka.broker import Broker
from tests.kafka.reading import read_topic
from tests.unit.streams.embedded.books import (
    CONFIGURATION,
    MINUTE_MS,
    OPEN_MS,
    acme,
    log_line,
    row,
    write,
)
from tests.unit.streams.kafka.inputs import messages

PARTITIONS = 3
YEAR_MS = 365 * 86_400_000


class Cluster:
    """Topics of one test, and what is published to them."""

    def __init__(self, broker: Broker, prefix: str, folder: Path) -> None:
        self.bootstrap = broker.bootstrap
        self.brokers = broker.brokers
        self.toml = (
            f'[kafka]\ntopic_prefix = "{prefix}"\npartitions = {PARTITIONS}\n{CONFIGURATION}'
        )
        self.config = read_config(self.toml, "test")
        self.log = input_log(prefix)
        self.rejects = topic_of("reject", prefix)
        self.file = folder / "tapeline.toml"
        self.file.write_text(self.toml, "utf-8")

    async def publish(self, *sources: Source, **options: Any) -> Any:
        return await publish_files(self.config, self.brokers, sources, PublishOptions(**options))

    def sent(self, *sources: Source) -> list[list[Message]]:
        """What each partition must hold after a publication."""
        sent = messages(*sources, toml=self.toml, partitions=PARTITIONS)
        return [[each for each in sent if each.partition == number] for number in range(PARTITIONS)]

    async def read(self) -> list[list[Any]]:
        return await read_topic(self.bootstrap, self.log)

    def command(self, *arguments: str) -> list[str]:
        return ["publish", *arguments, "--config", str(self.file), "--bootstrap", self.bootstrap]


@pytest.fixture
async def cluster(broker: Broker, topic_prefix: str, tmp_path: Path) -> Cluster:
    made = Cluster(broker, topic_prefix, tmp_path)
    await create_topics(made.config.kafka, made.brokers)
    return made


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, ...]:
    """Two whole books and one with holes, of the days before a year ago."""
    folder = tmp_path_factory.mktemp("books")
    write_samples(folder, sessions=4)
    return (
        Source(str(folder / "es-holes.csv"), "ES"),
        Source(str(folder / "nq.csv"), "NQ"),
        Source(str(folder / "acme.csv"), "ACME"),
    )


def same(found: list[list[Any]], sent: list[list[Message]]) -> bool:
    """Whether the topic holds the messages, and nothing else, in their order."""
    return [
        [(record.key, record.value, record.timestamp, record.timestamp_type) for record in records]
        for records in found
    ] == [[(each.key, each.value, each.time_ms, 0) for each in part] for part in sent]


async def test_books_lie_in_the_log_as_they_were_sent_partition_by_partition(
    cluster: Cluster, books: tuple[Source, ...]
) -> None:
    result = await cluster.publish(*books)
    found, sent = await cluster.read(), cluster.sent(*books)
    assert same(found, sent)
    assert result.rows == result.published["bar"]
    assert result.published["added_clock"] > 0
    assert sum(result.published.values()) == sum(map(len, found))
    group = found[partition_for("ES-NQ", PARTITIONS)]
    assert {record.key for record in group} >= {b"ES", b"NQ"}


async def test_a_record_is_found_by_the_time_its_bar_ended(
    cluster: Cluster, books: tuple[Source, ...]
) -> None:
    await cluster.publish(*books)
    number = partition_for("ES-NQ", PARTITIONS)
    tp = TopicPartition(cluster.log, number)
    sent = cluster.sent(*books)[number]
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap)
    await consumer.start()
    try:
        for index in (0, len(sent) // 3, len(sent) - 1):
            wanted = sent[index].time_ms
            found = (await consumer.offsets_for_times({tp: wanted}))[tp]
            first = next(at for at, each in enumerate(sent) if each.time_ms >= wanted)
            assert (found.offset, found.timestamp) == (first, wanted)
    finally:
        await consumer.stop()


async def test_a_year_old_book_stays_while_retention_deletes_beside_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    year_ago = int(time.time() * 1_000) // MINUTE_MS * MINUTE_MS - YEAR_MS
    rows = [f"{year_ago + minute * MINUTE_MS},1,1,1,1,1" for minute in range(500)]
    book = Source(str(write(tmp_path / "old.csv", rows)), "OLD")
    forgetful = f"{cluster.log}.forgetful"
    async with admin_client(cluster.brokers) as admin:
        await admin.create_topics([NewTopic(forgetful, 1, 1)])
    await cluster.publish(book)
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        await producer.send_and_wait(forgetful, b"old", partition=0, timestamp_ms=year_ago)
    await until_deleted(cluster.bootstrap, TopicPartition(forgetful, 0))
    assert same(await cluster.read(), cluster.sent(book))


async def until_deleted(bootstrap: str, tp: TopicPartition) -> None:
    """The broker's retention has looked at all topics when the old record of this one is gone."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        async with asyncio.timeout(180):
            while (await consumer.beginning_offsets([tp]))[tp] == 0:
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()


async def test_a_bar_of_next_year_is_taken(cluster: Cluster, tmp_path: Path) -> None:
    next_year = int(time.time() * 1_000) // MINUTE_MS * MINUTE_MS + YEAR_MS
    book = Source(str(write(tmp_path / "new.csv", [f"{next_year},1,1,1,1,1"])), "NEW")
    await cluster.publish(book)
    assert same(await cluster.read(), cluster.sent(book))


async def test_a_log_lies_in_the_topic_line_by_line(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [log_line(0), "no json", log_line(5), log_line(2, "clock"), log_line(0, "cancel")]
    path.write_text("\n".join(lines) + "\n")
    result = await cluster.publish(Source(str(path)))
    found = await cluster.read()
    assert same(found, cluster.sent(Source(str(path))))
    own = found[partition_for("ACME", PARTITIONS)]
    assert [each.value.decode() for each in own if each.key] == [lines[0], *lines[2:]]
    assert result.published == {"bar": 2, "clock": 1, "cancel": 1, "unreadable": 1}


async def test_rows_that_cannot_pass_are_dead_letters_and_not_in_the_log(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = write(tmp_path / "acme.csv", [row(0), row(1, "10.001"), "odd", row(2)])
    result = await cluster.publish(Source(str(path), "ACME"))
    assert result.rejects == {"off_tick": 1, "schema_error": 1}
    assert result.rows == 4 == result.published["bar"] + sum(result.rejects.values())
    found = await read_topic(cluster.bootstrap, cluster.rejects)
    letters = [record for part in found for record in part]
    events = [decode_event(record.value) for record in letters]
    assert [(each.source, each.code) for each in events if isinstance(each, Reject)] == [
        (f"{path}:3", "off_tick"),
        (f"{path}:4", "schema_error"),
    ]
    assert [record.key.decode() for record in letters] == [each.id for each in events]
    assert {record.partition for record in letters} == {partition_for("ACME", PARTITIONS)}
    assert {record.timestamp_type for record in letters} == {1}


async def test_a_file_in_another_unit_leaves_the_topics_empty(
    cluster: Cluster, tmp_path: Path
) -> None:
    book = write(tmp_path / "s.csv", [row(each).replace("000,", ",", 1) for each in range(3)])
    with pytest.raises(InputError, match="give --time-unit s"):
        await cluster.publish(acme(book))
    assert await cluster.read() == [[]] * PARTITIONS
    assert await read_topic(cluster.bootstrap, cluster.rejects) == [[]] * PARTITIONS
    await cluster.publish(acme(book), time_unit="s")
    whole = write(tmp_path / "ms.csv", map(row, range(3)))
    assert same(await cluster.read(), cluster.sent(acme(whole)))


async def test_the_hour_that_comes_twice_lies_in_the_log_as_with_offsets(
    cluster: Cluster, tmp_path: Path
) -> None:
    header = "time,open,high,low,close,volume"
    hours = ["00:59", "01:00", "01:30", "01:00", "01:30", "02:00"]
    offsets = ["-04:00"] * 3 + ["-05:00"] * 3
    local, whole = (
        write(tmp_path / name, [f"2024-11-03T{each},1,1,1,1,1" for each in times], header)
        for name, times in (
            ("local.csv", hours),
            ("whole.csv", [f"{a}{b}" for a, b in zip(hours, offsets, strict=True)]),
        )
    )
    once = write(
        tmp_path / "once.csv", [f"2024-11-03T{each},1,1,1,1,1" for each in hours[:3]], header
    )
    source = Source(str(local), "COIN")
    await cluster.publish(source, zone="America/New_York")
    assert same(await cluster.read(), cluster.sent(Source(str(whole), "COIN")))
    await cluster.publish(source, zone="America/New_York", resume=True)
    assert same(await cluster.read(), cluster.sent(Source(str(whole), "COIN")))
    await cluster.publish(Source(str(once), "OTHER"), zone="America/New_York")
    letters = [
        decode_event(record.value)
        for part in await read_topic(cluster.bootstrap, cluster.rejects)
        for record in part
    ]
    assert [(each.code, each.source) for each in letters if isinstance(each, Reject)] == [
        ("ambiguous_time", f"{once}:3"),
        ("ambiguous_time", f"{once}:4"),
    ]


async def test_resuming_what_is_complete_sends_nothing(
    cluster: Cluster, books: tuple[Source, ...]
) -> None:
    first = await cluster.publish(*books)
    again = await cluster.publish(*books, resume=True)
    assert again.published == {}
    assert again.already_there == first.published
    assert same(await cluster.read(), cluster.sent(*books))


async def test_a_longer_file_goes_on_where_the_shorter_one_ended(
    cluster: Cluster, tmp_path: Path
) -> None:
    rows = [row(minute) for minute in range(20)]
    shorter = write(tmp_path / "a.csv", [*rows[:8], "odd"])
    await cluster.publish(Source(str(shorter), "ACME"))
    longer = Source(str(write(tmp_path / "a.csv", [*rows[:8], "odd", *rows[8:]])), "ACME")
    other = Source(str(write(tmp_path / "b.csv", rows)), "OTHER")
    result = await cluster.publish(longer, other, resume=True)
    assert result.already_there == {"bar": 8}
    assert result.published == {"bar": 12 + 20}
    own = messages(longer, toml=cluster.toml, partitions=PARTITIONS)
    found = [each for part in await cluster.read() for each in part if each.key == b"ACME"]
    assert [each.value for each in found] == [each.value for each in own]


async def test_a_file_goes_on_behind_what_another_producer_wrote_whatever_its_create_time(
    cluster: Cluster, tmp_path: Path
) -> None:
    rows = [row(minute) for minute in range(20)]
    (tp,) = {(each.partition, each.key) for each in messages(
        Source(str(write(tmp_path / "a.csv", rows)), "ACME"),
        toml=cluster.toml, partitions=PARTITIONS,
    )}  # fmt: skip
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        for minute in range(8):
            # Of the same bars other bytes than ours, stamped with the time of writing.
            bar = dict(reversed(json.loads(log_line(minute)).items()))
            await producer.send_and_wait(
                cluster.log, json.dumps(bar).encode(), partition=tp[0], key=tp[1]
            )
    book = Source(str(tmp_path / "a.csv"), "ACME")
    result = await cluster.publish(book, resume=True)
    assert result.already_there == {"bar": 7}
    assert result.published == {"bar": 13}


async def test_a_publication_that_is_killed_is_resumed_without_loss_or_repetition(
    cluster: Cluster, books: tuple[Source, ...]
) -> None:
    arguments = [f"--bars={source.symbol}={source.path}" for source in books]
    slow = [sys.executable, "-m", "tapeline", *cluster.command(*arguments, "--speed=30000")]
    with subprocess.Popen(slow, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as run:
        try:
            await until_there(cluster, 1_000)
        finally:
            run.send_signal(signal.SIGKILL)
    sent = cluster.sent(*books)
    there = sum(map(len, await cluster.read()))
    assert 1_000 <= there < sum(map(len, sent))
    result = await cluster.publish(*books, resume=True)
    assert sum(result.already_there.values()) == there
    assert by_symbol(await cluster.read()) == by_symbol(sent)


def by_symbol(found: list[list[Any]]) -> dict[bytes, list[bytes]]:
    """A cut falls between the symbols of a partition; the order of each one stays."""
    values: dict[bytes, list[bytes]] = {}
    for part in found:
        for each in part:
            values.setdefault(each.key, []).append(each.value)
    return values


async def until_there(cluster: Cluster, count: int) -> None:
    tps = [TopicPartition(cluster.log, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap)
    await consumer.start()
    try:
        async with asyncio.timeout(180):
            while sum((await consumer.end_offsets(tps)).values()) < count:
                await asyncio.sleep(0.05)
    finally:
        await consumer.stop()


async def test_a_paced_book_takes_its_time(cluster: Cluster, tmp_path: Path) -> None:
    book = Source(str(write(tmp_path / "a.csv", [row(minute) for minute in range(6)])), "ACME")
    began = time.monotonic()
    await cluster.publish(book, speed=600.0)
    # Five minutes between the first bar's end and the last one's.
    assert time.monotonic() - began >= 0.5
    assert same(await cluster.read(), cluster.sent(book))


def test_the_command_prints_what_it_did(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "acme.csv", [row(0), row(1), "odd", row(5)])
    command = cluster.command("--bars", f"ACME={path}")
    assert cli.main([*command, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["rows"] == 4
    assert data["published"] == {"added_clock": 1, "bar": 3}
    assert data["rejects"] == {"schema_error": 1}
    assert data["symbols"]["ACME"] == {
        "partition": partition_for("ACME", PARTITIONS),
        "published": 4,
        "last_ms": OPEN_MS + 6 * MINUTE_MS,
    }
    assert cli.main([*command, "--resume"]) == 0
    printed = capsys.readouterr().out
    assert "published nothing" in printed
    assert "already there: 1 added_clock, 3 bar" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no input"),
        (("missing.csv",), "missing.csv"),
        (("--speed", "fast", "a.csv"), "--speed fast"),
        (("--speed", "0", "a.csv"), "--speed 0"),
    ],
)
def test_what_cannot_be_published_is_a_usage_error(
    cluster: Cluster,
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(cluster.command(*arguments)) == 2
    assert message in capsys.readouterr().err


async def test_a_publication_beyond_the_limit_does_its_work_and_ends_with_1(
    cluster: Cluster, tmp_path: Path
) -> None:
    path = write(tmp_path / "acme.csv", [row(0), "odd", "odd", row(1, "10.001")])
    done = await asyncio.to_thread(
        subprocess.run,
        [
            sys.executable,
            "-m",
            "tapeline.streams.cli.main",
            *cluster.command("--bars", f"ACME={path}", "--max-rejects=70%", "--json"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["refused"]["code"] == "schema_error"
    assert done.stderr.splitlines()[-1].startswith(
        "tapeline: 3 of 4 rows (75.0 %) are refused, more than 70% (--max-rejects); 2 of them"
        " schema_error: mend the rows"
    )
    assert [each.value for part in await cluster.read() for each in part] == [
        each.value for part in cluster.sent(acme(path)) for each in part
    ]


def test_without_topics_the_command_prints_how_to_make_them(
    broker: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unmade = Cluster(broker, topic_prefix, tmp_path)
    path = write(tmp_path / "acme.csv", [row(0)])
    assert cli.main(unmade.command("--bars", f"ACME={path}")) == 2
    message = capsys.readouterr().err
    assert unmade.log in message
    assert "tapeline topics create" in message
