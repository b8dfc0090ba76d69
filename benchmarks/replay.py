"""What a replay costs beside the core it runs, how long it takes to begin, and what it holds.

    python benchmarks/replay.py [--sessions 100] [--rounds 3] [--json FILE]

On the test broker, one node on loopback; logs of ES-like and NQ-like books, four groups of two.
Every measurement is a process of its own; of the rounds, which take turns, the best counts:

(a) the same core over records that are decoded and in memory, nothing written;
(b) `replay` of a topic of one partition into a run directory, as fast as possible;
(c) the same over four partitions;
(d) `replay` of the same log as a file into a run directory;
(e) peak memory of (c) over a tenth of the log and over the whole;
(f) from opening to the first event, where the start lies in the middle of the log, with the
    snapshots that a worker leaves and without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from core import configuration, groups, machine  # type: ignore[import-not-found]  # beside this one
from kafka import kafka_section  # type: ignore[import-not-found]  # likewise
from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
# The test broker is not part of the installed package; and this script is not the package `replay`.
sys.path.insert(0, str(ROOT))

from tapeline.replay import Replay  # noqa: E402
from tapeline.replay.results.results import replay_to_folder  # noqa: E402
from tapeline.schemas.codec import RecordDecoder, encode  # noqa: E402
from tapeline.schemas.config.loading import read_config  # noqa: E402
from tapeline.schemas.config.model import Config  # noqa: E402
from tapeline.schemas.partition import partition_for  # noqa: E402
from tapeline.schemas.records import Bar  # noqa: E402
from tapeline.schemas.topics import input_log, snapshot_topic  # noqa: E402
from tapeline.streams.calendars import load_calendar  # noqa: E402
from tapeline.streams.core import engine as engine_module  # noqa: E402
from tapeline.streams.core.engine import GroupEngine  # noqa: E402
from tapeline.streams.feeds.samples import sample_book  # noqa: E402
from tapeline.streams.kafka.administration import create_topics  # noqa: E402
from tapeline.streams.kafka.snapshots import CloseClock, SnapshotHead, snapshot_messages  # noqa: E402
from tapeline.streams.kafka.writer import BatchWriter, batch_producer, stop_producer  # noqa: E402
from tapeline.streams.outputs.messages import EventMessage  # noqa: E402
from tapeline.streams.pipeline.planning import plan_group  # noqa: E402
from tapeline.streams.pipeline.provenance import IDENTITY, GroupIdentity  # noqa: E402
from tests.kafka.broker import temporary_broker  # noqa: E402

SYMBOLS = 8
FIRST_SESSION = "2023-01-03"
MINUTE_MS = 60_000
decode_record = RecordDecoder().decode
PARTITIONS = {"one": 1, "four": 4}
SHARE = 10
"""The shorter range of (e) is this part of the longer one."""


class Figures(Struct, frozen=True):
    """What one process took.

    Attributes
    ----------
    seconds
        Of the clock on the wall, of (f) until the first event.
    cpu_seconds
        Of the process, user and system.
    peak_mb
        Greatest resident memory of the process since its start.
    """

    bars: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def books(sessions: int) -> Iterator[Bar]:
    """The bars of all symbols, minute by minute."""
    calendar = load_calendar("CME_EQUITY")
    each = (
        sample_book(symbol, calendar, FIRST_SESSION, sessions, seed)
        for seed, symbol in enumerate(chain.from_iterable(groups(SYMBOLS)))
    )
    return chain.from_iterable(zip(*each, strict=True))


def config_of(bootstrap: str, name: str) -> Config:
    """The configuration of a log by its name, which is also its prefix."""
    text = kafka_section(bootstrap, name, PARTITIONS[name]) + configuration(groups(SYMBOLS))
    return read_config(text, "benchmark")


async def fill(config: Config, log: Path) -> None:
    """Make the topics, append the log, and what a worker leaves of it in the way of snapshots."""
    kafka = config.kafka
    await create_topics(kafka, kafka.brokers)
    producer = batch_producer(kafka.brokers)
    await producer.start()
    writer = BatchWriter(producer, input_log(kafka.topic_prefix))
    states = BatchWriter(producer, snapshot_topic(kafka.topic_prefix))
    snapshots = Snapshots(config)
    offsets = dict.fromkeys(range(kafka.partitions), 0)
    with log.open("rb") as file:
        for line in file:
            bar = decode_record(line)
            assert isinstance(bar, Bar)
            partition = partition_for(config.group_of(bar.symbol), kafka.partitions)
            time_ms = bar.start_ms + MINUTE_MS
            await writer.add(partition, bar.symbol.encode(), line.rstrip(), time_ms)
            for message in snapshots.after(bar, partition, offsets[partition]):
                assert message.value is not None
                await states.add(
                    partition, message.key, message.value, message.timestamp_ms, message.headers
                )
            offsets[partition] += 1
    for each in (writer, states):
        await each.drain()
    await stop_producer(producer)


class Snapshots:
    """Snapshots of all groups, as a worker writes them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._groups: dict[str, tuple[GroupEngine, CloseClock, GroupIdentity]] = {}
        self._reached: dict[int, int] = {}
        self._first: dict[str, tuple[int, int]] = {}

    def after(self, bar: Bar, partition: int, offset: int) -> list[EventMessage]:
        """The messages that a worker writes at this record."""
        group = self._config.group_of(bar.symbol)
        if group not in self._groups:
            plan = plan_group(self._config, group)
            clock = CloseClock(plan.instruments[0].calendar, None)
            fresh = GroupEngine(plan)
            self._groups[group] = fresh, clock, GroupIdentity(self._config, fresh)
        engine, clock, identity = self._groups[group]
        engine.apply(bar, offset)
        mark = engine.watermark_ms(bar.symbol)
        assert mark is not None
        reached = self._reached[partition] = max(mark, self._reached.get(partition, mark))
        first, first_reached = self._first.setdefault(group, (offset, reached))
        session = clock.passed(mark)
        if session is None:
            return []
        settings = identity.current()
        head = SnapshotHead(
            group, session, offset, settings, reached, first, first_reached, shown_ms=mark
        )
        slots = self._config.kafka.snapshot_days
        records = {IDENTITY: identity.record(), **engine.snapshot()}
        return snapshot_messages(head, records, mark, slots)


