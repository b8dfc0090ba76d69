"""How soon and how cheaply a worker that has caught up answers; a part of `benchmarks/kafka.py`.

Idle: CPU of the process while nothing is appended. Bursts: the next bar of every symbol appended at
one instant, again and again; an output's latency lies between the instant before the first of them
was handed to the producer, and the instant a consumer held the output. All in one process with one
clock, on the machine that the broker and the worker use, too.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from msgspec import Struct

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar
from tapeline.schemas.topics import input_log, topic_of

IDLE_S = 10.0
BURSTS = 150
PAUSE_S = 0.1
"""Between bursts; longer than any answer should take."""
LATENESS_S = 2.0


class Live(Struct, frozen=True):
    """What a caught-up worker showed.

    Attributes
    ----------
    outputs
        How many latencies there are.
    idle_share
        CPU of the idle process, as a share of one core.
    peak_mb
        Most memory it ever held, the way to here included.
    """

    outputs: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    idle_share: float
    peak_mb: float


async def measure_live(config: Config, pid: int, bars: Iterator[Bar], symbols: int) -> Live:
    """Measure a worker that has nothing left to do.

    Parameters
    ----------
    bars
        What follows in its log, minute by minute, all symbols in turn.
    """
    before = cpu_seconds(pid)
    await asyncio.sleep(IDLE_S)
    idle = (cpu_seconds(pid) - before) / IDLE_S
    latencies = sorted(await burst_latencies(config, bars, symbols))
    if not latencies:
        raise SystemExit("no burst was answered")
    return Live(
        len(latencies),
        1000 * latencies[len(latencies) // 2],
        1000 * latencies[len(latencies) * 99 // 100],
        1000 * latencies[-1],
        idle,
        peak_megabytes(pid),
    )


def shown_rates(live: Live) -> str:
    """The figures, marked up for a terminal."""
    return (
        f"{live.outputs} outputs of {BURSTS} bursts (to reach: p99 at most 50 ms): p50 "
        f"[bold]{live.p50_ms:.1f}[/bold] ms, p99 [bold]{live.p99_ms:.1f}[/bold] ms, worst "
        f"{live.worst_ms:.1f} ms\nidle (to reach: below 1 %): [bold]{100 * live.idle_share:.2f}"
        f"[/bold] % of a core\nmemory (to reach: 250 MB): [bold]{live.peak_mb:.0f}[/bold] MB"
    )


async def burst_latencies(config: Config, bars: Iterator[Bar], symbols: int) -> list[float]:
    """Seconds from input to output, of every derived bar of all bursts."""
    kafka = config.kafka
    tps = [
        TopicPartition(topic_of("derived_bar", kafka.topic_prefix), number)
        for number in range(kafka.partitions)
    ]
    found: list[float] = []
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer,
        AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False) as consumer,
    ):
        consumer.assign(tps)
        await consumer.seek_to_end(*tps)
        for tp in tps:
            # Until it is asked for, the end is not looked up, and would be that of later.
            await consumer.position(tp)
        for _ in range(BURSTS):
            burst = [next(bars) for _ in range(symbols)]
            started = time.perf_counter()
            for bar in burst:
                await producer.send(
                    input_log(kafka.topic_prefix),
                    encode(bar),
                    key=bar.symbol.encode(),
                    partition=partition_for(config.group_of(bar.symbol), kafka.partitions),
                    timestamp_ms=bar.start_ms + 60_000,
                )
            found += await answers(consumer, started, symbols if ends_window(burst[0]) else 0)
    return found


def ends_window(bar: Bar) -> bool:
    """Whether a derived bar ends with this one, at each symbol."""
    return (bar.start_ms + 60_000) % 300_000 == 0


async def answers(consumer: AIOKafkaConsumer, started: float, due: int) -> list[float]:
    """Latencies of all that is read until the pause is over and all that is due has come."""
    found: list[float] = []
    while True:
        elapsed = time.perf_counter() - started
        if elapsed > PAUSE_S and (len(found) >= due or elapsed > LATENESS_S):
            return found
        for records in (await consumer.getmany(timeout_ms=20)).values():
            found += [time.perf_counter() - started] * len(records)


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process, all threads together; from /proc, so Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def peak_megabytes(pid: int) -> float:
    """Most resident memory of a process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} does not show how much memory it holds")
