"""What the worker is measured against; `benchmarks/kafka.py` starts each as a process of its own.

    python -m benchmarks.kafka_rivals ceiling|loop|tuned|agent BOOTSTRAP TOPIC PARTITIONS BARS

Every one reads the log from its beginning and prints one line of JSON: bars, seconds and CPU
seconds from its first record to its last, and how many outputs it sent. None survives a kill.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tapeline.schemas.records import LogRecord

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
INTERVALS = {"5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "60m": 60 * MINUTE_MS}
WARM_UP = 1_000
"""Records of the agent before its clock starts."""

Output = tuple[str, dict[str, Any]]


class Stopwatch:
    """Wall and CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def report(self, bars: int, outputs: int) -> None:
        """Print what was measured."""
        print(
            json.dumps(
                {
                    "bars": bars,
                    "seconds": time.perf_counter() - self._wall,
                    "cpu_seconds": time.process_time() - self._cpu,
                    "outputs": outputs,
                }
            ),
            flush=True,
        )


def fold(state: dict[str, Any], bar: dict[str, Any]) -> Iterator[Output]:
    """The peer task as one writes it first: derived bars, and touches of the day before.

    It takes its input as it comes: no duplicates, late bars, corrections, gaps or calendars.
    """
    start_ms, high, low = bar["start_ms"], bar["high"], bar["low"]
    day = start_ms - start_ms % DAY_MS
    if state.get("day") != day:
        if "day" in state:
            state["prior"] = {"high": state["high"], "low": state["low"]}
        state.update(day=day, high=high, low=low)
    else:
        state["high"] = max(state["high"], high)
        state["low"] = min(state["low"], low)
    prior = state.get("prior")
    if prior:
        for level in [name for name, price in prior.items() if low <= price <= high]:
            touch = {"symbol": bar["symbol"], "level": level, "price": prior.pop(level)}
            yield "touch", {**touch, "day": day, "bar_ms": start_ms}
    windows = state.setdefault("windows", {})
    for name, length in INTERVALS.items():
        begin = start_ms - start_ms % length
        window = windows.get(name)
        if window is None or window["start_ms"] != begin:
            if window is not None:
                yield "derived_bar", window
            window = windows[name] = {
                "symbol": bar["symbol"],
                "interval": name,
                "start_ms": begin,
                "open": bar["open"],
                "high": high,
                "low": low,
                "close": bar["close"],
                "volume": bar["volume"],
                "have": 1,
            }
        else:
            window["high"] = max(window["high"], high)
            window["low"] = min(window["low"], low)
            window["close"] = bar["close"]
            window["volume"] += bar["volume"]
            window["have"] += 1
        if window["start_ms"] + length == start_ms + MINUTE_MS:
            del windows[name]
            yield "derived_bar", window


async def batches(
    bootstrap: str, topic: str, partitions: int
) -> tuple[AIOKafkaConsumer, Callable[[], Any]]:
    """A consumer at the beginning of a log, and how to get its next records."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(tps)
    await consumer.seek_to_beginning(*tps)

    async def more() -> Any:
        return await consumer.getmany(timeout_ms=1_000)

    return consumer, more


async def run_ceiling(bootstrap: str, topic: str, partitions: int, bars: int) -> None:
    """Read and decode, nothing else."""
    decode = msgspec.json.Decoder(LogRecord).decode
    consumer, more = await batches(bootstrap, topic, partitions)
    watch = Stopwatch()
    seen = 0
    while seen < bars:
        for records in (await more()).values():
            for record in records:
                decode(record.value)
            seen += len(records)
    watch.report(seen, 0)
    await consumer.stop()


async def run_loop(
    bootstrap: str, topic: str, partitions: int, bars: int, tuned: bool = False
) -> None:
    """The peer task: one send an output, nothing kept.

    Parameters
    ----------
    tuned
        With a pause that lets batches fill, and without a choice of partition by key.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5 if tuned else 0)
    await producer.start()
    consumer, more = await batches(bootstrap, topic, partitions)
    states: dict[str, dict[str, Any]] = {}
    watch = Stopwatch()
    seen = sent = 0
    while seen < bars:
        for tp, records in (await more()).items():
            for record in records:
                bar = orjson.loads(record.value)
                symbol = bar["symbol"]
                for kind, value in fold(states.setdefault(symbol, {}), bar):
                    await producer.send(
                        f"loop.{kind}",
                        orjson.dumps(value),
                        key=symbol.encode(),
                        partition=tp.partition if tuned else None,
                    )
                    sent += 1
            seen += len(records)
    await producer.flush()
    watch.report(seen, sent)
    await consumer.stop()
    await producer.stop()


def run_agent(bootstrap: str, topic: str, partitions: int, bars: int) -> None:
    """The peer task in Faust as its manual has it: a record at a time, a table in memory."""
    import faust

    app = faust.App(
        "benchmark-agent",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        topic_partitions=partitions,
        value_serializer="json",
        web_enabled=False,
    )
    source = app.topic(topic, value_serializer="json")
    outputs = {kind: app.topic(f"agent.{kind}") for kind in ("touch", "derived_bar")}
    table = app.Table("state", partitions=partitions)

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def follow(bars_read: Any) -> None:
        watch = None
        seen = sent = 0
        async for bar in bars_read:
            if seen == WARM_UP:
                watch, sent = Stopwatch(), 0
            symbol = bar["symbol"]
            state = table.get(symbol) or {}
            for kind, value in fold(state, bar):
                await outputs[kind].send(key=symbol, value=value)
                sent += 1
            table[symbol] = state
            seen += 1
            if seen == bars and watch is not None:
                watch.report(seen - WARM_UP, sent)
                # The figures are out; an orderly end would take seconds of waiting.
                os._exit(0)

    # Faust would take what is printed for log lines.
    faust.Worker(app, loglevel="error", redirect_stdouts=False).execute_from_commandline()


def main() -> None:
    """Run the one that is named."""
    name, bootstrap, topic, partitions, bars = sys.argv[1:]
    if name == "agent":
        run_agent(bootstrap, topic, int(partitions), int(bars))
        return
    where = (bootstrap, topic, int(partitions), int(bars))
    if name == "loop":
        asyncio.run(run_loop(*where))
        return
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(run_ceiling(*where) if name == "ceiling" else run_loop(*where, tuned=True))


if __name__ == "__main__":
    main()
