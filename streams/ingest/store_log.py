"""A store as the log of feeds: one thread of its own commits, one batch after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tapeline.streams.pipeline.log_writer import KnownLog, LogBatch
from tapeline.streams.pipeline.pacing import NS_IN_MS
from tapeline.streams.store.live import LiveStore

T = TypeVar("T")


class StoreThread:
    """The one thread that a store is opened, written and closed in.

    A commit waits for the disk; the loop that reads sockets must not.
    """

    def __init__(self, store: LiveStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "store")

    async def start(self) -> None:
        """Open the store, and apply what a killed process left.

        Raises
        ------
        StoreError
            When it cannot be used; see `LiveStore`.
        """
        await self.call(self._store.__enter__)

    async def stop(self) -> None:
        """Run again what waits for it, and close the store."""
        try:
            await self.call(lambda: self._store.__exit__(None, None, None))
        finally:
            self._thread.shutdown()

    async def call(self, function: Callable[[], T]) -> T:
        """What a function of the store returns, called in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def stale_groups(self) -> tuple[str, ...]:
        """Groups whose view is stale until they are run again."""
        return self._store.stale_groups()


class StoreFeedLog:
    """A `LogWriter` of one feed into a store that is open.

    Parameters
    ----------
    at_ms
        Of which session bars are read back; see `LiveStore.read_back`.
    """

    def __init__(
        self, store: LiveStore, thread: StoreThread, feed: str, at_ms: int | None = None
    ) -> None:
        self._store = store
        self._thread = thread
        self._feed = feed
        self._at_ms = at_ms

    async def read_back(self, feed: str, symbols: Sequence[str]) -> KnownLog:
        """What the store holds of symbols, and of the feed."""
        return await self._thread.call(lambda: self._store.read_back(feed, symbols, self._at_ms))

    async def write(self, batch: LogBatch) -> None:
        """Take a batch; it is on disk when this returns."""
        await self._thread.call(lambda: self._write(batch))

    def _write(self, batch: LogBatch) -> None:
        self._store.write(self._feed, batch)
        self._store.rebuild_due(time.monotonic_ns() // NS_IN_MS)

    async def close(self) -> None:
        """The store is closed by who opened it: other feeds may write to it."""
