"""One worker as a child process: started, ended in every way, and what it printed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import tapeline
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.rendering import to_toml

# Neither a folder named `streams` where the command is given, nor what is installed beside a
# source tree, may come before the package that runs here.
PLAIN_PROGRAM = (sys.executable, "-P", "-m", "tapeline", "worker")
RAGGED_PROGRAM = (sys.executable, "-P", "-m", "tapeline.streams.drill.ragged_worker")
PACKAGES = str(Path(tapeline.__file__).resolve().parents[1])
CONFIGURATION_FILE = "tapeline.toml"
UP = "health on"
"""What a worker logs as soon as it takes signals."""


class WorkerProcess:
    """One `tapeline worker`, or another program with its options.

    Parameters
    ----------
    folder
        Of its configuration, its log and its data; several workers may share it.
    program
        First words of the command.

    Attributes
    ----------
    port
        Of its health server; another at every start.
    store
        Folder of its local state.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        instance: int = 0,
        dynamic: bool = False,
        program: Sequence[str] = PLAIN_PROGRAM,
    ) -> None:
        self.config = config
        self.folder = folder
        self.instance = instance
        self.port = 0
        self.data_dir = folder / "data"
        self.store = self.data_dir / f"worker-{instance}"
        self.log_file = folder / f"worker-{instance}.log"
        self._program = tuple(program)
        self._dynamic = dynamic
        self._heard = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it goes on in the background."""
        assert self._process is None, "it was not seen to end"
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / CONFIGURATION_FILE
        if not path.exists():
            path.write_text(to_toml(self.config), "utf-8")
        self.port = _free_port()
        command = [*self._program, "--config", str(path), "--data-dir", str(self.data_dir)]
        command += ["--instance", str(self.instance), "--http-port", str(self.port)]
        command += ["--dynamic"] if self._dynamic else []
        with self.log_file.open("ab") as log:
            self._heard = log.tell()
            # A session of its own: Ctrl-C in the terminal is for the drill, which ends it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it at once (SIGKILL), also one that sleeps; nothing happens where none runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wipe(self) -> None:
        """Remove the local state of one that does not run."""
        assert self._process is None, "its state is in use"
        shutil.rmtree(self.store, ignore_errors=True)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to one that runs, or ended unseen."""
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)

    @property
    def pid(self) -> int | None:
        """Process id of one that runs."""
        return None if self._process is None else self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither killed nor seen to end."""
        return self._process is not None

    def code(self) -> int | None:
        """Exit code of one that ended by itself, None while it goes on."""
        assert self._process is not None, "it was not started"
        return self._process.poll()

    def bury(self) -> int | None:
        """The exit code of one that ended by itself, once; else None."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._process = None
        return code

    @property
    def is_up(self) -> bool:
        """Whether it goes on and has logged since its start that it takes signals."""
        return self.runs and self.code() is None and UP in self.output_since_start()

    def output(self) -> str:
        """What it logged in all its lives."""
        return self.log_file.read_text("utf-8", errors="replace") if self.log_file.exists() else ""

    def output_since_start(self) -> str:
        """What it logged since its last start."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(self._heard)
            return log.read().decode(errors="replace")

    def last_words(self) -> str:
        """The last line it logged since its last start."""
        lines = self.output_since_start().strip().splitlines()
        return lines[-1] if lines else "(it printed nothing)"


def _environment() -> dict[str, str]:
    known = os.environ.get("PYTHONPATH")
    paths = [PACKAGES, *([known] if known else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
