"""Rows of indicators."""

from __future__ import annotations

from tapeline.schemas.event_types import EventType
from tapeline.schemas.events import Indicators
from tapeline.schemas.ids import parsed_id
from tapeline.schemas.topic_settings import FACTS


def _is_row(event: Indicators) -> bool:
    """Whether it is of one bar for ever; otherwise of the latest bar of its interval."""
    return len(parsed_id(event.id).rest) > 1


def _grew(old: Indicators, _: Indicators) -> bool:
    return not _is_row(old)


INDICATORS = EventType(
    struct=Indicators,
    topic="indicators.v1",
    settings=FACTS,
    position=42,
    rule="indicators",
    grows=frozenset({"session", "start_ms", "end_ms", "values", "cold", "warming", "null_volumes"}),
    grew=_grew,
    is_final=_is_row,
    meaning="Values of all indicators of one symbol and interval at the end of one bar.",
    fields={
        "interval": "Interval of the bar, normalised (`60m`, not `1h`).",
        "start_ms": "Start of the bar, inclusive.",
        "end_ms": "End of the bar, exclusive.",
        "values": "By key, sorted: the value, null while it is cold or has none at this bar.",
        "cold": "Keys without enough bars for a value, sorted.",
        "warming": "Keys whose value still shows where the history began, sorted.",
        "null_volumes": "Bars without volume in the longest look-back of a volume indicator; null"
        " without one.",
    },
    example=Indicators(
        id="indicators|ES|5m|1765203900000",
        op="upsert",
        seq=1855000000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204200000,
        watermark_ms=1765204200000,
        corrects=None,
        interval="5m",
        start_ms=1765203900000,
        end_ms=1765204200000,
        values={"ema_200_5m": None, "rsi_14_5m": 41.25, "vwap_5m": 6945.731},
        cold=("ema_200_5m",),
        warming=("rsi_14_5m",),
        null_volumes=0,
    ),
)

ROWS = (INDICATORS,)
