"""A feed with a backup: two providers, one engine, one log."""

from __future__ import annotations

from tapeline.streams.feeds.live.engine.failover import FailoverEngine
from tapeline.streams.feeds.live.model import Close, Connect, Send
from tapeline.streams.feeds.live.transports.port import Connections


class PairedConnections:
    """Connections of a primary and of its backup, by their numbers."""

    def __init__(self, primary: Connections, backup: Connections) -> None:
        self._primary = primary
        self._backup = backup

    def _of(self, number: int) -> Connections:
        return self._backup if FailoverEngine.is_backup(number) else self._primary

    def connect(self, action: Connect) -> None:
        """Begin an attempt."""
        self._of(action.connection).connect(action)

    def send(self, action: Send) -> None:
        """Send a message."""
        self._of(action.connection).send(action)

    def close(self, action: Close) -> None:
        """End a connection or an attempt."""
        self._of(action.connection).close(action)

    async def stop(self) -> None:
        """End everything and wait for it."""
        await self._primary.stop()
        await self._backup.stop()
