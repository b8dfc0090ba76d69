"""What a live feed costs, and how long an outage is felt.

    python benchmarks/ingest.py [--symbols 11000] [--minutes 3] [--json FILE]

(a) a whole market: bars of one minute of all symbols within the first second of the next one, over
    a websocket on loopback. From receipt to acknowledgement (median, 99th percentile, greatest),
    processor time a bar and memory; into a destination that keeps nothing, and into a store. The
    provider is a process of its own; first minutes are not counted.
(b) 500 symbols after ten minutes of outage, one request a symbol, 200 requests a minute, on a
    virtual clock: until the bars of every symbol are written as they come, and until the hole is
    closed; and what the engine costs meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from core import machine  # type: ignore[import-not-found]  # a script beside this one

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.feed_events import Hole
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Answered,
    Append,
    Connect,
    ConnectionOpened,
    Event,
    Fetch,
    Instant,
    Received,
    Report,
    Send,
    Timer,
)
from tapeline.streams.feeds.live.secrets import Secrets
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.feeds.live.transports.opening import open_connections
from tapeline.streams.ingest.feed_run import FeedRun
from tapeline.streams.ingest.recording import NoLog
from tapeline.streams.ingest.store_log import StoreFeedLog, StoreThread
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.log_writer import (
    KnownLog,
    KnownSymbol,
    LogBatch,
    LogEntry,
    LogWriter,
)
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.store.live import LiveStore

MINUTE_MS = 60_000
A_FRAME = 100
"""Bars of one message."""
CALENDAR = "XNYS"
START_MS = 1_796_056_275_000
"""Of (b), 2026-11-30 at 11:31:15 in New York."""
OUTAGE_MINUTES = 10
FELT_MINUTES = 15
ANSWER_MS = 150
WRITE_MS = 10
ON_TIME_MS = 5_000
INSTRUMENT = '[instruments.{}]\ntick = 0.01\ncalendar = "{}"\nranges = []\n'
FEED = """
[feeds.market]
kind = "websocket"
url = "ws://127.0.0.1:{port}/stream"
symbols = {symbols}

[feeds.market.session]
open = [
  {{ send = '{{"subscribe":${{symbols}}}}', chunk = 500, \
expect = {{ subscribed = "${{symbols}}" }} }},
]
stale_after = "150s"

[feeds.market.bar]
each = "[*]"
where = {{ T = "b" }}
symbol = "S"
start = {{ path = "t", unit = "ms" }}
prices = {{ open = "o", high = "h", low = "l", close = "c" }}
volume = "v"

