"""A tape through a feed's engine: the records that it leads to, the same ones every time.

The clocks are those of the tape, so nothing waits and nothing is asked: connections open and close
as on the tape (at once, where it does not say), requests of the history get the answers that the
tape has, and every batch is acknowledged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.model import (
    Acknowledged,
    Action,
    Answered,
    Append,
    Close,
    Connect,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    FeedLetter,
    Fetch,
    Instant,
    Leave,
    Received,
    Report,
    StopAsked,
    Timer,
    Unanswered,
)
from tapeline.streams.feeds.live.tape import TapeMessage

Result = Append | FeedLetter | Report | Leave
_OK = 200


class ReplayedEngine(Protocol):
    """What a replay needs of `tapeline.streams.feeds.live.engine.feed.FeedEngine`."""

    @property
    def next_ms(self) -> int:
        """When (``mono_ms``) a `Timer` is due."""
        ...

    @property
    def written(self) -> bool:
        """Whether the destination holds everything that there is to write."""
        ...

    @property
    def progress(self) -> tuple[int, int]:
        """Records that there were to write so far, and how many of them the destination holds."""
        ...

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take an event; returns what is to be done, in order."""
        ...


def replay_tape(engine: ReplayedEngine, tape: Sequence[TapeMessage]) -> list[Result]:
    """Everything that an engine writes and reports over a tape, in order.

    Parameters
    ----------
    engine
        A new one, of the feed that the tape is of.
    tape
        Messages in the order of their times of receipt.

    Raises
    ------
    InputError
        When a message has no time of receipt, or an earlier one than that before it.
    """
    last_ms = None
    for message in tape:
        if message.recv_ms is None:
            raise InputError(f"line {message.number} of the tape has no time of receipt")
        if last_ms is not None and message.recv_ms < last_ms:
            raise InputError(f"line {message.number} of the tape is earlier than the one before")
        last_ms = message.recv_ms
    return _Replay(engine, tape).run()


class _Replay:
    def __init__(self, engine: ReplayedEngine, tape: Sequence[TapeMessage]) -> None:
        self._engine = engine
        self._stream = deque(each for each in tape if each.via in ("stream", "closed"))
        self._openings = deque(each.recv_ms or 0 for each in tape if each.via == "opened")
        self._opens_at_once = not self._openings
        self._answers = [each for each in tape if each.via == "history"]
        times = [each.recv_ms for each in tape if each.recv_ms is not None]
        self._begin_ms, self._end_ms = (times[0], times[-1]) if times else (0, 0)
        self._due: list[tuple[int, int, Event]] = []
        self._entered = 0
        self._open: int | None = None
        self._results: list[Result] = []

    def run(self) -> list[Result]:
        """From just before the first message until the last one."""
        now_ms = self._begin_ms
        self._hand_over(Timer(), now_ms)
        while True:
            now_ms = self._next_ms(now_ms)
            if now_ms > self._end_ms:
                break
            self._hand_over(self._next_event(now_ms), now_ms)
        self._hand_over(StopAsked(), self._end_ms)
        while self._due and self._due[0][0] <= self._end_ms:
            self._hand_over(heappop(self._due)[2], self._end_ms)
        return self._results

    def _next_ms(self, now_ms: int) -> int:
        """When the next thing happens, never before now."""
        times = [self._engine.next_ms]
        if self._due:
            times.append(self._due[0][0])
        if self._stream:
            times.append(self._stream[0].recv_ms or 0)
        return max(now_ms, min(times))

    def _next_event(self, now_ms: int) -> Event:
        """The next thing that happens now: what was led to, then time, then messages."""
        if self._due and self._due[0][0] <= now_ms:
            return heappop(self._due)[2]
        if self._engine.next_ms <= now_ms:
            return Timer()
        message = self._stream.popleft()
        if message.via == "closed":
            return ConnectionClosed(self._open or 0, None, "cut")
        return Received(self._open or 0, message.data)

    def _hand_over(self, event: Event, now_ms: int) -> None:
        for action in self._engine.handle(event, Instant(now_ms, now_ms)):
            self._carry_out(action, now_ms)

    def _enter(self, at_ms: int, event: Event) -> None:
        self._entered += 1
        heappush(self._due, (at_ms, self._entered, event))

    def _carry_out(self, action: Action, now_ms: int) -> None:
        if isinstance(action, Connect):
            self._open = action.connection
            if self._opens_at_once:
                self._enter(now_ms, ConnectionOpened(action.connection))
            elif self._openings:
                opened_ms = max(now_ms, self._openings.popleft())
                self._enter(opened_ms, ConnectionOpened(action.connection))
        elif isinstance(action, Close):
            self._enter(now_ms, ConnectionClosed(action.connection, None))
        elif isinstance(action, Fetch):
            self._answer(action, now_ms)
        elif isinstance(action, Append):
            self._enter(now_ms, Acknowledged(action.batch))
        if isinstance(action, Append | FeedLetter | Report | Leave):
            self._results.append(action)

    def _answer(self, fetch: Fetch, now_ms: int) -> None:
        """The first answer of the tape to that address, else one for the same symbols."""
        last_ms = now_ms + fetch.deadline_ms
        for test in (self._is_to_address, self._is_for_symbols):
            for index, answer in enumerate(self._answers):
                at_ms = max(now_ms, answer.recv_ms or 0)
                if at_ms <= last_ms and test(answer, fetch):
                    del self._answers[index]
                    self._enter(at_ms, Answered(fetch.request, _OK, answer.data))
                    return
        # As of a provider that is away: asked again at the pace of its rate.
        self._enter(now_ms + fetch.deadline_ms, Unanswered(fetch.request, "the tape has no answer"))

    @staticmethod
    def _is_to_address(answer: TapeMessage, fetch: Fetch) -> bool:
        return answer.url in ("", fetch.http.shown)

    @staticmethod
    def _is_for_symbols(answer: TapeMessage, fetch: Fetch) -> bool:
        """A timer that came later asks for another window; rows outside of it are left out."""
        return answer.symbols == fetch.symbols
