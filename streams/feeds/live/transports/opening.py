"""The transport of a feed, by its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.errors import InternalError
from tapeline.streams.feeds.live.model import Meaning, Statement
from tapeline.streams.feeds.live.transports.inbox import Inbox, InProgress, Slot
from tapeline.streams.feeds.live.transports.links import ConnectionTasks, Runner
from tapeline.streams.feeds.live.transports.polling import Polls
from tapeline.streams.feeds.live.transports.tail import Tails
from tapeline.streams.feeds.live.transports.webhook import Webhook
from tapeline.streams.feeds.live.transports.websocket import WebSockets


class UnknownTransportError(InternalError):
    """A feed of a kind that another room opens came here."""


class TransportMapping(Protocol):
    """What transports need of a mapping."""

    in_progress: bool
    """Whether bars in progress are sent, too."""

    def parse(self, data: bytes) -> Any:
        """A message as plain data."""
        ...

    def meanings(self, parsed: Any, data: bytes) -> list[Meaning]:
        """Everything a parsed message means."""
        ...

    def authorised(self, parsed: Any) -> bool:
        """Whether a message has its secret; true where none is configured."""
        ...


def open_connections(feed: FeedConfig, mapping: TransportMapping, inbox: Inbox) -> ConnectionTasks:
    """Connections of a feed that needs no client of its own; made inside a running loop.

    Kind ``kafka`` is opened by `tapeline.streams.kafka.intake`.
    """
    return ConnectionTasks(inbox, _runner(feed, mapping, inbox))


def _runner(feed: FeedConfig, mapping: TransportMapping, inbox: Inbox) -> Runner:
    if feed.kind == "websocket":
        return WebSockets(inbox, in_progress=bars_in_progress(mapping))
    if feed.kind == "http":
        return Polls(inbox, feed.session.poll_ms)
    if feed.kind == "webhook":
        return Webhook(inbox, has_secret(mapping))
    if feed.kind == "tail":
        return Tails(inbox)
    raise UnknownTransportError(f"feed {feed.name} is of kind {feed.kind}")


def has_secret(mapping: TransportMapping) -> Callable[[bytes], bool]:
    """The test of a webhook's bodies; one that cannot be read has no secret."""

    def test(body: bytes) -> bool:
        try:
            parsed = mapping.parse(body)
        except ValueError:
            parsed = None
        return mapping.authorised(parsed)

    return test


def bars_in_progress(mapping: TransportMapping) -> InProgress | None:
    """Which messages state bars in progress alone; None of a provider that sends none."""
    if not mapping.in_progress:
        return None

    def slots(data: bytes) -> set[Slot]:
        found: set[Slot] = set()
        try:
            parsed = mapping.parse(data)
        except ValueError:
            return found
        for meaning in mapping.meanings(parsed, data):
            if not isinstance(meaning, Statement) or meaning.final:
                return set()
            found.add((meaning.bar.symbol, meaning.bar.start_ms))
        return found

    return slots
