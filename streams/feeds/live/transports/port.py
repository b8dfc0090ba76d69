"""What a supervisor needs of a transport."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tapeline.streams.feeds.live.model import Action, Close, Connect, Fetch, Send


class Connections(Protocol):
    """Connections of one kind; none of the calls waits, and what comes of them is in the inbox."""

    def connect(self, action: Connect) -> None:
        """Begin an attempt: `ConnectionOpened` or `ConnectFailed` follows."""
        ...

    def send(self, action: Send) -> None:
        """Send a message after those before; of a connection that is gone it is dropped."""
        ...

    def close(self, action: Close) -> None:
        """End a connection or an attempt: `ConnectionClosed` follows if there was one."""
        ...

    async def stop(self) -> None:
        """End everything and wait for it."""
        ...


class Requests(Protocol):
    """Requests to a history endpoint."""

    def fetch(self, action: Fetch) -> None:
        """Send a request: `Answered` or `Unanswered` follows."""
        ...

    async def stop(self) -> None:
        """End everything and wait for it."""
        ...


def carry_out(actions: Iterable[Action], connections: Connections, requests: Requests) -> None:
    """Carry out those actions of an engine that are about connections and requests, in order."""
    for action in actions:
        if isinstance(action, Send):
            connections.send(action)
        elif isinstance(action, Connect):
            connections.connect(action)
        elif isinstance(action, Close):
            connections.close(action)
        elif isinstance(action, Fetch):
            requests.fetch(action)
