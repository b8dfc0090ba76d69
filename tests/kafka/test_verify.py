"""A topic of several partitions: split among processes, verified, and looked at in the past."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from tapeline.replay.bounds import Bound
from tapeline.replay.processes.parent import replay_in_processes
from tapeline.replay.results.results import replay_to_folder
from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.opening import Origin, ended, source_of
from tapeline.replay.verify.determinism import check_determinism
from tapeline.replay.verify.prefixes import check_causality
from tapeline.schemas.config.model import Config
from tapeline.streams.cli import main as cli
from tests.kafka.test_worker import ACME, PAIR, acme_log, config, troubled_log
from tests.kafka.worker_process import append, configuration

__all__ = ["config"]


async def written(config: Config) -> Origin:
    """Two partitions of a log with faults, and what its processes read."""
    await append(config, PAIR, [*troubled_log(), b"{nonsense"])
    await append(config, ACME, acme_log())
    return Origin(brokers=config.kafka.brokers)


async def one_process(
    config: Config, origin: Origin, folder: Path, options: ReplayOptions
) -> dict[str, Any]:
    async with Replay(config, source_of(config, origin).source, options) as run:
        await replay_to_folder(run, folder, {})
    return files_of(folder)


def files_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {each.name: each.read_bytes() for each in folder.iterdir()}
    manifest = json.loads(found["manifest.json"])
    del manifest["wall"]
    return {**found, "manifest.json": manifest}


def folded(files: dict[str, Any]) -> list[bytes]:
    facts: dict[str, bytes] = {}
    for name, content in files.items():
        if name in ("manifest.json", "bars.jsonl") or "rejects" in name:
            continue
        for line in content.splitlines():
            event = orjson.loads(line)
            facts.pop(event["id"], None)
            if event["op"] == "upsert":
                facts[event["id"]] = line
    return [facts[each] for each in sorted(facts)]


async def test_a_topic_is_split_among_processes_and_verified(
    config: Config, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    origin = await written(config)
    fixed = await ended(config, origin)
    one = await one_process(config, origin, tmp_path / "one", ReplayOptions())
    # What comes while the processes start is not theirs.
    await append(config, ACME, acme_log()[:5])
    await asyncio.to_thread(
        replay_in_processes, config, fixed, ReplayOptions(), tmp_path / "many", {}, 3
    )
    assert files_of(tmp_path / "many") == one

    report = await asyncio.to_thread(check_determinism, config, fixed, ReplayOptions())
    assert report.equal, report.outcomes
    assert report.output_sha256 == one["manifest.json"]["output_sha256"]

    def source() -> Any:
        return source_of(config, fixed).source

    causal = await check_causality(config, source, ReplayOptions(), 5, 1)
    assert causal.clean
    assert causal.events == sum(one["manifest.json"]["topics"].values())

    middle = next(
        event["watermark_ms"]
        for event in map(orjson.loads, one["tape.swings.v1.jsonl"].splitlines()[600:])
        if event["corrects"] is not None
    )
    past = await one_process(
        config, fixed, tmp_path / "past", ReplayOptions(stop=Bound(time_ms=middle))
    )
    settings = tmp_path / "tapeline.toml"
    settings.write_text(configuration(config))
    as_of = datetime.fromtimestamp(middle / 1_000, UTC).isoformat()
    capfdbinary.readouterr()
    arguments = ["state", "--as-of", as_of, "--json", "--config", str(settings)]
    assert await asyncio.to_thread(cli.main, arguments) == 0
    assert capfdbinary.readouterr().out.splitlines() == folded(past)
    assert len(folded(past)) > 500
