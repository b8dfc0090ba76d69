"""Ranges, their touches, and pairs of these."""

from __future__ import annotations

from tapeline.schemas.event_types import EventType, always
from tapeline.schemas.events import Pair, Range, Touch
from tapeline.schemas.topic_settings import FACTS

FINISHED = ("resolved", "incomplete")
"""States of a range that no bar in order changes."""
PUBLISHED_ONCE = (
    "side", "resolution", "first_break_ms", "return_ms", "second_break_ms", "resolved_ms",
)  # fmt: skip
"""Fields of a range that a transition gives a value; none of them takes it back."""


def _range_grew(old: Range, new: Range) -> bool:
    kept = all(getattr(old, name) in (None, getattr(new, name)) for name in PUBLISHED_ONCE)
    return kept and not old.expired


def _range_is_final(event: Range) -> bool:
    return event.expired or event.state in FINISHED


def _pair_names(event: Pair) -> tuple[str, ...]:
    return (event.group, *event.times)


def _pair_grew(old: Pair, new: Pair) -> bool:
    given = {name: time for name, time in old.times.items() if time is not None}
    return len(given) < len(old.times) and given.items() <= new.times.items()


def _pair_is_final(event: Pair) -> bool:
    return event.delta_min is not None


RANGE = EventType(
    struct=Range,
    topic="ranges.v1",
    settings=FACTS,
    position=50,
    rule="ranges",
    grows=frozenset({"state", "expired", *PUBLISHED_ONCE}),
    grew=_range_grew,
    is_final=_range_is_final,
    meaning="Session range with its levels, published again with each transition and its expiry.",
    fields={
        "kind": "Kind of range, such as `Major`.",
        "name": "Name of the range within its kind.",
        "start_ms": "Start of the window, inclusive.",
        "to_ms": "Label of the true open (TO); of a first_touch range the end of its window.",
        "expires_ms": "Instant of expiry; null: never.",
        "state": "`incomplete`, or the state of its machine.",
        "expired": "Whether it expired before it was resolved.",
        "high": "Highest price of the window; null if incomplete.",
        "low": "Lowest price of the window; null if incomplete.",
        "true_open": "TO; null if incomplete or of machine first_touch.",
        "poc": "PoC: the extreme farther from TO; null likewise.",
        "rpp": "RPP = 2 TO - PoC; null likewise.",
        "have": "Base slots of the window with a bar.",
        "need": "Base slots of the window the calendar expects.",
        "reason": "If incomplete `no_to_bar`, `no_previous_close` or `coverage`; else null.",
        "side": "Level of the first break: `PoC` or `RPP`; null before.",
        "resolution": "`single_sided` or `double_sided`; null before it is resolved.",
        "first_break_ms": "Label of the bar of the first break.",
        "return_ms": "Label of the bar of the return to TO.",
        "second_break_ms": "Label of the bar of the second break.",
        "resolved_ms": "Label of the bar that resolved it.",
    },
    example=Range(
        id="range|ES|Minor|m0900 2025-12-08",
        op="upsert",
        seq=1854000000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204080000,
        watermark_ms=1765204080000,
        corrects=None,
        kind="Minor",
        name="m0900 2025-12-08",
        start_ms=1765202400000,
        to_ms=1765203720000,
        expires_ms=1765290120000,
        state="first_break",
        expired=False,
        high=6949.0,
        low=6945.5,
        true_open=6946.25,
        poc=6949.0,
        rpp=6943.5,
        have=23,
        need=23,
        reason=None,
        side="RPP",
        resolution=None,
        first_break_ms=1765204020000,
        return_ms=None,
        second_break_ms=None,
        resolved_ms=None,
    ),
)

TOUCH = EventType(
    struct=Touch,
    topic="touches.v1",
    settings=FACTS,
    position=60,
    rule="ranges",
    landmark=True,
    is_final=always,
    meaning="One transition of a range, caused by one bar; or its expiry.",
    fields={
        "range": "Id of the range.",
        "kind": "Kind of the range.",
        "name": "Name of the range.",
        "event": "State that was reached, a `touched_...` of a first_touch range, or `expired`.",
        "level": "Level that was touched; null for an expiry.",
        "price": "Price of that level; null for an expiry.",
        "bar_ms": "Label of the bar; of an expiry its instant.",
        "ambiguous": "Whether one bar spans PoC and RPP, so that either could have come first.",
    },
    example=Touch(
        id="touch|ES|Minor|m0900 2025-12-08|first_break",
        op="upsert",
        seq=1854000001,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204080000,
        watermark_ms=1765204080000,
        corrects=None,
        range="range|ES|Minor|m0900 2025-12-08",
        kind="Minor",
        name="m0900 2025-12-08",
        event="first_break",
        level="RPP",
        price=6943.5,
        bar_ms=1765204020000,
        ambiguous=False,
    ),
)

PAIR = EventType(
    struct=Pair,
    topic="pairs.v1",
    settings=FACTS,
    position=70,
    rule="ranges",
    scope="group",
    names=_pair_names,
    grows=frozenset({"session", "times", "delta_min", "leader"}),
    grew=_pair_grew,
    is_final=_pair_is_final,
    meaning="The same touch in the symbols of one group, with its lead and lag.",
    fields={
        "group": "Group id.",
        "kind": "Kind of the ranges.",
        "name": "Name of the ranges.",
        "level": "Level that was touched.",
        "event": "State that was reached.",
        "times": "Label of each member's touch; null while it has none.",
        "delta_min": "Whole minutes between the two; null while one is absent.",
        "leader": "Symbol that came first, or `simultaneous`; null while one is absent.",
    },
    example=Pair(
        id="pair|ES-NQ|Minor|m0900 2025-12-08|RPP|first_break",
        op="upsert",
        seq=1854000002,
        rev=0,
        symbol="ES-NQ",
        session="2025-12-08",
        event_ms=1765204080000,
        watermark_ms=1765204080000,
        corrects=None,
        group="ES-NQ",
        kind="Minor",
        name="m0900 2025-12-08",
        level="RPP",
        event="first_break",
        times={"ES": 1765204020000, "NQ": 1765203900000},
        delta_min=2,
        leader="NQ",
    ),
)

ROWS = (RANGE, TOUCH, PAIR)
