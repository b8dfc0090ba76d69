"""Dead letters."""

from __future__ import annotations

from tapeline.schemas.event_types import EventType, always
from tapeline.schemas.events import Reject
from tapeline.schemas.topic_settings import LETTERS

REJECT = EventType(
    struct=Reject,
    topic="rejects.v1",
    position=None,
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

ROWS = (REJECT,)
