"""The workers of a drill: ended in every way, and started again as a supervisor would."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from msgspec import Struct

from tapeline.schemas.errors import UNUSABLE, UnusableError
from tapeline.streams.drill.worker_process import WorkerProcess
from tapeline.streams.worker.runner import DRAIN_S, SESSION_S

FAULTS = ("kill", "wipe", "drain", "sleep", "join")
"""SIGKILL with the store kept; SIGKILL and the store wiped; SIGTERM and return; SIGSTOP past the
session, then SIGCONT; one more worker joins and leaves."""
ASLEEP_S = 1.3 * SESSION_S
LONGEST_AWAY_S = 2.0
LONGEST_STAY_S = 6.0
START_S = 60.0
POLL_S = 0.1
DRAINED = 0
REPLACED = 70
KILLED = -signal.SIGKILL


class End(Struct, frozen=True):
    """An end that the drill did not bring about: the worker's last line holds the reason."""

    instance: int
    code: int
    said: str


class WorkerRefusedError(UnusableError):
    """A worker does not start here; the message ends with what it printed."""


class Member:
    """One worker, and what the supervisor may do with it.

    Attributes
    ----------
    held
        A fault is going on with it: the supervisor leaves it alone.
    forgiven
        Exit codes that it may end with in this life.
    start_at
        Time (monotonic) from which on it is started.
    """

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.held = False
        self.forgiven: tuple[int, ...] = ()
        self.start_at = 0.0


class Crew:
    """All workers of a drill.

    Parameters
    ----------
    guest
        Joins and leaves now and then.

    Attributes
    ----------
    faults
        Faults brought about, by kind.
    ends
        Ends that the drill did not cause.
    replaced
        How often a sleeper found on waking that it was replaced.
    """

    def __init__(
        self, workers: Sequence[WorkerProcess], guest: WorkerProcess, random: Random
    ) -> None:
        self.faults: Counter[str] = Counter()
        self.ends: list[End] = []
        self.replaced = 0
        self._members = [Member(each) for each in workers]
        self._guest = Member(guest)
        self._guest.held = True
        self._random = random

    @property
    def workers(self) -> list[WorkerProcess]:
        """All of them, the guest too."""
        return [each.worker for each in (*self._members, self._guest)]

    async def supervise(self) -> None:
        """Start what does not run, for ever.

        Raises
        ------
        WorkerRefusedError
            When one does not start for a reason that a restart does not cure.
        """
        while True:
            for member in self._members:
                if not member.held:
                    self._look_after(member)
            await asyncio.sleep(POLL_S)

    async def until_up(self) -> None:
        """Wait until all of them have started, or a minute has passed."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if all(each.worker.is_up for each in self._members):
                return
            await asyncio.sleep(POLL_S)

    async def trouble(self, until: float, every_s: float) -> None:
        """Faults until a time (monotonic), one every so many seconds on average.

        Every kind comes as often as the others, in an order of its own each time.
        """
        deck: list[str] = []
        going: set[asyncio.Task[None]] = set()
        try:
            while await self._pause_until(until, every_s):
                # Who wakes after the last record could leave nothing stale.
                late = time.monotonic() + ASLEEP_S > until
                kinds = [each for each in FAULTS if not (late and each == "sleep")]
                deck = [each for each in deck if each in kinds]
                deck = deck or self._random.sample(kinds, len(kinds))
                fault = self._begin(deck[-1])
                if fault is not None:
                    deck.pop()
                    going.add(fault)
            if going:
                await asyncio.gather(*going)
        finally:
            for task in going:
                task.cancel()

    async def drain(self) -> None:
        """End all in good order."""
        for member in self._members:
            member.held = True
        await asyncio.gather(*(self._drain(each) for each in self._members))

    def kill(self) -> None:
        """End all at once, whatever they do."""
        for member in (*self._members, self._guest):
            member.worker.kill()

    async def _pause_until(self, until: float, every_s: float) -> bool:
        pause_s = every_s * (0.5 + self._random.random())
        left_s = until - time.monotonic()
        await asyncio.sleep(max(0.0, min(pause_s, left_s)))
        return pause_s < left_s

    def _begin(self, kind: str) -> asyncio.Task[None] | None:
        """Begin a fault; None when no worker is fit for it now."""
        if kind == "join":
            if self._guest.worker.runs:
                return None
            self.faults[kind] += 1
            return asyncio.create_task(self._join(), name=kind)
        fit = [each for each in self._members if not each.held and each.worker.is_up]
        if not fit:
            return None
        member = self._random.choice(fit)
        self.faults[kind] += 1
        member.held = True
        return asyncio.create_task(self._fault(kind, member), name=kind)

    async def _fault(self, kind: str, member: Member) -> None:
        worker = member.worker
        try:
            if kind == "drain":
                await self._drain(member)
            elif kind == "sleep":
                await self._sleep(member)
                return
            else:
                self._note(member, worker.bury())
                worker.kill()
                if kind == "wipe":
                    worker.wipe()
            member.start_at = time.monotonic() + LONGEST_AWAY_S * self._random.random()
        finally:
            member.held = False

    async def _sleep(self, member: Member) -> None:
        """SIGSTOP past the session, then SIGCONT, whatever happens meanwhile."""
        worker = member.worker
        member.forgiven = (REPLACED,)
        worker.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(ASLEEP_S)
        finally:
            if worker.runs:
                worker.signal(signal.SIGCONT)

    async def _join(self) -> None:
        guest = self._guest
        guest.worker.start()
        deadline = time.monotonic() + START_S
        while guest.worker.bury() is None and not guest.worker.is_up:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(LONGEST_STAY_S * self._random.random())
        await self._drain(guest)

    async def _drain(self, member: Member) -> None:
        """SIGTERM, and the wait for the end; a worker that is too slow is killed."""
        worker = member.worker
        if not worker.runs:
            return
        self._note(member, worker.bury())
        if not worker.runs:
            return
        worker.signal(signal.SIGTERM)
        # One that has just started does not know the signal yet.
        member.forgiven = (*member.forgiven, DRAINED, -signal.SIGTERM)
        deadline = time.monotonic() + DRAIN_S + LONGEST_AWAY_S
        while worker.code() is None:
            if time.monotonic() > deadline:
                self.ends.append(End(worker.instance, KILLED, "did not drain, and was killed"))
                worker.kill()
                return
            await asyncio.sleep(POLL_S)
        self._note(member, worker.bury())

    def _look_after(self, member: Member) -> None:
        worker = member.worker
        code = worker.bury()
        if code is not None:
            self._note(member, code)
            if code == UNUSABLE:
                raise WorkerRefusedError(f"drill: a worker refuses to start: {worker.last_words()}")
            member.start_at = time.monotonic() + LONGEST_AWAY_S * self._random.random()
        if not worker.runs and time.monotonic() >= member.start_at:
            member.forgiven = ()
            worker.start()

    def _note(self, member: Member, code: int | None) -> None:
        """Remember an end, if there was one."""
        if code is None:
            return
        if code not in member.forgiven:
            self.ends.append(End(member.worker.instance, code, member.worker.last_words()))
        elif code == REPLACED:
            self.replaced += 1
