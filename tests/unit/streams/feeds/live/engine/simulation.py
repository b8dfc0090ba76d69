"""A feed's connection side against a scripted provider, on a virtual clock."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TypeVar

from tapeline.schemas.config.feeds import FeedConfig, SessionConfig
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Connection, Limit
from tapeline.streams.feeds.live.engine.connection import ConnectionSide
from tapeline.streams.feeds.live.engine.connection_outbox import Output
from tapeline.streams.feeds.live.engine.letters import Letters
from tapeline.streams.feeds.live.engine.watchdog import MarketHours
from tapeline.streams.feeds.live.model import (
    Close,
    Connect,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    Instant,
    Received,
    Report,
    Send,
    Timer,
)
from tapeline.streams.pipeline.routing import Router
from tests.unit.streams.core.scenario import utc
from tests.unit.streams.feeds.live.engine.dialect import Dialect, bar_text, text

START_MS = utc("2026-11-30 15:00")
"""A Monday, 10:00 in New York."""
_MONO_MS = 5_000_000
CONFIGURATION = """
[instruments.ACME]
tick = 0.01
calendar = "XNYS"
[instruments.BOLT]
tick = 0.01
calendar = "XNYS"
[instruments.COIN]
tick = 0.01
calendar = "24/7"
"""
_T = TypeVar("_T")


def hours_of(*symbols: str) -> MarketHours:
    """When some of the configured instruments trade."""
    router = Router(read_config(CONFIGURATION, "simulation"))
    return MarketHours([router.plan(symbol) for symbol in symbols])


@dataclass(frozen=True)
class Behaviour:
    """What the provider does with one connection.

    Attributes
    ----------
    status, retry_after_ms
        It is refused so.
    opens
        False: the attempt gets no answer at all.
    welcomes
        What answers the key; None: nothing does.
    leaves_out
        Symbols that are acknowledged at the n-th time of asking, 0: never.
    cut_after_ms, code
        It is cut so long after it opened.
    every_ms
        Bars in progress of the first symbol come so often from the acknowledgement on; None: none.
    until_ms
        From then on, since it opened, nothing comes.
    says
        Messages by time since it opened.
    """

    status: int | None = None
    retry_after_ms: int | None = None
    opens: bool = True
    welcomes: bytes | None = text(welcome=True)
    leaves_out: tuple[tuple[str, int], ...] = ()
    cut_after_ms: int | None = None
    code: int | None = 1006
    every_ms: int | None = 5_000
    until_ms: int = 1 << 60
    says: tuple[tuple[int, bytes], ...] = ()
    date: bool = False


class Simulation:
    """The side, the provider's behaviours in order of connections (the last one goes on), a clock.

    Attributes
    ----------
    outputs
        Everything the side returned, by seconds since the start.
    clock_ahead_ms
        The provider's clock less ours.
    """

    def __init__(
        self,
        *behaviours: Behaviour,
        symbols: Sequence[str] = ("ACME",),
        session: SessionConfig | None = None,
        dialect: Dialect | None = None,
        limit: Limit | None = None,
        clock_ahead_ms: int = 0,
        seed: int = 1,
        start_ms: int = START_MS,
    ) -> None:
        settings = FeedConfig(
            name="mine",
            kind="websocket",
            url="",
            symbols={each: each for each in symbols},
            session=session or SessionConfig(),
        )
        self.letters = Letters("mine")
        known = [each for each in symbols if each in {"ACME", "BOLT", "COIN"}] or ["ACME"]
        self.side = ConnectionSide(
            settings,
            dialect or Dialect(symbols),
            hours_of(*known),
            Random(seed),
            self.letters,
            () if limit is None else (limit,),
        )
        self.outputs: list[tuple[float, Output]] = []
        self.clock_ahead_ms = clock_ahead_ms
        self.wall_step_ms = 0
        self.now_ms = 0
        self._symbols = tuple(symbols)
        self._start_ms = start_ms
        self._behaviours = behaviours or (Behaviour(),)
        self._queue: list[tuple[int, int, Event]] = []
        self._order = count()
        self._by_number: dict[int, Behaviour] = {}
        self._opened_ms: dict[int, int] = {}
        self._gone: set[int] = set()
        self._asked: dict[tuple[int, str], int] = {}
        self._streams: dict[tuple[bytes, int], int] = {}

    def instant(self) -> Instant:
        """Now."""
        return Instant(_MONO_MS + self.now_ms, self._start_ms + self.now_ms + self.wall_step_ms)

    def at(self, seconds: float, event: Event) -> None:
        """Plan an event."""
        heapq.heappush(self._queue, (round(seconds * 1000), next(self._order), event))

    def message(self, seconds: float, data: bytes, connection: int = 1) -> None:
        """Plan a message."""
        self.at(seconds, Received(connection, data))

    def run(self, seconds: float) -> Simulation:
        """Let time pass until so many seconds after the start."""
        end_ms = round(seconds * 1000)
        while True:
            event_ms = self._queue[0][0] if self._queue else end_ms + 1
            timer_ms = max(self.side.next_ms - _MONO_MS, self.now_ms)
            self.now_ms = min(event_ms, timer_ms, end_ms)
            if event_ms <= min(timer_ms, end_ms):
                _, _, event = heapq.heappop(self._queue)
                self._hand_over(event)
            elif timer_ms <= end_ms:
                self._hand_over(Timer())
            else:
                return self

    def _hand_over(self, event: Event) -> None:
        if isinstance(event, Received | ConnectionClosed) and event.connection in self._gone:
            return
        if isinstance(event, ConnectionClosed):
            self._gone.add(event.connection)
        for output in self.side.handle(event, self.instant()):
            self.outputs.append((self.now_ms / 1000, output))
            self._carry_out(output)
        if isinstance(event, ConnectionOpened):
            self._script(event.connection)
        elif isinstance(event, Received):
            every_ms = self._streams.pop((event.data, event.connection), None)
            if every_ms is not None:
                self._stream(event.connection, self._by_number[event.connection], every_ms)

    def _carry_out(self, output: Output) -> None:
        if isinstance(output, Connect):
            self._connect(output.connection)
        elif isinstance(output, Send):
            self._answer(output.connection, json.loads(output.text))
        elif isinstance(output, Close):
            self._gone.add(output.connection)

    def _connect(self, number: int) -> None:
        behaviour = self._behaviours[min(number, len(self._behaviours)) - 1]
        self._by_number[number] = behaviour
        soon = self.now_ms / 1000 + 0.02
        if behaviour.status is not None:
            self.at(
                soon,
                ConnectFailed(number, "refused", behaviour.status, behaviour.retry_after_ms),
            )
        elif behaviour.opens:
            date_ms = self._provider_ms() // 1000 * 1000 if behaviour.date else None
            self.at(soon, ConnectionOpened(number, date_ms))

    def _provider_ms(self) -> int:
        return self._start_ms + self.now_ms + self.clock_ahead_ms

    def _script(self, number: int) -> None:
        behaviour = self._by_number[number]
        self._opened_ms[number] = self.now_ms
        opened = self.now_ms / 1000
        for after_ms, data in behaviour.says:
            self.message(opened + after_ms / 1000, data, number)
        if behaviour.cut_after_ms is not None:
            cut = ConnectionClosed(number, behaviour.code, retry_after_ms=behaviour.retry_after_ms)
            self.at(opened + behaviour.cut_after_ms / 1000, cut)

    def _answer(self, number: int, sent: dict[str, object]) -> None:
        behaviour = self._by_number[number]
        soon = self.now_ms / 1000 + 0.01
        if "auth" in sent and behaviour.welcomes is not None:
            self.message(soon, behaviour.welcomes, number)
        elif "subscribe" in sent:
            names = sent["subscribe"]
            assert isinstance(names, list)
            self.message(soon, text(subscribed=self._granted(number, names)), number)
            if behaviour.every_ms is not None and (number, "") not in self._asked:
                self._asked[number, ""] = 1
                self._stream(number, behaviour, behaviour.every_ms)

    def _granted(self, number: int, names: list[str]) -> list[str]:
        left_out = dict(self._by_number[number].leaves_out)
        granted = []
        for name in names:
            times = self._asked[number, name] = self._asked.get((number, name), 0) + 1
            if name not in left_out or times == left_out[name]:
                granted.append(name)
        return granted

    def _stream(self, number: int, behaviour: Behaviour, every_ms: int) -> None:
        """The next bar in progress, sent at the provider's time; it plans the one after it."""
        at_ms = self.now_ms + every_ms
        if at_ms - self._opened_ms[number] < behaviour.until_ms:
            sent_ms = self._start_ms + at_ms + self.clock_ahead_ms
            data = bar_text(self._symbols[0], sent_ms // 60_000 * 60_000, sent_ms, final=False)
            self.message(at_ms / 1000, data, number)
            self._streams[data, number] = every_ms

    def of(self, kind: type[_T]) -> list[_T]:
        """Outputs of one kind."""
        return [each for _, each in self.outputs if isinstance(each, kind)]

    def times(self, kind: type[_T]) -> list[float]:
        """Seconds at which outputs of one kind came."""
        return [at for at, each in self.outputs if isinstance(each, kind)]

    def states(self) -> list[tuple[int, str]]:
        """What was reported of connections: number and state, in order."""
        return [
            (int(event.id.rpartition("|")[2]), event.state) for event in self.events(Connection)
        ]

    def events(self, kind: type[_T]) -> list[_T]:
        """Reported events of one kind."""
        return [each.event for each in self.of(Report) if isinstance(each.event, kind)]
