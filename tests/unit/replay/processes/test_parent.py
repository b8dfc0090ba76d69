"""Several processes write what one writes, and none of them outlives the replay."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tapeline.replay.bounds import parse_bound
from tapeline.replay.fold import selected
from tapeline.replay.processes.job import Child, ChildDiedError, Job
from tapeline.replay.processes.parent import replay_in_processes
from tapeline.replay.results.results import replay_to_folder
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.opening import Origin, ended, source_of
from tapeline.schemas.codec import encode
from tapeline.schemas.records import LogRecord
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.pipeline.summary import RunResult
from tapeline.streams.store.run import run_into_store
from tests.unit.replay.run.test_stretches import CONFIG, records

LENGTH = 800
SECONDS = 180


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three groups in disorder, with corrections and lines that are no records."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    write_log(path, records(4, 2)[:LENGTH])
    return path


def write_log(path: Path, lines: Sequence[LogRecord | bytes]) -> None:
    path.write_bytes(
        b"".join((each if isinstance(each, bytes) else encode(each)) + b"\n" for each in lines)
    )


def origin_of(path: Path) -> Origin:
    return Origin(files=(Source(str(path)),))


def one_process(log: Path, options: ReplayOptions, folder: Path) -> None:
    asyncio.run(written(log, options, folder))


async def written(log: Path, options: ReplayOptions, folder: Path) -> RunResult:
    async with Replay(CONFIG, source_of(CONFIG, origin_of(log)).source, options) as run:
        return await replay_to_folder(run, folder, {})


def files_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {each.name: each.read_bytes() for each in folder.iterdir()}
    manifest = json.loads(found["manifest.json"])
    del manifest["wall"]
    return {**found, "manifest.json": manifest}


FROM, TO = parse_bound("--from", "2025-11-24T08:00Z"), parse_bound("--to", "2025-11-24T20:00Z")
OPTIONS = {
    "the whole log": ReplayOptions(),
    "a stretch of time": ReplayOptions(start=FROM, stop=TO),
    "last versions": ReplayOptions(as_corrected=True),
    "one symbol": ReplayOptions(selection=selected(CONFIG, ["NQ"], [])),
}


@pytest.mark.parametrize(
    ("name", "processes"), [*((name, 2) for name in OPTIONS), ("the whole log", 5)]
)
def test_the_parts_of_all_processes_make_the_run_of_one(
    log: Path, tmp_path: Path, name: str, processes: int
) -> None:
    options = OPTIONS[name]
    one_process(log, options, tmp_path / "one")
    result = replay_in_processes(CONFIG, origin_of(log), options, tmp_path / "all", {}, processes)
    assert files_of(tmp_path / "all") == files_of(tmp_path / "one")
    assert result.manifest["topics"]["tape.bars.derived.v1"] > 20


def test_the_summaries_of_the_parts_are_the_summary_of_the_whole(log: Path, tmp_path: Path) -> None:
    one = asyncio.run(written(log, ReplayOptions(), tmp_path / "one")).summary
    origin = origin_of(log)
    result = replay_in_processes(CONFIG, origin, ReplayOptions(), tmp_path / "two", {}, 2)
    two = result.summary
    assert set(two.symbols) == set(one.symbols) >= {"ES", "NQ", "AAA"}
    assert {each: two.totals(each) for each in two.symbols} == {
        each: one.totals(each) for each in one.symbols
    }
    assert list(two.first_gaps) == list(one.first_gaps)
    assert (two.rejects, two.first_reject) == (one.rejects, one.first_reject)


def test_what_is_wrong_with_the_source_is_reported_as_by_one_process(tmp_path: Path) -> None:
    nowhere = origin_of(tmp_path / "nowhere.jsonl")
    with pytest.raises(InputError, match=r"nowhere\.jsonl"):
        replay_in_processes(CONFIG, nowhere, ReplayOptions(), tmp_path / "out", {}, 2)
    assert not list(tmp_path.iterdir())


def endless(folder: Path) -> Job:
    """A job that never ends: it reads a pipe that is never written to."""
    os.mkfifo(folder / "log.jsonl")
    origin = origin_of(folder / "log.jsonl")
    return Job(config=CONFIG, origin=origin, options=ReplayOptions(), given={})


def test_a_process_that_died_is_no_end_of_a_part(tmp_path: Path) -> None:
    with Child(endless(tmp_path)) as child:
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(ChildDiedError, match=f"process {child.pid} of the replay ended early"):
            next(child.results())


def test_processes_end_when_the_replay_fails(tmp_path: Path) -> None:
    pids = []

    def fail() -> None:
        with Child(endless(tmp_path)) as child:
            pids.append(child.pid)
            os.kill(child.pid, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


PARENT = """
import pickle, sys
from tapeline.replay.processes.job import Child
with Child(pickle.load(sys.stdin.buffer)) as child:
    print(child.pid, flush=True)
    sys.stdin.buffer.read()
"""


def test_processes_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent:
        pickle.dump(endless(tmp_path), parent.stdin)
        parent.stdin.flush()
        orphan = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    over = select.poll()
    over.register(orphan, select.POLLIN)
    ended_in_time = over.poll(SECONDS * 1_000)
    if not ended_in_time:
        signal.pidfd_send_signal(orphan, signal.SIGKILL)
    os.close(orphan)
    assert ended_in_time


def test_an_interrupt_of_the_command_ends_its_processes_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    os.mkfifo(log)
    command = [sys.executable, "-m", "tapeline", "replay", str(log), "--out"]
    parent = subprocess.Popen(
        [*command, str(tmp_path / "out"), "--processes", "2"],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        # Whatever runs the tests may ignore it for its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with parent, log.open("wb"):
        # It is open: there is a process at the other end.
        parent.send_signal(signal.SIGINT)
        _, printed = parent.communicate(timeout=SECONDS)
        assert (parent.returncode, printed) == (130, b"tapeline: interrupted\n")
    with pytest.raises(OSError, match="No such device"):
        os.open(log, os.O_WRONLY | os.O_NONBLOCK)
    assert [each.name for each in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_log_that_grows_meanwhile_ends_where_it_ended(log: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    write_log(tmp_path / "begin.jsonl", records(4, 2)[:300])
    run_into_store(CONFIG, [Source(str(tmp_path / "begin.jsonl"))], store)
    fixed = asyncio.run(ended(CONFIG, Origin(store=store)))
    run_into_store(CONFIG, [Source(str(log))], store)
    assert fixed.ends is not None
    replay_in_processes(CONFIG, fixed, ReplayOptions(), tmp_path / "out", {}, 2)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["source"]["partitions"]["0"]["stop"] == fixed.ends[0] < 301