[feeds.market.truth]
silence = "canary"
"""
HISTORY = """
[feeds.market.history]
url = "http://127.0.0.1:{port}/bars?s={{symbol}}&from={{from_ms}}&to={{to_ms}}"
rows = "bars[*]"
lag = "2s"
rate = {{ requests = 200, per = "60s" }}
"""


def names_of(count: int) -> list[str]:
    """Symbols of the market."""
    return [f"S{number:05}" for number in range(count)]


def config_of(count: int, port: int, calendar: str = "24/7", history: bool = False) -> Config:
    """A configuration of that many instruments and one feed of them."""
    names = names_of(count)
    instruments = "".join(INSTRUMENT.format(name, calendar) for name in names)
    text = instruments + FEED.format(port=port, symbols=json.dumps(names))
    if history:
        text += HISTORY.format(port=port)
    return read_config(text, "ingest.toml")


def row(name: str, label_ms: int) -> dict[str, Any]:
    """A bar as the provider sends it."""
    price = 10_000 + hash_of(name, label_ms) % 50
    close = price + hash_of(name, label_ms + 1) % 7
    return {
        "T": "b",
        "S": name,
        "t": label_ms,
        "o": price / 100,
        "h": close / 100,
        "l": price / 100,
        "c": close / 100,
        "v": 100,
    }


def hash_of(name: str, number: int) -> int:
    """A number of both, equal in every process."""
    return (int(name[1:]) * 2_654_435_761 + number * 40_503) & 0xFFFF


# (a): a provider, and a feed of it.


def provide(pipe: Pipe, names: list[str]) -> None:
    """The process of the provider: reports its port, serves until it is ended."""
    asyncio.run(_provide(pipe, names))


async def _provide(pipe: Pipe, names: list[str]) -> None:
    clients: list[web.WebSocketResponse] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)["subscribe"]
            await socket.send_str(json.dumps({"subscribed": asked}))
            if asked[-1] == names[-1]:
                clients.append(socket)
        clients.remove(socket)
        return socket

    application = web.Application()
    application.router.add_get("/stream", stream)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send(runner.addresses[0][1])
    while True:
        label_ms = read_clocks().wall_ms // MINUTE_MS * MINUTE_MS
        frames = [
            json.dumps([row(name, label_ms) for name in names[at : at + A_FRAME]])
            for at in range(0, len(names), A_FRAME)
        ]
        for number, frame in enumerate(frames):
            due_ms = label_ms + MINUTE_MS + number * 1_000 // len(frames)
            await asyncio.sleep(max(due_ms - read_clocks().wall_ms, 0) / 1_000)
            for client in list(clients):
                with suppress(ConnectionError):
                    await client.send_str(frame)


class TimedLog:
    """A log that measures from receipt to acknowledgement, in milliseconds, by minute."""

    def __init__(self, log: LogWriter) -> None:
        self.waits: dict[int, list[int]] = {}
        self._log = log

    async def read_back(self, feed: str, symbols: Sequence[str]) -> KnownLog:
        """As the log."""
        return await self._log.read_back(feed, symbols)

    async def write(self, batch: LogBatch) -> None:
        """Write, and measure the bars of the stream."""
        await self._log.write(batch)
        now_ms = read_clocks().wall_ms
        for item in batch.items:
            if isinstance(item, LogEntry) and isinstance(item.record, Bar):
                self.waits.setdefault(item.record.start_ms, []).append(now_ms - item.recv_ms)

    async def close(self) -> None:
        """As the log."""
        await self._log.close()


async def market(count: int, minutes: int, port: int, store: Path | None) -> dict[str, Any]:
    """Run a feed of the market for some minutes after the first."""
    config = config_of(count, port)
    feed = config.feeds["market"]
    mapping = compile_mapping(feed, config, Secrets({}))
    async with AsyncExitStack() as stack:
        # As the command does.
        stack.enter_context(rare_collections())
        log = TimedLog(NoLog())
        if store is not None:
            live = LiveStore(config, store)
            thread = StoreThread(live)
            await thread.start()
            stack.push_async_callback(thread.stop)
            log = TimedLog(StoreFeedLog(live, thread, feed.name))
        known = await log.read_back(feed.name, tuple(feed.symbols))
        engine = FeedEngine(feed, mapping, Router(config), known, Random(1))
        inbox = Inbox()
        connections = open_connections(feed, mapping, inbox)
        run = FeedRun(engine, inbox, connections, HttpRequests(inbox), log)
        running = asyncio.create_task(run.run())
        await until_minute(1)
        cpu_s = time.process_time()
        await until_minute(minutes)
        cpu_s = time.process_time() - cpu_s
        run.stop()
        await running
    first = min(log.waits, default=0)
    waits = sorted(each for label, found in log.waits.items() if label > first for each in found)
    return {
        "bars": len(waits),
        "median_ms": waits[len(waits) // 2],
        "p99_ms": waits[len(waits) * 99 // 100],
        "greatest_ms": waits[-1],
        "cpu_us_a_bar": round(cpu_s * 1e6 / len(waits), 1),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def until_minute(count: int) -> None:
    """Wait until the middle of a minute, so many minutes from now."""
    now_ms = read_clocks().wall_ms
    to_ms = (now_ms // MINUTE_MS + count) * MINUTE_MS + MINUTE_MS // 2
    await asyncio.sleep((to_ms - now_ms) / 1_000)


def measured(pipe: Pipe, count: int, minutes: int, port: int, store: Path | None) -> None:
    """One feed as a process, so that memory is its own."""
    pipe.send(asyncio.run(market(count, minutes, port, store)))


def whole_market(count: int, minutes: int) -> dict[str, Any]:
    """Figures of (a) by destination."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    provider = context.Process(target=provide, args=(theirs, names_of(count)), daemon=True)
    provider.start()
    port = ours.recv()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, store in (("kept nowhere", None), ("store", Path(folder) / "store")):
            process = context.Process(target=measured, args=(theirs, count, minutes, port, store))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(f"{name}: ended with {process.exitcode}")
            figures[name] = ours.recv()
    provider.terminate()
    provider.join()
    return figures


# (b): an outage on a virtual clock.


