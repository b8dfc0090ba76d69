"""The process of `tapeline ingest`: its feeds, what it shows, and what it answers over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Final, Literal, NamedTuple

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.instants import SECOND_MS, TIME, instant_text
from tapeline.streams.feeds.live.model import Action, Instant, Report
from tapeline.streams.feeds.live.transports.inbox import read_clocks
from tapeline.streams.ingest.board import FeedBoard, ingest_page
from tapeline.streams.ingest.ingest import Ingest, IngestOptions, RunningFeed, feed_named
from tapeline.streams.ingest.log_lines import FeedLog
from tapeline.streams.monitoring.server import HealthServer
from tapeline.streams.outputs.terminal import (
    PlainTable,
    live_table,
    number_table,
    print_line,
    write_lines,
)
from tapeline.streams.pipeline.collector import rare_collections
from tapeline.streams.pipeline.routing import Router

REFRESH_S: Final = 0.5
SUMMARY_S: Final = 60.0
"""Between two summaries of each feed in a log file."""

Show = Literal["table", "log", "json"]


class ServeOptions(NamedTuple):
    """What is shown, and where health is served; without a port nowhere.

    Attributes
    ----------
    show
        A table that moves, lines for a log file, or every event of operations as JSON.
    """

    http_host: str
    http_port: int | None
    show: Show
    summary_s: float = SUMMARY_S


class IngestProcess:
    """One process of `tapeline ingest`.

    Parameters
    ----------
    environment
        Where secrets are.
    """

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        options: IngestOptions,
        environment: Mapping[str, str],
        serve: ServeOptions,
    ) -> None:
        router = Router(config)
        self._boards = {
            name: FeedBoard(name, tuple(feed_named(config, name).symbols), router) for name in names
        }
        now = read_clocks()
        self._logs = {name: FeedLog(board, now) for name, board in self._boards.items()}
        self._ingest = Ingest(config, names, options, environment, self._watch)
        self._serve = serve
        self._started_s = time.time()

    async def run(self) -> int:
        """Run until it is asked to stop or no feed is left; returns the exit code.

        Raises
        ------
        TapelineError, OSError
            When it cannot be started, or its log cannot be written.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(rare_collections())
            if self._serve.http_port is not None:
                health = HealthServer(self.not_ready, self.page)
                server = await health.start(self._serve.http_host, self._serve.http_port)
                stack.callback(server.close)
            if self._serve.show != "json":
                shown = self._show_table() if self._serve.show == "table" else self._summarize()
                stack.push_async_callback(_ended, asyncio.create_task(shown))
            code = await self._ingest.run()
        if self._serve.show == "log":
            self._print_summaries()
        for name, reason in self._ingest.out.items():
            print_line(f"tapeline: feed {name}: {reason}", err=True)
        return code

    def not_ready(self) -> str | None:
        """What keeps the feeds from being live without a hole; None when nothing does."""
        for name, reason in self._ingest.out.items():
            return f"{name}: {reason}"
        for board in self._boards.values():
            waits = board.not_ready(read_clocks().wall_ms)
            if waits is not None:
                return waits
        store = self._ingest.store
        if store is not None and store.stale_groups():
            return f"views that wait for a rebuild: {', '.join(store.stale_groups())}"
        return None

    def page(self) -> str:
        """The page of metrics."""
        return ingest_page(list(self._boards.values()), self._started_s, read_clocks().wall_ms)

    def _watch(self, feed: RunningFeed, actions: Sequence[Action], now: Instant) -> None:
        name = feed.settings.name
        self._boards[name].take(actions, now)
        if self._serve.show == "json":
            write_lines(encode(each.event) for each in actions if isinstance(each, Report))
        elif self._serve.show == "log":
            for line in self._logs[name].lines(actions, now):
                print_line(line)

    async def _summarize(self) -> None:
        while True:
            await asyncio.sleep(self._serve.summary_s)
            self._print_summaries()

    def _print_summaries(self) -> None:
        for log in self._logs.values():
            print_line(log.summary(read_clocks()))

    async def _show_table(self) -> None:
        with live_table(self.table()) as show:
            while True:
                await asyncio.sleep(REFRESH_S)
                show(self.table())

    def table(self) -> PlainTable:
        """A row a symbol."""
        table = number_table(
            "Live", "symbol", "last bar", "close", "late s", "state", "bars", "fetched", "clocks"
        )
        for board in self._boards.values():
            for row in board.rows.values():
                table.add_row(
                    row.symbol,
                    "" if row.start_ms is None else instant_text(row.start_ms, TIME),
                    "" if row.close is None else f"{row.close:g}",
                    "" if row.late_ms is None else f"{row.late_ms / SECOND_MS:.1f}",
                    board.state_of(row.symbol),
                    f"{row.bars:,}",
                    f"{row.fetched:,}",
                    f"{row.clocks:,}",
                )
        return table


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
