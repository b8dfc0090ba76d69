"""One script of a drill: a provider, a feed that listens to it, and the store that it writes."""

from __future__ import annotations

import asyncio
import re
import socket
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tapeline.schemas.config.feed_mapping import Comparison
from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.feed_events import FeedEvent
from tapeline.schemas.instants import FAR_FUTURE_MS, MINUTE_MS, SECOND_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.engine.slots import SlotGrid
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.model import Action, Append, FeedLetter, Instant, Leave, Report
from tapeline.streams.feeds.live.secrets import needed_secrets, read_secrets
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.opening import open_connections
from tapeline.streams.ingest.drill.dialect import PAGE, DrillDialect
from tapeline.streams.ingest.drill.market import DrillMarket
from tapeline.streams.ingest.drill.provider import LOOPBACK, DrillProvider
from tapeline.streams.ingest.drill.virtual_time import VirtualClock
from tapeline.streams.ingest.feed_run import FeedRun
from tapeline.streams.ingest.store_log import StoreFeedLog, StoreThread
from tapeline.streams.pipeline.log_writer import LogEntry
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.store.live import LiveStore

KINDS: Final = ("websocket", "http", "webhook", "tail")
MOST_SYMBOLS: Final = 3
BEFORE: Final = 8
"""Slots that the history has before the feed begins."""
SLOTS: Final = 80
LONGEST_MS: Final = 75 * MINUTE_MS
"""Slots of a script, at least, and how long they last."""
STEP_MS: Final = 30 * SECOND_MS
"""After so long it is looked whether the feed has caught up."""
CALM_SLOTS: Final = 3
LONGEST_CALM_MS: Final = 25 * MINUTE_MS
"""After it the last of the requests for what is late was answered."""
_SCHEME: Final = re.compile(r"^[a-z]+:(//[^/?]*)?")
_SESSIONS_BACK: Final = 30
E = TypeVar("E", bound=FeedEvent)


class DrillSetup(Struct, frozen=True):
    """A feed as it is drilled: at most three of its symbols, without a backup.

    Attributes
    ----------
    environment
        Secrets that are none.
    start_ms
        Time at which scripts begin, in a session of every symbol.
    """

    feed: FeedConfig
    config: Config
    environment: Mapping[str, str]
    start_ms: int


def drill_setup(feed: FeedConfig, config: Config, now_ms: int) -> DrillSetup:
    """What is drilled of a feed.

    Parameters
    ----------
    now_ms
        Scripts play in a session before this instant, UTC.

    Raises
    ------
    InputError
        When no message of the feed can be made.
    """
    if feed.kind not in KINDS or feed.mapping is None:
        raise InputError(
            f"feed {feed.name}: kind {feed.kind} is not drilled; {', '.join(KINDS)} are"
        )
    symbols = dict(list(feed.symbols.items())[:MOST_SYMBOLS])
    history, tables = feed.history, feed.mapping
    if history is not None and tables.history is not None:
        history = replace(history, begin="")
        limit = tables.history.limit
        if limit is not None and tables.history.next is None:
            # Pages are many where they are short.
            tables = replace(tables, history=replace(tables.history, limit=min(limit, PAGE)))
    chosen = replace(
        feed, symbols=symbols, backup="", secrets_file="", history=history, mapping=tables
    )
    secrets = {name: f"placeholder-of-{name.lower()}" for name in needed_secrets(chosen)}
    return DrillSetup(chosen, config, secrets, _start_ms(config, symbols, now_ms))


def _start_ms(config: Config, symbols: Mapping[str, str], now_ms: int) -> int:
    """A time at which all symbols trade, some slots after the open of a full session."""
    router = Router(config)
    plans = [router.plan(symbol) for symbol in symbols]
    first = max(plans, key=lambda plan: plan.base_ms)
    calendar = first.calendar
    index = calendar.session_of(now_ms) - 1
    found: int | None = None
    for at in range(index, max(index - _SESSIONS_BACK, 0), -1):
        start_ms = calendar.open_ms(at) + (BEFORE + 2) * first.base_ms
        found = start_ms if found is None else found
        if calendar.flags(at) == 0 and all(_trades(plan.calendar, start_ms) for plan in plans):
            return start_ms
    if found is None:
        raise InputError(f"calendar {calendar.calendar_id}: has no session before now")
    return found