class Outage:
    """An engine that starts ten minutes after its log ended, and a provider that answers."""

    def __init__(self, count: int, start_ms: int) -> None:
        last_ms = start_ms // MINUTE_MS * MINUTE_MS - OUTAGE_MINUTES * MINUTE_MS
        config = config_of(count, 1, CALENDAR, history=True)
        feed = config.feeds["market"]
        self.names = tuple(feed.symbols)
        self.first_live_ms: dict[str, int] = {}
        self.closed_ms: int | None = None
        self.requests = self.bars = self.fetched = self.rows = 0
        self.engine_s = 0.0
        self.streamed = 0
        calendar = load_calendar(CALENDAR)
        session = calendar.session_of(last_ms)
        labels = [
            *range(calendar.open_ms(session - 1), calendar.close_ms(session - 1), MINUTE_MS),
            *range(calendar.open_ms(session), last_ms, MINUTE_MS),
        ]
        known = KnownLog(
            symbols={
                name: KnownSymbol(
                    last_ms, {label: bar_of(name, label) for label in labels}, {"market"}
                )
                for name in self.names
            }
        )
        mapping = compile_mapping(feed, config, Secrets({}))
        self._engine = FeedEngine(feed, mapping, Router(config), known, Random(1))
        self._start_ms = self._now_ms = start_ms
        self._events: list[tuple[int, int, Event]] = []
        self._count = 0
        self._holes: dict[str, str] = {}

    def run(self, minutes: int) -> None:
        """Let that much time pass."""
        end_ms = self._start_ms + minutes * MINUTE_MS
        for minute in range(minutes):
            label_ms = self._start_ms // MINUTE_MS * MINUTE_MS + minute * MINUTE_MS
            bars = [row(name, label_ms) for name in self.names]
            self._later(label_ms + MINUTE_MS + 200, Received(1, json.dumps(bars).encode()))
            self.streamed += len(bars)
        while True:
            due_ms = max(self._engine.next_ms, self._now_ms)
            if self._events and self._events[0][0] <= due_ms:
                self._now_ms, _, event = heapq.heappop(self._events)
            else:
                self._now_ms, event = due_ms, Timer()
            if self._now_ms > end_ms:
                return
            self._handle(event)

    def _later(self, at_ms: int, event: Event) -> None:
        self._count += 1
        heapq.heappush(self._events, (at_ms, self._count, event))

    def _handle(self, event: Event) -> None:
        now = Instant(self._now_ms, self._now_ms)
        began_s = time.process_time()
        actions = self._engine.handle(event, now)
        self.engine_s += time.process_time() - began_s
        for action in actions:
            if isinstance(action, Connect):
                self._later(self._now_ms + 50, ConnectionOpened(action.connection))
            elif isinstance(action, Send):
                asked = json.loads(action.text)["subscribe"]
                answer = json.dumps({"subscribed": asked}).encode()
                self._later(self._now_ms + 50, Received(action.connection, answer))
            elif isinstance(action, Fetch):
                self.requests += 1
                at_ms = self._now_ms + ANSWER_MS
                body = self._answer(action.http.url, at_ms)
                self._later(at_ms, Answered(action.request, 200, body))
            elif isinstance(action, Append):
                self._later(self._now_ms + WRITE_MS, Acknowledged(action.batch))
                self._take(action)
            elif isinstance(action, Report) and isinstance(action.event, Hole):
                hole = action.event
                self._holes[hole.id] = hole.state
                is_open = "open" in self._holes.values()
                self.closed_ms = None if is_open else self._now_ms

    def _take(self, action: Append) -> None:
        for entry in action.entries:
            if isinstance(entry.record, Bar):
                self.bars += 1
                self.fetched += entry.via == "history"
                late_ms = self._now_ms - entry.record.start_ms - MINUTE_MS
                if entry.via == "stream" and late_ms < ON_TIME_MS:
                    self.first_live_ms.setdefault(entry.record.symbol, self._now_ms)

    def _answer(self, url: str, at_ms: int) -> bytes:
        query = parse_qs(urlsplit(url).query)
        first_ms, last_ms = int(query["from"][0]), int(query["to"][0])
        last_ms = min(last_ms, at_ms - MINUTE_MS - 2_000)
        labels = range(-(-first_ms // MINUTE_MS) * MINUTE_MS, last_ms + 1, MINUTE_MS)
        self.rows += len(labels)
        return json.dumps({"bars": [row(query["s"][0], label) for label in labels]}).encode()

    def figures(self) -> dict[str, Any]:
        """Seconds since the start."""
        felt = sorted(self.first_live_ms.values())

        def seconds(at_ms: int | None) -> float | None:
            return None if at_ms is None else round((at_ms - self._start_ms) / 1_000, 1)

        return {
            "symbols": len(self.names),
            "half_on_time_s": seconds(felt[len(felt) // 2] if felt else None),
            "all_on_time_s": seconds(felt[-1] if len(felt) == len(self.names) else None),
            "hole_closed_s": seconds(self.closed_ms),
            "requests": self.requests,
            "bars": self.bars,
            "of_them_fetched": self.fetched,
            "rows_of_the_history": self.rows,
            "engine_us_a_row": round(self.engine_s * 1e6 / (self.rows + self.streamed), 1),
        }


def bar_of(name: str, label_ms: int) -> Bar:
    """The bar of `row`."""
    found = row(name, label_ms)
    return Bar(name, "1m", label_ms, found["o"], found["h"], found["l"], found["c"], found["v"])


def outage(count: int) -> dict[str, Any]:
    """Figures of (b)."""
    made = Outage(count, START_MS)
    made.run(FELT_MINUTES)
    return made.figures()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--symbols", type=int, default=11_000)
    parser.add_argument("--minutes", type=int, default=3)
    parser.add_argument("--only", choices=("market", "outage"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures: dict[str, Any] = {"machine": machine()}
    if options.only != "market":
        figures["outage"] = outage(500)
    if options.only != "outage":
        figures["market"] = whole_market(options.symbols, options.minutes)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.json is not None:
        options.json.write_text(text)


if __name__ == "__main__":
    main()
