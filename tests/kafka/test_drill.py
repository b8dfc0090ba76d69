"""`tapeline drill` on a broker: it holds, it fails when messages are forged, it leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tapeline.schemas.config.security import Brokers
from tapeline.schemas.topics import catalogue
from tapeline.streams.drill.crew import FAULTS
from tapeline.streams.kafka.connection import admin_client
from tests.kafka.broker import Broker

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0
POLL_S = 0.1


class Drill:
    """A drill as a process, beside live topics of the prefix it is given."""

    def __init__(self, broker: Broker, prefix: str, folder: Path, *arguments: str) -> None:
        self.bootstrap = broker.bootstrap
        self.prefix = f"{prefix}.drill."
        config = folder / "tapeline.toml"
        config.write_text(f'[kafka]\ntopic_prefix = "{prefix}"\n', "utf-8")
        self.folder = folder
        self._command = [sys.executable, "-m", "tapeline", "drill", "--json"]
        self._command += ["--config", str(config), "--bootstrap", self.bootstrap, *arguments]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """The process; what it leaves in temporary folders is in ours."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.folder)}
        process = subprocess.Popen(
            self._command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()

    async def topics(self) -> list[str]:
        """Topics of any drill of the prefix."""
        async with admin_client(Brokers(self.bootstrap)) as admin:
            return [each for each in await admin.list_topics() if each.startswith(self.prefix)]

    async def until_topics(self) -> list[str]:
        """The topics, as soon as all are there."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await self.topics()) < len(catalogue()):
                await asyncio.sleep(POLL_S)
        return found

    def folders(self) -> list[Path]:
        """Temporary folders of drills."""
        return sorted(self.folder.glob("tapeline-drill-*"))


async def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, what it printed and what it logged."""
    out, err = await asyncio.to_thread(process.communicate)
    return process.returncode, out, err


def children(pid: int) -> list[int]:
    return [
        int(each)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for each in (task / "children").read_text("ascii").split()
    ]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def found(report: dict[str, Any]) -> dict[str, int]:
    """Numbers of the checks that found something."""
    return {each["name"]: each["found"] for each in report["checks"] if each["found"]}


async def test_a_drill_of_all_faults_holds_and_leaves_neither_topics_nor_folders(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    # Longer than the faults take: who is slow to start is not fit for one.
    arguments = ("--minutes", "0.8", "--kill-every", "1.5", "--seed", "35")
    drill = Drill(broker, topic_prefix, tmp_path, *arguments)
    with drill.running() as process:
        code, out, err = await finished(process)
    assert (code, err) == (0, ""), out
    report = json.loads(out)
    assert report["holds"] is True
    assert set(found(report)) <= {"table view"}
    assert set(report["faults"]) == set(FAULTS)
    assert min(report["faults"].values()) > 0, "every kind of fault happened"
    assert {each["code"] for each in report["ends"]} <= {70}, "no end that a start does not cure"
    assert report["records"] > 2_000
    assert report["messages"] > 2_000
    assert await drill.topics() == []
    assert drill.folders() == []


async def test_a_forged_message_among_the_outputs_is_found_and_the_drill_fails(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    arguments = ("--minutes", "0.1", "--workers", "1", "--kill-every", "5", "--keep")
    drill = Drill(broker, topic_prefix, tmp_path, *arguments)
    with drill.running() as process:
        (touches,) = [each for each in await drill.until_topics() if each.endswith("touches.v1")]
        headers = [(name, b"7") for name in ("seq", "rev", "group")]
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            await producer.send_and_wait(
                touches, b"{}", b"touch|forged", 2, headers=[*headers, ("type", b"touch")]
            )
        code, out, err = await finished(process)
    assert (code, err) == (1, "")
    report = json.loads(out)
    assert report["holds"] is False
    assert found(report) == {"extra ids": 1, "table view": 1}
    examples = [each["examples"] for each in report["checks"] if each["name"] == "extra ids"]
    assert examples == [["touch|forged"]]
    # With --keep everything stays to be looked at.
    assert len(await drill.topics()) == len(catalogue())
    assert [str(each) for each in drill.folders()] == [report["folder"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_drill_that_is_interrupted_ends_its_workers_and_deletes_its_topics(
    broker: Broker, topic_prefix: str, tmp_path: Path, number: signal.Signals
) -> None:
    drill = Drill(broker, topic_prefix, tmp_path, "--workers", "2")
    with drill.running() as process:
        await drill.until_topics()
        async with asyncio.timeout(PATIENCE_S):
            while len(workers := children(process.pid)) < 2:
                await asyncio.sleep(POLL_S)
        # One that sleeps hears nothing but its end.
        os.kill(workers[0], signal.SIGSTOP)
        process.send_signal(number)
        code, out, err = await finished(process)
    assert (code, out) == (130, "")
    assert err == "tapeline: interrupted\n"
    assert all(map(is_gone, workers))
    assert await drill.topics() == []
    assert drill.folders() == []


async def test_without_a_broker_a_drill_starts_nothing(tmp_path: Path) -> None:
    absent = Broker(tmp_path / "broker")
    began = time.monotonic()
    drill = Drill(absent, "tape", tmp_path)
    with drill.running() as process:
        code, _, err = await finished(process)
    assert code == 74
    assert f"no answer from a broker at {absent.bootstrap}" in err
    assert time.monotonic() - began < PATIENCE_S
    assert drill.folders() == []
