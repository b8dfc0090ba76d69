"""States of strategies."""

from __future__ import annotations

from tapeline.schemas.event_rows.signals import BY_BOOK
from tapeline.schemas.event_types import DELIVERY, EventType, Nested, symbol_if_any
from tapeline.schemas.host_events import RecordRef, StrategyState
from tapeline.schemas.topic_settings import FACTS

STRATEGY = EventType(
    struct=StrategyState,
    topic="strategies.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    names=symbol_if_any,
    grows=frozenset(
        {"session", "version", "state", "step", "error_type", "error", "record", "unsafe"}
    ),
    delivery=DELIVERY | {"cause", "version", "step", "record"},
    meaning="That a strategy began, failed, or is disabled. One that failed is not called again.",
    fields={
        "version": "12 hexadecimal digits over source and configuration.",
        "state": "What it is from this record on.",
        "step": "Step of the host, in records that it has taken; in files and stores the offset.",
        "error_type": "Class of the error that ended it; else null.",
        "error": "Its message.",
        "record": "Record whose call failed.",
        "unsafe": "Whether it runs without the check of its source.",
    },
    nested=(
        Nested(
            "record",
            RecordRef,
            {"partition": "Partition of the log.", "offset": "Offset in it."},
        ),
    ),
    example=StrategyState(
        id="strategy|sma_crossover",
        op="upsert",
        seq=500000,
        rev=0,
        symbol=None,
        session="2025-12-08",
        event_ms=1765148460000,
        watermark_ms=1765148460000,
        corrects=None,
        account="default",
        strategy="sma_crossover",
        cause={"0": 0},
        version="9f2c1a7be04d",
        state="running",
        step=0,
        error_type=None,
        error=None,
        record=None,
        unsafe=False,
    ),
)

ROWS = (STRATEGY,)
