"""All types of events, one row a type: whatever is derived from a list of types reads it here.

A new type is a struct in `schemas.events`, a row here, and its rule.
"""

from __future__ import annotations

from tapeline.schemas.event_types import EventType, Nested, Registry, always
from tapeline.schemas.events import (
    DerivedBar,
    Gap,
    Pair,
    Prior,
    Quality,
    Range,
    Reject,
    Session,
    Swing,
    Touch,
    TouchLink,
)
from tapeline.schemas.topic_settings import FACTS, LETTERS

FINISHED = ("resolved", "incomplete")
"""States of a range that no bar in order changes."""
PUBLISHED_ONCE = (
    "side", "resolution", "first_break_ms", "return_ms", "second_break_ms", "resolved_ms",
)  # fmt: skip
"""Fields of a range that a transition gives a value; none of them takes it back."""


def _is_closed(event: Session | Gap) -> bool:
    return event.state == "closed"


def _session_grew(old: Session, new: Session) -> bool:
    return (old.state, new.state) == ("open", "closed")


def _gap_grew(old: Gap, _: Gap) -> bool:
    return old.state == "open"


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


def _swing_grew(old: Swing, new: Swing) -> bool:
    return new.class_ >= old.class_


DERIVED_BAR = EventType(
    struct=DerivedBar,
    topic="bars.derived.v1",
    settings=FACTS,
    place=20,
    rule="bars",
    is_final=always,
    meaning="Bar of a coarser interval, published when the watermark reaches its end.",
    fields={
        "interval": "Interval, normalised (`60m`, not `1h`).",
        "start_ms": "Start of the window, inclusive.",
        "end_ms": "End of the window, exclusive; the session's close where it is truncated.",
        "open": "Open of the first bar.",
        "high": "Highest high.",
        "low": "Lowest low.",
        "close": "Close of the last bar.",
        "volume": "Sum of the volumes; null if no bar has one.",
        "have": "Base slots with a bar.",
        "need": "Base slots the calendar expects.",
        "complete": "Whether have equals need.",
        "truncated": "Whether the session's end cuts the window short.",
        "quality": "100 x present / expected base slots from the session's open to the bar's end.",
    },
    example=DerivedBar(
        id="derived_bar|ES|15m|1765148400000",
        op="upsert",
        seq=28000002,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765149300000,
        watermark_ms=1765149300000,
        corrects=None,
        interval="15m",
        start_ms=1765148400000,
        end_ms=1765149300000,
        open=6940.25,
        high=6943.5,
        low=6934.5,
        close=6935.75,
        volume=None,
        have=15,
        need=15,
        complete=True,
        truncated=False,
        quality=100.0,
    ),
)

SESSION = EventType(
    struct=Session,
    topic="sessions.v1",
    settings=FACTS,
    place=10,
    rule="sessions",
    landmark=True,
    grows=frozenset({"state", "bars", "volume", "high", "low"}),
    grew=_session_grew,
    is_final=_is_closed,
    meaning="Trading session: published with the end of its first slot and at its close.",
    fields={
        "state": "`open` or `closed`.",
        "open_ms": "Open of the session, inclusive.",
        "close_ms": "Close of the session, exclusive.",
        "early_close": "Whether it closes earlier than a full session.",
        "bars": "Base slots with a bar so far.",
        "expected": "All base slots of the session.",
        "volume": "Sum of the volumes so far; null if no bar has one.",
        "high": "Highest high so far; null without a bar.",
        "low": "Lowest low so far; null without a bar.",
    },
    example=Session(
        id="session|ES|2025-12-08",
        op="upsert",
        seq=2758000000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765231200000,
        watermark_ms=1765231200000,
        corrects=None,
        state="closed",
        open_ms=1765148400000,
        close_ms=1765231200000,
        early_close=False,
        bars=1380,
        expected=1380,
        volume=None,
        high=6951.0,
        low=6892.5,
    ),
)