def core_alone(config: Config, log: Path) -> Figures:
    """Measure (a)."""
    bars = [decode_record(line) for line in log.read_bytes().splitlines()]
    engines = {
        group: GroupEngine(plan_group(config, group)) for group in map("-".join, groups(SYMBOLS))
    }
    by_symbol = {bar.symbol: engines[config.group_of(bar.symbol)] for bar in bars[:SYMBOLS]}
    started, cpu = time.perf_counter(), time.process_time()
    for offset, bar in enumerate(bars):
        by_symbol[bar.symbol].apply(bar, offset)
    return figures(len(bars), started, cpu)


def to_files(replay: Replay, part: float = 1.0) -> Figures:
    """Measure (b) to (e): all of what is replayed, into a run directory."""

    async def run(folder: Path) -> int:
        async with replay as opened:
            await replay_to_folder(opened, folder, {})
        return replay.released

    with tempfile.TemporaryDirectory() as folder:
        started, cpu = time.perf_counter(), time.process_time()
        bars = asyncio.run(run(Path(folder) / "out"))
        return figures(bars, started, cpu)


def first_event(replay: Replay) -> Figures:
    """Measure (f)."""

    async def run() -> None:
        async with replay as opened:
            async for _ in opened:
                return

    started, cpu = time.perf_counter(), time.process_time()
    asyncio.run(run())
    return figures(1, started, cpu)


def figures(bars: int, started: float, cpu: float) -> Figures:
    """Since an instant."""
    return Figures(
        bars,
        time.perf_counter() - started,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
    )


def contestants(
    bootstrap: str, log: Path, middle: str, tenth: str
) -> dict[str, Callable[[], Figures]]:
    """What each process does, by name."""
    one, four = config_of(bootstrap, "one"), config_of(bootstrap, "four")
    return {
        "core": lambda: core_alone(one, log),
        "one": lambda: to_files(Replay.topic(one)),
        "four": lambda: to_files(Replay.topic(four)),
        "file": lambda: to_files(Replay.files(one, [log])),
        "tenth": lambda: to_files(Replay.topic(four, stop=tenth)),
        "snapshots": lambda: first_event(Replay.topic(four, start=middle)),
        "log start": lambda: first_event(Replay.topic(four, start=middle, snapshots=False)),
    }


