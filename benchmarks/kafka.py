"""How fast the worker is on a broker, against what one would write by hand, all in one run.

    python benchmarks/kafka.py [--bars 1000000] [--agent-bars 40000] [--partitions 12] [--json FILE]

On the test broker, one node on loopback, logs filled before; each a process of its own:

(1) plain aiokafka getmany and msgspec decode: the ceiling;
(2) `tapeline worker` with the full rules: 20 symbols in 10 pairs with the settings of ES and NQ;
(3) `tapeline worker` on the peer task: 100 symbols on `24/7`, derived 5m 15m 60m, touches of the
    previous day, no swings and no quality;
(4) the peer task as a hand-written aiokafka and orjson loop, one send an output, no durable state,
    settings as they come; and the same tuned: uvloop, linger of 5 ms, partition of the input;
(5) the peer task as a straightforward Faust agent, a record at a time. It is slow, so it reads the
    first `--agent-bars` of the log only; its figures per bar count for the whole log.

After that, of the worker on the peer task: memory, CPU while idle, and how soon bursts are
answered (`kafka_live`).

A worker is measured between the first and the last change of its committed offsets, so without its
start and with everything durable. Faust commits once a second: a long log makes that second small.
CPU seconds are those of the process alone, not of the broker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError
from core import (  # type: ignore[import-not-found]  # a script beside this one
    FIRST_SESSION,
    configuration,
    groups,
    machine,
)
from kafka_live import (  # type: ignore[import-not-found]
    BURSTS,
    Live,
    cpu_seconds,
    measure_live,
    peak_megabytes,
    shown_rates,
)
from msgspec import Struct
from msgspec.structs import asdict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
# The test broker is not part of the installed package. What is installed comes first: that may be
# the compiled core.
sys.path.append(str(ROOT))

from tapeline.schemas.codec import encode  # noqa: E402
from tapeline.schemas.config.loading import read_config  # noqa: E402
from tapeline.schemas.config.model import Config  # noqa: E402
from tapeline.schemas.partition import partition_for  # noqa: E402
from tapeline.schemas.records import Bar  # noqa: E402
from tapeline.schemas.topics import input_log, output_topics, worker_app_id  # noqa: E402
from tapeline.streams.calendars import load_calendar  # noqa: E402
from tapeline.streams.core import engine as engine_module  # noqa: E402
from tapeline.streams.feeds.samples import sample_book  # noqa: E402
from tapeline.streams.kafka.administration import create_topics  # noqa: E402
from tapeline.streams.kafka.writer import BatchWriter, batch_producer, stop_producer  # noqa: E402
from tests.kafka.broker import temporary_broker  # noqa: E402

FULL_SYMBOLS = 20
PEER_SYMBOLS = 100
POLL_S = 0.05
PATIENCE_S = 300.0
RIVAL_TOPICS = ("loop.touch", "loop.derived_bar", "agent.touch", "agent.derived_bar")


class Figures(Struct, frozen=True):
    """What one contestant took."""

    bars: int
    seconds: float
    cpu_seconds: float
    outputs: int
    peak_mb: float | None = None

    @property
    def bars_per_second(self) -> float:
        """Throughput."""
        return self.bars / self.seconds

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds per million bars."""
        return self.cpu_seconds / self.bars * 1e6


def kafka_section(bootstrap: str, prefix: str, partitions: int) -> str:
    """TOML of where the topics are."""
    return (
        f'[kafka]\nbootstrap = "{bootstrap}"\ntopic_prefix = "{prefix}"\n'
        f"partitions = {partitions}\n\n"
    )


def peer_configuration() -> str:
    """TOML of the peer task."""
    symbols = "".join(
        f'[instruments.{symbol}]\ntick = 0.25\ncalendar = "24/7"\nranges = ["prior_session"]\n'
        "swings = false\nquality = false\n"
        for symbol in peer_symbols()
    )
    return f'[derived]\nintervals = ["5m", "15m", "60m"]\n\n{symbols}'


def peer_symbols() -> list[str]:
    """Names of the symbols of the peer task."""
    return [f"COIN{number}" for number in range(PEER_SYMBOLS)]


def full_symbols() -> list[str]:
    """Names of the symbols of the full rules, partners side by side."""
    return list(chain.from_iterable(groups(FULL_SYMBOLS)))


def books(symbols: list[str], calendar: str, bars: int) -> Iterator[Bar]:
    """So many bars of all books, minute by minute."""
    found = load_calendar(calendar)
    each = (
        sample_book(symbol, found, FIRST_SESSION, sessions_for(bars, len(symbols)), seed)
        for seed, symbol in enumerate(symbols)
    )
    return islice(chain.from_iterable(zip(*each, strict=True)), bars)


