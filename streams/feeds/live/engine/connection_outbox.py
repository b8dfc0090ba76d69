"""Actions and signals of the connection side on their way out, and the events that it reports."""

from __future__ import annotations

from collections.abc import Iterable

from tapeline.schemas.feed_events import Connection, ConnectionState, FeedEvent, Limit, Subscribed
from tapeline.schemas.ids import connection_id, limit_id, subscription_id
from tapeline.streams.feeds.live.engine.signals import Signal
from tapeline.streams.feeds.live.model import Action, Instant, Report, Send

Output = Action | Signal


class ConnectionOutbox:
    """What one event leads to, in its order.

    Parameters
    ----------
    feed
        Its name, in every reported event.
    """

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._outputs: list[Output] = []

    def empty(self) -> list[Output]:
        """Everything added since the last call."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def add(self, *outputs: Output) -> None:
        """Add actions and signals."""
        self._outputs.extend(outputs)

    def add_all(self, outputs: Iterable[Output]) -> None:
        """Add what another part made."""
        self._outputs.extend(outputs)

    def send(self, connection: int, texts: list[str]) -> None:
        """Messages to send, in their order."""
        self._outputs.extend(Send(connection, text) for text in texts)

    def connection(
        self, number: int, state: ConnectionState, reason: str, attempt: int, now: Instant
    ) -> None:
        """Report that a connection changed its state."""
        key = connection_id(self._feed, number)
        self._report(Connection(key, self._feed, None, now.wall_ms, state, reason, attempt))

    def limit(self, wait_ms: int, status: int, now: Instant) -> None:
        """Report a pause that the provider asked for."""
        key = limit_id(self._feed, "connections")
        self._report(Limit(key, self._feed, None, now.wall_ms, wait_ms, status))

    def subscription(
        self, number: int, wanted: int, missing: tuple[str, ...], now: Instant
    ) -> None:
        """Report what a connection has subscribed."""
        key = subscription_id(self._feed, number)
        self._report(Subscribed(key, self._feed, None, now.wall_ms, wanted, missing))

    def _report(self, event: FeedEvent) -> None:
        self._outputs.append(Report(event))
