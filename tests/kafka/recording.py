"""A log of several groups and partitions, and what a worker and a replay publish of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tapeline.replay.results.release_messages import ReleaseWriter
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.items import Release
from tapeline.replay.sources.topic import TopicSource
from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import topic_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.samples import (
    corrections,
    sample_book,
    with_duplicates,
    with_holes,
    with_late_bars,
)
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.worker_process import (
    WorkerProcess,
    append,
    configuration,
    read,
    until_committed,
    with_kafka,
)

PARTITIONS = 3
PAIR = partition_for("ES-NQ", PARTITIONS)
TSLA = partition_for("TSLA", PARTITIONS)
FIRST_DAY = "2025-11-24"
SESSIONS = 4
"""Of the futures; the last one has only begun."""
FETCH = 5_000
Log = list[LogRecord | bytes]


class Copy(NamedTuple):
    """One message of an output topic, all that a consumer can see of it.

    Attributes
    ----------
    time_ms
        CreateTime; None for dead letters, which carry the broker's time.
    """

    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    time_ms: int | None

    @property
    def offset(self) -> int:
        """Source offset of the record that caused it."""
        headers = dict(self.headers)
        if headers["type"] == b"reject":
            return int(self.key.rpartition(b"/")[2])
        return int(headers["seq"]) // 1_000_000


Part = tuple[str, int]
"""Type of events, partition."""
Outputs = dict[Part, list[Copy]]


class Recording(NamedTuple):
    """A log in the cluster and what a worker left of it, without what a crash repeated."""

    config: Config
    logs: list[Log]
    outputs: Outputs
    folder: Path

    @property
    def lengths(self) -> list[int]:
        """Records of each partition."""
        return [len(each) for each in self.logs]

    def source(self, fetch_records: int = FETCH) -> TopicSource:
        """The log, to be replayed."""
        kafka = self.config.kafka
        return TopicSource(kafka.brokers, kafka.topic_prefix, fetch_records)


def disturbed(bars: Sequence[Bar], seed: int) -> Log:
    """Bars with holes, late, repeated, changed and cancelled ones, and poison between them."""
    random = Random(seed)
    sent = with_late_bars(with_duplicates(with_holes(list(bars), seed), seed + 1), seed + 2)
    changed = iter(corrections(list(bars), seed + 3))
    found: Log = []
    for number, bar in enumerate(sent, 1):
        found.append(bar)
        if number > len(sent) // 2 and random.random() < 0.01:
            later = next(changed, None)
            if later is not None and later.start_ms < bar.start_ms:
                found.append(later)
        if number % 701 == 700:
            found.append(Cancel(bar.symbol, "1m", bar.start_ms))
        if number % 503 == 502:
            found.append(b"not json")
        if number % 607 == 606:
            found.append(encode(Clock("QQQQ-none", bar.start_ms)).replace(b"clock", b"clack"))
    return found


def alternating(first: Sequence[Any], second: Sequence[Any]) -> Log:
    """Two logs in one, record by record; what is longer comes last."""
    found: Log = []
    for number in range(max(len(first), len(second))):
        found += first[number : number + 1]
        found += second[number : number + 1]
    return found


def logs(sessions: int = SESSIONS) -> list[Log]:
    """By partition: ES and NQ with SOL; ACME with BTC; TSLA; each with records without a symbol."""
    futures, equities = load_calendar("CME_EQUITY"), load_calendar("XNYS")
    around = load_calendar("24/7")
    es = disturbed(list(sample_book("ES", futures, FIRST_DAY, sessions, 1))[:-600], 3)
    nq = disturbed(list(sample_book("NQ", futures, FIRST_DAY, sessions, 2, 96_000))[:-600], 13)
    sol = list(sample_book("SOL", around, FIRST_DAY, 2, 21, 900_000, 0.0001))
    acme = disturbed(list(sample_book("ACME", equities, FIRST_DAY, sessions, 31, 12_500, 0.01)), 33)
    btc = disturbed(list(sample_book("BTC", around, FIRST_DAY, 2, 41, 900_000, 0.0001)), 43)
    tsla = disturbed(list(sample_book("TSLA", around, FIRST_DAY, 1, 51, 300_000, 0.0001)), 53)
    stray = encode(Bar("ES", "1m", 1_763_000_000_000, 1.0, 1.0, 1.0, 1.0))
    close = max(each.start_ms for each in es if isinstance(each, Bar)) + 60_000
    pair = alternating(alternating(es, nq), sol)
    return [
        [*pair, Clock("ES", close), Clock("NQ", close + 60_000)],
        alternating(acme, btc),
        [*tsla[:300], stray, *tsla[300:]],
    ]


async def prepare(bootstrap: str, prefix: str, partitions: int = PARTITIONS) -> Config:
    """A configuration whose topics are there and empty."""
    base = with_kafka(built_in_config(), bootstrap, prefix, partitions)
    made = read_config(configuration(base), "test")
    await create_topics(made.kafka, made.kafka.brokers)
    return made


async def record(
    config: Config, folder: Path, kills: int = 0, sessions: int = SESSIONS
) -> Recording:
    """Publish the logs and let a worker publish its part, killed so many times on the way."""
    found = logs(sessions)
    for partition, log in enumerate(found):
        await append(config, partition, log)
    ends = [len(each) for each in found]
    worker = WorkerProcess(config, folder, ragged=kills > 0)
    try:
        worker.start()
        for number in range(kills):
            await until_committed(config, [end * (number + 1) // (kills + 2) for end in ends])
            worker.kill()
            await worker.start_until("loaded in")
        await until_committed(config, ends, [worker])
        assert worker.drain() == 0
    finally:
        worker.kill()
    return Recording(config, found, await recorded(config), folder)


async def recorded(config: Config, prefix: str | None = None) -> Outputs:
    """What lies in the output topics of a prefix, by default that of the worker."""
    kafka = config.kafka
    found: Outputs = {}
    for kind in EVENTS.folded:
        topic = topic_of(kind, prefix or kafka.topic_prefix)
        for partition in range(kafka.partitions):
            messages = await read(kafka.bootstrap, topic, partition)
            found[kind, partition] = without_repetitions(map(copy_of, messages))
    return found


def copy_of(message: Any) -> Copy:
    """A message as a consumer sees it."""
    headers = tuple(message.headers)
    letter = ("type", b"reject") in headers
    return Copy(message.key, message.value, headers, None if letter else message.timestamp)


def without_repetitions(messages: Iterable[Copy]) -> list[Copy]:
    """Messages of one partition without what a crash repeated, which must be equal."""
    first: dict[tuple[bytes, tuple[tuple[str, bytes], ...]], Copy] = {}
    for each in messages:
        assert first.setdefault((each.key, each.headers), each) == each, "a repetition differs"
    return list(first.values())


async def replayed(run: Replay) -> Outputs:
    """What an open replay publishes, as messages in its order."""
    found: Outputs = {}
    writer = ReleaseWriter("tape")
    kinds = {topic_of(kind): kind for kind in EVENTS.folded}
    async for release in run.releases():
        add_copies(found, release, writer, kinds)
    return found


def add_copies(
    found: Outputs, release: Release, writer: ReleaseWriter, kinds: dict[str, str]
) -> None:
    """Put the messages of a release where they belong."""
    for topic, message in writer.messages(release):
        kind = kinds[topic]
        time_ms = None if kind == "reject" else message.timestamp_ms
        copy = Copy(message.key, message.value, tuple(message.headers), time_ms)
        found.setdefault((kind, release.item.partition), []).append(copy)


async def outputs_of(
    recording: Recording, options: ReplayOptions | None = None, fetch_records: int = FETCH
) -> tuple[Outputs, Replay]:
    """What a replay of a recording publishes, and the replay itself."""
    async with Replay(recording.config, recording.source(fetch_records), options) as run:
        return await replayed(run), run


def assert_equal(found: Outputs, expected: Outputs) -> None:
    """Equal in every type and partition: values, keys, headers, times, order."""
    assert {part for part, each in found.items() if each} == {
        part for part, each in expected.items() if each
    }
    for part, messages in expected.items():
        ours = found.get(part, [])
        for mine, theirs in zip(ours, messages, strict=False):
            assert mine == theirs, part
        assert len(ours) == len(messages), part


def between(outputs: Outputs, starts: Sequence[int], stops: Sequence[int]) -> Outputs:
    """What the records with start <= offset < stop of each partition caused."""
    return {
        (kind, partition): [
            each for each in messages if starts[partition] <= each.offset < stops[partition]
        ]
        for (kind, partition), messages in outputs.items()
    }


def starts_of(run: Replay) -> list[int]:
    """First offset inside the bounds, by partition; its end where nothing is inside."""
    spans = run.fold.spans.values()
    return [span.next_offset if span.start is None else span.start for span in spans]


def crossing(log: Log, instant_ms: int) -> int:
    """First record after which the greatest watermark of its partition exceeds an instant."""
    for offset, each in enumerate(log):
        if isinstance(each, Bar) and each.start_ms + 60_000 > instant_ms:
            return offset
        if isinstance(each, Clock) and each.time_ms > instant_ms:
            return offset
    return len(log)
