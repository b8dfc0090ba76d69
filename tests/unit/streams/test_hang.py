"""A call that does not return ends the process; one that returns in time does not."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tapeline.schemas.config.loading import load_config
from tapeline.streams.hang import ended_when_hanging
from tapeline.streams.host.driving import HostDriver
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router
from tests.unit.replay.hosting.strategies import records, write

PATIENCE_S = 180
WAITS = """
import threading

from tapeline import Needs, Strategy

GO_ON = threading.Event()


class Waits(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        GO_ON.wait(180)
"""


class Fold:
    """A fold that hands its records to the host of one strategy."""

    def __init__(self, names: list[str], unsafe: bool = False) -> None:
        self.config = load_config(None)
        self.router = Router(self.config)
        strategies = load_strategies(self.config, names, unsafe)
        self.module: Any = sys.modules[strategies[0].make.__module__]
        self.driver = HostDriver(self.config, strategies, self.router)

    def run(self) -> None:
        drive = Drive(self.router)
        for offset, record in enumerate(records()):
            outcome = drive.apply(record, offset)
            group = self.config.group_of(record.symbol)
            self.driver.take((offset, record, 0), record, outcome, group)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The strategies and their configuration in the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    (tmp_path / "waits.py").write_text(WAITS.lstrip())


def test_a_call_that_does_not_return_is_reported_once_with_its_record_and_line() -> None:
    fold = Fold(["waits.py:Waits"], unsafe=True)
    messages: list[str] = []

    def end(message: str) -> None:
        messages.append(message)
        fold.module.GO_ON.set()

    with ended_when_hanging([fold.driver], 0.2, end):
        fold.run()
    [message] = messages
    assert message.startswith("a call of a strategy has not returned for 0.2 s, at partition 0, ")
    line = WAITS.lstrip().split("\n").index("        GO_ON.wait(180)") + 1
    assert f"waits.py, line {line}, in on_bar)" in message or "threading.py" in message


def test_calls_that_return_are_not_reported_however_many_there_are() -> None:
    fold = Fold(["trader"])
    reported = Event()
    with ended_when_hanging([fold.driver], PATIENCE_S, lambda _: reported.set()):
        fold.run()
    assert not reported.is_set()
