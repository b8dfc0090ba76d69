"""How much the core costs: bars per second, as ratios measured in one run.

    python benchmarks/core.py [--symbols 20] [--sessions 250] [--json FILE]

Questions, each against the yardstick (a), a plain-Python fold of 1m bars to 5m bars:

(b) the full engine over decoded records in memory, events built as structs;
(c) the same with JSON decoded before and encoded after it;
(d) `tapeline run` from CSV to files, a whole process, against (c).

Figures are those of the middle group, and of the middle of three processes. The collector looks for
cycles as seldom as in every process of Tapeline, for the yardstick as well.

Also: cost per bar of the last five sessions against the first five, peak memory of (d) for a fifth
of the sessions and for all, size of the state, and the time from a label to its session.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core import engine as engine_module
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.planning import plan_group

FIRST_SESSION = "2025-01-02"
EDGE_SESSIONS = 5
PROCESSES = 3
FIVE_MINUTES_MS = 300_000
PEAK_OF_CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
# A small process between: a child's peak counts what its parent held when it was forked.


class FiveMinuteFold:
    """Yardstick: what one would write first, a dict a symbol, the same interface as the engine."""

    def __init__(self) -> None:
        self._windows: dict[str, dict[str, Any]] = {}

    def apply(self, bar: Bar) -> list[dict[str, Any]]:
        """Fold one bar in; returns the 5m bar it completed, if any."""
        start_ms = bar.start_ms - bar.start_ms % FIVE_MINUTES_MS
        window = self._windows.get(bar.symbol)
        closed = []
        if window is not None and window["start_ms"] != start_ms:
            closed.append(window)
            window = None
        if window is None:
            self._windows[bar.symbol] = {
                "symbol": bar.symbol,
                "start_ms": start_ms,
                "open": bar.open,
                "high": bar.high,
                "low": bar.low,
                "close": bar.close,
                "volume": bar.volume,
            }
        else:
            window["high"] = max(window["high"], bar.high)
            window["low"] = min(window["low"], bar.low)
            window["close"] = bar.close
            window["volume"] += bar.volume
        return closed


@dataclass
class Totals:
    """Counts over all groups, and what a bar took in each."""

    bars: int = 0
    events: int = 0
    seconds_a_bar: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float, bars: int) -> None:
        """Add what the bars of one group took in one measurement."""
        self.seconds_a_bar.setdefault(name, []).append(seconds / bars)

    def microseconds(self, name: str) -> float:
        """Of a bar in the middle group: a short load of the machine does not count."""
        return median(self.seconds_a_bar[name]) * 1e6


def groups(symbols: int) -> list[tuple[str, str]]:
    """Names of the symbols, two a group."""
    return [(f"ES{number}", f"NQ{number}") for number in range(symbols // 2)]


def configuration(pairs: list[tuple[str, str]]) -> str:
    """TOML that gives every pair the settings of ES and NQ."""
    lines = []
    for pair in pairs:
        for symbol in pair:
            lines.append(
                f'[instruments.{symbol}]\ntick = 0.25\ncalendar = "CME_EQUITY"\n'
                'ranges = ["cme_index"]\n'
            )
    lines.append("[groups]")
    lines += [f'{first}-{second} = ["{first}", "{second}"]' for first, second in pairs]
    return "\n".join(lines) + "\n"


def book(symbol: str, sessions: int, seed: int) -> Iterator[Bar]:
    """A complete book of 1m bars."""
    return sample_book(symbol, load_calendar("CME_EQUITY"), FIRST_SESSION, sessions, seed)


def merged(pair: tuple[str, str], sessions: int, seed: int) -> list[Bar]:
    """Both books of a group, minute by minute."""
    bars: list[Bar] = []
    for first, second in zip(
        book(pair[0], sessions, seed), book(pair[1], sessions, seed + 1), strict=True
    ):
        bars.append(first)
        bars.append(second)
    return bars


def measure_group(
    config: Config, pair: tuple[str, str], bars: list[Bar], totals: Totals
) -> GroupEngine:
    """(a), (b) and (c) over the same objects; returns the engine of (b)."""
    fold = FiveMinuteFold()
    started = time.perf_counter()
    for bar in bars:
        fold.apply(bar)
    totals.add("a", time.perf_counter() - started, len(bars))

    group = "-".join(pair)
    engine = GroupEngine(plan_group(config, group))
    apply = engine.apply
    events = 0
    seconds = 0.0
    begin = 0
    for name, end in session_edges(bars):
        part = bars[begin:end]
        if not part:
            continue
        started = time.perf_counter()
        for number, bar in enumerate(part, begin):
            events += len(apply(bar, number).events)
        taken = time.perf_counter() - started
        totals.add(name, taken, len(part))
        seconds += taken
        begin = end
    totals.add("b", seconds, len(bars))
    totals.bars += len(bars)
    totals.events += events
    measure_json(config, group, bars, totals)
    return engine


def session_edges(bars: list[Bar]) -> list[tuple[str, int]]:
    """Ends of the bars of the first five sessions, of those between, and of the last five."""
    calendar = load_calendar("CME_EQUITY")
    first = calendar.session_of(bars[0].start_ms)
    last = calendar.session_of(bars[-1].start_ms)
    early = calendar.close_ms(first + EDGE_SESSIONS - 1)
    late = calendar.open_ms(last - EDGE_SESSIONS + 1)
    labels = [bar.start_ms for bar in bars]
    return [
        ("first", bisect_left(labels, early)),
        ("between", bisect_left(labels, late)),
        ("last", len(bars)),
    ]


def measure_json(config: Config, group: str, bars: list[Bar], totals: Totals) -> None:
    """(c): from JSON lines to JSON lines."""
    encoder = msgspec.json.Encoder()
    decode = msgspec.json.Decoder(LogRecord).decode
    lines = [encoder.encode(bar) for bar in bars]
    engine = GroupEngine(plan_group(config, group))
    apply = engine.apply
    started = time.perf_counter()
    for offset, line in enumerate(lines):
        events = apply(decode(line), offset).events
        if events:
            encoder.encode_lines(events)
    totals.add("c", time.perf_counter() - started, len(bars))


def measure_process(
    folder: Path, symbols: int, sessions: int, times: int
) -> tuple[float, float, int]:
    """(d): seconds of the middle and peak megabytes of the last `tapeline run`, and its rows."""
    pairs = groups(symbols)
    (folder / "tapeline.toml").write_text(configuration(pairs))
    books = []
    rows = 0
    for number, pair in enumerate(pairs):
        for side, symbol in enumerate(pair):
            path = folder / f"{symbol}.csv"
            rows += write_csv(path, book(symbol, sessions, 2 * number + side))
            books += ["--bars", f"{symbol}={path}"]
    # -P: what this process imports, not what lies in the current folder.
    command = [sys.executable, "-P", "-m", "tapeline", "run", *books]
    command += ["--out", str(folder / "out")]
    command += ["--config", str(folder / "tapeline.toml"), "--json"]
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", PEAK_OF_CHILD, *command],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds.append(time.perf_counter() - started)
    return median(seconds), int(done.stdout) / 1024, rows


def write_csv(path: Path, bars: Iterator[Bar]) -> int:
    """A book as a file; returns its rows."""
    rows = 0
    with path.open("w", encoding="ascii") as file:
        file.write("start_ms,open,high,low,close,volume\n")
        for bar in bars:
            file.write(f"{bar.start_ms},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}\n")
            rows += 1
    return rows


def measure_lookup(bars: list[Bar]) -> tuple[float, float]:
    """Microseconds from an ordered label to its session, and of a plain dict look-up."""
    calendar = load_calendar("CME_EQUITY")
    labels = [bar.start_ms for bar in bars[::2]]
    known = dict.fromkeys(labels, 0)
    started = time.perf_counter()
    for label in labels:
        known[label]
    plain = time.perf_counter() - started
    started = time.perf_counter()
    for label in labels:
        calendar.session_of(label)
    session = time.perf_counter() - started
    return session / len(labels) * 1e6, plain / len(labels) * 1e6


def state_bytes(engine: GroupEngine) -> dict[str, int]:
    """Size of a group's state as compact JSON, part by part."""
    found = {"hot": 0, "ranges": 0, "journal": 0, "ring": 0, "bars": 0, "off": 0}
    for key, record in engine.snapshot().items():
        parts = key.split("/")
        found[parts[1] if len(parts) > 2 else parts[0]] += _size(record)
    return found


