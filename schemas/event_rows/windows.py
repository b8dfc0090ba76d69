"""Values of historical windows."""

from __future__ import annotations

from tapeline.schemas.event_types import EventType, always
from tapeline.schemas.events import WindowValue
from tapeline.schemas.topic_settings import FACTS

WINDOW = EventType(
    struct=WindowValue,
    topic="windows.v1",
    settings=FACTS,
    position=44,
    rule="windows",
    is_final=always,
    meaning="Value of a historical window for one session, of whole sessions before it: published"
    " at the close of the session before.",
    fields={
        "kind": "`trailing_average`, `trailing_max`, `trailing_min`, `sum` or `stddev` (of a"
        " population).",
        "field": "`open`, `high`, `low`, `close`, `volume` or `range` (high less low).",
        "granularity": "`daily`: of one value a session. `minute`: of one a base slot, an array.",
        "period": "As configured: `10d` are sessions, `2w`, `3m`, `1y` calendar time.",
        "value": "The value, null where no session of the window has one; by slot, from the open"
        " on, as many as the next full session has.",
        "from": "Date of the first session of the window; null if there is none.",
        "to": "Date of its last session; null if there is none.",
        "have": "Sessions of the window with a value.",
        "need": "Sessions of the window.",
        "complete": "Whether it has sessions, and all of them a value.",
    },
    example=WindowValue(
        id="window|ACME|avg_volume_10d|2025-12-09",
        op="upsert",
        seq=3900000003,
        rev=0,
        symbol="ACME",
        session="2025-12-09",
        event_ms=1765227600000,
        watermark_ms=1765227600000,
        corrects=None,
        kind="trailing_average",
        field="volume",
        granularity="daily",
        period="10d",
        value=1204311.5,
        from_="2025-11-24",
        to="2025-12-08",
        have=10,
        need=10,
        complete=True,
    ),
)

ROWS = (WINDOW,)
