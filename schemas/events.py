"""Events of the output topics, one struct a type; field order is the order on the wire.

Every event but `Reject` begins with the same fields:

``id``
    Natural and deterministic key (schemas.ids); equal facts have equal ids in every run.
``op``
    ``upsert``; taking a fact back is a `Retract`, which carries the common fields alone.
``seq``
    Source offset x 1,000,000 + index among the outputs of that record.
``rev``
    0, +1 for each correction that changed this id.
``symbol``, ``session``
    Symbol (of a pair: its group) and ISO date of the trading session of the fact's own start.
``event_ms``
    Instant at which the content was decided (UTC epoch milliseconds).
``watermark_ms``
    Watermark of the symbol (of a pair: the greatest of its group) when this version was published.
``corrects``
    start_ms of the bar whose correction caused the event, else None.

Prices are decimals in quote currency. Absent values are None (JSON null), never left out.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import astuple, replace

from tapeline.schemas.windows import Granularity, WindowField, WindowKind

Op = Literal["upsert", "retract"]
Volume = int | float | None
SessionState = Literal["open", "closed"]
GapState = Literal["open", "closed"]
Side = Literal["high", "low"]


class DerivedBar(Struct, frozen=True, gc=False, tag_field="type", tag="derived_bar"):
    """Bar of a coarser interval, window [start_ms, end_ms); have and need count base slots."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    interval: str
    start_ms: int
    end_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: Volume
    have: int
    need: int
    complete: bool
    truncated: bool
    quality: float


class Session(Struct, frozen=True, gc=False, tag_field="type", tag="session"):
    """Trading session [open_ms, close_ms): published with its first slot and at its close."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    state: SessionState
    open_ms: int
    close_ms: int
    early_close: bool
    bars: int
    expected: int
    volume: Volume
    high: float | None
    low: float | None


class Quality(Struct, frozen=True, gc=False, tag_field="type", tag="quality"):
    """Completeness of one session as of `as_of_ms`: quality = 100 x actual / due slots."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    interval: str
    as_of_ms: int
    due: int
    actual: int
    missing: int
    quality: float


class Gap(Struct, frozen=True, gc=False, tag_field="type", tag="gap"):
    """Maximal run of `missing` due slots [start_ms, end_ms) inside one session."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    interval: str
    start_ms: int
    end_ms: int
    missing: int
    state: GapState


class Indicators(Struct, frozen=True, gc=False, tag_field="type", tag="indicators"):
    """Values of the indicators of an interval at the end of the bar [start_ms, end_ms)."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    interval: str
    start_ms: int
    end_ms: int
    values: dict[str, int | float | None]
    cold: tuple[str, ...]
    warming: tuple[str, ...]
    null_volumes: int | None


class WindowValue(Struct, frozen=True, gc=False, tag_field="type", tag="window"):
    """Value of a historical window for a session: of whole sessions before it, [from_, to]."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    kind: WindowKind
    field: WindowField
    granularity: Granularity
    period: str
    value: int | float | list[int | float | None] | None
    from_: str | None = msgspec.field(name="from")
    to: str | None
    have: int
    need: int
    complete: bool


class Range(Struct, frozen=True, gc=False, tag_field="type", tag="range"):
    """Session range: levels and state of its machine; its `*_ms` of transitions are bar labels."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    kind: str
    name: str
    start_ms: int
    to_ms: int
    expires_ms: int | None
    state: str
    expired: bool
    high: float | None
    low: float | None
    true_open: float | None
    poc: float | None
    rpp: float | None
    have: int
    need: int
    reason: str | None
    side: str | None
    resolution: str | None
    first_break_ms: int | None
    return_ms: int | None
    second_break_ms: int | None
    resolved_ms: int | None


class Touch(Struct, frozen=True, gc=False, tag_field="type", tag="touch"):
    """Transition of a range by one bar, or its expiry (level and price None, bar_ms the expiry)."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    range: str
    kind: str
    name: str
    event: str
    level: str | None
    price: float | None
    bar_ms: int
    ambiguous: bool


class Pair(Struct, frozen=True, gc=False, tag_field="type", tag="pair"):
    """The same touch in the symbols of one group; `times` names every member, None while absent."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    group: str
    kind: str
    name: str
    level: str
    event: str
    times: dict[str, int | None]
    delta_min: int | None
    leader: str | None


class Prior(Struct, frozen=True, gc=False):
    """Prior opposite swing: price distance `points` (quote currency), distance in bar positions."""

    start_ms: int
    points: float
    bars: int


class TouchLink(Struct, frozen=True, gc=False):
    """Latest touch at or before a swing: elapsed minutes and bar positions between them."""

    id: str
    minutes: int
    bars: int


class Swing(Struct, frozen=True, gc=False, tag_field="type", tag="swing"):
    """Swing high or low of class 1 to 6 at the bar labelled `start_ms`."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    start_ms: int
    side: Side
    price: float
    class_: int = field(name="class")
    prior: Prior | None
    touch: TouchLink | None


class Retract(Struct, frozen=True, gc=False):
    """The fact `id` of type `type` left the view; event_ms is that of what it removes."""

    type: str
    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None


class Reject(Struct, frozen=True, gc=False, tag_field="type", tag="reject"):
    """Dead letter: a refused record with its stable code; `raw` is base64 of its bytes."""

    id: str
    code: str
    reason: str
    source: str
    raw: str
    symbol: str | None


Event = (
    DerivedBar | Session | Quality | Gap | Indicators | WindowValue | Range | Touch | Pair | Swing
)


Output = Event | Retract
"""What a topic of events holds."""

NumberedEvent = TypeVar("NumberedEvent", bound=Event)


def renumbered(event: NumberedEvent, seq: int) -> NumberedEvent:
    """The event with another position among the outputs of its record."""
    return replace(event, seq=seq)


def type_of(event: Struct) -> str:
    """Value of the field ``type``: of a retract, that of the fact which it takes back."""
    return event.type if isinstance(event, Retract) else str(event.__struct_config__.tag)


def revised(
    event: NumberedEvent, seq: int, rev: int, watermark_ms: int, corrects: int | None
) -> NumberedEvent:
    """The same fact as another version of it."""
    return replace(event, seq=seq, rev=rev, watermark_ms=watermark_ms, corrects=corrects)


def retracted(fact: Event, seq: int, rev: int, watermark_ms: int, corrects: int | None) -> Retract:
    """That a fact is taken back."""
    return Retract(
        type_of(fact),
        fact.id,
        "retract",
        seq,
        rev,
        fact.symbol,
        fact.session,
        fact.event_ms,
        watermark_ms,
        corrects,
    )


def content_of(event: Event) -> tuple[object, ...]:
    """What belongs to the view: all but seq, rev, watermark_ms and corrects."""
    values = astuple(event)
    return (*values[:2], *values[4:7], *values[9:])
