"""`tapeline replay` in a terminal: paused, stepped and ended by keys; what its manifest holds."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapeline.streams.cli.main import main
from tapeline.streams.feeds.samples import write_samples

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 180.0
SLOW = "0.1"
"""The second bar is ten minutes away, so that nothing but a key brings it."""


class Session:
    """A replay at a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.user, self._terminal = pty.openpty()
        self._before = termios.tcgetattr(self._terminal)
        self._text = b""
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150"}
        if (ROOT / "streams").is_dir():
            environment["PYTHONPATH"] = str(ROOT)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tapeline", "replay", *arguments],
            cwd=folder,
            env=environment,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
        )

    def until(self, text: str) -> None:
        """Read what it shows until it has shown something."""
        while text.encode() not in self._text:
            ready, _, _ = select.select([self.user], [], [], PATIENCE_S)
            assert ready, self._text.decode(errors="replace")
            self._text += os.read(self.user, 1 << 16)
        self._text = self._text.partition(text.encode())[2]

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.user, keys)

    def end(self) -> int:
        """Its exit code; the terminal is as it was."""
        while self._process.poll() is None:
            if select.select([self.user], [], [], 0.1)[0]:
                os.read(self.user, 1 << 16)
        assert termios.tcgetattr(self._terminal) == self._before
        return self._process.returncode

    def close(self) -> None:
        """End it whatever happened."""
        self._process.kill()
        self._process.wait()
        os.close(self.user)
        os.close(self._terminal)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    write_samples(tmp_path, 2, 3)
    made = Session(tmp_path, "--bars", "ES=es.csv", "--speed", SLOW, "--out", "out")
    yield made
    made.close()


def test_keys_step_and_end_a_replay_whose_run_directory_is_whole(
    session: Session, tmp_path: Path
) -> None:
    session.until("q stop")
    session.press(b" ")
    session.until("paused")
    for minute in (2, 3):
        session.press(b"\x1b[C")
        session.until(f"23:0{minute}:00Z")
    session.press(b"q")
    assert session.end() == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    span = manifest["source"]["partitions"]["0"]
    assert (span["start"], span["stop"]) == (0, 3)
    assert manifest["counters"]["rows"] == 3


def test_bounds_that_are_not_given_are_null_in_a_manifest(tmp_path: Path) -> None:
    log, config = tmp_path / "log.jsonl", tmp_path / "tapeline.toml"
    log.write_text('{"type":"clock","symbol":"ES","time_ms":1765148460000}\n')
    config.write_text('[instruments.default]\ncalendar = "24/7"\n')
    found = []
    for number, bounds in enumerate(([], ["--from-offset", "0:0"])):
        out = tmp_path / str(number)
        given = [str(log), "--config", str(config), "--out", str(out), *bounds]
        assert main(["replay", *given]) == 0
        options = json.loads((out / "manifest.json").read_text())["options"]
        found.append([options[name] for name in ("from", "to", "from_offset", "to_offset")])
    assert found == [[None, None, None, None], [None, None, ["0:0"], None]]
