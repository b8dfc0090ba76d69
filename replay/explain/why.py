"""Why an event is as it is: the records that published it, and the bars it came from.

The core runs over the log twice. The first time, the versions of the fact are found, and with each
of them the facts and spans it came from; the second time, the bars that lay there then, and what
the engine knew before and after. Nothing is kept but that (of a swing: all swings of its symbol).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, cast

from msgspec import Struct, field, to_builtins

from tapeline.replay.explain.chain import Cause, Chain, LoggedBar, SlotSpan, extremes, without_bar
from tapeline.replay.explain.engine_view import engine_view
from tapeline.replay.sources.items import LogItem
from tapeline.replay.sources.protocol import LogMissingError, LogSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Output, Range, Retract, Swing, Touch
from tapeline.schemas.ids import ids_of, parsed_id, range_label, touch_id
from tapeline.schemas.records import Bar, Cancel, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import is_name
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.admission import Admission
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.refusals import Refusal

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
        return [found[place] for place in sorted(found)]


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
        raise InputError(f"{fact_id}: a dead letter says itself why: code, reason, raw bytes")
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
    finder = Finder(config, group, kind, fact_id, registry)
    async with aclosing(_records(open_source, config, group)) as items:
        async for item in items:
            finder.take(item)
    if not finder.versions:
        return None
    teller = Teller(config, group, fact_id, finder.versions, registry)
    async with aclosing(_records(open_source, config, group)) as items:
        async for item in items:
            teller.take(item)
            if teller.done:
                break
    return Answer(fact_id, kind, group, finder.versions)


async def _records(
    open_source: Callable[[], LogSource], config: Config, group: str
) -> AsyncGenerator[LogItem, None]:
    """Records of a group's partition, or of all where records may lie anywhere.

    Those that lie in a partition that is not theirs are left out: they were refused.
    """
    at_home: dict[str, bool] = {}
    async with open_source() as source:
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
                for item in batch:
                    content = item.content
                    if partition is not None and not isinstance(content, Refusal):
                        symbol = content.symbol
                        if symbol not in at_home:
                            due = source.partition_of(config.group_of(symbol))
                            at_home[symbol] = due == partition
                        if not at_home[symbol]:
                            continue
                    yield item


class _Group:
    """The engine of one group, given the records that concern it."""

    def __init__(self, config: Config, group: str, registry: Registry) -> None:
        self.plan = plan_group(config, group, registry)
        self.engine = GroupEngine(self.plan)
        self._members = {each.symbol for each in self.plan.instruments}
        # Whether it has a place, the symbols before it decide.
        named = all(config.names(symbol) for symbol in self._members)
        self._admission = None if named else Admission(config)
        self._config = config

    def concerns(self, item: LogItem) -> bool:
        """Whether a record is one of the group."""
        content = item.content
        if isinstance(content, Refusal):
            return False
        concerned = content.symbol in self._members
        if self._admission is None:
            return concerned
        if self._config.instrument(content.symbol) is None:
            return False
        try:
            self._admission.admit(content.symbol, item.offset)
        except RecordRejected:
            return False
        if concerned:
            self._admission = None
        return concerned

    def apply(self, item: LogItem) -> Outcome | None:
        """What a record did, None when it is refused."""
        assert not isinstance(item.content, Refusal)
        try:
            return self.engine.apply(item.content, item.offset)
        except RecordRejected:
            return None


class Finder(_Group):
    """The first time: versions of the fact, and what each of them came from.

    Attributes
    ----------
    versions
        In order of publication, without states, and with the spans of bars alone.
    """

    def __init__(
        self, config: Config, group: str, kind: str, fact_id: str, registry: Registry = EVENTS
    ) -> None:
        super().__init__(config, group, registry)
        self.versions: list[Version] = []
        self._id = fact_id
        self._facts: dict[str, Event] = {}
        self._chain = Chain(self.plan, self._facts)
        self._keeps = self._kept_facts(self.plan.registry.row(kind).rule, fact_id)

    @staticmethod
    def _kept_facts(rule: str, fact_id: str) -> Callable[[Event], bool]:
        """Which facts a chain of a type of that rule may name."""
        asked = parsed_id(fact_id)
        if rule == "swings":
            return lambda fact: isinstance(fact, Swing | Touch) and fact.symbol == asked.name
        if rule == "ranges":
            place = asked.rest[:2]
            return lambda fact: isinstance(fact, Range | Touch) and (fact.kind, fact.name) == place
        return lambda fact: False

    def take(self, item: LogItem) -> None:
        """The next record of the log."""
        if not self.concerns(item):
            return
        found: Output | None = None
        outcome = self.apply(item)
        if outcome is None:
            return
        for event in outcome.events:
            if isinstance(event, Retract):
                self._facts.pop(event.id, None)
            elif self._keeps(event):
                self._facts[event.id] = event
            if event.id == self._id:
                found = event
        # When it is published, what it came from may still follow in the same record.
        if found is not None:
            self._add(item, found, outcome.correction)

    def _add(self, item: LogItem, event: Output, correction: Correction | None) -> None:
        gone = isinstance(event, Retract)
        before = self.versions[-1].after if self.versions else None
        assert not isinstance(item.content, Refusal)
        self.versions.append(
            Version(
                item.partition,
                item.offset,
                event.seq,
                event.rev,
                event.watermark_ms,
                item.content,
                before,
                None if gone else to_builtins(event),
                _corrected(correction),
                [] if isinstance(event, Retract) else self._chain.causes(event),
            )
        )


def _corrected(correction: Correction | None) -> Corrected | None:
    if correction is None:
        return None
    return Corrected(correction.symbol, correction.start_ms, correction.before, correction.after)


class Teller(_Group):
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
        registry: Registry = EVENTS,
    ) -> None:
        super().__init__(config, group, registry)
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
        """Whether every version was told."""
        return not self._waiting

    def take(self, item: LogItem) -> None:
        """The next record of the log."""
        if not self.concerns(item):
            return
        version = self._waiting.pop(item.offset, None)
        if version is not None:
            version.state_before = engine_view(self.engine, self._id)
        outcome = self.apply(item)
        if outcome is not None:
            self._remember(item, outcome)
        if version is not None:
            version.state_after = engine_view(self.engine, self._id)
            for cause in version.causes:
                self._look_up(cause, version, version.after or {})

    def _remember(self, item: LogItem, outcome: Outcome) -> None:
        content = item.content
        if isinstance(content, Bar):
            place = (content.symbol, content.start_ms)
            if outcome.kind == "duplicates" or not self._wanted(*place):
                return
            self._bars[place] = LoggedBar(content, item.offset)
        elif isinstance(content, Cancel):
            self._bars.pop((content.symbol, content.start_ms), None)

    def _wanted(self, symbol: str, label: int) -> bool:
        return any(name == symbol and start <= label < end for name, start, end in self._spans)

    def _look_up(self, cause: Cause, version: Version, fact: dict[str, Any]) -> None:
        """Fill in the bars of a cause of a fact, and of what is behind it."""
        for behind in cause.causes:
            self._look_up(behind, version, cause.fact or fact)
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
            cause.bars = [self._bars[span.symbol, label] for label in labels]
            if cause.with_missing:
                known = _until(version, span)
                cause.missing = without_bar(plan, known, set(labels))
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
        "bars": [{**to_builtins(each.bar), "offset": each.offset} for each in cause.bars],
        "missing": [to_builtins(each) for each in cause.missing],
        "gives": cause.gives,
        "causes": [_cause_data(each) for each in cause.causes],
    }