def _size(data: object) -> int:
    return len(json.dumps(data, separators=(",", ":")))


def report(totals: Totals, engine: GroupEngine, bars: list[Bar], arguments: Any) -> dict[str, Any]:
    """All figures of the run."""
    per_bar = {name: totals.microseconds(name) for name in ("a", "b", "c")}
    lookup, plain = measure_lookup(bars)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = measure_process(folder, arguments.symbols, max(1, arguments.sessions // 5), 1)
    with tempfile.TemporaryDirectory() as name:
        whole = measure_process(Path(name), arguments.symbols, arguments.sessions, PROCESSES)
    per_bar["d"] = whole[0] / whole[2] * 1e6
    return {
        "machine": machine(),
        "core": "pure" if str(engine_module.__file__).endswith(".py") else "compiled",
        "symbols": arguments.symbols,
        "sessions": arguments.sessions,
        "bars": totals.bars,
        "events_per_bar": totals.events / totals.bars,
        "microseconds_per_bar": per_bar,
        "bars_per_second": {name: round(1e6 / value) for name, value in per_bar.items()},
        "ratios": {
            "b / a": per_bar["b"] / per_bar["a"],
            "c / a": per_bar["c"] / per_bar["a"],
            "d / c": per_bar["d"] / per_bar["c"],
            "last five sessions / first five": (
                totals.microseconds("last") / totals.microseconds("first")
            ),
        },
        "peak_megabytes_of_d": {
            f"{max(1, arguments.sessions // 5)} sessions": small[1],
            f"{arguments.sessions} sessions": whole[1],
        },
        "state_bytes": state_bytes(engine),
        "unresolved_ranges": sum(
            engine.unresolved(plan.symbol) for plan in engine.plan.instruments
        ),
        "label_to_session_microseconds": {"session_of": lookup, "dict": plain},
    }


def machine() -> str:
    """Processor, cores and Python, as far as the system shows."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    console = Console()
    console.print(f"{figures['machine']}; {figures['core']} core")
    console.print(
        f"{figures['symbols']} symbols x {figures['sessions']} sessions ="
        f" {figures['bars']:,} bars, {figures['events_per_bar']:.2f} events a bar"
    )
    table = Table("measurement", "us a bar", "bars/s", box=SIMPLE_HEAD)
    names = {
        "a": "(a) yardstick: 1m to 5m, a dict a symbol",
        "b": "(b) full engine over decoded records",
        "c": "(c) with JSON decode and encode",
        "d": "(d) tapeline run, CSV to files",
    }
    for name, text in names.items():
        rate = f"{figures['bars_per_second'][name]:,}"
        table.add_row(text, f"{figures['microseconds_per_bar'][name]:.3f}", rate)
    console.print(table)
    for name in ("ratios", "peak_megabytes_of_d", "state_bytes", "label_to_session_microseconds"):
        for key, value in figures[name].items():
            shown = f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
            console.print(f"{name.replace('_', ' ')}: {key}: {shown}")
    console.print(f"unresolved ranges of that group: {figures['unresolved_ranges']}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=250)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.sessions <= 2 * EDGE_SESSIONS or arguments.symbols < 2:
        parser.error("at least 11 sessions and 2 symbols are needed")
    pairs = groups(arguments.symbols)
    config = read_config(configuration(pairs), "benchmark")
    totals = Totals()
    for number, pair in enumerate(pairs):
        bars = merged(pair, arguments.sessions, 2 * number)
        with rare_collections():
            engine = measure_group(config, pair, bars, totals)
    figures = report(totals, engine, bars, arguments)
    show(figures)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
