"""Why an event is as it is: the records that published it, and the bars it came from.

The core runs over the log twice. The first time, the versions of the fact are found, and with each
of them the facts and spans it came from; the second time, the bars that lay there then, and what
the engine knew before and after. Nothing is kept but that (of a swing: all swings of its symbol).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any, cast

from msgspec import Struct, field, to_builtins

from tapeline.replay.explain.chain import Cause, Chain, LoggedBar, SlotSpan, extremes, without_bar
from tapeline.replay.explain.engine_view import engine_view
from tapeline.replay.sources.items import LogItem
from tapeline.replay.sources.protocol import LogMissingError, LogSource
from tapeline.schemas.codec import plain
from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Indicators, Output, Range, Retract, Swing, Touch
from tapeline.schemas.ids import ids_of, parsed_id, range_label, touch_id
from tapeline.schemas.records import Bar, Cancel, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import is_name
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.windows.tracker import NO_SESSION, WindowTracker
from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.pipeline.view import fold

AN_ID = touch_id("ES", range_label("Major", "Asia 2025-12-08"), "first_break")


class Corrected(Struct, frozen=True):
    """The bar that a correcting record replaced; None where there was or is none."""

    symbol: str
    start_ms: int
    before: Bar | None
    after: Bar | None


class Version(Struct):
    """One publication of a fact.

    Attributes
    ----------
    partition, offset
        The record of the log that published it (``seq // OUTPUTS_PER_RECORD`` is the offset).
    before, after
        The fact; None where it was not, or is no more, in the view.
    state_before, state_after
        What the engine knew (`replay.explain.engine_view.engine_view`).
    corrected
        The bar whose correction caused it.
    causes
        What the fact came from; of one that was taken back, nothing.
    """

    partition: int
    offset: int
    seq: int
    rev: int
    watermark_ms: int
    record: LogRecord
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    corrected: Corrected | None
    causes: list[Cause]
    state_before: dict[str, Any] = field(default_factory=dict)
    state_after: dict[str, Any] = field(default_factory=dict)

    def everything(self) -> list[Cause]:
        """All causes, however far behind."""
        return [each for cause in self.causes for each in cause.everything()]

    def bars(self) -> list[LoggedBar]:
        """All bars it came from, each once, by symbol and label."""
        found = {
            (each.bar.symbol, each.bar.start_ms): each
            for cause in self.everything()
            for each in cause.bars
        }
        return [found[key] for key in sorted(found)]


class Answer(Struct, frozen=True):
    """All versions of a fact, in order of publication."""

    id: str
    type: str
    group: str
    versions: list[Version]

    @property
    def last(self) -> Version:
        """The latest version that was not a retraction, or the retraction of a lone record."""
        standing = [each for each in self.versions if each.after is not None]
        return standing[-1] if standing else self.versions[-1]


def asked(config: Config, fact_id: str, registry: Registry = EVENTS) -> tuple[str, str]:
    """Type and group of an id.

    Raises
    ------
    InputError
        When it is no id of a fact, or its symbol or group is not configured.
    """
    if fact_id.startswith(ids_of("reject")):
        raise InputError(f"{fact_id}: a dead letter holds its own reason: code, reason, raw bytes")
    try:
        fact = parsed_id(fact_id)
        row = registry.row(fact.type)
    except (ValueError, KeyError):
        row = None
    if row is None or fact.type not in registry.facts:
        raise InputError(f"{fact_id}: is no id, such as {AN_ID}")
    if row.scope == "group":
        if fact.name not in config.groups:
            raise InputError(f"{fact_id}: group {fact.name} is not configured")
        return fact.type, fact.name
    if not is_name(fact.name) or config.instrument(fact.name) is None:
        raise InputError(f"{fact_id}: symbol {fact.name} is not configured")
    return fact.type, config.group_of(fact.name)


async def why(
    open_source: Callable[[], LogSource],
    config: Config,
    fact_id: str,
    registry: Registry = EVENTS,
) -> Answer | None:
    """Where an event comes from; None when the log does not lead to it.

    Parameters
    ----------
    open_source
        Gives the log, not opened; called twice.
    registry
        The types of the events.

    Raises
    ------
    InputError
        When the id is none.
    LogMissingError
        When the log does not begin at its beginning.
    """
    kind, group = asked(config, fact_id, registry)
    source = open_source()
    finder = Finder(config, group, kind, fact_id, source.partition_of, registry)
    async with aclosing(_batches(source, group)) as batches:
        async for batch in batches:
            finder.take(batch)
    if not finder.versions:
        return None
    source = open_source()
    reader = VersionReader(config, group, fact_id, finder.versions, source.partition_of, registry)
    async with aclosing(_batches(source, group)) as batches:
        async for batch in batches:
            reader.take(batch)
            if reader.done:
                break
    return Answer(fact_id, kind, group, finder.versions)


async def _batches(opened: LogSource, group: str) -> AsyncGenerator[list[LogItem], None]:
    """Records of a group's partition, or of all where records may lie anywhere."""
    async with opened as source:
        partition = source.partition_of(group)
        begins = {
            number: extent.begin
            for number, extent in source.extents.items()
            if partition in (None, number)
        }
        for number, begin in begins.items():
            if begin > 0:
                raise LogMissingError(
                    f"partition {number}: the log begins at offset {begin}; a chain is followed"
                    " from its beginning"
                )
        async with aclosing(cast(Any, source.read(begins))) as batches:
            async for batch in batches:
                yield batch


class _Group:
    """The engine of one group; the records of all others are passed over.

    Parameters
    ----------
    partition_of
        Gives the partition of a group: what lies elsewhere was refused.
    """

    every = True

    def __init__(
        self,
        config: Config,
        group: str,
        partition_of: Callable[[str], int | None],
        registry: Registry,
    ) -> None:
        self.plan = plan_group(config, group, registry)
        self.engine = GroupEngine(self.plan)
        self.drive = Drive(Router(config, self._slot, partition_of=partition_of))

    def _slot(self, group: str) -> GroupSlot:
        return GroupSlot(group, self.engine if group == self.plan.group else None)

    def refused(self, item: Item, refusal: Refusal) -> None:
        """A dead letter leads to no fact."""

    def passed(self, item: Item) -> None:
        """A record of another group."""

    def resumes(self, slot: GroupSlot) -> None:
        """Nothing is held."""


class Finder(_Group):
    """The first time: versions of the fact, and what each of them came from.

    Attributes
    ----------
    versions
        In order of publication, without states, and with the spans of bars alone.
    """

    def __init__(
        self,
        config: Config,
        group: str,
        kind: str,
        fact_id: str,
        partition_of: Callable[[str], int | None],
        registry: Registry = EVENTS,
    ) -> None:
        super().__init__(config, group, partition_of, registry)
        self.versions: list[Version] = []
        self._id = fact_id
        self._facts: dict[str, Event] = {}
        self._chain = Chain(self.plan, self._facts, self._in_part)
        self._keeps = self._kept_facts(self.plan.registry.row(kind).rule, fact_id)

    @staticmethod
    def _kept_facts(rule: str, fact_id: str) -> Callable[[Event], bool]:
        """Which facts a chain of a type of that rule may name."""
        asked = parsed_id(fact_id)
        if rule == "swings":
            return lambda fact: isinstance(fact, Swing | Touch) and fact.symbol == asked.name
        if rule == "indicators":
            interval = asked.rest[0]
            return lambda fact: (
                isinstance(fact, Indicators)
                and (fact.symbol, fact.interval) == (asked.name, interval)
            )
        if rule == "ranges":
            key = asked.rest[:2]
            return lambda fact: isinstance(fact, Range | Touch) and (fact.kind, fact.name) == key
        return lambda fact: False

    def take(self, items: Iterable[LogItem]) -> None:
        """The next records of the log."""
        self.drive.apply_many(items, self)

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """Keep what a chain may name, and every version of the fact."""
        found: Output | None = None
        for event in outcome.events:
            if isinstance(event, Retract) or self._keeps(event):
                fold(self._facts, (event,))
            if event.id == self._id:
                found = event
        # When it is published, what it came from may still follow in the same record.
        if found is not None:
            self._add(item, record, found, outcome.correction)
        return True

    def _in_part(self, symbol: str) -> int:
        for tracker in self.engine.tracks(symbol).rules.added:
            if isinstance(tracker, WindowTracker):
                return tracker.in_part
        return NO_SESSION

    def _add(
        self, item: Item, record: LogRecord, event: Output, correction: Correction | None
    ) -> None:
        gone = isinstance(event, Retract)
        before = self.versions[-1].after if self.versions else None
        self.versions.append(
            Version(
                item[2],
                item[0],
                event.seq,
                event.rev,
                event.watermark_ms,
                record,
                before,
                None if gone else plain(event),
                _corrected(correction),
                [] if isinstance(event, Retract) else self._chain.causes(event),
            )
        )


def _corrected(correction: Correction | None) -> Corrected | None:
    if correction is None:
        return None
    return Corrected(correction.symbol, correction.start_ms, correction.before, correction.after)


class VersionReader(_Group):
    """The second time: bars, and what the engine knew.

    Parameters
    ----------
    versions
        Those of a `Finder`, which are completed.
    """

    def __init__(
        self,
        config: Config,
        group: str,
        fact_id: str,
        versions: list[Version],
        partition_of: Callable[[str], int | None],
        registry: Registry = EVENTS,
    ) -> None:
        super().__init__(config, group, partition_of, registry)
        self._id = fact_id
        self._waiting = {each.offset: each for each in versions}
        self._spans = sorted(
            {
                (span.symbol, span.start_ms, span.end_ms)
                for version in versions
                for cause in version.everything()
                for span in cause.spans
            }
        )
        self._bars: dict[tuple[str, int], LoggedBar] = {}

    @property
    def done(self) -> bool:
        """Whether every version was explained."""
        return not self._waiting

    def take(self, items: Iterable[LogItem]) -> None:
        """The next records of the log, until every version was explained."""
        self.drive.apply_many(self._with_states(items), self)

    def _with_states(self, items: Iterable[LogItem]) -> Iterator[LogItem]:
        """The records; before one that published a version, what the engine knows is noted."""
        for item in items:
            version = self._waiting.get(item.offset)
            if version is not None:
                version.state_before = engine_view(self.engine, self._id)
            yield item

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """Remember bars that are asked for, and complete a version that the record published."""
        self._remember(record, item[0], outcome)
        version = self._waiting.pop(item[0], None)
        if version is not None:
            version.state_after = engine_view(self.engine, self._id)
            for cause in version.causes:
                self._look_up(cause, version, version.after or {})
        return not self.done

    def _remember(self, record: LogRecord, offset: int, outcome: Outcome) -> None:
        if isinstance(record, Bar):
            key = (record.symbol, record.start_ms)
            if outcome.kind == "duplicates" or not self._wanted(*key):
                return
            self._bars[key] = LoggedBar(record, offset)
        elif isinstance(record, Cancel):
            self._bars.pop((record.symbol, record.start_ms), None)

    def _wanted(self, symbol: str, label: int) -> bool:
        return any(name == symbol and start <= label < end for name, start, end in self._spans)

    def _look_up(self, cause: Cause, version: Version, fact: dict[str, Any]) -> None:
        """Fill in the bars of a cause of a fact, and of what is behind it."""
        for behind in cause.causes:
            self._look_up(behind, version, cause.fact or fact)
        found: list[LoggedBar] = []
        for span in cause.spans:
            plan = next(each for each in self.plan.instruments if each.symbol == span.symbol)
            labels = sorted(
                label
                for symbol, label in self._bars
                if symbol == span.symbol
                and span.start_ms <= label < span.end_ms
                and plan.calendar.is_slot(label, plan.base_ms)
            )
            if span.only is not None:
                labels = labels[:1] if span.only == "first" else labels[-1:]
            found += [self._bars[span.symbol, label] for label in labels]
            if cause.with_missing:
                known = _until(version, span)
                cause.missing = without_bar(plan, known, set(labels))
        cause.bars = found
        if len(cause.bars) > 1:
            cause.gives = extremes(cause.bars, fact)


def _until(version: Version, span: SlotSpan) -> SlotSpan:
    """The part of a span in which slots are due at a version."""
    end = min(span.end_ms, version.watermark_ms)
    return SlotSpan(span.symbol, span.start_ms, max(end, span.start_ms))


def answer_data(answer: Answer) -> dict[str, Any]:
    """The answer as plain data, for JSON."""
    return {
        "found": True,
        "id": answer.id,
        "type": answer.type,
        "group": answer.group,
        "versions": [_version_data(each) for each in answer.versions],
    }


def _version_data(version: Version) -> dict[str, Any]:
    found: dict[str, Any] = to_builtins(version)
    found["causes"] = [_cause_data(each) for each in version.causes]
    return found


def _cause_data(cause: Cause) -> dict[str, Any]:
    """Without what was only for looking up."""
    return {
        "role": cause.role,
        "fact": cause.fact,
        "bars": [{**plain(each.bar), "offset": each.offset} for each in cause.bars],
        "missing": [to_builtins(each) for each in cause.missing],
        "gives": cause.gives,
        "causes": [_cause_data(each) for each in cause.causes],
    }
