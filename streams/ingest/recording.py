"""A feed that is recorded: its messages and answers go to a tape, its records nowhere."""

from __future__ import annotations

import asyncio
import gzip
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import BinaryIO, cast

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import INTERRUPTED
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.mapping.compiled import compile_mapping
from tapeline.streams.feeds.live.recording import TapedEngine
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import NEVER, Inbox
from tapeline.streams.feeds.live.transports.opening import open_connections
from tapeline.streams.ingest.feed_run import FeedRun
from tapeline.streams.pipeline.log_writer import KnownLog, LogBatch
from tapeline.streams.pipeline.routing import Router

NOT_RECORDED = ("kafka", "databento")
"""Kinds whose messages others keep already."""


class NoLog:
    """A destination that keeps nothing: every batch is acknowledged."""

    async def read_back(self, feed: str, symbols: Sequence[str]) -> KnownLog:
        """Nothing is known."""
        return KnownLog()

    async def write(self, batch: LogBatch) -> None:
        """Keep nothing."""

    async def close(self) -> None:
        """There is nothing to close."""


class Recorder:
    """Runs one feed and writes its tape.

    Parameters
    ----------
    environment
        Where secrets are.
    out
        The tape, gzip if its name says so; a file of that name must not be there.

    Attributes
    ----------
    lines
        Messages, answers, and what became of connections, on the tape.

    Raises
    ------
    InputError
        When the file is there, or the feed cannot be recorded.
    SecretError
        When a secret is missing.
    """

    def __init__(
        self, feed: FeedConfig, config: Config, environment: Mapping[str, str], out: Path
    ) -> None:
        if feed.kind in NOT_RECORDED:
            raise InputError(f"feed {feed.name}: kind {feed.kind} is not recorded")
        self.lines = 0
        self._feed = feed
        self._mapping = compile_mapping(feed, config, read_secrets(feed, environment))
        self._engine = FeedEngine(feed, self._mapping, Router(config), KnownLog(), Random())
        self._file = _new_file(out)
        self._interrupted = False

    async def run(self, seconds: float | None = None) -> int:
        """Record until a signal asks to stop, the feed is out, or time is up; the exit code."""
        # A tape has every message.
        inbox = Inbox(replaced_from=NEVER)
        taped = TapedEngine(self._engine, self._mapping, self._write)
        connections = open_connections(self._feed, self._mapping, inbox)
        run = FeedRun(taped, inbox, connections, HttpRequests(inbox), NoLog())
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            self._interrupted = True
            run.stop()

        loop.add_signal_handler(signal.SIGTERM, run.stop)
        loop.add_signal_handler(signal.SIGINT, interrupt)
        ending = None if seconds is None else loop.call_later(seconds, run.stop)
        try:
            left = await run.run()
        finally:
            if ending is not None:
                ending.cancel()
            loop.remove_signal_handler(signal.SIGTERM)
            loop.remove_signal_handler(signal.SIGINT)
            self._file.close()
        if left is not None:
            raise InputError(f"feed {self._feed.name}: {left.message}")
        return INTERRUPTED if self._interrupted else 0

    def _write(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        self.lines += 1


def _new_file(path: Path) -> BinaryIO:
    try:
        if path.name.endswith(".gz"):
            return cast(BinaryIO, gzip.open(path, "xb"))
        return open(path, "xb")
    except FileExistsError:
        raise InputError(f"{path}: is there already; a tape is not overwritten") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
