"""Why a strategy or an account published something: the signal, what it read, what became of it.

Everything comes from what was published; no strategy is asked again. The events are read twice: the
first time those of the signal, the second time the facts that it names as its inputs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import orjson
from msgspec import Struct

from tapeline.replay.compare.recorded import Recorded
from tapeline.replay.run import Replay
from tapeline.schemas.codec import plain
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Reject, Retract, type_of
from tapeline.schemas.ids import SEPARATOR
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.view import set_version

Read = Callable[[Collection[str]], AsyncIterator[dict[str, Any]]]
"""Gives the events of some types as plain data, each type in its order; called twice."""
OF_SIGNALS = ("signal", "decision", "order", "fill", "note")
"""Types whose events belong to a signal."""
_PARTS_OF_SIGNAL = 5


class InputFact(Struct, frozen=True):
    """A fact that a signal names: in which version, and that version where it is there."""

    id: str
    rev: int
    fact: dict[str, Any] | None


class HostedAnswer(Struct, frozen=True):
    """Where an event of a strategy comes from, and what came of its signal.

    Attributes
    ----------
    versions
        Of the event, in order of publication.
    signal
        The last version of the signal that it belongs to; None of an order that no signal placed.
    inputs
        Facts that the signal came from.
    spans
        Bars that it came from, as the signal names them.
    related
        Last versions of what else belongs to the signal, by type in the order of `OF_SIGNALS`, then
        by `seq`.
    """

    id: str
    type: str
    versions: list[dict[str, Any]]
    signal: dict[str, Any] | None
    inputs: list[InputFact]
    spans: list[dict[str, Any]]
    related: list[dict[str, Any]]


def is_of_signal(event_id: str) -> bool:
    """Whether an id is one of a signal, or of what belongs to one."""
    return event_id.partition(SEPARATOR)[0] in OF_SIGNALS


def signal_of(event_id: str) -> str | None:
    """Id of the signal that an id belongs to; None where it has none, or is no id."""
    kind, _, rest = event_id.partition(SEPARATOR)
    if kind == "signal":
        return event_id
    if kind == "fill":
        rest = rest.partition(SEPARATOR)[2]
    parts = rest.split(SEPARATOR)
    if parts[0] != "signal" or len(parts) < _PARTS_OF_SIGNAL:
        return None
    return SEPARATOR.join(parts[:_PARTS_OF_SIGNAL])


async def why_hosted(read: Read, event_id: str) -> HostedAnswer | None:
    """Where an event comes from; None when there is no such event."""
    wanted = signal_of(event_id)
    versions: list[dict[str, Any]] = []
    related: dict[str, dict[str, Any]] = {}
    async for event in read(OF_SIGNALS):
        if event["id"] == event_id:
            versions.append(event)
        if wanted is not None and wanted in (event["id"], event.get("signal")):
            set_version(related, event["id"], event)
    if not versions:
        return None
    signal = None if wanted is None else related.pop(wanted, None)
    related.pop(event_id, None)
    return HostedAnswer(
        event_id,
        event_id.partition(SEPARATOR)[0],
        versions,
        signal,
        [] if signal is None else await _inputs(read, signal),
        [] if signal is None else signal["spans"],
        sorted(related.values(), key=_order_key),
    )


def _order_key(event: dict[str, Any]) -> tuple[int, int]:
    return OF_SIGNALS.index(event["type"]), event["seq"]


async def _inputs(read: Read, signal: dict[str, Any]) -> list[InputFact]:
    """The facts that a signal names, in the versions that it read."""
    named = {each["id"]: each["rev"] for each in signal["inputs"]}
    kinds = {fact_id.partition(SEPARATOR)[0] for fact_id in named}
    versions: dict[str, dict[str, Any]] = {}
    if kinds:
        async for event in read(sorted(kinds)):
            # A fact that grows has one revision in all its versions: the last that was known then.
            known = event["watermark_ms"] <= signal["event_ms"]
            if known and event["rev"] == named.get(event["id"]):
                set_version(versions, event["id"], event)
    return [InputFact(fact_id, rev, versions.get(fact_id)) for fact_id, rev in named.items()]


def recorded_events(run: Recorded, registry: Registry = EVENTS) -> Read:
    """Events of a run that is open: of a folder, a store, or topics."""

    async def read(kinds: Collection[str]) -> AsyncIterator[dict[str, Any]]:
        for kind in kinds:
            if kind not in registry:
                continue
            async for batch in run.batches(kind):
                for entry in batch:
                    if entry.raw is None or entry.gone:
                        continue
                    event: dict[str, Any] = orjson.loads(entry.raw)
                    if event["type"] == kind:
                        yield event

    return read


def replayed_events(open_replay: Callable[[], Replay]) -> Read:
    """Events of replays with strategies, one for each reading."""

    async def read(kinds: Collection[str]) -> AsyncIterator[dict[str, Any]]:
        async with open_replay() as run:
            async for event in run:
                if isinstance(event, Reject | Retract):
                    continue
                if type_of(event) in kinds:
                    yield plain(event)

    return read
