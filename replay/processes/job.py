"""A replay in a process of its own: its input, its answers, and its end in any case.

Both sides are one program, so what they exchange is pickled. A child ends with its parent: it
watches the pipe of its input, which no death of the parent leaves open.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

import tapeline
from tapeline.replay.run import ReplayOptions
from tapeline.replay.sources.opening import Origin
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import BrokenPromiseError
from tapeline.schemas.events import Event, Output, Reject

COMMAND = (sys.executable, "-P", "-m", "tapeline.replay.processes.child")


class Job(Struct, frozen=True, kw_only=True):
    """What a child does.

    Attributes
    ----------
    folder
        Write a run directory there; None: send what every record led to.
    given
        Options as they were given, for the manifest.
    processes
        Into how many the run directory's groups are split.
    """

    config: Config
    origin: Origin
    options: ReplayOptions
    given: dict[str, Any]
    folder: Path | None = None
    processes: int = 1


class Replaced(NamedTuple):
    """What a late, changed or cancelled bar did: bars run again, facts before and after."""

    bars_again: int
    changes: list[tuple[Event | None, Event | None]]


class KeyedResult(NamedTuple):
    """What one record led to, and its position in the total order.

    Attributes
    ----------
    reached_ms
        Greatest event time in the partition until then; see `replay.sources.order`.
    bar
        Its line of `bars.jsonl`, None where it has none.
    """

    reached_ms: int
    partition: int
    offset: int
    events: list[Output]
    letter: Reject | None
    replaced: Replaced | None
    bar: bytes | None = None


class Ended(Struct, frozen=True):
    """The last answer of a child.

    Attributes
    ----------
    manifest
        Of the replay; counters, topics and hashes only where it wrote a folder.
    outcomes, rows, superseded, swings
        As in `Tally` and `RunSummary`.
    surroundings
        What else decides results and is not given: see `replay.processes.child.surroundings`.
    """

    manifest: dict[str, Any]
    outcomes: dict[str, dict[str, int]]
    rows: int
    superseded: int
    swings: dict[str, dict[int, int]]
    surroundings: dict[str, str]


class Failed(Struct, frozen=True):
    """Why there are no more results: an error that a person can mend."""

    error: Exception


class ChildDiedError(BrokenPromiseError):
    """A child ended before it had sent everything."""


class Child:
    """One process; a context, which it does not outlive.

    Parameters
    ----------
    environment
        Variables that it has beside those of this process; None takes one away.

    Attributes
    ----------
    ended
        Its last answer, once `results` is exhausted.
    """

    def __init__(self, job: Job, environment: Mapping[str, str | None] | None = None) -> None:
        self.ended: Ended | None = None
        self._job = job
        self._environment = _environment({} if environment is None else environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Child:
        self._process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment
        )
        try:
            assert self._process.stdin is not None
            pickle.dump(self._job, self._process.stdin)
            self._process.stdin.flush()
        except BrokenPipeError:
            # Why it died, `results` raises.
            return self
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                # Its input is of no use any more.
                continue

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def results(self) -> Iterator[KeyedResult]:
        """What its records led to, in the total order; then `ended` is there.

        Raises
        ------
        InputError, LogMissingError, StoreError, BrokerError, OSError
            As the replay would in this process.
        ChildDiedError
            When it died.
        """
        process = self._process
        assert process is not None
        assert process.stdout is not None
        while self.ended is None:
            try:
                message = pickle.load(process.stdout)
            except (EOFError, pickle.UnpicklingError) as error:
                raise ChildDiedError(
                    f"process {process.pid} of the replay ended early, with code {process.wait()}"
                ) from error
            if isinstance(message, Failed):
                raise message.error
            if isinstance(message, Ended):
                self.ended = message
            else:
                yield from message

    def finish(self) -> Ended:
        """Wait for a child that writes a folder."""
        for result in self.results():
            raise AssertionError(f"a run directory has no parts: {result}")
        assert self.ended is not None
        return self.ended


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    environment = {**os.environ, **{name: text for name, text in changes.items() if text}}
    for name, text in changes.items():
        if text is None:
            environment.pop(name, None)
    # Children find the packages where this process did, whatever folder it is in.
    paths = [environment.get("PYTHONPATH"), str(Path(tapeline.__file__).parents[1])]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment
