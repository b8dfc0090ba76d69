"""`tapeline ingest`: feeds of the configuration into the log of a broker, or into a store."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import INTERRUPTED, IO_FAILURE, BrokenPromiseError
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.adapters.databento import databento_mapping
from tapeline.streams.feeds.live.adapters.databento_sockets import DatabentoSockets
from tapeline.streams.feeds.live.engine.failover import FailoverEngine
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.mapping.compiled import Mapping as FeedTables
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.model import Action, FeedMapping, Instant
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.links import ConnectionTasks
from tapeline.streams.feeds.live.transports.opening import open_connections
from tapeline.streams.ingest.broker import feed_logs, kafka_intake
from tapeline.streams.ingest.feed_run import FeedRun
from tapeline.streams.ingest.pairs import PairedConnections
from tapeline.streams.ingest.store_log import StoreFeedLog, StoreThread
from tapeline.streams.pipeline.log_writer import KnownLog, LogWriter
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.store.live import LiveStore

ONCE_S: Final = 300.0
LOOK_S: Final = 0.1


@dataclass(frozen=True)
class IngestOptions:
    """How feeds are run.

    Attributes
    ----------
    store
        Folder of the store that is written; None: the log of the broker.
    once
        End when the feeds have caught up: for a schedule.
    lease_s
        After how long without a sign of life another process of a feed takes over, at a broker.
    accept
        Strategies of a store that begin anew.
    """

    store: Path | None = None
    once: bool = False
    lease_s: float = 30.0
    accept: tuple[str, ...] = ()


@dataclass
class RunningFeed:
    """One feed that runs.

    Attributes
    ----------
    shown
        Its address without secrets.
    """

    settings: FeedConfig
    engine: FeedEngine | FailoverEngine
    run: FeedRun
    shown: str


Watch = Callable[[RunningFeed, Sequence[Action], Instant], None]
MakeLog = Callable[[FeedConfig], LogWriter]
Backup = tuple[FeedConfig, FeedMapping]


class Ingest:
    """The feeds of one process; they share its destination, and one may be out while others go on.

    Parameters
    ----------
    environment
        Where secrets are.
    watch
        Called with the actions of a feed, for tables and counters.

    Attributes
    ----------
    running
        Feeds that run, by name.
    out
        Why a feed is out, by name.
    """

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        options: IngestOptions,
        environment: Mapping[str, str],
        watch: Watch | None = None,
    ) -> None:
        self.running: dict[str, RunningFeed] = {}
        self.out: dict[str, str] = {}
        self._config = config
        self._feeds = [feed_named(config, name) for name in dict.fromkeys(names)]
        self._options = options
        self._environment = environment
        self._watch = watch
        self._codes: list[int] = []
        self._stopping = asyncio.Event()
        self._interrupted = False
        self.store: StoreThread | None = None

    async def run(self) -> int:
        """Run until all feeds are out or a signal asks to stop; returns the exit code.

        Raises
        ------
        TapelineError, OSError
            When the destination cannot be used, or a feed cannot be started.
        """
        mappings = [feed_mapping(feed, self._config, self._environment) for feed in self._feeds]
        backups = [self._backup_of(feed) for feed in self._feeds]
        async with AsyncExitStack() as stack:
            make_log = await self._destination(stack)
            self._on_signals()
            tasks = []
            for feed, mapping, backup in zip(self._feeds, mappings, backups, strict=True):
                log = make_log(feed)
                stack.push_async_callback(log.close)
                tasks.append(asyncio.create_task(self._run_feed(feed, mapping, backup, log)))
            await self._until_done(tasks)
        if self._interrupted:
            return INTERRUPTED
        return 0 if self._stopping.is_set() else max(self._codes, default=0)

    def stop(self) -> None:
        """Ask every feed to end; what they have is written."""
        self._stopping.set()
        for each in self.running.values():
            each.run.stop()

    def _backup_of(self, feed: FeedConfig) -> Backup | None:
        """The other provider of a feed, where it has one.

        Raises
        ------
        InputError
            When the two cannot run as one feed.
        """
        if any(each.backup == feed.name for each in self._config.feeds.values()):
            raise InputError(
                f"feed {feed.name} is the backup of another one; name that one, both run then"
            )
        if not feed.backup:
            return None
        backup = feed_named(self._config, feed.backup)
        for each in (feed, backup):
            if each.kind == "kafka":
                raise InputError(
                    f"feed {each.name}: a feed that reads a topic has no backup and is none"
                )
        return backup, feed_mapping(backup, self._config, self._environment)

    async def _destination(self, stack: AsyncExitStack) -> MakeLog:
        if self._options.store is not None:
            store = LiveStore(self._config, self._options.store, accept=self._options.accept)
            thread = self.store = StoreThread(store)
            await thread.start()
            stack.push_async_callback(thread.stop)
            return lambda feed: StoreFeedLog(store, thread, feed.name)
        return await feed_logs(self._config, self._options.lease_s)

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            self._interrupted = True
            self.stop()

        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, interrupt)

    async def _run_feed(
        self, feed: FeedConfig, mapping: FeedMapping, backup: Backup | None, log: LogWriter
    ) -> None:
        known = await self._read_back(feed, log)
        if known is None:
            return
        refuse_other_writers(feed, known)
        router, inbox = Router(self._config), Inbox()
        requests = HttpRequests(inbox)
        shown = mapping.address(tuple(feed.symbols)).shown
        watch = self._seen_by(feed.name)
        engine: FeedEngine | FailoverEngine
        if backup is not None:
            other, other_mapping = backup
            engine = FailoverEngine(
                (feed, other), (mapping, other_mapping), router, known, random.Random()
            )
            pair = PairedConnections(
                connections_of(feed, mapping, inbox), connections_of(other, other_mapping, inbox)
            )
            run = FeedRun(engine, inbox, pair, requests, log, watch)
        else:
            engine = FeedEngine(feed, mapping, router, known, random.Random())
            if feed.kind == "kafka":
                intake = kafka_intake(self._config, feed.name, inbox)
                tasks = ConnectionTasks(inbox, intake)
                run = FeedRun(engine, inbox, tasks, requests, log, watch, intake.acknowledged)
            else:
                connections = connections_of(feed, mapping, inbox)
                run = FeedRun(engine, inbox, connections, requests, log, watch)
        self.running[feed.name] = RunningFeed(feed, engine, run, shown)
        if self._stopping.is_set():
            run.stop()
        catching_up = asyncio.create_task(self._until_caught_up(self.running[feed.name]))
        try:
            left = await run.run()
        finally:
            catching_up.cancel()
            del self.running[feed.name]
        if left is not None:
            self.out[feed.name] = left.message
            self._codes.append(left.exit_code)

    async def _read_back(self, feed: FeedConfig, log: LogWriter) -> KnownLog | None:
        """What the log holds of a feed; None when it is to end before it is its turn."""
        reading = asyncio.create_task(log.read_back(feed.name, tuple(feed.symbols)))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.wait({reading, stopping})

    async def _until_caught_up(self, feed: RunningFeed) -> None:
        """With `IngestOptions.once`, end a feed when it has caught up."""
        if not self._options.once:
            return
        try:
            async with asyncio.timeout(ONCE_S):
                while not feed.engine.caught_up:
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            self.out[feed.settings.name] = f"not caught up in {ONCE_S:.0f} s"
            self._codes.append(IO_FAILURE)
        feed.run.stop()

    def _seen_by(self, name: str) -> Callable[[Sequence[Action], Instant], None]:
        def watch(actions: Sequence[Action], now: Instant) -> None:
            if self._watch is not None:
                self._watch(self.running[name], actions, now)

        return watch

    async def _until_done(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for all feeds; one that fails ends all, and the others write what they have."""
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failures = [task.exception() for task in done if task.exception() is not None]
        if failures:
            self.stop()
            if others:
                await asyncio.wait(others)
            failure = failures[0]
            assert failure is not None
            raise failure


