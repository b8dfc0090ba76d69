"""The fold of one book: records of the log in, messages of its host and changed state out. Pure.

Records before the beginning of a book, or below what its state includes, are folded again without a
word: so the engines stand where they stood, and the host goes on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.instants import SECOND_MS
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.hosting.books import Book
from tapeline.streams.hosting.call_times import CallTimes
from tapeline.streams.hosting.state import BookCheckpoint, StatePair, state_pairs
from tapeline.streams.outputs.messages import EventMessage, Writer
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot

SLOW_PART = 4
"""A record whose calls take longer than this part of its base interval is a warning."""

logger = logging.getLogger("tapeline.host")


class ChangingState(Protocol):
    """What keeps the state of strategies and accounts."""

    def changed(self) -> Mapping[str, Any]:
        """State records that differ since the last call, None for those that are gone."""
        ...


class BookDriver(Protocol):
    """What hands the records of a book to its host.

    Attributes
    ----------
    step
        Count of the records that were handed over.
    """

    step: int

    @property
    def host(self) -> ChangingState:
        """The host."""
        ...

    def take(self, item: Item, record: LogRecord, outcome: Outcome, group: str) -> Sequence[Any]:
        """The next record of the book; the events of its host, numbered."""
        ...


class BookStep(Struct):
    """What some records leave to be written.

    Attributes
    ----------
    taken
        Records that the host took; what it did not take moves offsets alone.
    moved
        Whether any offset moved.
    outputs
        Messages by topic, in their order.
    """

    taken: int = 0
    moved: bool = False
    outputs: dict[str, list[EventMessage]] = field(default_factory=dict)


class BookStart(Struct, frozen=True):
    """Where a book begins to read, and with what.

    Attributes
    ----------
    offsets
        By partition, the first record that its host takes.
    read_from
        By partition, the first that is read: what lies between is folded again.
    shown
        By partition, the key of the record before that; see `streams.kafka.shown`.
    engines
        By group, as of `read_from`, or later in it.
    admitted
        By partition, symbols admitted by then; see `Admission`.
    """

    offsets: Mapping[int, int]
    read_from: Mapping[int, int]
    shown: Mapping[int, int] = {}
    engines: Mapping[str, GroupEngine] = {}
    admitted: Mapping[int, Sequence[str]] = {}


class BookFold:
    """The groups of a book, and the host that takes their records.

    Parameters
    ----------
    times
        Of the calls of its strategies.

    Attributes
    ----------
    offsets
        By partition, the first record that was not looked at yet.
    router
        Where the engines are.
    events
        Published until now, by topic.
    """

    every = True

    def __init__(
        self,
        config: Config,
        book: Book[Any],
        start: BookStart,
        times: CallTimes,
        registry: Registry = EVENTS,
    ) -> None:
        self.offsets = dict(start.offsets)
        self.events: Counter[str] = Counter()
        self._starts = start.offsets
        self._config = config
        self._book = book
        self._times = times
        self._registry = registry
        self._engines = dict(start.engines)
        self._writer = Writer(config.kafka.topic_prefix, registry)
        self._accounts = {each.name: each.account for each in book.strategies}
        self._slow_s: dict[str, float] = {}
        self._driver: BookDriver | None = None
        self._unwritten: dict[str, Any] = {}
        self._step = BookStep()
        count = config.kafka.partitions
        self.router = Router(
            config,
            self._slot,
            start.admitted,
            lambda group: partition_for(group, count),
            registry,
        )
        self._drive = Drive(self.router)
        for group in sorted(book.groups):
            self.router.slot(group)

    def attach(self, driver: BookDriver, rewritten: Mapping[str, Any] | None = None) -> None:
        """Give it what drives the host, which looks at the engines through `router`.

        Parameters
        ----------
        rewritten
            State records that go into the next batch although nothing changed them.
        """
        self._driver = driver
        self._unwritten = dict(rewritten or {})

    @property
    def step(self) -> int:
        """Count of the records that the host took."""
        return self._driving().step

    def take(self, items: Sequence[Item]) -> BookStep:
        """The next records of the log, in the order of a replay."""
        step = self._step = BookStep()
        self._drive.apply_many(items, self)
        offsets = self.offsets
        for item in items:
            if item[0] >= offsets[item[2]]:
                offsets[item[2]] = item[0] + 1
                step.moved = True
        return step

    def state(self) -> list[StatePair]:
        """Records of what changed since the last call, and of how far the book is."""
        changed = {**self._unwritten, **self._driving().host.changed()}
        self._unwritten = {}
        checkpoint = BookCheckpoint(self.step, dict(self.offsets))
        return state_pairs(changed, checkpoint, self._accounts)

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """Hand a record to the host, unless it has it already."""
        partition, offset = item[2], item[0]
        if offset < self._starts[partition]:
            return True
        step, times = self._step, self._times
        times.begin()
        events = self._driving().take(item, record, outcome, slot.group)
        slow_s = times.end(self._slow_s[slot.group])
        if slow_s is not None:
            logger.warning(
                "strategies took %.1f s for partition %s offset %s, more than a quarter of the"
                " base interval of %s",
                slow_s,
                partition,
                offset,
                record.symbol,
            )
        step.taken += 1
        number = self._book.number
        for event in events:
            topic, message = self._writer.hosted(event, number)
            self.events[topic] += 1
            step.outputs.setdefault(topic, []).append(message)
        return True

    def refused(self, item: Item, refusal: Refusal) -> None:
        """A dead letter is the worker's: no step."""

    def passed(self, item: Item) -> None:
        """Of another group, or below a stored state."""

    def resumes(self, slot: GroupSlot) -> None:
        """Nothing is held."""

    def _driving(self) -> BookDriver:
        assert self._driver is not None, "no host is attached"
        return self._driver

    def _slot(self, group: str) -> GroupSlot:
        if group not in self._book.groups:
            return GroupSlot(group, None)
        engine = self._engines.pop(group, None)
        if engine is None:
            engine = GroupEngine(plan_group(self._config, group, self._registry))
        base_ms = engine.plan.instruments[0].base_ms
        self._slow_s[group] = base_ms / (SLOW_PART * SECOND_MS)
        return GroupSlot(group, engine)