def in_process(name: str, inputs: list[str]) -> Figures:
    """One measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--only", name, "--inputs", *inputs],
        check=False,
        capture_output=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr.decode()[-4_000:]}")
    return Figures(**json.loads(done.stdout))


def measure(bootstrap: str, sessions: int, rounds: int) -> dict[str, Figures]:
    """Everything, the best of the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        with log.open("wb") as file:
            file.writelines(encode(bar) + b"\n" for bar in books(sessions))
        for name in PARTITIONS:
            asyncio.run(fill(config_of(bootstrap, name), log))
        calendar = load_calendar("CME_EQUITY")
        with log.open("rb") as file:
            first = decode_record(file.readline())
        assert isinstance(first, Bar)
        index = calendar.session_of(first.start_ms)
        days = [calendar.date(index + sessions // part) for part in (2, SHARE)]
        inputs = [bootstrap, str(log), *days]
        found: dict[str, Figures] = {}
        for _ in range(rounds):
            for name in contestants(bootstrap, log, *days):
                figures = in_process(name, inputs)
                known = found.get(name)
                if known is None or figures.seconds < known.seconds:
                    found[name] = figures
    return found


def ratios(found: dict[str, Figures]) -> dict[str, float]:
    """What is to be compared."""

    def speed(name: str) -> float:
        return found[name].bars / found[name].seconds

    def cpu(name: str) -> float:
        return found[name].bars / found[name].cpu_seconds

    return {
        "topic of one partition / core (to reach: 0.5)": speed("one") / speed("core"),
        "topic of one partition / core, CPU": cpu("one") / cpu("core"),
        "topic of four partitions / core (to reach: 0.5)": speed("four") / speed("core"),
        "file / core": speed("file") / speed("core"),
        "peak memory, whole / a tenth (to reach: 1.1)": found["four"].peak_mb
        / found["tenth"].peak_mb,
        "first event, log start / snapshots": found["log start"].seconds
        / found["snapshots"].seconds,
    }


TITLES = {
    "core": "(a) core over memory objects",
    "one": "(b) topic, one partition, to files",
    "four": "(c) topic, four partitions, to files",
    "file": "(d) log file to files",
    "tenth": "(e) a tenth of (c)",
    "snapshots": "(f) first event from the middle, snapshots",
    "log start": "(f) first event from the middle, log start",
}


def show(found: dict[str, Figures], core: str) -> None:
    """Print the figures and their ratios."""
    console = Console(width=110)
    console.print(f"{machine()}; {core} core; one broker on the same machine")
    table = Table("", "bars", "seconds", "bars/s", "CPU us a bar", "peak MB", box=SIMPLE_HEAD)
    for name, each in found.items():
        whole = each.bars > 1
        table.add_row(
            TITLES[name],
            f"{each.bars:,}" if whole else "",
            f"{each.seconds:.2f}",
            f"{each.bars / each.seconds:,.0f}" if whole else "",
            f"{each.cpu_seconds / each.bars * 1e6:.2f}" if whole else "",
            f"{each.peak_mb:.0f}",
        )
    console.print(table)
    for text, ratio in ratios(found).items():
        console.print(f"{text}: {ratio:.2f}")


def main() -> None:
    """Run the benchmark, or one measurement of it."""
    parser = argparse.ArgumentParser(description="What a replay costs.")
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--inputs", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        bootstrap, log, middle, tenth = given.inputs
        done = contestants(bootstrap, Path(log), middle, tenth)[given.only]()
        print(json.dumps({name: getattr(done, name) for name in done.__struct_fields__}))
        return
    with temporary_broker() as broker:
        found = measure(broker.bootstrap, given.sessions, given.rounds)
    core = "pure Python" if str(engine_module.__file__).endswith(".py") else "compiled"
    show(found, core)
    if given.json:
        plain = {
            name: {each: getattr(one, each) for each in one.__struct_fields__}
            for name, one in found.items()
        }
        given.json.write_text(json.dumps({"figures": plain, "ratios": ratios(found)}, indent=2))


if __name__ == "__main__":
    main()
