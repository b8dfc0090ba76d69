"""Workers are ended as planned and started again; an end that was not planned is reported.

A small program replaces the worker: what is tested is who ends it, when, and what is made of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tapeline.schemas.config.model import built_in_config
from tapeline.streams.drill import crew
from tapeline.streams.drill.crew import FAULTS, Crew, End, WorkerRefusedError
from tapeline.streams.drill.worker_process import WorkerProcess

LOYAL = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("health on", flush=True)
time.sleep(600)
"""
UNRULY = LOYAL.replace("sys.exit(0)", "sys.exit(3)")
FAILING = 'print("no disk", flush=True); raise SystemExit(74)'
REFUSING = 'print("topics are missing", flush=True); raise SystemExit(2)'
PATIENCE_S = 180.0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleeps, stays and absences of a test's length."""
    monkeypatch.setattr(crew, "ASLEEP_S", 0.1)
    monkeypatch.setattr(crew, "LONGEST_STAY_S", 0.1)
    monkeypatch.setattr(crew, "LONGEST_AWAY_S", 0.1)


def process(folder: Path, instance: int, text: str) -> WorkerProcess:
    program = (sys.executable, "-c", text)
    return WorkerProcess(built_in_config(), folder, instance=instance, program=program)


def crew_of(folder: Path, text: str, workers: int = 2) -> Crew:
    members = [process(folder, each, text) for each in range(workers)]
    return Crew(members, process(folder, workers, LOYAL), Random(5))


async def until(supervising: asyncio.Task[None], holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds() and not supervising.done():
            await asyncio.sleep(0.02)


async def test_every_kind_of_fault_comes_as_often_as_the_others_and_all_run_again(
    quick: None, tmp_path: Path
) -> None:
    made = crew_of(tmp_path, LOYAL)
    supervising = asyncio.create_task(made.supervise())
    try:
        await made.until_up()
        troubling = asyncio.create_task(made.trouble(time.monotonic() + 600, 0.05))
        await until(supervising, lambda: made.faults.total() >= 2 * len(FAULTS))
        troubling.cancel()
        await made.until_up()
        assert [each.is_up for each in made.workers[:2]] == [True, True]
        supervising.cancel()
        await made.drain()
        assert [each.runs for each in made.workers[:2]] == [False, False]
    finally:
        supervising.cancel()
        made.kill()
    assert set(made.faults) == set(FAULTS)
    assert max(made.faults.values()) - min(made.faults.values()) <= 1
    assert made.ends == []


async def test_an_unplanned_end_is_reported_with_its_last_words_and_cured_by_a_start(
    quick: None, tmp_path: Path
) -> None:
    made = crew_of(tmp_path, FAILING, workers=1)
    supervising = asyncio.create_task(made.supervise())
    try:
        await until(supervising, lambda: len(made.ends) >= 2)
    finally:
        supervising.cancel()
        made.kill()
    assert set(made.ends) == {End(0, 74, "no disk")}


async def test_a_worker_that_drains_with_another_code_is_reported(
    quick: None, tmp_path: Path
) -> None:
    made = crew_of(tmp_path, UNRULY, workers=1)
    supervising = asyncio.create_task(made.supervise())
    try:
        await made.until_up()
        supervising.cancel()
        await made.drain()
    finally:
        supervising.cancel()
        made.kill()
    assert made.ends == [End(0, 3, "health on")]


async def test_a_worker_that_refuses_to_start_ends_the_drill(quick: None, tmp_path: Path) -> None:
    made = crew_of(tmp_path, REFUSING)
    try:
        with pytest.raises(WorkerRefusedError, match="topics are missing"):
            async with asyncio.timeout(PATIENCE_S):
                await made.supervise()
    finally:
        made.kill()


async def test_a_worker_that_sleeps_is_killed_too_and_none_is_left(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "ASLEEP_S", 600.0)
    monkeypatch.setattr(crew, "FAULTS", ("sleep",))
    made = crew_of(tmp_path, LOYAL)
    supervising = asyncio.create_task(made.supervise())
    troubling = None
    try:
        await made.until_up()
        pids = [each.pid for each in made.workers[:2]]
        troubling = asyncio.create_task(made.trouble(time.monotonic() + 3_600, 0.02))
        await until(supervising, lambda: made.faults["sleep"] == 2)
    finally:
        supervising.cancel()
        if troubling is not None:
            troubling.cancel()
        made.kill()
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
