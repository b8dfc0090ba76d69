"""Sessions, their quality and their gaps."""

from __future__ import annotations

from tapeline.schemas.event_types import EventType
from tapeline.schemas.events import Gap, Quality, Session
from tapeline.schemas.topic_settings import FACTS


def _is_closed(event: Session | Gap) -> bool:
    return event.state == "closed"


def _session_grew(old: Session, new: Session) -> bool:
    return (old.state, new.state) == ("open", "closed")


def _gap_grew(old: Gap, _: Gap) -> bool:
    return old.state == "open"


SESSION = EventType(
    struct=Session,
    topic="sessions.v1",
    settings=FACTS,
    position=10,
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
    position=30,
    rule="sessions",
    grows=frozenset({"as_of_ms", "due", "actual", "missing", "quality"}),
    meaning="Completeness of one session's base bars: quality = 100 x actual / due.",
    fields={
        "interval": "Base interval.",
        "as_of_ms": "The fact covers slots that end at or before this instant.",
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
    position=40,
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

ROWS = (SESSION, QUALITY, GAP)
