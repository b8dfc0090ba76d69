"""Small tables and logs as files, and running them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tapeline.schemas.config.loading import read_config
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.pipeline.summary import RunResult

HEADER = "start_ms,open,high,low,close,volume"
OPEN_MS = 1_751_463_000_000
"""2025-07-02 09:30 New York: the open of XNYS."""
MINUTE_MS = 60_000
CONFIGURATION = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n'


def row(minute: int, price: str = "10.00", volume: str = "5") -> str:
    """A flat bar that starts so many minutes after the open."""
    return f"{OPEN_MS + minute * MINUTE_MS},{price},{price},{price},{price},{volume}"


def log_line(minute: int, kind: str = "bar") -> str:
    """A record of ACME in a log."""
    start = OPEN_MS + minute * MINUTE_MS
    if kind == "bar":
        prices = '"open":10,"high":10,"low":10,"close":10'
        return f'{{"type":"bar","symbol":"ACME","interval":"1m","start_ms":{start},{prices}}}'
    if kind == "clock":
        return f'{{"type":"clock","symbol":"ACME","time_ms":{start}}}'
    return f'{{"type":"cancel","symbol":"ACME","interval":"1m","start_ms":{start}}}'


def write(path: Path, rows: Iterable[str], header: str = HEADER) -> Path:
    """A table as a file."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def run(folder: Path, *sources: Source, toml: str = CONFIGURATION, **options: Any) -> RunResult:
    """Run sources into ``folder / "out"``."""
    return run_files(read_config(toml, "test"), sources, folder / "out", **options)


def acme(path: Path) -> Source:
    """The file as the book of ACME."""
    return Source(str(path), "ACME")


def lines(result: RunResult, topic: str) -> list[dict[str, Any]]:
    """Events of a topic, by the last part but one of its name."""
    path = result.folder / f"tape.{topic}.v1.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def codes(result: RunResult) -> dict[str, int]:
    """Dead letters by code."""
    found: dict[str, int] = {}
    for letter in lines(result, "rejects"):
        found[letter["code"]] = found.get(letter["code"], 0) + 1
    return found
