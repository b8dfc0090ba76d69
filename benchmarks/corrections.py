"""What a correction costs, in units of a bar that comes in order, all measured in one run.

    python benchmarks/corrections.py [--histories 10 50 250] [--json FILE]

Questions, for one ES-NQ group of 1m bars with all default intervals and ranges:

(a) a log with 5 % of its bars late by up to ten minutes: its throughput against the same in order;
(b) one changed bar of the current hour, in bars;
(c) one changed bar five sessions back, against the bars that came since;

(b) and (c) after histories of different length, on which they must not depend. Also: memory of a
symbol, size of the group's hot record, bytes of an unresolved range. With `tapeline run --store`:

(d) adding one session to a store of 250, against running that session alone, as whole processes;
(e) a run over a one-session file that holds nothing new.

And, in memory:

(f) one changed close ten sessions back under an `ema(200)` on 1m of ES, against the same without
    indicators, the two by turns, in processor time; rows it changes, their bytes and revisions.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

import msgspec
import orjson
from core import machine, merged  # type: ignore[import-not-found]  # a script beside this one
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.ids import ids_of
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core import engine as engine_module
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.pipeline.planning import plan_group

PAIR = ("ES", "NQ")
GROUP = "ES-NQ"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LATE_SHARE = 0.05
LATE_MINUTES = 10
SESSIONS_BACK = 5
DEEP_REPEATS = 5
FAR_SESSIONS = 10
"""The correction horizon: as far back as a correction may lie."""
FAR_REPEATS = 5
ROWS = ids_of("indicators", PAIR[0])
EMA = """
[indicators.far]
list = ["ema(200)"]
intervals = ["1m"]

