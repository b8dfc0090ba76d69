"""The worker on a broker publishes what an embedded run publishes, whatever ends it in between."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.topics import changelog_topic, input_log, snapshot_topic, topic_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.drill.readback import committed_offsets, log_ends
from tapeline.streams.drill.worker_process import PLAIN_PROGRAM
from tapeline.streams.feeds.samples import (
    corrections,
    sample_book,
    with_duplicates,
    with_holes,
    with_late_bars,
)
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.connection import admin_client
from tapeline.streams.kafka.snapshots import SnapshotPart, joined, slot_of
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.worker.state.records import offset_of, read_partition
from tests.kafka.broker import Broker
from tests.kafka.expectation import (
    FACTS,
    TopicMessage,
    embedded_run,
    read_outputs,
    view,
    without_duplicates,
)
from tests.kafka.worker_process import (
    PATIENCE_S,
    POLL_S,
    SESSION_S,
    WorkerProcess,
    append,
    configuration,
    read,
    until_committed,
    with_kafka,
)

PARTITIONS = 2
KILLS = 6
PIECES = 300
PIECE_S = 0.2
FOLDING = "loaded in"
"""What a worker logs when it has loaded the state of a partition."""
PAIR = partition_for("ES-NQ", PARTITIONS)
ACME = partition_for("ACME", PARTITIONS)


@pytest.fixture
async def config(broker: Broker, topic_prefix: str) -> Config:
    """A configuration whose topics are there and empty."""
    base = with_kafka(built_in_config(), broker.bootstrap, topic_prefix, PARTITIONS)
    made = read_config(configuration(base), "test")
    await create_topics(made.kafka, broker.brokers)
    return made


def troubled_log(sessions: int = 2) -> list[LogRecord]:
    """ES and NQ with holes, late, repeated, changed and cancelled bars, and clocks."""
    futures = load_calendar("CME_EQUITY")
    es = list(sample_book("ES", futures, "2025-11-24", sessions, 1))
    nq = list(sample_book("NQ", futures, "2025-11-24", sessions, 2, 96_000))
    es_sent = with_late_bars(with_duplicates(with_holes(es, 3), 4), 5)
    nq_sent = with_late_bars(with_duplicates(nq, 6), 7)
    log: list[LogRecord] = []
    for first, second in zip(es_sent, nq_sent, strict=False):
        log += [first, second]
    changed = iter(corrections(es, 8))
    random = Random(9)
    mixed: list[LogRecord] = []
    for number, record in enumerate(log):
        mixed.append(record)
        if number > len(log) // 2 and random.random() < 0.01:
            bar = next(changed, None)
            if bar is not None and isinstance(record, Bar) and bar.start_ms < record.start_ms:
                mixed.append(bar)
        if number % 701 == 700 and isinstance(record, Bar):
            mixed.append(Cancel(record.symbol, "1m", record.start_ms))
    last = max(bar.start_ms for bar in es) + 60_000
    return [*mixed, Clock("ES", last), Clock("NQ", last)]


def later_pair(log: Sequence[LogRecord]) -> list[LogRecord]:
    """What may come next: changes of what the log holds, far and near, then another session."""
    bars = [each for each in log if isinstance(each, Bar)]
    changed: list[LogRecord] = [msgspec.structs.replace(bar, close=bar.low) for bar in bars[::197]]
    futures = load_calendar("CME_EQUITY")
    return [*changed, *sample_book("ES", futures, "2025-11-26", 1, 12)]


def acme_log(sessions: int = 2) -> list[LogRecord]:
    """A lone symbol, in another partition than the pair."""
    return list(
        sample_book("ACME", load_calendar("XNYS"), "2025-11-24", sessions, 11, 12_500, 0.01)
    )


async def assert_outputs_are_those_of(
    config: Config,
    folder: Path,
    partition: int,
    log: Sequence[LogRecord],
    slept: bool = False,
) -> None:
    """Nothing is missing, extra or different in what a consumer sees, in each topic of events.

    Who only takes the last message of a key sees the same, unless a worker `slept` with messages
    under way: they come after those of the worker that replaced it.
    """
    found = await read_outputs(config, partition)
    expected = embedded_run(config, folder, log)
    for kind in FACTS:
        assert without_duplicates(found[kind]) == expected[kind], kind
        if not slept:
            assert view(found[kind]) == view(expected[kind]), kind


async def assert_state_is_that_of(
    config: Config, group: str, log: Sequence[LogRecord], later: Sequence[LogRecord]
) -> None:
    """The changelog of a group restores an engine that goes on as one that took the whole log."""
    prefix = config.kafka.topic_prefix
    partition = partition_for(group, PARTITIONS)
    latest: dict[bytes, bytes] = {}
    for record in await read(config.kafka.bootstrap, changelog_topic(prefix), partition):
        known = latest.get(record.key)
        if known is None or offset_of(known) <= offset_of(record.value):
            latest[record.key] = record.value
    stored = read_partition(latest.items())
    assert stored.checkpoint == len(log)
    plan = plan_group(config, group)
    fresh = GroupEngine(plan)
    for offset, each in enumerate(log):
        fresh.apply(each, offset)
    restored = GroupEngine.restore(plan, stored.groups[group].records)
    for offset, each in enumerate(later, len(log)):
        assert restored.apply(each, offset).events == fresh.apply(each, offset).events


async def test_the_worker_publishes_what_the_embedded_run_publishes_byte_for_byte(
    config: Config, tmp_path: Path
) -> None:
    pair, acme = troubled_log(), acme_log()
    await append(config, PAIR, pair)
    await append(config, ACME, acme)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        await until_committed(config, _ends(pair, acme), [worker])
        assert await read_outputs(config, PAIR) == embedded_run(config, tmp_path / "pair", pair)
        assert await read_outputs(config, ACME) == embedded_run(config, tmp_path / "acme", acme)
        page = _get(worker, "/metrics")
        assert f"tapeline_records_total {len(pair) + len(acme)}" in page
        assert _get(worker, "/readyz") == "ready\n"
        assert _get(worker, "/healthz") == "alive\n"
        assert worker.drain() == 0
    await assert_state_is_that_of(config, "ES-NQ", pair, later_pair(pair))


async def test_a_worker_is_ready_without_data_unless_it_is_to_need_them(
    config: Config, tmp_path: Path
) -> None:
    config = with_kafka(
        read_config(
            configuration(config) + '[instruments.COIN]\ntick = 0.01\ncalendar = "24/7"\n', "test"
        ),
        config.kafka.bootstrap,
        config.kafka.topic_prefix,
        PARTITIONS,
    )
    partition = partition_for("COIN", PARTITIONS)
    await append(config, partition, [Bar("COIN", "1m", 1_764_000_000_000, 1.0, 1.0, 1.0, 1.0)])
    ends = [int(each == partition) for each in range(PARTITIONS)]
    with WorkerProcess(config, tmp_path / "worker") as worker:
        await until_committed(config, ends, [worker])
        assert _get(worker, "/readyz") == "ready\n"
        assert 'group="COIN",symbol="COIN"} 1764000060000' in _get(worker, "/metrics")
        assert worker.drain() == 0
    program = (*PLAIN_PROGRAM, "--ready-needs-data")
    with WorkerProcess(config, tmp_path / "worker", program=program) as worker:
        await worker.until(FOLDING, times=PARTITIONS)
        deadline = time.monotonic() + PATIENCE_S
        while (found := _refusal(worker, "/readyz")) != "stale in session: COIN\n":
            assert time.monotonic() < deadline, found
            await asyncio.sleep(POLL_S)
        page = _get(worker, "/metrics")
        assert "tapeline_ready 0" in page
        assert (
            f'tapeline_symbol_stale{{partition="{partition}",group="COIN",symbol="COIN"}} 1' in page
        )


async def test_the_first_record_and_every_close_leave_a_snapshot_from_which_the_log_goes_on(
    config: Config, tmp_path: Path
) -> None:
    log = acme_log()
    await append(config, ACME, log)
    with WorkerProcess(config, tmp_path) as worker:
        await until_committed(config, _ends([], log), [worker])
    topic = snapshot_topic(config.kafka.topic_prefix)
    parts: dict[str, list[SnapshotPart]] = {}
    for record in await read(config.kafka.bootstrap, topic, ACME):
        part = _snapshot_part(record.value)
        slot = slot_of(part.session, config.kafka.snapshot_days)
        assert record.key.decode() == f"ACME|{slot}|{part.part}"
        assert part.first == 0
        parts.setdefault(part.session, []).append(part)
    assert list(parts) == ["2025-11-21", "2025-11-24", "2025-11-25"]
    plan = plan_group(config, "ACME")
    for found in parts.values():
        records = joined(found)
        assert records is not None
        engine = GroupEngine.restore(plan, records)
        fresh = GroupEngine(plan)
        for offset, each in enumerate(log[: found[0].offset + 1]):
            fresh.apply(each, offset)
        assert engine.snapshot() == fresh.snapshot()


@pytest.mark.parametrize("wiped", [False, True], ids=["store kept", "store wiped"])
async def test_a_worker_killed_at_random_while_the_log_grows_loses_and_adds_nothing(
    config: Config, tmp_path: Path, wiped: bool
) -> None:
    log = troubled_log()
    random = Random(wiped)
    enough = asyncio.Event()
    publishing = asyncio.create_task(_publish_slowly(config, PAIR, log, enough))
    worker = WorkerProcess(config, tmp_path / "worker", ragged=True)
    try:
        for _ in range(KILLS):
            await worker.start_until(FOLDING)
            # Somewhere in the middle of reading, writing or committing.
            await asyncio.sleep(2.0 * random.random())
            worker.kill()
            if wiped:
                shutil.rmtree(worker.store)
        enough.set()
        assert await publishing > 0, "the log grew while all kills happened"
        await worker.start_until(FOLDING)
        await until_committed(config, _ends(log, []), [worker])
        assert worker.drain() == 0
    finally:
        worker.kill()
        publishing.cancel()
    await assert_outputs_are_those_of(config, tmp_path / "pair", PAIR, log)
    await assert_state_is_that_of(config, "ES-NQ", log, later_pair(log))


async def test_a_worker_that_slept_past_its_session_writes_nothing_stale_when_it_wakes(
    config: Config, tmp_path: Path
) -> None:
    pair, acme = troubled_log(), acme_log(25)
    enough = asyncio.Event()
    publishing = [
        asyncio.create_task(_publish_slowly(config, PAIR, pair, enough)),
        asyncio.create_task(_publish_slowly(config, ACME, acme, enough)),
    ]
    workers = [
        WorkerProcess(config, tmp_path / "workers", instance=each, ragged=True, session_s=SESSION_S)
        for each in (0, 1)
    ]
    try:
        await workers[0].start_until(FOLDING)
        await workers[1].start_until(FOLDING)
        sleeper, other = workers
        await _sleep_until_it_ends(config, sleeper, other)
        assert "start it again" in sleeper.output()
        other.kill()
        shutil.rmtree(other.store)
        enough.set()
        assert min([await each for each in publishing]) > 0, "the log grew all the while"
        sleeper.start()
        await other.start_until(FOLDING)
        await until_committed(config, _ends(pair, acme), workers)
        assert [each.drain() for each in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
        for task in publishing:
            task.cancel()
    await assert_outputs_are_those_of(config, tmp_path / "pair", PAIR, pair, slept=True)
    await assert_outputs_are_those_of(config, tmp_path / "acme", ACME, acme, slept=True)
    await assert_state_is_that_of(config, "ES-NQ", pair, later_pair(pair))


async def test_every_poisoned_record_becomes_one_dead_letter_and_harms_nothing_else(
    config: Config, tmp_path: Path
) -> None:
    good = acme_log(1)
    label = good[0].start_ms if isinstance(good[0], Bar) else 0
    bar = b'{"type":"bar","symbol":"ACME","interval":"1m","start_ms":%d,"open":1' % label
    poison: list[tuple[bytes, str]] = [
        (b"", "decode_error"),
        (b"\xff\xfe", "decode_error"),
        (b"not json", "decode_error"),
        (bar + b',"high":NaN,"low":1,"close":1}', "decode_error"),
        (bar + b',"high":"x","low":1,"close":1}', "schema_error"),
        (bar + b',"high":1,"low":1,"close":1,"volume":-1}', "bad_volume"),
        (bar + b',"high":1,"low":2,"close":1}', "inconsistent_ohlc"),
        (b"[" * 100_000, "decode_error"),
        (b"x" * 1_000_000, "decode_error"),
        (encode(Bar("ES", "1m", label, 1.0, 1.0, 1.0, 1.0)), "wrong_partition"),
        (encode(Clock("ES-NQ", label)), "unknown_symbol"),
    ]
    records: list[LogRecord | bytes] = []
    due: dict[str, tuple[str, bytes]] = {}
    log = input_log(config.kafka.topic_prefix)
    for number, (raw, code) in enumerate(poison):
        records += good[number * 20 : number * 20 + 20]
        due[f"{log}/{ACME}/{len(records)}"] = (code, raw)
        records.append(raw)
    records += good[len(poison) * 20 :]
    await append(config, ACME, records)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        await until_committed(config, _ends([], records), [worker])
        assert worker.drain() == 0
    topic = topic_of("reject", config.kafka.topic_prefix)
    letters = await read(config.kafka.bootstrap, topic, ACME)
    found = {}
    for letter in letters:
        content = json.loads(letter.value)
        assert letter.key.decode() == content["id"] == f"reject|{content['source']}"
        found[content["source"]] = (content["code"], _raw(content["raw"]))
    assert found == due
    assert len(letters) == len(due)
    facts = await read_outputs(config, ACME)
    plain = embedded_run(config, tmp_path / "plain", good)
    assert {kind: _contents(each) for kind, each in facts.items()} == {
        kind: _contents(each) for kind, each in plain.items()
    }


async def test_a_worker_whose_topics_are_missing_does_not_start_and_names_them(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = with_kafka(built_in_config(), broker.bootstrap, topic_prefix, PARTITIONS)
    with WorkerProcess(config, tmp_path) as worker:
        assert worker.wait() == 2
        assert topic_of("touch", topic_prefix) in worker.output()
        assert "tapeline topics create" in worker.output()


async def _sleep_until_it_ends(
    config: Config, sleeper: WorkerProcess, other: WorkerProcess
) -> None:
    """Stop a worker past its session: one that has work under way must end itself on waking.

    One that had none, as its records were not fetched yet, joins again and sleeps once more.
    """
    for _ in range(10):
        taken = other.output().count(FOLDING)
        await _stop_at_work(config, sleeper)
        await asyncio.sleep(SESSION_S)
        await _fold_again(other, taken + 1)
        await asyncio.sleep(0.5)
        sleeper.signal(signal.SIGCONT)
        folding = sleeper.output().count(FOLDING)
        async with asyncio.timeout(PATIENCE_S):
            while sleeper.code() is None and sleeper.output().count(FOLDING) == folding:
                await asyncio.sleep(0.05)
        if sleeper.code() is not None:
            assert sleeper.wait() == 70
            return
    raise AssertionError("it never had work under way")


async def _stop_at_work(config: Config, worker: WorkerProcess) -> None:
    """Stop a worker at a time when every partition has records that are not committed."""
    async with asyncio.timeout(PATIENCE_S), admin_client(config.kafka.brokers) as admin:
        while True:
            ends = await log_ends(config.kafka)
            worker.signal(signal.SIGSTOP)
            committed = await committed_offsets(admin, config.kafka)
            if all(committed.get(partition, 0) < end for partition, end in ends.items()):
                return
            worker.signal(signal.SIGCONT)


async def _fold_again(worker: WorkerProcess, times: int) -> None:
    """Wait until a worker has taken partitions so many times in all.

    A batch that was under way when the other one was stopped may still reach the changelog: who
    finds it there ends, and is started again as a supervisor would.
    """
    async with asyncio.timeout(PATIENCE_S):
        while worker.output().count(FOLDING) < times:
            if worker.code() is not None:
                assert worker.wait() == 70
                assert "one that was replaced has woken" in worker.output_since_start()
                worker.start()
            await asyncio.sleep(0.05)


async def _publish_slowly(
    config: Config, partition: int, log: Sequence[LogRecord], enough: asyncio.Event
) -> int:
    """In pieces until it is enough, then the rest, whose length is returned."""
    at = 0
    while at < len(log):
        # Always the same part of what is left: however slow all else is, the log goes on growing.
        end = at + 1 + (len(log) - at) // PIECES
        await append(config, partition, log[at:end])
        at = end
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), PIECE_S)
            await append(config, partition, log[at:])
            return len(log[at:])
    return 0


def _ends(pair: Sequence[object], acme: Sequence[object]) -> list[int]:
    ends = [0, 0]
    ends[PAIR] += len(pair)
    ends[ACME] += len(acme)
    return ends


def _contents(messages: Sequence[TopicMessage]) -> list[dict[str, object]]:
    """Without seq, which counts the records between."""
    found = []
    for each in messages:
        content = json.loads(each.value or b"{}")
        content.pop("seq", None)
        found.append(content)
    return found


def _raw(text: str) -> bytes:
    return base64.b64decode(text)


def _snapshot_part(value: bytes) -> SnapshotPart:
    return msgspec.json.decode(value, type=SnapshotPart)


def _refusal(worker: WorkerProcess, path: str) -> str | None:
    """The text of a 503; None of another answer, or of none yet."""
    try:
        _get(worker, path)
    except urllib.error.HTTPError as error:
        return error.read().decode() if error.code == 503 else None
    except urllib.error.URLError:
        return None
    return None


def _get(worker: WorkerProcess, path: str) -> str:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{worker.port}{path}", timeout=PATIENCE_S
    ) as answer:
        text: str = answer.read().decode()
        return text
