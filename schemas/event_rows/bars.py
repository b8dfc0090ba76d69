"""Derived bars."""

from __future__ import annotations

from tapeline.schemas.event_types import EventType, always
from tapeline.schemas.events import DerivedBar
from tapeline.schemas.topic_settings import FACTS

DERIVED_BAR = EventType(
    struct=DerivedBar,
    topic="bars.derived.v1",
    settings=FACTS,
    position=20,
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

ROWS = (DERIVED_BAR,)