QUALITY = EventType(
    struct=Quality,
    topic="quality.v1",
    settings=FACTS,
    place=30,
    rule="sessions",
    grows=frozenset({"as_of_ms", "due", "actual", "missing", "quality"}),
    meaning="Completeness of one session's base bars: quality = 100 x actual / due.",
    fields={
        "interval": "Base interval.",
        "as_of_ms": "The fact speaks of slots that end at or before this instant.",
        "due": "Slots that have ended.",
        "actual": "Due slots with a bar.",
        "missing": "due - actual.",
        "quality": "100 x actual / due.",
    },
    example=Quality(
        id="quality|ACME|1m|2025-12-08",
        op="upsert",
        seq=380000003,
        rev=0,
        symbol="ACME",
        session="2025-12-08",
        event_ms=1765227600000,
        watermark_ms=1765227600000,
        corrects=None,
        interval="1m",
        as_of_ms=1765227600000,
        due=390,
        actual=380,
        missing=10,
        quality=97.43589743589743,
    ),
)

GAP = EventType(
    struct=Gap,
    topic="gaps.v1",
    settings=FACTS,
    place=40,
    rule="sessions",
    landmark=True,
    grows=frozenset({"end_ms", "missing", "state"}),
    grew=_gap_grew,
    is_final=_is_closed,
    meaning="Maximal run of missing base slots inside one session.",
    fields={
        "interval": "Base interval.",
        "start_ms": "Start of the first missing slot.",
        "end_ms": "End of the last missing slot, exclusive.",
        "missing": "Number of missing slots.",
        "state": "`closed` once a present slot follows or the session has closed, else `open`.",
    },
    example=Gap(
        id="gap|ACME|1m|1765210200000",
        op="upsert",
        seq=100000001,
        rev=0,
        symbol="ACME",
        session="2025-12-08",
        event_ms=1765210860000,
        watermark_ms=1765210860000,
        corrects=None,
        interval="1m",
        start_ms=1765210200000,
        end_ms=1765210800000,
        missing=10,
        state="closed",
    ),
)

RANGE = EventType(
    struct=Range,
    topic="ranges.v1",
    settings=FACTS,
    place=50,
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
    place=60,
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
    place=70,
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

SWING = EventType(
    struct=Swing,
    topic="swings.v1",
    settings=FACTS,
    place=80,
    rule="swings",
    grows=frozenset({"class_", "prior"}),
    grew=_swing_grew,
    nested=(
        Nested(
            "prior",
            Prior,
            {
                "start_ms": "Label of its bar.",
                "points": "Distance in price.",
                "bars": "Distance in bars that are present.",
            },
        ),
        Nested(
            "touch",
            TouchLink,
            {
                "id": "Id of the touch.",
                "minutes": "Elapsed minutes from the touch to the swing.",
                "bars": "Distance in bars that are present.",
            },
        ),
    ),
    meaning="Swing high or low. Its class only rises, so the same id may come again.",
    fields={
        "start_ms": "Label of the bar.",
        "side": "`high` or `low`.",
        "price": "The bar's high or low.",
        "class": "1 to 6.",
        "prior": "Nearest earlier opposite swing; null: none.",
        "touch": "Latest touch of the symbol at or before the bar; null: none.",
    },
    example=Swing(
        id="swing|ES|1765204080000|low",
        op="upsert",
        seq=1858000000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204200000,
        watermark_ms=1765204200000,
        corrects=None,
        start_ms=1765204080000,
        side="low",
        price=6942.75,
        class_=1,
        prior=Prior(start_ms=1765203780000, points=5.0, bars=5),
        touch=TouchLink(
            id="touch|ES|Minor|m0900 2025-12-08|first_break",
            minutes=1,
            bars=1,
        ),
    ),
)

REJECT = EventType(
    struct=Reject,
    topic="rejects.v1",
    place=None,
    settings=LETTERS,
    partitioning="that of the record it refuses",
    numbered=False,
    is_final=always,
    meaning="Dead letter: a record that was refused. It takes no `seq` and is never retracted.",
    fields={
        "id": "`reject|<source>`.",
        "code": "Stable code of the rule that failed.",
        "reason": "What was wrong, in words.",
        "source": "Topic, partition and offset, or file and line.",
        "raw": "Bytes of the record, base64.",
        "symbol": "Symbol, where it could be read; else null.",
    },
    example=Reject(
        id="reject|tape.bars.v1/3/812",
        code="off_tick",
        reason="open 6944.1 is no multiple of the tick 0.25",
        source="tape.bars.v1/3/812",
        raw="eyJ0eXBlIjoiYmFyIiwic3ltYm9sIjoiRVMifQ==",
        symbol="ES",
    ),
)

EVENTS = Registry((DERIVED_BAR, SESSION, QUALITY, GAP, RANGE, TOUCH, PAIR, SWING, REJECT))
"""The types of events of this version."""
