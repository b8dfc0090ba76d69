"""Stores whose strategies run, and what a replay of their log makes of the same strategies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import host_topics, topic_of
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.host.driving import HostDriver
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tests.unit.streams.store.stores import CONFIGURATION

MARKET = CONFIGURATION + '\n[instruments.C]\ntick = 0.01\ncalendar = "XNYS"\n'
"""Two symbols of one group, and one that is a group of its own."""
TRADER = '''
from tapeline import Needs, Signal, Strategy


class Trader(Strategy):
    """Buys and closes by turns; of the last symbol too, whose bars another group has."""

    def setup(self, config):
        self.own, self.every = config.symbols, config.settings.get("every", 7)
        return Needs(bars={"1m": 3, "5m": 2}, events=["quality"], cold=True)

    def on_bar(self, bar, now):
        count = self.memory["count"] = self.memory.get("count", 0) + 1
        if count % self.every:
            return
        action = "close" if count // self.every % 3 == 0 else "buy"
        last = now.view.bars(bar.symbol, "5m", 2)
        of = "C" if "C" in self.own and count % 2 else bar.symbol
        reason = f"{len(last)} of 5m, {now.view.quality(of) is not None}"
        now.emit(Signal(of, action, reason=reason, valid_bars=20))

    def on_correction(self, bar, start_ms, symbol, now):
        self.memory["corrected"] = self.memory.get("corrected", 0) + 1
'''
FAULTY = """
from tapeline import Needs, Signal, Strategy


class Faulty(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        count = self.memory["count"] = self.memory.get("count", 0) + 1
        now.emit(Signal(bar.symbol, "buy"))
        if count == 25:
            raise ZeroDivisionError("the 25th bar")
"""
KEEPER = """
from tapeline import Needs, Signal, Strategy


class Keeper(Strategy):
    def setup(self, config):
        return Needs(bars={"1m": 20}, cold=True)

    def on_bar(self, bar, now):
        count = self.memory["count"] = self.memory.get("count", 0) + 1
        if count in (20, 65):
            highest = max(each.high for each in now.view.bars(bar.symbol, "1m", 20))
            now.emit(Signal(bar.symbol, "buy", reason=f"{highest:.2f}"))

    def on_note(self, note, now):
        now.emit(Signal(note.symbol, "close", reason="noted"))

    def on_correction(self, bar, start_ms, symbol, now):
        now.emit(Signal(symbol, "close", reason="corrected"))
"""
ACCOUNTS = "[accounts.default]\nmin_quality = 0\n[accounts.other]\nmin_quality = 0\n"


def write_strategies(folder: Path) -> None:
    """The files of the strategies."""
    (folder / "trader.py").write_text(TRADER)
    (folder / "faulty.py").write_text(FAULTY)
    (folder / "keeper.py").write_text(KEEPER)


def configured(folder: Path, name: str = "one", **keys: Any) -> str:
    """The table of a strategy; `of` names its class, and its file by that."""
    of = keys.pop("of", "Trader")
    table = {"module": f"{folder}/{of.lower()}.py:{of}", "symbols": ["A", "B"], **keys}
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join([f"[strategies.{name}]", *lines, ""])


class _Replayed:
    every = True

    def __init__(self, driver: HostDriver) -> None:
        self.events: list[Any] = []
        self.driver = driver

    def took(self, item: Item, slot: GroupSlot, record: Any, outcome: Outcome) -> bool:
        self.events += self.driver.take(item, record, outcome, slot.group)
        return True

    def refused(self, item: Item, refusal: Refusal) -> None:
        pass

    def passed(self, item: Item) -> None:
        raise AssertionError(item)

    def resumes(self, slot: GroupSlot) -> None:
        raise AssertionError(slot)


def replayed(store: Path, toml: str, names: tuple[str, ...] = ("all",)) -> dict[str, bytes]:
    """Topics of strategies as a replay of the log of a store writes them."""
    config = read_config(toml, "test")
    router = Router(config)
    found = _Replayed(HostDriver(config, load_strategies(config, names), router))
    lines = (store / "log.jsonl").read_bytes().splitlines()
    Drive(router).apply_many(((offset, line, 0) for offset, line in enumerate(lines)), found)
    topics: dict[str, bytes] = {}
    for event in found.events:
        topic = topic_of(EVENTS.row_of(event).tag)
        topics[topic] = topics.get(topic, b"") + encode(event) + b"\n"
    return topics


def hosted(store: Path) -> dict[str, bytes]:
    """Topics of strategies in a store, of those that have a file."""
    paths = {name: store / "topics" / f"{name}.jsonl" for name in host_topics()}
    return {name: path.read_bytes() for name, path in paths.items() if path.exists()}


def events(store: Path, kind: str) -> list[dict[str, Any]]:
    """Events of a type in a store."""
    path = store / "topics" / f"{topic_of(kind)}.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [each for each in found if each["type"] == kind]
