"""What the compose file runs, run as processes: same commands, environment and volumes.

Only what a container would give is replaced: the broker's address, the folders of the
volumes, and ports that are free on this machine.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.events import DerivedBar
from tapeline.schemas.host_events import StrategyState
from tapeline.streams.consuming.subscription import Subscription
from tests.deploy.composition import own_commands, services
from tests.kafka.broker import Broker, free_ports

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0
POLL_S = 0.1


class Composition:
    """The services of the compose file as processes in a folder."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.bootstrap = broker.bootstrap
        self.folder = folder
        self._services = services(ROOT)
        self._commands = own_commands(ROOT)
        serving = [name for name, words in self._commands.items() if words[0] in ("worker", "host")]
        self.ports = dict(zip(serving, free_ports(len(serving)), strict=True))

    def words(self, name: str) -> list[str]:
        """The command of a service, with this machine's paths."""
        return [self._here(name, word) for word in self._commands[name]]

    def _here(self, name: str, word: str) -> str:
        for volume in self._services[name].get("volumes", []):
            source, target = volume.split(":")[:2]
            # A folder of the repository, or a volume.
            base = ROOT if source.startswith("./") else self.folder
            word = word.replace(target, str(base / source))
        if name in self.ports:
            word = word.replace("9464", str(self.ports[name])).replace("0.0.0.0", "127.0.0.1")
        return word.replace("kafka:19092", self.bootstrap)

    def _environment(self, name: str) -> dict[str, str]:
        own = {
            key: str(value) for key, value in self._services[name].get("environment", {}).items()
        }
        return {**os.environ, "PYTHONPATH": str(ROOT), **own}

    def run(self, name: str) -> str:
        """Run a service that ends by itself; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "tapeline", *self.words(name)],
            cwd=self.folder,
            env=self._environment(name),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def look(self) -> str:
        """What the service that shows touches shows of those that are there."""
        service = self._services["touches"]
        words = [*service["entrypoint"][1:], *service["command"], "--once"]
        words = [word.replace("/usr/share/tapeline", str(ROOT)) for word in words]
        done = subprocess.run(
            [sys.executable, *(self._here("touches", word) for word in words)],
            cwd=self.folder,
            env=self._environment("touches"),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a service that stays."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tapeline", *self.words(name)],
                cwd=self.folder,
                env=self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def is_healthy(self, name: str) -> bool:
        """What the service's own health check answers."""
        test: list[Any] = self._services[name]["healthcheck"]["test"]
        assert test[:2] == ["CMD", "python"]
        words = [self._here(name, word) for word in test[2:]]
        done = subprocess.run([sys.executable, *words], capture_output=True, check=False)
        return done.returncode == 0

    def wait_until_healthy(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wait as `up --wait` does."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_healthy(name):
            assert process.poll() is None, self.output(name)
            assert time.monotonic() < deadline, self.output(name)
            time.sleep(POLL_S)

    def output(self, name: str) -> str:
        """What a service printed."""
        return (self.folder / f"{name}.log").read_text("utf-8", errors="replace")


@pytest.fixture
def compose(broker: Broker, tmp_path: Path) -> Iterator[Composition]:
    """The services; their topics are gone after the test."""
    yield Composition(broker, tmp_path)
    delete = ["topics", "delete", "--yes", "--bootstrap", broker.bootstrap]
    subprocess.run([sys.executable, "-m", "tapeline", *delete], cwd=ROOT, check=True)


async def test_the_services_of_compose_turn_the_sample_books_into_derived_bars(
    compose: Composition,
) -> None:
    assert not compose.is_healthy("worker-0")
    assert "topics created" in compose.run("topics")
    assert compose.run("books")
    with ExitStack() as stack:
        running = {}
        for name in (*compose.ports, "feed"):
            running[name] = process = compose.start(name)
            stack.callback(process.kill)
        for name in compose.ports:
            compose.wait_until_healthy(name, running[name])
        bars = Subscription(
            ["tape.bars.derived.v1"], bootstrap=compose.bootstrap, since="beginning"
        )
        async with bars as events:
            # Sixty times as fast as the market: five minutes of it are there in five seconds.
            first = await anext(events)
        assert isinstance(first, DerivedBar)
        assert first.symbol in ("ES", "NQ")
        assert (first.have, first.need, first.complete) == (5, 5, True)
        states = Subscription(
            ["tape.strategies.v1"], bootstrap=compose.bootstrap, since="beginning"
        )
        async with states as events:
            strategy = await anext(events)
        assert isinstance(strategy, StrategyState)
        assert (strategy.strategy, strategy.state) == ("opening_range", "running")
        # The first touch comes after two minutes; until then the table is there and empty.
        assert re.search(r"\d+ newest touches", compose.look())
        running["feed"].send_signal(signal.SIGINT)
        running["feed"].wait(PATIENCE_S)
        for name in compose.ports:
            running[name].send_signal(signal.SIGTERM)
        assert [running[name].wait(PATIENCE_S) for name in compose.ports] == [0, 0, 0]
    assert '"message":"drained"' in compose.output("worker-0")
    assert "0 topics created" in compose.run("topics")
