"""`tapeline worker` before it works: refusals, also as JSON, and ends while it starts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

UNUSED_ADDRESS = "127.0.0.1:1"
PATIENCE_S = 180.0
STOPPED_AMID_IMPORTS = """
import os, signal, sys
from tapeline.streams.cli import main as cli

class ImportWatch:
    def find_spec(self, name, *_):
        if name == "tapeline.streams.worker.runner":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, ImportWatch())
sys.exit(cli.main(["worker", "--bootstrap", "127.0.0.1:1"]))
"""


@pytest.fixture(scope="module", autouse=True)
def _importable(repository_root: Path) -> None:
    """Subprocesses run elsewhere: the sources must be found there as they are here."""
    if (repository_root / "streams").is_dir():
        os.environ["PYTHONPATH"] = str(repository_root)


def worker(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "tapeline", "worker", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


REFUSALS = [
    (["--bootstrap", "junk"], 2, "the command line: --bootstrap"),
    (["--bootstrap", "127.0.0.1:99999"], 2, "the command line: --bootstrap"),
    (["--config", "nowhere.toml"], 2, "nowhere.toml"),
    (["--instance", "first"], 2, "(see tapeline --help)"),
    (["--bootstrap", UNUSED_ADDRESS], 74, f"no answer from a broker at {UNUSED_ADDRESS}"),
    (["--data-dir", "file/data"], 74, "reading or writing failed: "),
]


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSALS)
def test_a_worker_that_cannot_start_prints_why_in_a_line(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "file").touch()
    done = worker(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tapeline: ")
    assert message in last


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSALS)
def test_where_logs_are_json_the_refusal_is_too(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "file").touch()
    done = worker(tmp_path, "--log-json", *arguments)
    assert done.returncode == code, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys()
    assert lines[-1]["level"] == "critical"
    assert message in lines[-1]["message"]
    assert not lines[-1]["message"].startswith("tapeline: ")


def test_a_bug_at_the_start_is_one_line_of_json_with_its_traceback(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from tapeline.streams.cli import main as cli\n"
        "def broken(path):\n    raise KeyError('broken')\n"
        "cli.load_config = broken\n"
        "sys.exit(cli.main(['worker', '--log-json']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 70
    (line,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert line["message"].startswith("this is a bug of tapeline")
    assert "KeyError: 'broken'" in line["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stopped_while_it_loads_ends_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_AMID_IMPORTS.format(number=int(number))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "tapeline-data").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stopped_while_it_waits_for_a_broker_ends_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(PATIENCE_S)
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        command = [sys.executable, "-m", "tapeline", "worker", "--bootstrap", address]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as starting:
            connection, _ = mute.accept()
            with connection:
                starting.send_signal(number)
                _, printed = starting.communicate(timeout=PATIENCE_S)
    assert starting.returncode == 0, printed
    assert "stopped before anything was begun" in printed