def connections_of(feed: FeedConfig, mapping: FeedMapping, inbox: Inbox) -> ConnectionTasks:
    """Connections of a feed that needs no client of the broker."""
    if isinstance(mapping, FeedTables):
        return open_connections(feed, mapping, inbox)
    return ConnectionTasks(inbox, DatabentoSockets(inbox))


def feed_named(config: Config, name: str) -> FeedConfig:
    """A feed of the configuration.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    feed = config.feeds.get(name)
    if feed is None:
        known = ", ".join(config.feeds) or "none"
        raise InputError(f"feed {name}: the configuration has {known}")
    return feed


def feed_mapping(feed: FeedConfig, config: Config, environment: Mapping[str, str]) -> FeedMapping:
    """The protocol of a feed, with its secrets.

    Raises
    ------
    SecretError
        When one is missing.
    """
    secrets = read_secrets(feed, environment)
    if feed.kind == "databento":
        return databento_mapping(feed, config, secrets)
    return compile_mapping(feed, config, secrets)


def refuse_other_writers(feed: FeedConfig, known: KnownLog) -> None:
    """Refuse to write symbols whose latest bars another feed wrote: two providers would flap.

    Raises
    ------
    BrokenPromiseError
        Naming the symbol and the other feed.
    """
    own = {"", feed.name}
    for symbol, held in known.symbols.items():
        others = sorted(held.feeds - own)
        if others:
            raise BrokenPromiseError(
                f"feed {feed.name}: the latest bars of {symbol} are of feed {others[0]}; one feed"
                " writes a symbol. Stop the other one, and give this one its name in [feeds]"
            )
