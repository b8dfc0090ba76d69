"""What belongs to the thread of the client is left to it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from streams.worker.transport import BatchThread


class Closable:
    """A part of the client that remembers who closes it."""

    def __init__(self) -> None:
        self.closed_in: list[asyncio.AbstractEventLoop] = []

    async def close(self) -> None:
        self.closed_in.append(asyncio.get_running_loop())


async def test_a_rebalance_that_ends_after_a_stop_closes_nothing_in_the_wrong_loop() -> None:
    thread = BatchThread.__new__(BatchThread)
    thread.app = SimpleNamespace(loop=asyncio.get_running_loop())
    client, coordinator = Closable(), Closable()
    thread._consumer = SimpleNamespace(_client=client, _coordinator=coordinator, _closed=False)
    thread.close()
    await asyncio.sleep(0.01)
    assert not client.closed_in
    assert not coordinator.closed_in
    # Else the thread, which closes it at its end, would take it for closed.
    assert not thread._consumer._closed
