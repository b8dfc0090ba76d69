"""What one step of a run is about to write, and what the store holds with it."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.codec import encode
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output, Reject, Retract, type_of
from tapeline.schemas.feed_events import FeedEvent
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import DEFAULT_PREFIX, topic_of
from tapeline.streams.store.layout import view_key


class StoreStep:
    """Changes in memory, in the order in which they are to be written.

    Parameters
    ----------
    registry
        The types of the events.

    Attributes
    ----------
    log
        Lines of records.
    records
        Number of them.
    topics
        Lines by topic.
    provenance
        Where records came from, by their number in the step; those of files are not there.
    facts, bars, letters
        Records of the database by key; None deletes.
    """

    def __init__(self, registry: Registry = EVENTS) -> None:
        self._registry = registry
        self.log = bytearray()
        self.records = 0
        self.provenance: dict[int, bytes] = {}
        self.topics: dict[str, bytearray] = {}
        self.facts: dict[bytes, bytes | None] = {}
        self.bars: dict[bytes, bytes | None] = {}
        self.letters: dict[bytes, bytes | None] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.log or self.topics or self.bars)

    def add_record(self, line: bytes) -> None:
        """A record of the log, without its line break."""
        self.log += line
        self.log += b"\n"
        self.records += 1

    def add_event(self, event: Output) -> None:
        """An event, which the view follows."""
        # No view: of the stored one it holds what is to be written, deletions among it.
        line = encode(event)
        key = view_key(event.id)
        self._add_line(type_of(event), line)
        self.facts[key] = None if isinstance(event, Retract) else line

    def add_host_event(self, event: HostEvent) -> None:
        """An event of strategies and accounts, which the view follows."""
        line = encode(event)
        self._add_line(self._registry.row_of(event).tag, line)
        self.facts[view_key(event.id)] = line

    def add_feed_event(self, event: FeedEvent) -> None:
        """An event of the operations of a feed, which no view follows."""
        self._add_line(self._registry.row_of(event).tag, encode(event))

    def add_letter(self, key: bytes, letter: Reject) -> None:
        """A dead letter that was not written before."""
        self._add_line("reject", encode(letter))
        self.letters[key] = b""

    def _add_line(self, event_type: str, line: bytes) -> None:
        topic = topic_of(event_type, DEFAULT_PREFIX, self._registry)
        lines = self.topics.get(topic)
        if lines is None:
            lines = bytearray()
            self.topics[topic] = lines
        lines += line
        lines += b"\n"

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Records of the database."""
        yield from self.facts.items()
        yield from self.bars.items()
        yield from self.letters.items()
