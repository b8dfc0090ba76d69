"""A backtest of the shipped crossover, here and in other backtesters, on the same bars in one run.

    python benchmarks/backtest.py [--symbols 100] [--sessions 20] [--rounds 3]
                                  [--peers PYTHON] [--only NAME] [--json FILE]

Complete XNYS sessions of 1m bars, random walks; averages of 5 and 20 closes of 5m bars, ten lots,
market orders at the next open. PYTHON is an interpreter of an environment that has nautilus_trader,
backtrader and vectorbt, or some of them; what is missing is named and left out. Ours is

(a) fold and host over decoded records in memory, as the others have theirs;
(b) `tapeline replay --strategy` of the same bars as a log into a run folder, whole process.

Ranges, swings, quality and other intervals are off, indicators are the two averages. Every
measurement is a process of its own; they take turns, and of the processor time of the rounds the
least counts, as other work on the machine takes none of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from heapq import merge
from pathlib import Path
from typing import Any

from core import machine  # type: ignore[import-not-found]  # a script beside this one
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tapeline.schemas.codec import RecordDecoder, encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.host_events import Fill, IssuedSignal
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core import engine as engine_module
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.host.driving import HostDriver
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router

FIRST_SESSION = "2025-01-02"
PEERS = ("nautilus_trader", "backtrader", "vectorbt")
PEER_SCRIPT = Path(__file__).with_name("backtest_peers.py")
OURS = {"memory": "tapeline, in memory (a)", "replay": "tapeline replay --strategy (b)"}
STRATEGY = "sma_crossover"


def configuration(symbols: int) -> str:
    """Symbols of a quarter, nothing but what the crossover needs."""
    lines = [
        "[derived]\nintervals = ['5m']",
        "[indicators.crossover]\nlist = ['sma(5)', 'sma(20)']\nintervals = ['5m']",
        "[accounts.default]\ncash = 100000000\nslippage_ticks = 0",
        f"[strategies.{STRATEGY}]\nmodule = '{STRATEGY}'",
    ]
    names = [f"S{number}" for number in range(symbols)]
    lines[-1] += f"\nsymbols = {json.dumps(names)}"
    lines += [
        f"[instruments.{name}]\ntick = '0.25'\ncalendar = 'XNYS'\nranges = []\nswings = false\n"
        "quality = false\nindicators = ['crossover']"
        for name in names
    ]
    return "\n".join(lines) + "\n"


def write_books(folder: Path, symbols: int, sessions: int) -> int:
    """The same bars as a log, and as rows for the others; returns their number."""
    calendar = load_calendar("XNYS")
    books = [
        sample_book(f"S{number}", calendar, FIRST_SESSION, sessions, number)
        for number in range(symbols)
    ]
    count = 0
    with (
        (folder / "log.jsonl").open("wb") as log,
        (folder / "bars.csv").open("w", newline="") as rows,
    ):
        writer = csv.writer(rows)
        for bar in merge(*books, key=lambda each: each.start_ms):
            log.write(encode(bar) + b"\n")
            prices = bar.open, bar.high, bar.low, bar.close
            writer.writerow((int(bar.symbol[1:]), bar.start_ms, *prices, bar.volume))
            count += 1
    (folder / "tapeline.toml").write_text(configuration(symbols))
    return count


def in_memory(folder: Path) -> dict[str, Any]:
    """Fold and host over decoded records."""
    config = read_config((folder / "tapeline.toml").read_text(), "benchmark")
    decode = RecordDecoder().decode
    with (folder / "log.jsonl").open("rb") as file:
        records = [record for record in map(decode, file) if isinstance(record, Bar)]
    router = Router(config)
    drive = Drive(router)
    driver = HostDriver(config, load_strategies(config, [STRATEGY], False, {}), router)
    signals = fills = 0
    begun, used = time.perf_counter(), time.process_time()
    for offset, record in enumerate(records):
        outcome = drive.apply(record, offset)
        for event in driver.take((offset, record, 0), record, outcome, record.symbol):
            signals += isinstance(event, IssuedSignal) and event.state == "issued"
            fills += isinstance(event, Fill)
    return {
        "bars": len(records),
        "orders": signals,
        "fills": fills,
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": time.process_time() - used,
    }


def replayed(folder: Path, bars: int) -> dict[str, Any]:
    """The command, from a log to a run folder."""
    command = [
        *(sys.executable, "-m", "tapeline", "replay", "log.jsonl", "--config", "tapeline.toml"),
        *("--strategy", STRATEGY, "--out", "run"),
    ]
    begun, used = time.perf_counter(), children_seconds()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    seconds, cpu = time.perf_counter() - begun, children_seconds() - used
    with (folder / "run" / "tape.signals.v1.jsonl").open("rb") as file:
        signals = sum(b'"state":"issued"' in line for line in file)
    return {"bars": bars, "orders": signals, "seconds": seconds, "cpu_seconds": cpu}


def children_seconds() -> float:
    """Processor time of the processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(command: list[str]) -> dict[str, Any]:
    """What a process prints as its last line."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def has(python: str, name: str) -> bool:
    """Whether an environment has a library."""
    return subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode == 0


def measurements(given: argparse.Namespace, folder: Path, console: Console) -> dict[str, Any]:
    """The best round of each."""
    peers = []
    for name in given.only or PEERS:
        if given.peers and has(given.peers, name):
            peers.append(name)
        else:
            console.print(f"{name}: not in the environment of --peers; left out")
    best: dict[str, dict[str, Any]] = {}
    for _ in range(given.rounds):
        found = {
            OURS["memory"]: measured([sys.executable, __file__, "--memory", str(folder)]),
            OURS["replay"]: replayed(folder, given.bars),
        }
        for name in peers:
            path = str(folder / "bars.csv")
            found[name] = measured([given.peers, str(PEER_SCRIPT), name, path])
        for name, figures in found.items():
            if name not in best or figures["cpu_seconds"] < best[name]["cpu_seconds"]:
                best[name] = figures
    return best


def show(best: dict[str, Any], console: Console) -> None:
    """One row each, ours first."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("backtester")
    for head in ("us a bar", "bars/s", "signals", "against ours (a)"):
        table.add_column(head, justify="right")
    ours = best[OURS["memory"]]
    for name, figures in best.items():
        rate = figures["bars"] / figures["cpu_seconds"]
        label = f"{name} {figures['version']}" if "version" in figures else name
        table.add_row(
            label,
            f"{1e6 / rate:.2f}",
            f"{rate:,.0f}",
            f"{figures['orders']:,}",
            f"{figures['cpu_seconds'] / ours['cpu_seconds']:.2f}",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="A backtest here and elsewhere.")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--only", metavar="NAME", action="append", choices=PEERS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory is not None:
        print(json.dumps(in_memory(given.memory)))
        return
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given.bars = write_books(folder, given.symbols, given.sessions)
        kind = "pure Python" if str(engine_module.__file__).endswith(".py") else "compiled core"
        console.print(
            f"{machine()}, {kind}: {given.symbols} symbols x {given.sessions} sessions,"
            f" {given.bars:,} bars of 1m"
        )
        best = measurements(given, folder, console)
    show(best, console)
    if given.json is not None:
        given.json.write_text(json.dumps(best, indent=2))


if __name__ == "__main__":
    main()