def _trades(calendar: Calendar, at_ms: int) -> bool:
    index = calendar.session_of(at_ms)
    return calendar.has_session(index) and calendar.segment_of(index, at_ms) >= 0


class Scene:
    """One script while it plays.

    Attributes
    ----------
    feed
        With the addresses of the provider.
    events, letters, appended
        What the feed reported, its dead letters, and what it wrote: a store keeps no bar twice.
    left
        Why the feed is out; None while it is not.
    notes
        What a script remembers for its verdict.
    """

    def __init__(self, setup: DrillSetup, folder: Path, seed: int) -> None:
        self.setup = setup
        self.feed = setup.feed
        self.folder = folder
        self.events: list[FeedEvent] = []
        self.letters: list[FeedLetter] = []
        self.appended: list[LogEntry] = []
        self.left: Leave | None = None
        self.notes: dict[str, int] = {}
        self.clock = VirtualClock(asyncio.get_running_loop(), setup.start_ms)
        self._random = Random(seed)
        self.dialect = DrillDialect(setup.feed, setup.config, setup.environment)
        router = Router(setup.config)
        self.plans = {symbol: router.plan(symbol) for symbol in setup.feed.symbols}
        longest = max(self.plans.values(), key=lambda plan: plan.base_ms)
        self.base_ms = longest.base_ms
        self.grid = SlotGrid(longest.calendar, longest.base_ms)
        tables = self.dialect.tables
        final = tables.bar.final
        self.unflagged = final in ("elapsed", "successor")
        self.has_open_bars = final != "sent"
        self.market = DrillMarket(
            self.plans,
            flagged=not self.unflagged,
            open_bars=self.has_open_bars,
            empty_bars=isinstance(final, Comparison) and tables.bar.empty is not None,
        )
        tail = folder / "messages.jsonl"
        self.provider = DrillProvider(setup.feed, self.dialect, self.market, self.clock, tail)
        self.store = folder / "store"
        self._engine: FeedEngine | None = None
        self._run: FeedRun | None = None
        self._task: asyncio.Task[Leave | None] | None = None
        self._thread: StoreThread | None = None
        first_ms = self.grid.at(setup.start_ms)
        count = max(SLOTS, LONGEST_MS // self.base_ms)
        labels = self.grid.labels(first_ms, FAR_FUTURE_MS)
        self.labels = [label for _, label in zip(range(count), labels, strict=False)]
        self.ends = [self.grid.end(label) for label in self.labels]
        reach_ms = None if setup.feed.history is None else setup.feed.history.reach_ms
        before = BEFORE if reach_ms is None else min(BEFORE, reach_ms // self.base_ms - BEFORE)
        self.begin_ms = self.labels[0] - max(0, before) * self.base_ms

    # What a script is made of.

    @property
    def history(self) -> HistoryConfig | None:
        """How the history is asked; None: there is none."""
        return self.feed.history if self.dialect.tables.history is not None else None

    @property
    def now_ms(self) -> int:
        """The time, UTC."""
        return self.clock.now_ms

    def end(self, number: int) -> int:
        """End of the slot of a number; the feed begins in the first one, 0."""
        return self.ends[number]

    async def open(self, silent: Mapping[int, frozenset[str]] | None = None) -> None:
        """Start provider and feed, and play until the feed is live.

        Parameters
        ----------
        silent
            By number of slots the symbols that do not trade then.
        """
        begin_ms = self.begin_ms
        for number, symbols in sorted((silent or {}).items()):
            self.market.trade(begin_ms, self.labels[number])
            begin_ms = self.end(number)
            self.market.trade(self.labels[number], begin_ms, symbols)
        self.market.trade(begin_ms, self.ends[-1])
        await self.provider.start()
        self.feed = self._addressed(self.setup.feed)
        await self.start()
        await self.to(3)

    def _addressed(self, feed: FeedConfig) -> FeedConfig:
        """The feed with the addresses of the provider: nothing else is ever connected to."""
        stream, history = self.provider.ports
        rest = _SCHEME.sub("", feed.url)
        rest = rest if rest.startswith("/") else f"/{rest}"
        tables = self.dialect.tables
        if tables.history is not None:
            below = _SCHEME.sub("", tables.history.url)
            url = f"http://{LOOPBACK}:{history}{below if below.startswith('/') else f'/{below}'}"
            tables = replace(tables, history=replace(tables.history, url=url))
        if feed.kind == "tail":
            url = f"file://{self.folder}/messages.jsonl"
        elif feed.kind == "webhook":
            url = f"http://{LOOPBACK}:{_free_port()}{rest}"
        else:
            scheme = "ws" if feed.kind == "websocket" else "http"
            url = f"{scheme}://{LOOPBACK}:{stream}{rest}"
        return replace(feed, url=url, mapping=tables)

    async def to(self, number: int, after_ms: int = 2 * SECOND_MS) -> None:
        """Play until so long after the end of the slot of a number."""
        await self.provider.play(self.end(number) + after_ms)

    async def pass_time(self, ms: int) -> None:
        """Play for so long."""
        await self.provider.play(self.now_ms + ms)

    @property
    def number(self) -> int:
        """Number of the last slot that has ended."""
        return bisect_right(self.ends, self.now_ms) - 1

    # The feed.

    async def start(self) -> None:
        """Start a process of the feed, which knows no more than its store."""
        setup = self.setup
        secrets = read_secrets(self.feed, setup.environment)
        mapping = compile_mapping(self.feed, setup.config, secrets)
        self.provider.hook_url = mapping.address(tuple(self.feed.symbols)).url
        store = LiveStore(setup.config, self.store)
        self._thread = StoreThread(store)
        await self._thread.start()
        log = StoreFeedLog(store, self._thread, self.feed.name)
        known = await log.read_back(self.feed.name, tuple(self.feed.symbols))
        inbox = Inbox(clocks=self.clock)
        self._engine = FeedEngine(
            self.feed, mapping, Router(setup.config), known, Random(self._random.random())
        )
        connections = open_connections(self.feed, mapping, inbox)
        self._run = FeedRun(self._engine, inbox, connections, HttpRequests(inbox), log, self._watch)
        self._task = asyncio.create_task(self._run.run())

    def _watch(self, actions: Sequence[Action], _: Instant) -> None:
        for action in actions:
            if isinstance(action, Report):
                self.events.append(action.event)
            elif isinstance(action, FeedLetter):
                self.letters.append(action)
            elif isinstance(action, Append):
                self.appended += action.entries
            elif isinstance(action, Leave):
                self.left = action

    async def kill(self) -> None:
        """End the process without a word: what is not in its store is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._close_store()

    async def stop(self) -> None:
        """Ask the feed to end, and wait for it."""
        if self._run is not None and self._task is not None:
            self._run.stop()
            await self._task
        await self._close_store()

    async def _close_store(self) -> None:
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await thread.stop()
        self._run = self._task = self._engine = None

    async def calm(self) -> None:
        """Play without faults until the feed has caught up, and end it."""
        self.provider.faults.refuse = self.provider.faults.history = 0
        self.provider.faults.retry_after_s = None
        self.provider.faults.mute = self.provider.faults.cut_at_once = False
        self.provider.faults.ahead_ms = 0
        first, begun_ms = self.number, self.now_ms
        last_ms = self.ends[-1] - self.base_ms
        while self._engine is not None and self.now_ms < last_ms and self.left is None:
            next_ms = self.end(self.number + 1) + 2 * SECOND_MS
            await self.provider.play(min(max(next_ms, self.now_ms + STEP_MS), last_ms))
            over = self.number - first >= CALM_SLOTS and self._engine.caught_up
            if over or self.now_ms - begun_ms > LONGEST_CALM_MS:
                break
        lag_ms = 0 if self.history is None else self.history.lag_ms
        poll_ms = self.feed.session.poll_ms if self.feed.kind == "http" else 0
        await self.pass_time(lag_ms + poll_ms + 5 * SECOND_MS)
        await self.stop()

    async def close(self) -> None:
        """End what still runs."""
        if self._task is not None or self._thread is not None:
            await self.kill()
        await self.provider.stop()

    # What scripts look at.

    def of(self, kind: type[E]) -> list[E]:
        """Reported events of a kind."""
        return [each for each in self.events if isinstance(each, kind)]

    def attempts_after(self, at_ms: int) -> list[int]:
        """When the feed tried to connect, from an instant on."""
        return [each.at_ms for each in self.provider.attempts if each.at_ms >= at_ms]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
