"""Operations of live feeds: eleven types that share one topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tapeline.schemas.event_types import EventType, always
from tapeline.schemas.feed_events import (
    Absent,
    Compared,
    Connection,
    Failover,
    Halt,
    Hole,
    Limit,
    Quiet,
    Revised,
    Skew,
    Subscribed,
)
from tapeline.schemas.topic_settings import OPERATIONS

AT_MS = 1_764_599_460_250
COMMON = {
    "id": "Natural key: the later one of two events with one id holds.",
    "feed": "Name of the feed in the configuration.",
    "symbol": "Symbol it is about; null: all symbols of the feed.",
    "at_ms": "When it was written, by the clock of the ingester.",
}


def _feed_names(event: Any) -> tuple[str, ...]:
    return () if event.symbol is None else (event.symbol,)


def _row(struct: type[Struct], meaning: str, fields: Mapping[str, str], example: Any) -> EventType:
    return EventType(
        struct=struct,
        topic="feeds.v1",
        settings=OPERATIONS,
        position=None,
        partitioning="that of the symbol's group; 0 where it is about all symbols",
        origin="feed",
        numbered=False,
        names=_feed_names,
        is_final=always,
        meaning=meaning,
        fields={**COMMON, **fields},
        example=example,
    )


CONNECTION = _row(
    Connection,
    "A connection of a feed changed its state.",
    {
        "state": "What it is now.",
        "reason": "Why, in words, without secrets.",
        "attempt": "Attempts since the feed was healthy, from 1.",
    },
    Connection(
        id="connection|alpaca|3",
        feed="alpaca",
        symbol=None,
        at_ms=AT_MS,
        state="lost",
        reason="closed by the provider: 1006",
        attempt=1,
    ),
)
SUBSCRIBED = _row(
    Subscribed,
    "What the provider confirmed of the symbols that were asked for.",
    {
        "wanted": "Symbols asked for.",
        "missing": "Those that it did not confirm.",
    },
    Subscribed(
        id="subscription|alpaca|3",
        feed="alpaca",
        symbol=None,
        at_ms=AT_MS,
        wanted=32,
        missing=("XYZQ",),
    ),
)
HOLE = _row(
    Hole,
    "Slots in [from_ms, to_ms) whose bars the stream may have lost. It closes as `filled` or"
    " `abandoned`.",
    {
        "connection": "Number of the connection that was lost.",
        "from_ms": "Start of the first slot.",
        "to_ms": "End of the last slot, exclusive; null while the hole grows.",
        "cause": "What opened it.",
        "state": "`open`, `filled` when every slot has a bar or evidence, else `abandoned`.",
        "fetched": "Bars that came from the history so far.",
        "missing": "Slots with neither bar nor evidence.",
    },
    Hole(
        id="hole|alpaca|3|1764599400000",
        feed="alpaca",
        symbol=None,
        at_ms=AT_MS,
        connection=3,
        from_ms=1_764_599_400_000,
        to_ms=1_764_599_520_000,
        cause="disconnect",
        state="filled",
        fetched=2,
        missing=0,
    ),
)
QUIET = _row(
    Quiet,
    "A run of slots in [from_ms, to_ms) without a bar, and what showed that there is none.",
    {
        "from_ms": "Start of the first slot.",
        "to_ms": "End of the last slot, exclusive.",
        "evidence": "What showed it; `patience`: nothing did, and the hole stays open.",
    },
    Quiet(
        id="quiet|alpaca|ACME|1764599400000",
        feed="alpaca",
        symbol="ACME",
        at_ms=AT_MS,
        from_ms=1_764_599_400_000,
        to_ms=1_764_599_460_000,
        evidence="history",
    ),
)
FAILOVER = _row(
    Failover,
    "From a slot on the bars are those of another provider of the pair.",
    {
        "from_feed": "Feed whose bars were taken before.",
        "to_feed": "Feed whose bars are taken from there on.",
        "slot_ms": "Start of the first slot of the other feed.",
    },
    Failover(
        id="failover|alpaca|ACME|1764599460000",
        feed="alpaca",
        symbol="ACME",
        at_ms=AT_MS,
        from_feed="alpaca",
        to_feed="massive",
        slot_ms=1_764_599_460_000,
    ),
)
SKEW = _row(
    Skew,
    "The provider's clock less ours.",
    {
        "offset_ms": "The difference in milliseconds.",
        "witness": "Where it was seen: `messages`, or the `date` header of an answer.",
        "healthy": "Whether it is steady enough to tell by time that a slot is over.",
    },
    Skew(
        id="skew|alpaca|messages",
        feed="alpaca",
        symbol=None,
        at_ms=AT_MS,
        offset_ms=-2_400,
        witness="messages",
        healthy=True,
    ),
)
HALT = _row(
    Halt,
    "The provider reported that trading is halted.",
    {
        "from_ms": "When it was reported.",
        "to_ms": "When its end was reported; null before.",
    },
    Halt(
        id="halt|alpaca|ACME|1764599400000",
        feed="alpaca",
        symbol="ACME",
        at_ms=AT_MS,
        from_ms=1_764_599_400_000,
        to_ms=None,
    ),
)
REVISED = _row(
    Revised,
    "The provider stated other content for a slot that the log had.",
    {
        "start_ms": "Label of the bar.",
        "times": "How many times so far; after three, changes wait for the reconciliation.",
    },
    Revised(
        id="revised|alpaca|ACME|1764599400000",
        feed="alpaca",
        symbol="ACME",
        at_ms=AT_MS,
        start_ms=1_764_599_400_000,
        times=1,
    ),
)
LIMIT = _row(
    Limit,
    "The provider asked for a pause, or more than half of the limit of requests is used: a process"
    " that begins meanwhile sends none.",
    {
        "wait_ms": "How long it holds, from at_ms on.",
        "status": "Status of HTTP or code of the close that asked for it; 0: our own use of the"
        " limit.",
    },
    Limit(
        id="limit|alpaca|history",
        feed="alpaca",
        symbol=None,
        at_ms=AT_MS,
        wait_ms=17_000,
        status=429,
    ),
)
ABSENT = _row(
    Absent,
    "A complete answer of the history lacked a bar that the log has.",
    {
        "start_ms": "Label of the bar.",
        "asked_ms": "When the request was sent.",
    },
    Absent(
        id="absent|alpaca|ACME|1764599400000",
        feed="alpaca",
        symbol="ACME",
        at_ms=AT_MS,
        start_ms=1_764_599_400_000,
        asked_ms=1_764_599_459_900,
    ),
)
COMPARED = _row(
    Compared,
    "A session, from its open to its close, was compared with the history of the provider, and what"
    " differed was written. One a session of the feed, and one for each symbol that differed.",
    {
        "from_ms": "Open of the session.",
        "to_ms": "Close of the session.",
        "symbols": "Symbols that were compared.",
        "skipped": "Symbols that could not be: refused, or with a history at other prices.",
        "equal": "Slots whose bars were the same.",
        "changed": "Slots whose bars differed; those of the history were written.",
        "missing": "Slots whose bars the log lacked; they were written.",
        "extra": "Slots whose bars the history lacks, and which the log keeps.",
        "unclear": "Rows of the history that could not be used.",
        "cancelled": "Slots whose bars the history lacked twice; they were taken back.",
    },
    Compared(
        id="compared|alpaca|1764599400000|1764622800000",
        feed="alpaca",
        symbol=None,
        at_ms=1_764_624_020_000,
        from_ms=1_764_599_400_000,
        to_ms=1_764_622_800_000,
        symbols=32,
        skipped=0,
        equal=12_478,
        changed=1,
        missing=1,
        extra=0,
        unclear=0,
        cancelled=0,
    ),
)

ROWS = (
    CONNECTION,
    SUBSCRIBED,
    HOLE,
    QUIET,
    FAILOVER,
    SKEW,
    HALT,
    REVISED,
    LIMIT,
    ABSENT,
    COMPARED,
)
