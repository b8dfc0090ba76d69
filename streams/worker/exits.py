"""Hard exits: what a supervisor sees, and what a person reads.

A worker that met anything it does not understand ends at once, with the process: nothing of what
it holds may reach the broker. What is written is consistent at every step, so a restart goes on.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from tapeline.schemas.errors import BROKEN, BrokenPromiseError

logger = logging.getLogger("tapeline.worker")


class OwnershipError(BrokenPromiseError):
    """What this process holds may be another's by now."""


class ZombieError(OwnershipError):
    """The process was asleep, or cut off, for longer than its session allows."""


class ForeignWriterError(OwnershipError):
    """Another client wrote to a changelog partition that is ours."""


class NotWrittenError(BrokenPromiseError):
    """The broker did not take what was sent, whatever the client tried.

    Attributes
    ----------
    topic
        Where it was to go.
    """

    def __init__(self, topic: str, message: str) -> None:
        super().__init__(message)
        self.topic = topic


def hard_exit(error: BaseException | str, code: int = BROKEN) -> NoReturn:
    """Log why, and end the process without any clean-up."""
    if isinstance(error, BaseException):
        message = f"{type(error).__name__}: {error}"
        logger.critical(message, exc_info=error if logger.isEnabledFor(logging.DEBUG) else None)
    else:
        message = error
        logger.critical(message)
    _leave(code)


def quiet_exit(message: str) -> NoReturn:
    """End the process in good order, though threads that hold nothing do not end."""
    logger.info(message)
    _leave(0)


@contextmanager
def leaving_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the process with 0 as long as there is nothing to drain."""

    def leave(*_: object) -> NoReturn:
        quiet_exit("stopped before anything was begun")

    before = {each: signal.signal(each, leave) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _leave(code: int) -> NoReturn:
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(code)


class ZombieGuard:
    """Refuses to write what may not be ours any more.

    A process that sleeps past its session has a successor, whose outputs and states it must not
    follow with older ones. A chunk is ours when it is handed out, and whenever the coordinator
    confirms a heartbeat of the same generation: slow work is no sleep.

    Parameters
    ----------
    limit_s
        Half a session, in seconds.
    clock
        Seconds that go on while the process is stopped.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock

    def now(self) -> float:
        """Seconds by the guard's clock."""
        return self._clock()

    def check(self, owned_at: float) -> None:
        """Raise `ZombieError` when what was certainly ours then may not be written now."""
        age = self._clock() - owned_at
        if age > self._limit_s:
            raise ZombieError(
                f"a chunk waited {age:.1f} s without a heartbeat, more than half the session "
                f"({self._limit_s:.1f} s): another worker may own its partition by now. This "
                "process ends without writing; start it again"
            )


class StandstillClock:
    """Notices when something that should move does not.

    Parameters
    ----------
    limit_s
        How long it may make no progress.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._progress: object = None
        self._since = 0.0

    def is_stuck(self, progress: object, now: float) -> bool:
        """Whether `progress` has been the same for too long; None: nothing has to move."""
        if progress is None or progress != self._progress:
            self._progress = progress
            self._since = now
            return False
        return now - self._since > self._limit_s
