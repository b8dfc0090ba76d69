"""Run commands beside each other: the first one's output as it comes, then that of the others.

    python tests/side_by_side.py COMMAND... -- COMMAND... [-- COMMAND...]

Tests that need a broker wait most of their time; beside them the cores do the rest. Exit code 0
when all end with 0, else that of the first, in the order given, that did not. At the end: what each
took.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO

SEPARATOR = "--"


class Lane:
    """One command beside others.

    Attributes
    ----------
    seconds
        What it took; known when it was waited for.
    """

    def __init__(self, command: Sequence[str], output: IO[bytes] | None) -> None:
        self.command = command
        self.output = output
        self.seconds = 0.0
        self._began_s = time.monotonic()
        self._process = subprocess.Popen(command, stdout=output, stderr=output)
        # A process that ended is seen at once, whatever the one before it in the order does.
        self._waiting = threading.Thread(target=self._wait)
        self._waiting.start()

    def _wait(self) -> None:
        self._process.wait()
        self.seconds = time.monotonic() - self._began_s

    def code(self) -> int:
        """Its exit code, when it has ended."""
        self._waiting.join()
        return self._process.returncode

    def show(self) -> None:
        """Write what it printed, when it has ended."""
        self._waiting.join()
        if self.output is not None:
            self.output.seek(0)
            sys.stdout.buffer.write(self.output.read())
            sys.stdout.flush()


def run(commands: Sequence[Sequence[str]]) -> int:
    """Run all to their ends; the exit code of all together.

    An interrupt reaches all, as they are in one process group; all are waited for.
    """
    with ExitStack() as files:
        lanes = [
            Lane(command, files.enter_context(tempfile.TemporaryFile()) if number else None)
            for number, command in enumerate(commands)
        ]
        for lane in lanes:
            lane.show()
        for lane in lanes:
            name = " ".join(lane.command)
            sys.stdout.write(f"{name}: exit code {lane.code()}, {lane.seconds:.0f} s\n")
        return next((code for code in (lane.code() for lane in lanes) if code), 0)


def split(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The commands between the separators."""
    command: list[str] = []
    for each in arguments:
        if each == SEPARATOR:
            yield command
            command = []
        else:
            command.append(each)
    yield command


if __name__ == "__main__":
    sys.exit(run(list(split(sys.argv[1:]))))
