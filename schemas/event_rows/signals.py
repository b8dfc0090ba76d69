"""Signals of strategies, and notes on their inputs."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.event_types import DELIVERY, EventType, Nested, symbol_if_any
from tapeline.schemas.host_events import InputRef, IssuedSignal, NoteField, SignalNote, Span
from tapeline.schemas.topic_settings import FACTS

BY_BOOK = "that of the account in the host's state, set explicitly"
WITH_INPUTS = DELIVERY | {"cause", "version", "inputs.rev"}
"""Of what names the code and the revisions it was made with: two runs may differ in them."""


def _is_closed(event: Any) -> bool:
    return bool(event.state != "issued")


SIGNAL = EventType(
    struct=IssuedSignal,
    topic="signals.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    landmark=True,
    names=symbol_if_any,
    grows=frozenset({"session", "state", "closed_ms", "close_reason"}),
    is_final=_is_closed,
    delivery=WITH_INPUTS,
    meaning="What a strategy emitted. A signal is a fact: its content never changes after it was"
    " issued, and it is closed once.",
    fields={
        "version": "12 hexadecimal digits over source and configuration of the strategy.",
        "action": "`buy` and `sell` aim at a position, `close` at none, `hold` at no change.",
        "order": "How an entry is to be placed.",
        "quantity": "Lots asked for; null: those of the account.",
        "price": "Of a limit or stop entry.",
        "stop": "Price of the protective stop.",
        "target": "Price at which to take the profit.",
        "confidence": "0 to 1, as the strategy states it.",
        "interval": "Interval of the bar that the strategy looked at; null if it named none.",
        "bar_ms": "Start of that bar.",
        "reason": "In the words of the strategy, at most 200 characters.",
        "metadata": "Plain data of the strategy, at most 4 KiB.",
        "inputs": "Facts that the call read before it emitted, in order of first read.",
        "spans": "Stretches of bars that it read.",
        "inputs_truncated": "Whether there were more than 256 inputs.",
        "group": "Name that the strategy gave to signals that belong together.",
        "replaces": "Signal that this one replaces.",
        "valid_until_ms": "From this watermark of the symbol on it is expired.",
        "muted": "Why the strategy was muted at issue: `config`; else null.",
        "state": "`issued`, and once one of the others.",
        "closed_ms": "`event_ms` of the end; null while it is issued.",
        "close_reason": "Why it was closed; null while it is issued.",
    },
    nested=(
        Nested(
            "inputs",
            InputRef,
            {"id": "Id of the fact.", "rev": "Revision that was read."},
        ),
        Nested(
            "spans",
            Span,
            {
                "symbol": "Symbol of the bars.",
                "interval": "Their interval.",
                "from_ms": "Start of the first bar.",
                "to_ms": "End of the last bar, exclusive.",
            },
        ),
    ),
    example=IssuedSignal(
        id="signal|sma_crossover|ES|1765204200000|0",
        op="upsert",
        seq=1855500000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204200000,
        watermark_ms=1765204200000,
        corrects=None,
        account="default",
        strategy="sma_crossover",
        cause={"0": 1855},
        version="9f2c1a7be04d",
        action="buy",
        order="market",
        quantity=10,
        price=None,
        stop=None,
        target=None,
        confidence=0.5125,
        interval="5m",
        bar_ms=1765203900000,
        reason="sma_5_5m above sma_20_5m",
        metadata={"fast": 6944.35, "slow": 6935.65},
        inputs=(
            InputRef("derived_bar|ES|5m|1765203900000", 0),
            InputRef("indicators|ES|5m|1765203900000", 0),
        ),
        spans=(Span("ES", "5m", 1765197900000, 1765204200000),),
        inputs_truncated=False,
        group=None,
        replaces=None,
        valid_until_ms=1765231200000,
        muted=None,
        state="issued",
        closed_ms=None,
        close_reason=None,
    ),
)

NOTE = EventType(
    struct=SignalNote,
    topic="signal.notes.v1",
    settings=FACTS,
    position=None,
    partitioning=BY_BOOK,
    origin="host",
    names=symbol_if_any,
    delivery=WITH_INPUTS,
    meaning="A corrected bar changed an input of a signal that is issued, holds a position, or was"
    " approved not long ago. The signal stays as it is.",
    fields={
        "signal": "Id of the signal.",
        "fields": "What changed of its inputs: by id, then field, at most 64.",
        "input_gone": "Whether one of its inputs was taken back.",
        "state": "State of the signal at this record.",
        "position": "Lots that the account holds of the symbol, negative if short.",
    },
    nested=(
        Nested(
            "fields",
            NoteField,
            {
                "id": "Id of the input.",
                "field": "Its field; of one with keys `values.<key>`.",
                "before": "Value just before this record.",
                "after": "Value after it; null if the input is gone.",
            },
        ),
    ),
    example=SignalNote(
        id="note|signal|sma_crossover|ES|1765204200000|0|ES|1765204080000",
        op="upsert",
        seq=1931500000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765208760000,
        watermark_ms=1765208760000,
        corrects=1765204080000,
        account="default",
        strategy="sma_crossover",
        cause={"0": 1931},
        signal="signal|sma_crossover|ES|1765204200000|0",
        fields=(
            NoteField("derived_bar|ES|5m|1765203900000", "close", 6944.75, 6944.5),
            NoteField("indicators|ES|5m|1765203900000", "values.sma_5_5m", 6944.35, 6944.3),
        ),
        input_gone=False,
        state="issued",
        position=10,
    ),
)

ROWS = (SIGNAL, NOTE)
