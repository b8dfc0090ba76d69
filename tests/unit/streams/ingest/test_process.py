"""`tapeline ingest` as a process, against an exchange on loopback: stopped, killed, begun anew."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tests.unit.streams.store.stores import folded, log_lines, view

WAIT_S = 180.0
REACH_S = 60


@pytest.fixture
async def exchange() -> AsyncIterator[SampleExchange]:
    made = SampleExchange(SampleMarket())
    await made.start()
    yield made
    await made.stop()


class Ingesting:
    """A process of `tapeline ingest`; a context that ends it."""

    def __init__(self, place: Path, exchange: SampleExchange, *options: str) -> None:
        self.store = place / "store"
        config = place / "tapeline.toml"
        config.write_text(sample_settings(exchange, "demo", REACH_S))
        self._command = [
            sys.executable, "-m", "tapeline", "ingest", "demo", "--store", str(self.store),
            "--config", str(config), *options,
        ]  # fmt: skip
        self.as_json = "--summary-s" not in options
        if self.as_json:
            self._command.append("--json")
        self.output: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ingesting:
        self.process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        assert self._reading is not None
        await self._reading

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())
            if self.as_json:
                self.output.append(json.loads(line))

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first event of a type with these fields."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for each in self.output:
                    if each["type"] == kind and fields.items() <= each.items():
                        return each
                assert self.process.returncode is None, await self.errors()
                await asyncio.sleep(0.02)

    async def until_line(self, pattern: str) -> None:
        """Wait for a line of the log."""
        async with asyncio.timeout(WAIT_S):
            while not any(re.search(pattern, line) for line in self.lines):
                assert self.process.returncode is None, await self.errors()
                await asyncio.sleep(0.02)

    async def until_bars(self, count: int) -> None:
        """Wait until the log has so many bars."""
        async with asyncio.timeout(WAIT_S):
            while not (self.store / "log.jsonl").exists() or len(self.bars()) < count:
                await asyncio.sleep(0.1)

    def bars(self) -> list[dict[str, Any]]:
        """Bars of the whole lines of the log."""
        lines = (self.store / "log.jsonl").read_text().split("\n")[:-1]
        return [record for record in map(json.loads, lines) if record["type"] == "bar"]

    async def end(self, sign: int = signal.SIGTERM) -> int:
        """Exit code after a signal."""
        self.process.send_signal(sign)
        return await asyncio.wait_for(self.process.wait(), WAIT_S)

    async def errors(self) -> str:
        """What it wrote to standard error."""
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


def last_versions(folder: Path) -> dict[tuple[str, int], Bar]:
    """Of each slot of the log its last bar."""
    found = {}
    for record in log_lines(folder):
        if record["type"] == "bar":
            fields = {name: record[name] for name in record if name not in ("type", "source")}
            found[record["symbol"], record["start_ms"]] = Bar(**fields)
        elif record["type"] == "cancel":
            found.pop((record["symbol"], record["start_ms"]), None)
    return found


def check_store(folder: Path, exchange: SampleExchange) -> None:
    """Nothing that was never stated; of slots that are final, the final bar or none."""
    market = exchange.market
    versions = last_versions(folder)
    stated = {(bar.symbol, bar.start_ms, bar.close, bar.volume) for bar in exchange.stated}
    for record in log_lines(folder):
        if record["type"] == "bar":
            key = (record["symbol"], record["start_ms"], record["close"], record["volume"])
            assert key in stated
    for symbol in market.symbols:
        labels = [start_ms for name, start_ms in versions if name == symbol]
        final_ms = max(labels) - 15 * SLOT_MS
        for start_ms in range(min(labels), final_ms, SLOT_MS):
            assert versions.get((symbol, start_ms)) == market.bar(symbol, start_ms), start_ms
    assert view(folder) == folded(folder)


async def test_a_live_market_comes_into_a_store_until_it_is_stopped(
    exchange: SampleExchange, tmp_path: Path
) -> None:
    port = str(free_port())
    async with Ingesting(tmp_path, exchange, "--http-port", port) as ingest:
        await ingest.until("connection", state="live")
        await ingest.until("hole", cause="restart", state="filled")
        await ingest.until_bars(60)
        status, page = await asyncio.to_thread(ask, port, "metrics")
        assert status == 200
        assert 'tapeline_feed_live{feed="demo"} 1' in page
        assert await asyncio.to_thread(ask, port, "readyz") == (200, "ready\n")
        assert await ingest.end() == 0
    check_store(ingest.store, exchange)
    provenance = (ingest.store / "provenance.jsonl").read_text().splitlines()
    assert len(provenance) == len(log_lines(ingest.store))
    vias = {json.loads(line)[2] for line in provenance}
    assert {"stream", "history"} <= vias
    sources = {record.get("source") for record in log_lines(ingest.store)}
    assert {"live", "fill"} <= sources


async def test_a_process_that_is_killed_loses_nothing(
    exchange: SampleExchange, tmp_path: Path
) -> None:
    for number in range(3):
        async with Ingesting(tmp_path, exchange) as ingest:
            await ingest.until("connection", state="live")
            known = len(ingest.bars()) if (ingest.store / "log.jsonl").exists() else 0
            await ingest.until_bars(known + 5 + number)
            assert await ingest.end(signal.SIGKILL) == -signal.SIGKILL
    async with Ingesting(tmp_path, exchange, "--once") as ingest:
        assert await asyncio.wait_for(ingest.process.wait(), WAIT_S) == 0, await ingest.errors()
    check_store(ingest.store, exchange)


async def test_a_cut_is_a_hole_that_closes(exchange: SampleExchange, tmp_path: Path) -> None:
    async with Ingesting(tmp_path, exchange) as ingest:
        await ingest.until("hole", cause="restart", state="filled")
        exchange.ask("cut", 0)
        hole = await ingest.until("hole", cause="disconnect", state="open")
        closed = await ingest.until("hole", id=hole["id"], state="filled")
        assert closed["missing"] == 0
        assert await ingest.end(signal.SIGINT) == 130
    check_store(ingest.store, exchange)


async def test_without_a_terminal_it_writes_the_lines_of_a_log(
    exchange: SampleExchange, tmp_path: Path
) -> None:
    async with Ingesting(tmp_path, exchange, "--summary-s", "0.5") as ingest:
        await ingest.until_line(r"demo: connection 1 live: 3 symbols$")
        await ingest.until_line(r"hole from \S+ to \S+ \(restart\) filled: [\d,]+ bars fetched$")
        exchange.ask("cut", 0)
        await ingest.until_line(r"hole from \S+ to \S+ \(disconnect\) filled: ")
        await ingest.until_line(r"demo: .*\b\d+ clocks.* in \d+ s; live")
        assert await ingest.end() == 0
    stamps = [re.match(r"(\S+Z) demo: ", line) for line in ingest.lines]
    assert all(stamps)
    assert " s; " in ingest.lines[-1]
    operations = (ingest.store / "topics" / "tape.feeds.v1.jsonl").read_text().splitlines()
    runs = sum(json.loads(line)["type"] == "quiet" for line in operations)
    assert runs > 0
    assert not any("quiet|" in line for line in ingest.lines)


async def test_a_backup_takes_over_when_its_primary_is_gone(
    exchange: SampleExchange, tmp_path: Path
) -> None:
    spare = SampleExchange(SampleMarket())
    await spare.start()
    try:
        ingest = Ingesting(tmp_path, exchange)
        config = tmp_path / "tapeline.toml"
        feed = sample_settings(spare, "spare", REACH_S).partition("[feeds.spare]")[2]
        paired = config.read_text().replace("[feeds.demo]\n", '[feeds.demo]\nbackup = "spare"\n')
        config.write_text(f"{paired}\n[feeds.spare]{feed}")
        async with ingest:
            await ingest.until("connection", state="live", feed="demo")
            await ingest.until("connection", state="live", feed="spare")
            await ingest.until_bars(30)
            exchange.ask("refuse", 3_600)
            exchange.ask("no_history", 3_600)
            exchange.ask("cut", 0)
            change = await ingest.until("failover", to_feed="spare")
            known = len(ingest.bars())
            await ingest.until_bars(known + 20)
            assert await ingest.end() == 0
    finally:
        await spare.stop()
    provenance = (ingest.store / "provenance.jsonl").read_text().splitlines()
    vias = [json.loads(line)[2] for line in provenance]
    records = log_lines(ingest.store)
    failed_over = [
        record
        for record, via in zip(records, vias, strict=True)
        if via == "failover" and record["type"] == "bar"
    ]
    assert len(failed_over) >= 20
    symbol = change["symbol"]
    labels = {each["start_ms"] for each in failed_over if each["symbol"] == symbol}
    traded = (slot for slot in count(change["slot_ms"], SLOT_MS) if spare.market.bar(symbol, slot))
    assert min(labels) == next(traded)
    assert view(ingest.store) == folded(ingest.store)


async def test_without_the_history_nothing_waits_for_ever(
    exchange: SampleExchange, tmp_path: Path
) -> None:
    exchange.ask("no_history", 3_600)
    async with Ingesting(tmp_path, exchange) as ingest:
        await ingest.until("connection", state="live")
        await asyncio.sleep(1)
        assert await ingest.end() == 0
    assert not exchange.requests


async def test_a_feed_without_an_answer_is_tried_again_until_it_is_stopped(
    exchange: SampleExchange, tmp_path: Path
) -> None:
    await exchange.stop()
    async with Ingesting(tmp_path, exchange) as ingest:
        await ingest.until("connection", state="waiting")
        assert await ingest.end() == 0


def ask(port: str, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=WAIT_S) as answer:
        return answer.status, answer.read().decode()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
