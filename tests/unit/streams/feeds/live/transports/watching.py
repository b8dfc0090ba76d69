"""A transport in a test: its inbox, read until something has come."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from tapeline.streams.feeds.live.model import Close, Connect, Event, HttpRequest, Send
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.links import ConnectionTasks, Runner

KEY = "hunter2"
PATIENCE_S = 20.0
_T = TypeVar("_T", bound=Event)


class Watched:
    """A transport, and what came out of it.

    Attributes
    ----------
    events
        Everything, in order.
    """

    def __init__(self, inbox: Inbox, made: Runner | ConnectionTasks) -> None:
        self.inbox = inbox
        self.transport = made if isinstance(made, ConnectionTasks) else ConnectionTasks(inbox, made)
        self.events: list[Event] = []

    def connect(self, url: str, number: int = 1, max_frame: int = 16 << 20, **headers: str) -> None:
        """Begin an attempt; the address holds a secret."""
        http = HttpRequest(f"{url}?key={KEY}", url, tuple(headers.items()))
        self.transport.connect(Connect(number, http, max_frame))

    def send(self, text: str, number: int = 1) -> None:
        """Send a message."""
        self.transport.send(Send(number, text))

    def close(self, number: int = 1, *, abort: bool = False) -> None:
        """End a connection."""
        self.transport.close(Close(number, abort))

    async def until(self, kind: type[_T], count: int = 1) -> list[_T]:
        """All events of a kind, once there are so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.of(kind)) < count:
                self.events += [event for event, _ in await self.inbox.take()]
        return self.of(kind)

    def of(self, kind: type[_T]) -> list[_T]:
        """Events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]
