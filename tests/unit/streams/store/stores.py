"""Stores in tests: small books, runs into a folder, and what lies in it afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.opening import Source
from tapeline.streams.store.opened import no_hook
from tapeline.streams.store.reading import StoreReader
from tapeline.streams.store.run import StoreCallbacks, StoreOptions, StoreResult, run_into_store

OPEN_MS = 1_751_463_000_000
"""2025-07-02 09:30 New York: the open of XNYS."""
MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
HEADER = "start_ms,open,high,low,close,volume"
CONFIGURATION = """
[instruments.A]
tick = 0.01
calendar = "XNYS"
ranges = ["prior_session"]
horizon_sessions = 2

[instruments.B]
tick = 0.01
calendar = "XNYS"
ranges = ["prior_session"]
horizon_sessions = 2

[groups]
pair = ["A", "B"]
"""
DELIVERY = ("seq", "rev", "corrects", "watermark_ms")
TRADING_DAYS = (0, 1, 5, 6, 7, 8, 9, 12)
"""2, 3, 7 to 11 and 14 July 2025 as days after the first; the 4th is a holiday."""
DAY_MINUTES = 390

Rows = dict[int, str]
"""Rows of a table by label."""


def label(day: int, minute: int) -> int:
    """Label of a minute of a trading day."""
    return OPEN_MS + TRADING_DAYS[day] * DAY_MS + minute * MINUTE_MS


def row(start_ms: int, price: float, volume: int = 5) -> str:
    """A bar of a cent's range."""
    return f"{start_ms},{price:.2f},{price + 0.01:.2f},{price:.2f},{price:.2f},{volume}"


def walk(day: int, minutes: int = DAY_MINUTES, step: int = 1, seed: int = 0) -> Rows:
    """A book of one day: bars every `step` minutes, prices that rise and fall."""
    found = {}
    for minute in range(0, minutes, step):
        swing = (minute * (7 + seed) + day * 13) % 40 + (minute * (3 + seed) % 11)
        found[label(day, minute)] = row(label(day, minute), 10 + swing / 100)
    return found


def write(path: Path, *parts: Rows, extra: tuple[str, ...] = ()) -> Path:
    """A table of bars, each slot once, by label; `extra` rows follow as they are."""
    rows = {start: text for part in parts for start, text in part.items()}
    ordered = [rows[start] for start in sorted(rows)]
    path.write_text("\n".join([HEADER, *ordered, *extra]) + "\n")
    return path


def load(
    folder: Path,
    *files: tuple[str, Path],
    toml: str = CONFIGURATION,
    hook: Callable[[str], None] = no_hook,
    **options: Any,
) -> StoreResult:
    """Run files, each with its symbol, into a store; a log has none."""
    sources = [Source(str(path), symbol or None) for symbol, path in files]
    config = read_config(toml, "test")
    return run_into_store(
        config, sources, folder, StoreOptions(**options), StoreCallbacks(hook=hook)
    )


def view(folder: Path) -> dict[str, dict[str, Any]]:
    """The current view by id, without the fields of delivery."""
    found = {}
    with StoreReader(folder) as reader:
        for line in reader.view():
            fact = json.loads(line)
            found[fact["id"]] = {name: fact[name] for name in fact if name not in DELIVERY}
    return found


def full_view(folder: Path) -> list[bytes]:
    """The current view as it is shown."""
    with StoreReader(folder) as reader:
        return list(reader.view())


def folded(folder: Path) -> dict[str, dict[str, Any]]:
    """The view that the topics of a store leave; `seq` must increase strictly on the way."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "topics").iterdir()):
        last = -1
        if "rejects" in path.name or "feeds" in path.name:
            continue
        for line in path.read_text().splitlines():
            event = json.loads(line)
            assert event["seq"] > last, event
            last = event["seq"]
            if event["op"] == "retract":
                del found[event["id"]]
            else:
                found[event["id"]] = {name: event[name] for name in event if name not in DELIVERY}
    return found


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """Records of the log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def letters(folder: Path) -> list[dict[str, Any]]:
    """Dead letters."""
    path = folder / "topics" / "tape.rejects.v1.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def contents(folder: Path) -> dict[str, bytes]:
    """Log and topics by name of their files, to the byte."""
    files = [folder / "log.jsonl", *(folder / "topics").iterdir()]
    return {path.name: path.read_bytes() for path in files if path.exists()}
