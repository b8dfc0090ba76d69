"""One process of `tapeline host`: its strategies, its books, its health, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from tapeline.replay.bounds import Bound
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import BROKEN
from tapeline.schemas.topics import host_state_topic
from tapeline.streams.errors import InputError, exit_code_of
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.host.plan import LoadedStrategy
from tapeline.streams.hosting.book_run import BookRun, BookTools
from tapeline.streams.hosting.books import Book, books_of
from tapeline.streams.hosting.cluster import check_host_cluster, host_group
from tapeline.streams.hosting.committer import host_producer
from tapeline.streams.hosting.group import HostGroup
from tapeline.streams.hosting.metrics import HostMetrics, host_page
from tapeline.streams.hosting.starts import Starts
from tapeline.streams.kafka.connection import plain_errors, refusal_error
from tapeline.streams.kafka.writer import stop_producer
from tapeline.streams.monitoring.server import HealthServer
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.worker.cluster import explained
from tapeline.streams.worker.exits import NotWrittenError, OwnershipError, hard_exit, quiet_exit
from tapeline.streams.worker.instance import Instance, claim_instance
from tapeline.streams.worker.log import set_up_logging
from tapeline.streams.worker.loop import WorkerLoop

DRAIN_S = 30.0
SESSION_S = 10.0
CHUNK_RECORDS = 500
FIRST_HOST_PORT = 9_564
"""Instance N listens N above it."""
KIND = "host"
GROUP_TASK = "group"
DEFAULT_DATA_DIR = Path("tapeline-data")

logger = logging.getLogger("tapeline.host")


class HostOptions(Struct, frozen=True, kw_only=True):
    """What the command line gives.

    Attributes
    ----------
    instance
        Ordinal; None: the lowest that is free in the data folder.
    dynamic
        No static membership: a restart waits for the session of the one before.
    begin
        Where books without a state begin; None: at the end of the log.
    accepted
        Names of strategies whose state of another version, or whose fault, ends here.
    unsafe
        Load strategies that may do more than compute.
    session_s
        Seconds without a heartbeat after which another host takes over.
    chunk_records
        Most records that are folded and written at once.
    """

    instance: int | None = None
    data_dir: Path = DEFAULT_DATA_DIR
    http_host: str = "127.0.0.1"
    http_port: int | None = None
    log_json: bool = False
    dynamic: bool = False
    begin: Bound | None = None
    accepted: tuple[str, ...] = ()
    unsafe: bool = False
    session_s: float = SESSION_S
    chunk_records: int = CHUNK_RECORDS


def run_host(
    config: Config, options: HostOptions, pause: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Run until SIGTERM or SIGINT, then write what is in hand.

    Raises
    ------
    InputError, ConfigError
        When no strategy is enabled, or one cannot be loaded.
    TopicsError, BrokerError, InstanceTakenError
        When nothing was started: topics, broker or another host prevent it.
    OSError
        When a folder or port cannot be had.
    """
    set_up_logging(options.log_json)
    strategies = _loaded(config, options)
    with (
        rare_collections(),
        claim_instance(options.data_dir, options.instance, KIND) as instance,
        asyncio.Runner(loop_factory=WorkerLoop) as runner,
    ):
        runner.run(HostProcess(config, options, strategies, instance, pause).run())


def _loaded(config: Config, options: HostOptions) -> tuple[LoadedStrategy, ...]:
    names = [name for name, each in sorted(config.strategies.items()) if each.enabled]
    if not names:
        raise InputError(
            "no strategy is enabled: name one in [strategies.<name>] of the configuration"
        )
    unknown = sorted(set(options.accepted).difference(names))
    if unknown:
        raise InputError(
            f"--accept {unknown[0]}: is no enabled strategy; there are {', '.join(names)}"
        )
    return tuple(load_strategies(config, names, options.unsafe, {}))


