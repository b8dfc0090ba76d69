"""Strategies as users write them, each a file, and the log that they run over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tapeline.schemas.codec import encode
from tapeline.schemas.records import Cancel, Clock, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import host_topics, topic_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.samples import sample_book

HOST_FILES = frozenset(f"{name}.jsonl" for name in host_topics())
MINUTES = 120

TRADER = '''
"""Buys and closes by turns, every tenth bar, and marks every thirtieth."""

from tapeline import Needs, Signal, Strategy


class Trader(Strategy):
    def setup(self, config):
        self.every = config.settings.get("every", 10)
        return Needs(bars={"1m": 3}, cold=True)

    def on_bar(self, bar, now):
        count = self.memory.get(bar.symbol, 0) + 1
        self.memory[bar.symbol] = count
        if count % 30 == 0:
            now.mark()
        if count % self.every:
            return
        bars = now.view.bars(bar.symbol, "1m", 3)
        action = "close" if count // self.every % 2 == 0 else "buy"
        now.emit(Signal(bar.symbol, action, reason=f"{count} bars, last {bars[-1].close}"))
'''
RAISES = """
from tapeline import Needs, Signal, Strategy


class Raises(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        count = self.memory["count"] = self.memory.get("count", 0) + 1
        if count >= 20:
            now.emit(Signal(bar.symbol, "buy"))
        if count == 25:
            raise ZeroDivisionError("the 25th bar")
"""
CLOCK = """
import time

from tapeline import Needs, Signal, Strategy


class Clocked(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        if bar.start_ms % 600_000 == 0:
            now.emit(Signal(bar.symbol, "buy", reason=str(time.time_ns())))
"""
PEEKS = '''
from tapeline import Needs, Signal, Strategy

SEEN = {}


class Peeks(Strategy):
    """Looks up the next close: it has seen it if the log was run before."""

    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        SEEN[bar.symbol, bar.start_ms] = bar.close
        coming = SEEN.get((bar.symbol, bar.start_ms + 60_000))
        if coming is not None and coming > bar.close:
            now.emit(Signal(bar.symbol, "buy"))
'''
HANGS = """
from tapeline import Needs, Strategy


class Hangs(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        count = self.memory["count"] = self.memory.get("count", 0) + 1
        while count == 7:
            pass  # for ever
"""
FILES = {
    "trader.py": TRADER,
    "raises.py": RAISES,
    "clocked.py": CLOCK,
    "peeks.py": PEEKS,
    "hangs.py": HANGS,
}
CONFIGURATION = """
[instruments.ACME]
tick = 0.01
calendar = "XNYS"

[instruments.ES]
tick = 0.25
calendar = "CME_EQUITY"

[strategies.trader]
module = "trader.py:Trader"
symbols = ["ACME"]

[strategies.both]
module = "trader.py:Trader"
symbols = ["ACME", "ES"]
account = "futures"
every = 7

[accounts.default]
min_quality = 0

[accounts.futures]
min_quality = 0
slippage_ticks = 2

[host]
hang_seconds = 1
"""


def records() -> list[LogRecord]:
    """Minutes of ACME and ES by turns, with late, repeated, changed and cancelled bars."""
    acme = list(sample_book("ACME", load_calendar("XNYS"), "2025-11-24", 1, 5))[:MINUTES]
    futures = list(sample_book("ES", load_calendar("CME_EQUITY"), "2025-11-24", 1, 6))
    es = [each for each in futures if each.start_ms >= acme[0].start_ms][:MINUTES]
    log: list[LogRecord] = [each for pair in zip(acme, es, strict=True) for each in pair]
    late = log.pop(100)
    log.insert(111, late)
    log.insert(121, log[60])
    first = acme[30]
    higher = replace(first, open=first.high, low=first.high, close=first.high)
    log.insert(141, higher)
    log.insert(161, Cancel("ACME", "1m", acme[40].start_ms))
    log.append(Clock("ACME", acme[-1].start_ms + 120_000))
    return log


def write(folder: Path) -> None:
    """The strategies, the configuration and ``log.jsonl`` in a folder."""
    for name, text in FILES.items():
        (folder / name).write_text(text.lstrip())
    (folder / "tapeline.toml").write_text(CONFIGURATION)
    lines = [encode(each) for each in records()]
    lines.insert(50, b"no record")
    (folder / "log.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Events of a type in a folder of topics, in their order."""
    path = folder / f"{topic_of(kind)}.jsonl"
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [each for each in found if each["type"] == kind]


def hosted_files(folder: Path) -> dict[str, bytes]:
    """Contents of the topics of hosts in a folder."""
    found = {each.name: each.read_bytes() for each in folder.iterdir() if each.name in HOST_FILES}
    assert len(EVENTS.hosted) >= len(HOST_FILES) > 1
    return found
