"""Swings."""

from __future__ import annotations

from tapeline.schemas.event_types import EventType, Nested
from tapeline.schemas.events import Prior, Swing, TouchLink
from tapeline.schemas.topic_settings import FACTS


def _swing_grew(old: Swing, new: Swing) -> bool:
    return new.class_ >= old.class_


SWING = EventType(
    struct=Swing,
    topic="swings.v1",
    settings=FACTS,
    position=80,
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

ROWS = (SWING,)
