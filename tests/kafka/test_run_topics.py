"""Replays into topics of their own: what a worker would have written, never where it writes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.bounds import Bound, parse_bound
from tapeline.replay.compare.recorded_files import recorded as named
from tapeline.replay.compare.runs import ParityReport, parity
from tapeline.replay.fold import selected
from tapeline.replay.results.catalogue import find_runs
from tapeline.replay.results.results import Sinks, replay_into, replay_to_folder
from tapeline.replay.results.topics import RunTopics, partitions_of
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.partition import partition_for
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import (
    input_log,
    output_topics,
    run_prefix,
    run_topics,
    topic_of,
)
from tapeline.streams.calendars import load_calendar
from tapeline.streams.embedded import run_files
from tapeline.streams.errors import InputError, TopicsError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.kafka.administration import create_new, topic_names
from tapeline.streams.kafka.topics import WantedTopic
from tests.kafka.broker import Broker
from tests.kafka.recording import (
    FIRST_DAY,
    PARTITIONS,
    Outputs,
    Recording,
    assert_equal,
    between,
    logs,
    prepare,
    recorded,
    starts_of,
)
from tests.kafka.test_reading import command, tapeline
from tests.kafka.worker_process import (
    PATIENCE_S,
    POLL_S,
    WorkerProcess,
    append,
    configuration,
    until_committed,
)

DAY = ReplayOptions(
    start=parse_bound("--from", "2025-11-25"), stop=parse_bound("--to", "2025-11-25")
)


async def run_into_topics(
    recording: Recording, run_id: str, options: ReplayOptions = DAY, folder: Path | None = None
) -> Replay:
    """Replay a recording into topics."""
    kafka = recording.config.kafka
    async with Replay(recording.config, recording.source(), options) as run:
        partitions = partitions_of(run.source)
        async with RunTopics(kafka, kafka.brokers, run_id, partitions) as topics:
            await replay_into(run, Sinks(folder, topics), {"from": None, "to": None})
    return run


async def leave_in_the_middle(recording: Recording, run_id: str) -> None:
    """Begin a run into topics, and end it as an error or a signal would."""
    kafka = recording.config.kafka
    async with (
        Replay(recording.config, recording.source(), DAY) as run,
        RunTopics(kafka, kafka.brokers, run_id, PARTITIONS) as topics,
    ):
        await topics.write(await anext(run.batches()))


def settings_of(recording: Recording) -> tuple[str, str]:
    return "--config", str(recording.folder / "tapeline.toml")


def shown(recording: Recording, *arguments: str) -> Any:
    """What a command prints as JSON."""
    done = tapeline(recording.folder, *arguments, *settings_of(recording), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_the_topics_of_a_run_hold_what_the_worker_wrote_of_the_stretch(
    recording: Recording, tmp_path: Path
) -> None:
    run = await run_into_topics(recording, "day-2", folder=tmp_path / "out")
    stops = [span.next_offset for span in run.fold.spans.values()]
    prefix = run_prefix("day-2", recording.config.kafka.topic_prefix)
    found = await recorded(recording.config, prefix)
    assert_equal(found, between(recording.outputs, starts_of(run), stops))
    assert any(kind == "reject" and messages for (kind, _), messages in found.items())
    for kind in EVENTS.folded:
        lines = (tmp_path / "out" / f"{topic_of(kind)}.jsonl").read_bytes().splitlines()
        values = [
            each.value
            for with_config, printed in found.items()
            if with_config[0] == kind
            for each in printed
        ]
        if kind in ("touch", "reject"):
            assert sorted(map(bytes, lines)) == sorted(each for each in values if each is not None)
    folder = json.loads((tmp_path / "out" / "manifest.json").read_text())
    stored = shown(recording, "runs", "show", "day-2")
    assert stored["state"] == "complete"
    assert stored["manifest"] == folder


async def test_a_whole_log_into_topics_is_what_the_worker_wrote(recording: Recording) -> None:
    await run_into_topics(recording, "everything", ReplayOptions())
    prefix = run_prefix("everything", recording.config.kafka.topic_prefix)
    assert_equal(await recorded(recording.config, prefix), recording.outputs)


async def test_a_run_is_made_listed_shown_and_deleted_by_the_tool_and_nothing_else_is(
    recording: Recording,
) -> None:
    brokers = recording.config.kafka.brokers
    before = await topic_names(brokers)
    options = ["--to-topics", "--run-id", "mine", "--from", "2025-11-25", "--to", "2025-11-25"]
    done = tapeline(recording.folder, "replay", *options, *settings_of(recording))
    assert done.returncode == 0, done.stderr
    assert b"topics of run mine" in done.stdout
    prefix = recording.config.kafka.topic_prefix
    made = {topic.name for topic in run_topics("mine", prefix)}
    assert {*await topic_names(brokers)} == {*before, *made}
    [listed] = [each for each in shown(recording, "runs", "list") if each["run_id"] == "mine"]
    assert (listed["state"], listed["from"], listed["to"]) == ("complete", *["2025-11-25"] * 2)
    table = tapeline(recording.folder, "runs", "show", "mine", *settings_of(recording))
    assert f"{prefix}.run.mine.touches.v1".encode() in table.stdout
    again = tapeline(recording.folder, "replay", *options, *settings_of(recording))
    assert again.returncode == 2
    assert b"there already" in again.stderr
    assert shown(recording, "runs", "delete", "mine")["runs"] == ["mine"]
    assert await topic_names(brokers) == before
    gone = tapeline(recording.folder, "runs", "delete", "mine", *settings_of(recording))
    assert gone.returncode == 2
    assert b"run mine" in gone.stderr


async def test_a_replay_that_fails_leaves_an_incomplete_run(recording: Recording) -> None:
    kafka = recording.config.kafka
    await leave_in_the_middle(recording, "failed")
    runs = {each.run_id: each for each in await find_runs(kafka.topic_prefix, kafka.brokers)}
    assert runs["failed"].state == "incomplete"
    assert runs["failed"].manifest is None
    listed = tapeline(recording.folder, "runs", "list", *settings_of(recording))
    assert b"incomplete" in listed.stdout
    assert shown(recording, "runs", "delete", "failed")["runs"] == ["failed"]


@pytest.mark.parametrize("run_id", ["", "a.b", "a_b", "-a", "x" * 65, "..", "a/b", "ü"])
def test_an_id_that_could_be_part_of_another_name_is_none(
    recording: Recording, run_id: str
) -> None:
    with pytest.raises(InputError, match="must be"):
        RunTopics(recording.config.kafka, recording.config.kafka.brokers, run_id)


async def compared(config: Config, a: str, b: str) -> ParityReport:
    """The report of two names."""
    brokers = config.kafka.brokers
    async with named(a, config, brokers) as first, named(b, config, brokers) as second:
        return await parity(first, second, config)


async def test_a_run_of_a_stretch_cuts_what_it_is_compared_with(
    recording: Recording, tmp_path: Path
) -> None:
    config = recording.config
    run = await run_into_topics(recording, "cut", folder=tmp_path / "cut")
    report = await compared(config, "topics", "run:cut")
    assert report.equal, report.differences
    assert report.stretch.stops == {
        partition: span.next_offset for partition, span in run.fold.spans.items()
    }
    assert 0 < report.types["swing"].a == report.types["swing"].b
    assert not any(each.superseded for each in report.types.values())
    assert (await compared(config, "run:cut", str(tmp_path / "cut"))).equal
    options = ReplayOptions(start=DAY.start, stop=DAY.stop, selection=selected(config, ["ES"], []))
    await run_into_topics(recording, "cut-es", options)
    report = await compared(config, "run:cut-es", "topics")
    assert report.equal, report.differences
    assert report.stretch.symbols == frozenset({"ES", "ES-NQ"})


async def test_a_run_of_files_in_topics_is_cut_by_the_offsets_of_its_files(
    recording: Recording, tmp_path: Path
) -> None:
    config = recording.config
    es = sample_book("ES", load_calendar("CME_EQUITY"), FIRST_DAY, 1, 1)
    acme = sample_book("ACME", load_calendar("XNYS"), FIRST_DAY, 1, 2, 12_500, 0.01)
    bars = sorted([*es, *acme], key=lambda bar: bar.start_ms)
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(encode(bar) + b"\n" for bar in bars))
    run_files(config, [Source(str(log))], tmp_path / "whole")
    arguments = ("--from-offset", "600", "--to-offset", "1500", "--to-topics", "--run-id", "files")
    done = tapeline(
        recording.folder, "replay", str(log), *arguments, "--out", "part", *settings_of(recording)
    )
    assert done.returncode == 0, done.stderr
    async with Replay.files(
        config, [log], start=Bound(offsets={0: 1_000}), stop=Bound(offsets={0: 1_300})
    ) as run:
        await replay_to_folder(
            run, tmp_path / "less", {"from_offset": ["1000"], "to_offset": ["1300"]}
        )
    for other in (tmp_path / "whole", recording.folder / "part", tmp_path / "less"):
        report = await compared(config, str(other), "run:files")
        assert report.equal, report.differences
        assert report.types["derived_bar"].equal > 50
    path = tmp_path / "whole" / f"{topic_of('derived_bar')}.jsonl"
    lines = path.read_text().splitlines()
    events = [json.loads(line) for line in lines]
    inside = range(600 * OUTPUTS_PER_RECORD, 1_500 * OUTPUTS_PER_RECORD)
    at = next(
        with_config
        for with_config, event in enumerate(events)
        if event["symbol"] == "ACME" and event["seq"] in inside
    )
    path.write_text(
        "\n".join([*lines[:at], json.dumps({**events[at], "volume": 0}), *lines[at + 1 :]])
    )
    report = await compared(config, "run:files", str(tmp_path / "whole"))
    [difference] = report.differences
    assert difference.partition == partition_for("ACME", PARTITIONS) != 0
    # The log around it is that of the files, which have one partition, not that of the cluster.
    assert report.around is not None
    assert report.around.a == report.around.b
    assert difference.record in [each.offset for each in report.around.a.records]


async def test_what_an_incomplete_run_covers_is_unknown(recording: Recording) -> None:
    await leave_in_the_middle(recording, "cut-short")
    report = await compared(recording.config, "run:cut-short", "topics")
    assert not report.equal
    printed = "run:cut-short is incomplete: no manifest names the records it covers"
    assert printed in report.notes


async def test_a_prefix_that_looks_like_a_run_is_neither_written_nor_listed_nor_deleted(
    recording: Recording,
) -> None:
    kafka = recording.config.kafka
    live = run_prefix("live", kafka.topic_prefix)
    names = [input_log(live), *output_topics(live)]
    await create_new([WantedTopic(name, 1, 1, {}) for name in names], kafka.brokers)
    with pytest.raises(TopicsError, match="there already"):
        await run_into_topics(recording, "live")
    runs = await find_runs(kafka.topic_prefix, kafka.brokers)
    assert "live" not in {each.run_id for each in runs}
    done = tapeline(recording.folder, "runs", "delete", "live", *settings_of(recording))
    assert done.returncode == 2
    assert {*names} <= {*await topic_names(kafka.brokers)}


async def test_complete_runs_of_an_age_are_deleted_together(
    broker: Broker, topic_prefix: str, recording: Recording, tmp_path: Path
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    await append(config, 0, logs(1)[0][:50])
    folder = recording.folder
    with_config = ("--config", str(config_file(config, tmp_path)))
    for run_id in ("one", "two"):
        done = tapeline(folder, "replay", "--to-topics", "--run-id", run_id, *with_config)
        assert done.returncode == 0, done.stderr
    kept = tapeline(folder, "runs", "delete", "--older-than", "1", "--yes", *with_config)
    assert b"0 runs" in kept.stdout
    unconfirmed = tapeline(folder, "runs", "delete", "--older-than", "0", *with_config)
    assert unconfirmed.returncode == 2
    assert b"--yes" in unconfirmed.stderr
    deleted = tapeline(folder, "runs", "delete", "--older-than", "0", "--yes", *with_config)
    assert b"2 runs" in deleted.stdout
    assert await find_runs(topic_prefix, broker.brokers) == []


def config_file(config: Config, folder: Path) -> Path:
    """A file of a configuration."""
    path = folder / "tapeline.toml"
    path.write_text(configuration(config))
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_followed_replay_that_is_ended_by_a_signal_is_complete(
    broker: Broker, topic_prefix: str, tmp_path: Path, number: signal.Signals
) -> None:
    config = await prepare(broker.bootstrap, topic_prefix)
    log = logs(1)
    there = [len(each) // 2 for each in log]
    for partition in range(PARTITIONS):
        await append(config, partition, log[partition][: there[partition]])
    with_config = ("--config", str(config_file(config, tmp_path)))
    arguments = ("--then-follow", "--to-topics", "--run-id", "f", "--out", "out", *with_config)
    with WorkerProcess(config, tmp_path / "worker") as worker:
        with following(tmp_path, *arguments) as process:
            await until_live(process)
            for partition in range(PARTITIONS):
                await append(config, partition, log[partition][there[partition] :])
            await until_committed(config, [len(each) for each in log], [worker])
            due = await recorded(config)
            await until_as_many(config, run_prefix("f", topic_prefix), due)
            process.send_signal(number)
            assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
        assert worker.drain() == 0
    assert_equal(await recorded(config, run_prefix("f", topic_prefix)), due)
    stored = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert stored["seam_offset"] == {str(each): there[each] for each in range(PARTITIONS)}
    spans = stored["source"]["partitions"].values()
    assert all(span["stop"] > span["end"] for span in spans)
    again = tapeline(tmp_path, "replay", "--manifest", "out", *with_config)
    assert (again.returncode, again.stdout[:5]) == (0, b"Equal"), again.stdout


@contextmanager
def following(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A replay as a process of its own, ended whatever happens."""
    with subprocess.Popen(
        command("replay", *arguments),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def until_live(process: subprocess.Popen[bytes]) -> None:
    """Wait until it reports that its seam is reached."""
    assert process.stderr is not None
    line = await asyncio.wait_for(asyncio.to_thread(process.stderr.readline), PATIENCE_S)
    assert line.startswith(b"live from offset"), line


async def until_as_many(config: Config, prefix: str, due: Outputs) -> None:
    """Wait until the topics of a prefix hold as many messages as others do."""
    wanted = sum(map(len, due.values()))
    async with asyncio.timeout(PATIENCE_S):
        while sum(map(len, (await recorded(config, prefix)).values())) < wanted:
            await asyncio.sleep(POLL_S)