def sessions_for(bars: int, symbols: int) -> int:
    """More sessions than the bars fill; the shortest have over 200 minutes."""
    return bars // symbols // 200 + 2


async def fill(config: Config, bars: Iterator[Bar]) -> int:
    """Make the topics of a configuration and append bars to its log; how many."""
    kafka = config.kafka
    await create_topics(kafka, kafka.brokers)
    producer = batch_producer(kafka.brokers)
    await producer.start()
    writer = BatchWriter(producer, input_log(kafka.topic_prefix))
    count = 0
    for bar in bars:
        partition = partition_for(config.group_of(bar.symbol), kafka.partitions)
        await writer.add(partition, bar.symbol.encode(), encode(bar), bar.start_ms + 60_000)
        count += 1
    await writer.flush()
    await writer.drain()
    await stop_producer(producer)
    return count


async def make_rival_topics(bootstrap: str, partitions: int) -> None:
    """Where the outputs of (4) and (5) go."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in RIVAL_TOPICS])
    finally:
        await admin.close()


def measure_rival(name: str, config: Config, bars: int) -> Figures:
    """Run one of `benchmarks.kafka_rivals`."""
    kafka = config.kafka
    words = [kafka.bootstrap, input_log(kafka.topic_prefix), str(kafka.partitions), str(bars)]
    # Faust makes a folder for its data in the current folder.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.kafka_rivals", name, *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            capture_output=True,
            timeout=PATIENCE_S,
        )
    if done.returncode != 0:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr.decode()[-4_000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Figures(found["bars"], found["seconds"], found["cpu_seconds"], found["outputs"])


async def measure_worker(
    config: Config, text: str, bars: int, after: Iterator[Bar] | None = None
) -> tuple[Figures, Live | None]:
    """Run `tapeline worker` over a whole log.

    Parameters
    ----------
    after
        Bars that follow those of the log, to be appended live.
    """
    live: Live | None = None
    kafka = config.kafka
    group, topic = worker_app_id(kafka.topic_prefix), input_log(kafka.topic_prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        with tempfile.TemporaryDirectory() as folder, worker(Path(folder), text) as process:
            first: tuple[int, float, float] | None = None
            deadline = time.monotonic() + PATIENCE_S
            while True:
                committed = await committed_by(admin, group, topic)
                now, cpu = time.perf_counter(), cpu_seconds(process.pid)
                if committed and first is None:
                    first = (committed, now, cpu)
                if committed >= bars:
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    printed = (Path(folder) / "worker.log").read_text()[-4_000:]
                    raise SystemExit(f"the worker committed {committed} of {bars} bars: {printed}")
                await asyncio.sleep(POLL_S)
            outputs, peak = await count_outputs(config), peak_megabytes(process.pid)
            if after is not None:
                live = await measure_live(config, process.pid, after, PEER_SYMBOLS)
    finally:
        await admin.close()
    if first is None or first[0] >= bars:
        raise SystemExit("the worker was done before it could be measured: more --bars")
    measured = bars - first[0]
    share = round(outputs * measured / bars)
    return Figures(measured, now - first[1], cpu - first[2], share, peak), live


@contextmanager
def worker(folder: Path, text: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with a fresh store; it ends with the context."""
    path = folder / "tapeline.toml"
    path.write_text(text, "utf-8")
    # -P: what this process imports, not what lies in the current folder.
    command = [sys.executable, "-P", "-m", "tapeline", "worker", "--config", str(path)]
    command += [
        "--data-dir",
        str(folder / "data"),
        "--http-port",
        str(20_000 + os.getpid() % 9_999),
    ]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def committed_by(admin: AIOKafkaAdminClient, group: str, topic: str) -> int:
    """Records of a log that a group has committed, all partitions together."""
    # The broker makes the topic of commits when the first group asks for it.
    with suppress(GroupCoordinatorNotAvailableError):
        found = await admin.list_consumer_group_offsets(group)
        return sum(max(each.offset, 0) for tp, each in found.items() if tp.topic == topic)
    return 0


async def count_outputs(config: Config) -> int:
    """Records of all output topics; nothing is compacted so soon."""
    kafka = config.kafka
    tps = [
        TopicPartition(name, number)
        for name in output_topics(kafka.topic_prefix)
        for number in range(kafka.partitions)
    ]
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap) as consumer:
        return sum((await consumer.end_offsets(tps)).values())


