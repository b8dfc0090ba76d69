"""Connections as tasks: each runs until it ends, or until it is asked to."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from tapeline.streams.feeds.live.model import Close, Connect, ConnectionClosed, Send
from tapeline.streams.feeds.live.transports.inbox import Inbox

STOP_S: Final = 5.0


class ConnectionTask:
    """One connection or attempt.

    Attributes
    ----------
    aborted
        Whether its end is to be at once.
    outgoing
        Messages to send.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.aborted = False
        self.outgoing: asyncio.Queue[str] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None


class Runner(Protocol):
    """What one kind of transport does with a connection."""

    async def run(self, link: ConnectionTask, action: Connect) -> None:
        """Open a connection and read it to its end.

        It leaves `ConnectionOpened` or `ConnectFailed` in the inbox, then messages, and
        `ConnectionClosed` where the other side ended it. Cancelled, it ends the connection.
        """
        ...

    async def stop(self) -> None:
        """No connection will be opened any more."""
        ...


class ConnectionTasks:
    """Connections of one feed, each a task: `tapeline.streams.feeds.live.transports.port`."""

    def __init__(self, inbox: Inbox, runner: Runner) -> None:
        self._inbox = inbox
        self._runner = runner
        self._held: dict[int, ConnectionTask] = {}

    def connect(self, action: Connect) -> None:
        """Begin an attempt."""
        link = self._held[action.connection] = ConnectionTask(action.connection)
        link.task = asyncio.create_task(self._run(link, action))

    async def _run(self, link: ConnectionTask, action: Connect) -> None:
        try:
            await self._runner.run(link, action)
        except asyncio.CancelledError:
            self._inbox.put(ConnectionClosed(link.number, None, "ended by us"))
        finally:
            self._held.pop(link.number, None)

    def send(self, action: Send) -> None:
        """Send a message; one for a connection that is gone is dropped."""
        link = self._held.get(action.connection)
        if link is not None:
            link.outgoing.put_nowait(action.text)

    def close(self, action: Close) -> None:
        """End a connection or an attempt."""
        link = self._held.get(action.connection)
        if link is not None and link.task is not None:
            link.aborted = action.abort
            link.task.cancel()

    async def stop(self) -> None:
        """End all connections and wait for their ends, a few seconds at most."""
        tasks = [link.task for link in self._held.values() if link.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        await self._runner.stop()
