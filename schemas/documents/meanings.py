"""What records, refusals and common fields mean; an event is described in its registry row."""

from __future__ import annotations

from collections.abc import Mapping

from tapeline.schemas.event_types import Registry
from tapeline.schemas.registry import EVENTS

RECORDS = {
    "bar": "One base bar of one symbol. Its label is its start; it may be used only at its end.",
    "cancel": "The bar of one slot is taken back.",
    "clock": "All bars of the symbol that end at or before `time_ms` are in, or missing.",
}

RETRACT = (
    "The fact `id` is no longer in the view; in Kafka it is a tombstone with the same headers."
)

REJECT_CODES = {
    "decode_error": "no JSON, no CSV, not UTF-8, or more than 262,144 bytes",
    "schema_error": "a field or column is missing, unknown or of another type; the reason names it",
    "ambiguous_time": (
        "a row of a table has a local time that occurs twice in its zone, and the order of the rows"
        " does not show which is meant; the reason names both instants"
    ),
    "unknown_symbol": "the symbol is not configured, and no other symbol is accepted",
    "wrong_partition": "the record lies in a partition that is not its group's",
    "too_many_symbols": "the symbol is not configured, and `[limits] symbols` others that are not"
    " came before it in the partition",
    "unknown_interval": "the interval is not the symbol's base",
    "implausible_time": (
        "the start of a bar or cancel, or the time of a clock, is before `[time] earliest`, or not"
        " before `latest`"
    ),
    "misaligned_start": "not on the slot grid of its session; off session not on a whole minute"
    " (base 1s: second)",
    "outside_calendar": "before the first or after the last date of the symbol's calendar",
    "bad_price": "not finite, zero or negative (unless `negative_prices`), or beyond 1e300",
    "off_tick": "no whole multiple of the tick",
    "inconsistent_ohlc": "open or close is not within low and high",
    "bad_volume": "negative, not finite, or beyond 1e300",
    "beyond_horizon": "more than `horizon_sessions` sessions before that of the watermark",
    "ahead_of_time": "more than `max_ahead` after the watermark",
    "ahead_of_clock": (
        "a live feed states a bar that ends more than two slots after the provider's own time;"
        " it is not in the log"
    ),
}
"""What is wrong with a record, by the code of its dead letter, in the order of the checks."""

RECORD_FIELDS = {
    "type": "Kind of record.",
    "symbol": "Symbol the record belongs to; it is the message key of a lone symbol.",
    "interval": "Base interval of the symbol, such as `1m`.",
    "start_ms": "Label of the bar: its start.",
    "open": "First price.",
    "high": "Highest price.",
    "low": "Lowest price.",
    "close": "Last price.",
    "volume": "Traded volume; null where the feed has none (null and 0 are different contents).",
    "source": "Where the bar came from. It is not content.",
    "time_ms": "The symbol's watermark is at least this.",
}

COMMON_FIELDS = {
    "type": "Kind of event.",
    "id": "Natural key: equal facts have equal ids in every run.",
    "op": "`upsert`, or `retract` for a fact that is taken back.",
    "seq": "Source offset x 1,000,000 + index among the outputs of that record.",
    "rev": "0, and one more for each correction that changed this id.",
    "symbol": "Symbol; of a pair its group.",
    "session": "Date of the trading session of the fact's own start.",
    "event_ms": "Instant at which the content was decided.",
    "watermark_ms": "Watermark of the symbol when this version was published.",
    "corrects": "start_ms of the bar whose correction caused the event; else null.",
}

HOST_FIELDS = {
    "seq": "Step of the host x 1,000,000 + index; in files and stores offset x 1,000,000 + index"
    " from 500,000 on.",
    "rev": "0; of a note one more each time the same bar is corrected again.",
    "symbol": "Symbol; null: it is of a strategy, or of an account as a whole.",
    "session": "Date of the trading session: of orders, fills, positions and accounts that of the"
    " bar, or the one that closes; else that of the symbol's watermark.",
    "event_ms": "Market time of the host at the record: the greatest watermark of its symbols.",
    "watermark_ms": "Watermark of the symbol; without one `event_ms`.",
    "corrects": "Of a note start_ms of the corrected bar; else null.",
    "account": "Name of the account; null: it is of none.",
    "strategy": "Name of the strategy; null: it is of none.",
    "cause": "Offset of the record that led to it, by partition.",
}
"""Fields of all events of hosts that mean more there, or that no other event has."""


def field_meaning(type_name: str, field: str, registry: Registry = EVENTS) -> str:
    """Meaning of one field of an event type, a record type, ``retract`` or a nested struct.

    An event of a host has meanings of its own for common fields.

    Raises
    ------
    KeyError
        When there is no such field.
    """
    if type_name in RECORDS:
        return RECORD_FIELDS[field]
    for row in registry.rows:
        for nested in row.nested:
            if nested.struct.__name__ == type_name:
                return nested.fields[field]
    own: Mapping[str, str] = {}
    if type_name in registry:
        row = registry.row(type_name)
        own = {**HOST_FIELDS, **row.fields} if row.origin == "host" else row.fields
    return own.get(field) or COMMON_FIELDS[field]