def measure(
    bootstrap: str, arguments: argparse.Namespace
) -> tuple[dict[str, Figures], Live | None]:
    """All contestants, one after the other."""
    bars, partitions = arguments.bars, arguments.partitions
    full_text = kafka_section(bootstrap, "full", partitions) + configuration(groups(FULL_SYMBOLS))
    peer_text = kafka_section(bootstrap, "peer", partitions) + peer_configuration()
    full, peer = read_config(full_text, "benchmark"), read_config(peer_text, "benchmark")
    asyncio.run(fill(full, books(full_symbols(), "CME_EQUITY", bars)))
    bursts = PEER_SYMBOLS * BURSTS
    book = books(peer_symbols(), "24/7", bars + bursts)
    asyncio.run(fill(peer, islice(book, bars)))
    asyncio.run(make_rival_topics(bootstrap, partitions))
    # The rivals first: the bursts lengthen the log.
    found = {
        "ceiling": measure_rival("ceiling", peer, bars),
        "loop": measure_rival("loop", peer, bars),
        "tuned": measure_rival("tuned", peer, bars),
        "agent": measure_rival("agent", peer, min(bars, arguments.agent_bars)),
    }
    found["worker_full"], _ = asyncio.run(measure_worker(full, full_text, bars))
    found["worker_peer"], live = asyncio.run(measure_worker(peer, peer_text, bars, book))
    return {name: found[name] for name in TITLES}, live


def ratios(found: dict[str, Figures]) -> dict[str, float]:
    """What is to be compared."""
    speed = {name: each.bars_per_second for name, each in found.items()}
    cpu = {name: each.cpu_per_million for name, each in found.items()}
    return {
        "peer task, worker / loop, bars per second (to reach: 1.6)": speed["worker_peer"]
        / speed["loop"],
        "peer task, worker / agent, bars per second (to reach: 50)": speed["worker_peer"]
        / speed["agent"],
        "full rules / loop on the peer task, bars per second (to reach: 0.8)": speed["worker_full"]
        / speed["loop"],
        "peer task, worker / loop, CPU (to reach: at most 0.7)": cpu["worker_peer"] / cpu["loop"],
        "peer task, worker / tuned loop, bars per second": speed["worker_peer"] / speed["tuned"],
        "full rules / tuned loop, bars per second": speed["worker_full"] / speed["tuned"],
        "peer task, worker / tuned loop, CPU": cpu["worker_peer"] / cpu["tuned"],
        "peer task, worker / ceiling, bars per second": speed["worker_peer"] / speed["ceiling"],
    }


TITLES = {
    "ceiling": "(1) aiokafka getmany, msgspec decode",
    "worker_full": "(2) tapeline worker, full rules",
    "worker_peer": "(3) tapeline worker, peer task",
    "loop": "(4) aiokafka and orjson loop, peer task, nothing durable",
    "tuned": "(4) the same loop, tuned",
    "agent": "(5) Faust agent, peer task, by the record",
}


def show(found: dict[str, Figures], live: Live | None, core: str) -> None:
    """Print the figures and their ratios."""
    console = Console(width=110)
    console.print(f"{machine()}; {core} core; one broker on the same machine")
    table = Table("", "bars", "bars/s", "CPU s per million", "outputs a bar", "MB", box=SIMPLE_HEAD)
    for name, each in found.items():
        table.add_row(
            TITLES[name],
            f"{each.bars:,}",
            f"{each.bars_per_second:,.0f}",
            f"{each.cpu_per_million:.1f}",
            f"{each.outputs / each.bars:.2f}",
            "" if each.peak_mb is None else f"{each.peak_mb:.0f}",
        )
    console.print(table)
    for name, value in ratios(found).items():
        console.print(f"{name}: [bold]{value:.2f}[/bold]")
    if live is not None:
        console.print(shown_rates(live))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--agent-bars", type=int, default=40_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    core = "pure" if str(engine_module.__file__).endswith(".py") else "compiled"
    # A topic that was made just before has no leader yet: producers ask again by themselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with temporary_broker() as broker:
        found, live = measure(broker.bootstrap, arguments)
    show(found, live, core)
    if arguments.json is not None:
        content = {
            "machine": machine(),
            "core": core,
            "figures": {
                name: {
                    "bars": each.bars,
                    "bars_per_second": each.bars_per_second,
                    "cpu_seconds_per_million_bars": each.cpu_per_million,
                    "outputs": each.outputs,
                    "peak_mb": each.peak_mb,
                }
                for name, each in found.items()
            },
            "ratios": ratios(found),
            "live": None if live is None else asdict(live),
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