[instruments.ES]
indicators = ["far"]
"""
CUT_BEFORE_CLOSE_MS = 3 * HOUR_MS + 10 * MINUTE_MS
"""The history ends inside an hour of a busy session, at 13:50 New York."""


def history(sessions: int) -> list[Bar]:
    """Both books, minute by minute, up to an instant within the last session."""
    bars: list[Bar] = merged(PAIR, sessions, 0)
    calendar = load_calendar("CME_EQUITY")
    last = calendar.session_of(bars[-1].start_ms)
    cut_ms = calendar.close_ms(last) - CUT_BEFORE_CLOSE_MS
    while bars[-1].start_ms >= cut_ms:
        bars.pop()
    return bars


def new_engine(text: str = "") -> GroupEngine:
    """An engine of the built-in group, with a configuration."""
    return GroupEngine(plan_group(read_config(text, "benchmark"), GROUP))


def seconds_of(engine: GroupEngine, log: Sequence[Bar], offset: int = 0) -> float:
    """Seconds to apply a log."""
    apply = engine.apply
    started = time.perf_counter()
    for number, bar in enumerate(log, offset):
        apply(bar, number)
    return time.perf_counter() - started


def with_late_bars(bars: list[Bar], seed: int = 1) -> list[Bar]:
    """The log with some bars up to ten minutes late."""
    random = Random(seed)
    arrivals = []
    for number, bar in enumerate(bars):
        late = random.random() < LATE_SHARE
        delay_ms = random.randint(1, LATE_MINUTES) * MINUTE_MS if late else 0
        arrivals.append((bar.start_ms + delay_ms, late, number))
    return [bars[number] for _, _, number in sorted(arrivals)]


def measure_late(sessions: int) -> dict[str, float]:
    """(a): seconds per bar in order and with late bars, the two by turns."""
    bars = history(sessions)
    late = with_late_bars(bars)
    in_order, disordered = [], []
    for _ in range(3):
        in_order.append(seconds_of(new_engine(), bars))
        disordered.append(seconds_of(new_engine(), late))
    return {
        "in_order_us": min(in_order) / len(bars) * 1e6,
        "late_us": min(disordered) / len(bars) * 1e6,
        "throughput": min(in_order) / min(disordered),
    }


class Corrected:
    """An engine after a history, and corrections of its bars."""

    def __init__(self, bars: list[Bar]) -> None:
        self.engine = new_engine()
        self.bars = bars
        self.own = [bar for bar in bars if bar.symbol == PAIR[0]]
        last = load_calendar("CME_EQUITY").session_of(bars[-1].start_ms)
        edge_ms = load_calendar("CME_EQUITY").open_ms(last - SESSIONS_BACK)
        self.recent = [bar for bar in bars if bar.start_ms >= edge_ms]
        early = bars[: len(bars) - len(self.recent)]
        seconds_of(self.engine, early)
        self.bar_seconds = seconds_of(self.engine, self.recent, len(early)) / len(self.recent)
        self.offset = len(bars)

    def corrections(self, labels: Sequence[int]) -> Iterator[tuple[float, int]]:
        """Change the bars of these labels one by one: in bar costs, and bars since that label."""
        positions = {bar.start_ms: position for position, bar in enumerate(self.own)}
        for label in labels:
            position = positions[label]
            bar = self.own[position]
            for wrong in (msgspec.structs.replace(bar, high=bar.high + 0.25, volume=1), bar):
                started = time.perf_counter()
                outcome = self.engine.apply(wrong, self.offset)
                seconds = time.perf_counter() - started
                assert outcome.kind == "changed"
                self.offset += 1
                since = len(self.own) - position
                yield seconds / self.bar_seconds, since


def measure_history(sessions: int) -> dict[str, Any]:
    """(b) and (c) after one history."""
    bars = history(sessions)
    # The list of the history is ours, not the engine's: the collector must not walk it.
    gc.collect()
    gc.freeze()
    subject = Corrected(bars)
    now = subject.own[-1].start_ms
    hour = [bar.start_ms for bar in subject.own if bar.start_ms > now - HOUR_MS]
    Random(1).shuffle(hour)
    near = [cost for cost, _ in subject.corrections(hour)]
    calendar = load_calendar("CME_EQUITY")
    open_ms = calendar.open_ms(calendar.session_of(now) - SESSIONS_BACK)
    length = len([bar for bar in subject.own if open_ms <= bar.start_ms < open_ms + 22 * HOUR_MS])
    far = [open_ms + number * length // DEEP_REPEATS * MINUTE_MS for number in range(DEEP_REPEATS)]
    deep = [cost / since for cost, since in subject.corrections(far)]
    gc.unfreeze()
    return {
        "bar_us": subject.bar_seconds * 1e6,
        "current_hour": {"mean": mean(near), "median": median(near), "worst": max(near)},
        "five_sessions_back": {"mean": mean(deep), "worst": max(deep)},
        **state_sizes(subject.engine),
    }


def state_sizes(engine: GroupEngine) -> dict[str, Any]:
    """Bytes of the state as orjson: the hot record, each kind of record, an unresolved range."""
    found: dict[str, int] = {}
    for key, record in engine.snapshot().items():
        parts = key.split("/")
        kind = parts[1] if len(parts) > 2 else parts[0]
        found[kind] = found.get(kind, 0) + len(orjson.dumps(record))
    unresolved = sum(engine.unresolved(symbol) for symbol in PAIR)
    return {
        "state_bytes": dict(sorted(found.items())),
        "unresolved_ranges": unresolved,
        "bytes_per_unresolved_range": found.get("ranges", 0) / max(1, unresolved),
    }


def measure_memory(sessions: int) -> float:
    """Megabytes of one symbol in memory: half of what an engine of two holds after a history."""
    bars = history(sessions)
    gc.collect()
    tracemalloc.start()
    engine = new_engine()
    seconds_of(engine, bars)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert engine.watermark_ms(PAIR[0]) is not None
    return held / len(PAIR) / 1e6


def measure_store(folder: Path, sessions: int) -> dict[str, float]:
    """(d) and (e): seconds of whole processes."""
    bars: list[Bar] = merged(PAIR, sessions + 1, 0)
    calendar = load_calendar("CME_EQUITY")
    edge_ms = calendar.open_ms(calendar.session_of(bars[-1].start_ms))
    write_csv(folder / "history.csv", [bar for bar in bars if bar.start_ms < edge_ms])
    write_csv(folder / "day.csv", [bar for bar in bars if bar.start_ms >= edge_ms])
    whole, day = str(folder / "history.csv"), str(folder / "day.csv")
    stored = str(folder / "store")

    def run(*words: str) -> float:
        started = time.perf_counter()
        command = [sys.executable, "-P", "-m", "tapeline", "run", *words, "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    first = run(whole, "--store", stored)
    alone = [run(day, "--store", str(folder / f"alone-{number}")) for number in range(3)]
    files = [run(day, "--out", str(folder / "out")) for _ in range(3)]
    added = run(day, "--store", stored)
    nothing = [run(day, "--store", stored) for _ in range(3)]
    return {
        "stored_sessions": sessions,
        "first_run_seconds": first,
        "alone_seconds": min(alone),
        "alone_to_files_seconds": min(files),
        "added_seconds": added,
        "added_against_alone": added / min(alone),
        "nothing_new_seconds": min(nothing),
    }


def measure_rows() -> dict[str, Any]:
    """(f): one change as far back as a correction may lie, with an average of bars and without."""
    bars = history(FAR_SESSIONS + 2)
    own = [bar for bar in bars if bar.symbol == PAIR[0]]
    calendar = load_calendar("CME_EQUITY")
    open_ms = calendar.open_ms(calendar.session_of(bars[-1].start_ms) - FAR_SESSIONS)
    bar = next(each for each in own if each.start_ms >= open_ms)
    engines = {"without": new_engine(), "ema_200_1m": new_engine(EMA)}
    gc.collect()
    gc.freeze()
    in_order: dict[str, float] = {}
    for name, engine in engines.items():
        started = time.process_time()
        seconds_of(engine, bars)
        in_order[name] = (time.process_time() - started) / len(bars)
    taken: dict[str, list[float]] = {name: [] for name in engines}
    rows: list[bytes] = []
    offset = len(bars)
    changed = msgspec.structs.replace(bar, high=bar.high + 25, close=bar.high + 25)
    for _ in range(FAR_REPEATS):
        for each in (changed, bar):
            for name, engine in engines.items():
                started = time.process_time()
                outcome = engine.apply(each, offset)
                taken[name].append(time.process_time() - started)
                assert outcome.kind == "changed"
                if name != "without":
                    rows = [encode(event) for event in outcome.events if event.id.startswith(ROWS)]
            offset += 1
    gc.unfreeze()
    seconds = {name: median(each) for name, each in taken.items()}
    since = sum(1 for each in own if each.start_ms >= open_ms)
    kept = [
        each
        for key, values in engines["ema_200_1m"].snapshot().items()
        if key.startswith("revisions/")
        for each in values
        if each is not None and each[0].startswith(ROWS)
    ]
    return {
        "bars_since": since,
        "bar_us": {name: each * 1e6 for name, each in in_order.items()},
        "milliseconds": {name: each * 1e3 for name, each in seconds.items()},
        "against_without": seconds["ema_200_1m"] / seconds["without"],
        "against_bars_since": {
            name: each / in_order[name] / since for name, each in seconds.items()
        },
        "rows": len(rows),
        "row_bytes": sum(map(len, rows)),
        "revisions": len(kept),
        "revision_bytes": len(orjson.dumps(kept)),
    }


def write_csv(path: Path, bars: Sequence[Bar]) -> None:
    """Books of several symbols as one file."""
    with path.open("w", encoding="ascii") as file:
        file.write("symbol,start_ms,open,high,low,close,volume\n")
        for bar in bars:
            prices = f"{bar.open},{bar.high},{bar.low},{bar.close}"
            file.write(f"{bar.symbol},{bar.start_ms},{prices},{bar.volume}\n")


def has_store() -> bool:
    """Whether this version runs with a store."""
    command = [sys.executable, "-P", "-m", "tapeline", "run", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return "--store" in done.stdout


def show(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    console = Console()
    console.print(f"{figures['machine']}; {figures['core']} core")
    late = figures["late"]
    console.print(
        f"(a) 5 % late by up to {LATE_MINUTES} minutes: {late['late_us']:.2f} us a bar,"
        f" in order {late['in_order_us']:.2f}; throughput [bold]{late['throughput']:.2f}[/bold]"
    )
    names = [str(name) for name in figures["histories"]]
    table = Table("sessions of history", *names, box=SIMPLE_HEAD)
    rows: dict[str, Callable[[dict[str, Any]], str]] = {
        "bar in order, us": lambda each: f"{each['bar_us']:.2f}",
        "(b) current hour, bar costs, mean": lambda each: f"{each['current_hour']['mean']:.0f}",
        "    median": lambda each: f"{each['current_hour']['median']:.0f}",
        "    worst": lambda each: f"{each['current_hour']['worst']:.0f}",
        "(c) five sessions back, against the bars since, mean": lambda each: (
            f"{each['five_sessions_back']['mean']:.2f}"
        ),
        "    worst of ten": lambda each: f"{each['five_sessions_back']['worst']:.2f}",
        "hot record of the group, bytes": lambda each: f"{each['state_bytes']['hot']:,}",
        "all records, bytes": lambda each: f"{sum(each['state_bytes'].values()):,}",
        "unresolved ranges": lambda each: f"{each['unresolved_ranges']:,}",
        "bytes of ranges for each of them": lambda each: (
            f"{each['bytes_per_unresolved_range']:.0f}"
        ),
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(each) for each in figures["histories"].values()))
    console.print(table)
    for sessions, megabytes in figures["memory_megabytes_per_symbol"].items():
        console.print(f"memory of one symbol after {sessions} sessions: {megabytes:.2f} MB")
    far = figures["far"]
    times = far["milliseconds"]
    console.print(
        f"(f) a close {FAR_SESSIONS} sessions back, {far['bars_since']:,} bars since:"
        f" {times['without']:.0f} ms without indicators, {times['ema_200_1m']:.0f} under"
        f" ema_200_1m, [bold]{far['against_without']:.2f}[/bold] times that"
    )
    console.print(
        f"    against the bars since: {far['against_bars_since']['without']:.2f} and"
        f" {far['against_bars_since']['ema_200_1m']:.2f}; {far['rows']:,} rows of"
        f" {far['row_bytes']:,} bytes, {far['revisions']:,} revisions of"
        f" {far['revision_bytes']:,} bytes"
    )
    for name, value in figures.get("store", {}).items():
        console.print(f"store: {name.replace('_', ' ')}: {value:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, nargs="+", default=[10, 50, 250])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if min(arguments.histories) <= SESSIONS_BACK:
        parser.error(f"histories of more than {SESSIONS_BACK} sessions are needed")
    shortest = min(arguments.histories)
    figures: dict[str, Any] = {
        "machine": machine(),
        "core": "pure" if str(engine_module.__file__).endswith(".py") else "compiled",
        "late": measure_late(shortest),
        "histories": {sessions: measure_history(sessions) for sessions in arguments.histories},
        "memory_megabytes_per_symbol": {
            sessions: measure_memory(sessions) for sessions in (shortest + 2, 2 * shortest + 2)
        },
    }
    figures["far"] = measure_rows()
    if has_store():
        with tempfile.TemporaryDirectory() as folder:
            figures["store"] = measure_store(Path(folder), max(arguments.histories))
    show(figures)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
