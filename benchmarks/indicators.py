"""What indicators add to a base bar: microseconds, of engines that take turns.

    python benchmarks/indicators.py [--sessions 20] [--rounds 7] [--json FILE]

The same bars go through engines without indicators, with the twelve of `common` on 5m bars, and
with them on the 1m bars themselves; events are encoded. Engines take turns session by session, and
of the processor time of all sessions the middle one counts. Also what a correction of a bar of the
last hour takes, with indicators and without; and how many bytes of state relative volume makes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from core import machine  # type: ignore[import-not-found]  # a script beside this one
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tapeline.schemas.config.indicator_sets import BUILT_IN_SETS
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core import engine as engine_module
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.state_values import encoded

FIRST_SESSION = "2025-01-02"
TWELVE = [text for part in BUILT_IN_SETS["common"].parts for text in part.specifications]
WITHOUT = "without"
STEP = 500
"""Records after which the state that changed is taken, as a worker does."""
CORRECTIONS = 20
"""Bars of the last hour that are changed and changed back."""


def configuration(interval: str | None) -> Config:
    """ES with the twelve of `common` in one interval, or without indicators."""
    if interval is None:
        return read_config("", "benchmark")
    return read_config(
        f"[indicators.twelve]\nlist = {json.dumps(TWELVE)}\nintervals = ['{interval}']\n"
        "[instruments.ES]\nindicators = ['twelve']\n[groups]\nES-NQ = ['ES']\n",
        "benchmark",
    )


def sessions_of(count: int) -> Iterator[list[Bar]]:
    """Complete sessions of 1m bars."""
    calendar = load_calendar("CME_EQUITY")
    session: list[Bar] = []
    for bar in sample_book("ES", calendar, FIRST_SESSION, count, 7):
        if session and calendar.session_of(bar.start_ms) != calendar.session_of(
            session[0].start_ms
        ):
            yield session
            session = []
        session.append(bar)
    yield session


def measured(sessions: list[list[Bar]], rounds: int) -> dict[str, Any]:
    """Microseconds a bar by engine, and of a correction."""
    encode = msgspec.json.Encoder().encode_lines
    taken: dict[str, list[float]] = {}
    corrected: dict[str, list[float]] = {}
    for _ in range(rounds):
        engines = {
            name: GroupEngine(plan_group(configuration(interval), "ES-NQ"))
            for name, interval in ((WITHOUT, None), ("5m", "5m"), ("1m", "1m"))
        }
        offset = 0
        for bars in sessions:
            for name, engine in engines.items():
                apply = engine.apply
                started = time.process_time()
                for number, bar in enumerate(bars, offset):
                    events = apply(bar, number).events
                    if events:
                        encode(events)
                taken.setdefault(name, []).append((time.process_time() - started) / len(bars))
            offset += len(bars)
        for name, engine in engines.items():
            corrected.setdefault(name, []).append(_correct(engine, sessions[-1][-60:], offset))
    return {
        "bar": {name: median(each) * 1e6 for name, each in taken.items()},
        "correction": {name: median(each) * 1e6 for name, each in corrected.items()},
    }


def _correct(engine: GroupEngine, bars: list[Bar], offset: int) -> float:
    """Seconds of one correction of a bar of the last hour."""
    started = time.process_time()
    for number, bar in enumerate(bars[:CORRECTIONS]):
        changed = msgspec.structs.replace(bar, close=bar.low, volume=1)
        engine.apply(changed, offset + 2 * number)
        engine.apply(bar, offset + 2 * number + 1)
    return (time.process_time() - started) / (2 * CORRECTIONS)


def state_bytes(sessions: list[list[Bar]]) -> dict[str, int]:
    """Bytes of the state with `rvol(10)` on 5m, and of what one session writes of it.

    A worker writes what has changed after each chunk of records; all of it has been written once.
    """
    config = read_config(
        '[indicators.relative]\nlist = ["rvol(10)"]\nintervals = ["5m"]\n'
        "[instruments.ES]\nindicators = ['relative']\nranges = []\n[groups]\nES-NQ = ['ES']\n",
        "benchmark",
    )
    engine = GroupEngine(plan_group(config, "ES-NQ"))
    table: dict[str, int] = {}
    written = offset = 0
    for bars in sessions:
        written = 0
        for bar in bars:
            engine.apply(bar, offset)
            offset += 1
            if offset % STEP == 0:
                changed = {key: len(encoded(data)) for key, data in engine.changed().items()}
                written += sum(changed.values())
                table |= changed
    points = [size for key, size in table.items() if "/ring/" in key]
    return {
        "hot": table["hot"],
        "restore point": max(points),
        "state": sum(table.values()),
        "session": written,
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    console = Console()
    console.print(f"{figures['machine']}; {figures['core']} core; {figures['bars']:,} bars")
    table = Table("engine", "us a bar", "added", "us a correction", box=SIMPLE_HEAD)
    bar, correction = figures["microseconds"]["bar"], figures["microseconds"]["correction"]
    for name in bar:
        added = bar[name] - bar[WITHOUT]
        text = name if name == WITHOUT else f"the twelve of common on {name}"
        table.add_row(text, f"{bar[name]:.3f}", f"{added:.3f}", f"{correction[name]:,.0f}")
    console.print(table)
    table = Table("state with rvol(10)", "bytes", box=SIMPLE_HEAD)
    names = {"hot": "hot record", "restore point": "restore point", "state": "all records"}
    for name, text in (*names.items(), ("session", "written by a session")):
        table.add_row(text, f"{figures['bytes'][name]:,}")
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sessions = list(sessions_of(arguments.sessions))
    with rare_collections():
        found = measured(sessions, arguments.rounds)
    figures = {
        "machine": machine(),
        "core": "pure" if str(engine_module.__file__).endswith(".py") else "compiled",
        "bars": sum(map(len, sessions)),
        "microseconds": found,
        "bytes": state_bytes(sessions),
    }
    show(figures)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
