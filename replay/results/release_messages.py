"""Releases as messages: those that a worker writes of the same records."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.replay.sources.items import Release
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Reject
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.streams.outputs.messages import EventMessage, Writer, group_header


class ReleaseWriter:
    """Makes messages of releases.

    Parameters
    ----------
    prefix
        First part of all topic names.
    registry
        The types of the events.
    """

    def __init__(self, prefix: str, registry: Registry = EVENTS) -> None:
        self._writer = Writer(prefix, registry)
        self._headers: dict[str | None, tuple[str, bytes]] = {}

    def messages(self, release: Release) -> Iterator[tuple[str, EventMessage]]:
        """Topic and message of each event and dead letter, in their order."""
        if release.events:
            group = release.group
            header = self._headers.get(group)
            if header is None:
                header = self._headers[group] = group_header(group or "")
            # Kafka knows no time before 1970.
            timestamp_ms = max(release.watermark_ms or 0, 0)
            write = self._writer.event
            for event in release.events:
                yield write(event, header, timestamp_ms)
        if release.letter is not None:
            yield self.letter(release.letter, release.item.time_ms)

    def hosted(self, event: HostEvent, book: int) -> tuple[str, EventMessage]:
        """Topic and message of what a strategy or an account published."""
        return self._writer.hosted(event, book)

    def letter(self, letter: Reject, time_ms: int) -> tuple[str, EventMessage]:
        """Topic and message of a dead letter."""
        return self._writer.letter(letter, time_ms)