class HostProcess:
    """The process.

    Parameters
    ----------
    pause
        Awaited before each stage of writing; tests put random waits there.
    """

    def __init__(
        self,
        config: Config,
        options: HostOptions,
        strategies: Sequence[LoadedStrategy],
        instance: Instance,
        pause: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._config = config
        self._options = options
        self._instance = instance
        self._pause = pause
        self._books = books_of(strategies, config.group_of, config.kafka.partitions)
        self._runs: dict[int, BookRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._crashing: asyncio.Task[None] | None = None
        self.metrics = HostMetrics()
        self.metrics.started_s = time.time()
        self.metrics.zombie_exits = instance.zombie_exits

    async def run(self) -> NoReturn:
        """Run until a signal ends it."""
        config, options = self._config, self._options
        await check_host_cluster(config)
        prefix = config.kafka.topic_prefix
        group_id = host_group(prefix)
        member = None if options.dynamic else f"{group_id}-{self._instance.number}"
        producer = host_producer(config.kafka.brokers, f"{group_id}-outputs")
        self._group = HostGroup(
            config.kafka.brokers,
            host_state_topic(prefix),
            group_id,
            member,
            options.session_s,
            self._lose,
            self._own,
        )
        async with plain_errors(config.kafka.brokers, KIND):
            await producer.start()
        port = options.http_port
        if port is None:
            port = FIRST_HOST_PORT + self._instance.number
        await HealthServer(self.not_ready, self.page).start(options.http_host, port)
        logger.info(
            "instance %s, books %s, health on http://%s:%s",
            self._instance.number,
            {each.number: list(each.accounts) for each in self._books.values()},
            options.http_host,
            port,
        )
        self._tools = BookTools(
            config=config,
            producer=producer,
            confirm=self._group.confirm,
            thread=ThreadPoolExecutor(1, "strategies"),
            metrics=self.metrics,
            starts=Starts(options.data_dir),
            end=self._end_hanging,
            begin=options.begin,
            accepted=frozenset(options.accepted),
            chunk_records=options.chunk_records,
            pause=self._pause,
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop.set)
        self._watch(asyncio.create_task(self._take_part(), name=GROUP_TASK))
        await stop.wait()
        logger.info("draining: what is in hand is written")
        if not (self._runs or self._group.joined.is_set()):
            quiet_exit("drained: nothing was in hand")
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._lose()
                await self._group.stop()
                await stop_producer(producer)
        except TimeoutError:
            hard_exit(
                f"not drained in {DRAIN_S:.0f} s: the next start repeats what was not written"
            )
        quiet_exit("drained")

    async def _take_part(self) -> None:
        async with plain_errors(self._config.kafka.brokers, KIND):
            await self._group.start()
        await self._group.run()

    # -- books that come and go

    def _own(self, numbers: list[int]) -> None:
        self.metrics.rebalances += 1
        logger.info(
            "partitions %s dealt out, with the books %s",
            numbers,
            [each for each in numbers if each in self._books],
        )
        for number in numbers:
            book: Book[LoadedStrategy] | None = self._books.get(number)
            if book is None:
                continue
            run = self._runs[number] = BookRun(self._tools, book)
            self._watch(asyncio.create_task(run.run(), name=book.header))

    async def _lose(self) -> None:
        """Write what is in hand of all books, and take no more."""
        for run in self._runs.values():
            run.stop()
        books = [task for task in self._tasks if task.get_name() != GROUP_TASK]
        if books:
            await asyncio.wait(books)
        self._runs.clear()

    def _watch(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._crashing is None:
            self._crashing = asyncio.create_task(self._crash(error))

    # -- how it ends

    async def _crash(self, error: BaseException) -> None:
        """End the process; nothing of what it holds is written."""
        brokers = self._config.kafka.brokers
        if isinstance(error, OwnershipError):
            # A full disk must not keep the process.
            with suppress(OSError):
                self._instance.count_zombie_exit()
        refused = refusal_error(brokers, KIND, error)
        if refused is None and isinstance(error, NotWrittenError):
            error = await explained(error, brokers)
        hard_exit(refused or error, exit_code_of(refused or error))

    def _end_hanging(self, message: str) -> None:
        hard_exit(message, BROKEN)

    # -- what is shown

    def not_ready(self) -> str | None:
        """What it waits for; None when it is in the group and its books follow the log."""
        if not self._group.joined.is_set():
            return "waiting for the group"
        waiting = (run.not_ready() for run in self._runs.values())
        return next((each for each in waiting if each is not None), None)

    def page(self) -> str:
        """The page of metrics."""
        gauges = [run.gauges() for _, run in sorted(self._runs.items())]
        return host_page(self.metrics, gauges, self.not_ready() is None)
