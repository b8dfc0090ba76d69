"""One worker process from start to end: checks, event loop, signals, drain."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from msgspec import Struct

from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import Brokers
from tapeline.schemas.errors import IO_FAILURE
from tapeline.schemas.instants import SECOND_MS
from tapeline.streams.errors import exit_code_of
from tapeline.streams.kafka.connection import brokers_of, refusal_error, refusal_of
from tapeline.streams.monitoring.server import HealthServer
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.worker.bridge.store_errors import wants_room
from tapeline.streams.worker.cluster import check_cluster
from tapeline.streams.worker.exits import (
    OwnershipError,
    StandstillClock,
    hard_exit,
    quiet_exit,
)
from tapeline.streams.worker.health import metrics_page
from tapeline.streams.worker.instance import Instance, claim_instance
from tapeline.streams.worker.log import set_up_logging
from tapeline.streams.worker.metrics import without_data

if TYPE_CHECKING:
    from tapeline.streams.worker.app import WorkerApp

DRAIN_S = 30.0
EMPTY_DRAIN_S = 5.0
STANDSTILL_S = 120.0
WATCH_S = 5.0
LOOPBACK = "127.0.0.1"
SESSION_S = 10.0
CHUNK_RECORDS = 1_500
LOG_CHECK_S = 25.0
"""With what a look takes, it is at the log at least every 30 s."""
DEFAULT_DATA_DIR = Path("tapeline-data")

logger = logging.getLogger("tapeline.worker")


class RunOptions(Struct, frozen=True, kw_only=True):
    """What the command line gives.

    Attributes
    ----------
    instance
        Ordinal; None: the lowest that is free in the data folder.
    dynamic
        No static membership: a restart waits for the session of the one before.
    http_port
        Port of the health server on `http_host`; None: 9464 + instance.
    session_s
        Seconds without a heartbeat after which another worker takes over.
    chunk_records
        Most records that are folded and written at once.
    log_check_s
        Seconds between two looks whether the log is still the one that was read.
    ready_needs_data
        Not ready while a symbol of its partitions is stale in session.
    """

    instance: int | None = None
    data_dir: Path = DEFAULT_DATA_DIR
    http_host: str = LOOPBACK
    http_port: int | None = None
    log_json: bool = False
    dynamic: bool = False
    session_s: float = SESSION_S
    chunk_records: int = CHUNK_RECORDS
    log_check_s: float = LOG_CHECK_S
    ready_needs_data: bool = False


def run_worker(
    config: Config, options: RunOptions, pause: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Run until SIGTERM or SIGINT, then write and commit what is in hand.

    Raises
    ------
    TopicsError, BrokerError, InstanceTakenError
        When nothing was started: topics, broker or another worker prevent it.
    OSError
        When a folder or port cannot be had.
    """
    set_up_logging(options.log_json)
    from tapeline.streams.worker.loop import WorkerLoopPolicy

    # Before Faust is imported: it makes its loops and threads by the policy in force.
    asyncio.set_event_loop_policy(WorkerLoopPolicy())
    with rare_collections(), claim_instance(options.data_dir, options.instance) as instance:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(_run(config, options, instance, pause))


async def _run(
    config: Config,
    options: RunOptions,
    instance: Instance,
    pause: Callable[[], Awaitable[None]] | None,
) -> None:
    started_s = time.time()
    from tapeline.streams.worker.app import WorkerOptions, make_app

    partitions = await check_cluster(config)
    app = make_app(
        config,
        WorkerOptions(
            # The state of one set of topics is not that of another.
            data_dir=instance.folder / config.kafka.topic_prefix,
            partitions=partitions,
            instance=None if options.dynamic else instance.number,
            session_s=options.session_s,
            chunk_records=options.chunk_records,
        ),
        on_crash=lambda error: _crash(instance, config.kafka.brokers, error),
        pause=pause,
    )
    app.metrics.started_s = started_s
    app.metrics.zombie_exits = instance.zombie_exits
    port = instance.port if options.http_port is None else options.http_port
    await _health(app, options.ready_needs_data).start(options.http_host, port)
    logger.info(
        "instance %s, %s partitions, state in %s, health on http://%s:%s",
        instance.number,
        partitions,
        instance.folder,
        options.http_host,
        port,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    starting = asyncio.ensure_future(app.start())
    looking = asyncio.ensure_future(app.watch_log(options.log_check_s))
    starting.add_done_callback(partial(_check_failure, app))
    looking.add_done_callback(partial(_check_failure, app))
    watching = asyncio.ensure_future(_watch(app))
    await stop.wait()
    logger.info("draining: what is in hand is written and committed")
    looking.cancel()
    watching.cancel()
    await _drain(app)


async def _drain(app: WorkerApp) -> NoReturn:
    """Stop the application, and end the process whether it stops or not."""
    # Stopped while it joins the group, a consumer waits for the group, maybe for minutes.
    holds_nothing = not app.took_records
    stopping = asyncio.ensure_future(app.stop())
    # Not `wait_for`: services of Faust swallow its cancellation, and it would wait for ever.
    await asyncio.wait({stopping}, timeout=EMPTY_DRAIN_S if holds_nothing else DRAIN_S)
    if stopping.done():
        stopping.result()
        # What is left of loops and clients has nothing to do any more, and no order to end in.
        quiet_exit("drained")
    if holds_nothing:
        quiet_exit("drained: nothing was in hand")
    hard_exit(f"not drained in {DRAIN_S:.0f} s: the next start repeats what was not committed")


async def _watch(app: WorkerApp) -> None:
    """End the process when its client left the group, or a rebalance or recovery is stuck.

    Faust hears nothing of the one, gives up a recovery whose requests take too long, and would wait
    for ever.
    """
    clock = StandstillClock(STANDSTILL_S)
    while True:
        await asyncio.sleep(WATCH_S)
        failure = app.client_failure()
        if failure is not None and refusal_of(failure) is not None:
            app.crash_with(failure)
        if failure is not None:
            hard_exit(f"the client left its group: {failure}. Start it again")
        if clock.is_stuck(app.recovery_progress(), time.monotonic()):
            hard_exit(
                f"no progress for {STANDSTILL_S:.0f} s ({app.is_ready()}): the broker does not "
                "answer, or Faust has given up. Start it again"
            )


def _health(app: WorkerApp, needs_data: bool) -> HealthServer:
    def now_ms() -> int:
        return int(time.time() * SECOND_MS)

    def not_ready() -> str | None:
        missing = app.is_ready()
        if missing is None and needs_data:
            return without_data(app.gauges(now_ms()))
        return missing

    def page() -> str:
        return metrics_page(app.counts, app.metrics, app.gauges(now_ms()), not_ready() is None)

    return HealthServer(not_ready, page)


def _check_failure(app: WorkerApp, done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        error = done.exception()
        if error is not None:
            app.crash_with(error)


def _crash(instance: Instance, brokers: Brokers, error: BaseException) -> NoReturn:
    error = refusal_error(brokers, "worker", error) or error
    if isinstance(error, OwnershipError):
        # A full disk must not keep the process.
        with suppress(OSError):
            instance.count_zombie_exit()
    hard_exit(error, IO_FAILURE if wants_room(error) else exit_code_of(error))


def with_bootstrap(config: Config, bootstrap: str | None) -> Config:
    """The configuration with another broker address.

    Raises
    ------
    ConfigError
        When it is no address.
    """
    brokers = brokers_of(config.kafka, bootstrap)
    kafka = msgspec.structs.replace(config.kafka, bootstrap=brokers.bootstrap)
    return msgspec.structs.replace(config, kafka=kafka)
