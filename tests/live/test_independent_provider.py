"""A provider that owes the product nothing, a process that is killed, the view of a file.

TAPELINE_LIVE_MINUTES makes it as long as one likes.
"""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64decode
from pathlib import Path
from random import Random

from tests.live.commands import Commands
from tests.live.configuration import configuration
from tests.live.judging import final_files, never_stated, sessions, with_secrets
from tests.live.provider import SECRETS, Provider
from tests.unit.streams.store.stores import folded, letters, log_lines, view

MINUTES = float(os.environ.get("TAPELINE_LIVE_MINUTES", "0"))
KILLS = 2


async def test_after_faults_and_kills_the_view_is_that_of_a_file_of_the_final_bars(
    tmp_path: Path,
) -> None:
    store, dice = tmp_path / "store", Random(7)

    async def bars() -> int:
        origins = store / "provenance.jsonl"
        return origins.read_bytes().count(b'"stream"') if origins.exists() else 0

    async with Provider() as provider:
        desk = Commands(tmp_path, configuration(provider), bars)
        faults = [provider.cut, lambda: provider.refuse(1), lambda: provider.limit(2)]
        faults += [lambda: provider.mute(4), provider.cut]
        begun, kills = time.monotonic(), 0
        while kills < KILLS or time.monotonic() - begun < MINUTES * 60:
            words = ("ingest", "desk", "slow", "--store", str(store), "--json")
            await desk.live_through(words, faults[kills % len(faults)], dice.randint(3, 7))
            kills += 1
        provider.end()
        await asyncio.sleep(max(0.0, provider.tape.finished_at() - time.time()))
        for feed in ("desk", "slow"):
            for date in sessions(provider):
                options = ("--session", date, "--store", str(store), "--publish")
                await desk.run("feed", "reconcile", feed, *options)
        files, clocks = final_files(tmp_path, provider, store)
        await desk.run("run", *files, "--store", str(tmp_path / "final"))
        await desk.run("run", clocks, "--store", str(tmp_path / "final"))
    assert not provider.strange
    assert never_stated(log_lines(store), provider) == []
    expected = view(tmp_path / "final")
    assert len(expected) > 40
    assert view(store) == expected
    assert folded(store) == expected
    assert (provider.desk_requests.broken, provider.slow_requests.broken) == (0, 0)
    # A provider that repeats a key is a dead letter without it.
    greetings = [b64decode(each["raw"]) for each in letters(store)]
    assert any(b"you came as ***" in each for each in greetings)
    assert not [each for each in greetings for name in SECRETS if name.encode() in each]
    assert with_secrets([*tmp_path.glob("output-*.txt"), *store.rglob("*")]) == []
