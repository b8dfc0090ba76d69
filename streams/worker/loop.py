"""The event loop of a worker: that of libuv, which is quicker, with a limit for closing TLS.

A connection with TLS is closed when both sides have agreed. When an answer is on its way at that
time, libuv's loop may miss the other side and wait for half a minute: for every short-lived client
of a worker, and beyond the time that it has to drain.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop

TLS_CLOSE_S = 0.5


class WorkerLoop(uvloop.Loop):
    """A loop that waits `TLS_CLOSE_S` at most for the other side of a connection that it closes."""

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """As of any loop."""
        if options.get("ssl"):
            options.setdefault("ssl_shutdown_timeout", TLS_CLOSE_S)
        return await super().create_connection(*arguments, **options)


class WorkerLoopPolicy(uvloop.EventLoopPolicy):  # type: ignore[misc]
    """Makes `WorkerLoop`, in every thread."""

    def _loop_factory(self) -> asyncio.AbstractEventLoop:
        return WorkerLoop()
