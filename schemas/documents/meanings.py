"""What each record, event and field means: for JSON Schemas, AsyncAPI and docs/events.md."""

from __future__ import annotations

RECORDS = {
    "bar": "One base bar of one symbol. Its label is its start; it may be used only at its end.",
    "cancel": "The bar of one slot is taken back.",
    "clock": "All bars of the symbol that end at or before `time_ms` are in, or missing.",
}

EVENTS = {
    "derived_bar": "Bar of a coarser interval, published when the watermark reaches its end.",
    "session": "Trading session: published with the end of its first slot and at its close.",
    "quality": "Completeness of one session's base bars: quality = 100 x actual / due.",
    "gap": "Maximal run of missing base slots inside one session.",
    "range": "Session range with its levels, published again with each transition and its expiry.",
    "touch": "One transition of a range, caused by one bar; or its expiry.",
    "pair": "The same touch in the symbols of one group, with its lead and lag.",
    "swing": "Swing high or low. Its class only rises, so the same id may come again.",
    "reject": "Dead letter: a record that was refused. It takes no `seq` and is never retracted.",
}
RETRACT = (
    "The fact `id` is no longer in the view; in Kafka it is a tombstone with the same headers."
)

REJECT_CODES = {
    "decode_error": "no JSON, no CSV, not UTF-8, or more than 262,144 bytes",
    "schema_error": "a field or column is missing, unknown or of another type; the reason names it",
    "ambiguous_time": (
        "a row of a table has a local time that occurs twice in its zone, and the order of the rows"
        " does not tell which is meant; the reason names both instants"
    ),
    "unknown_symbol": "the symbol is not configured, and no other symbol is accepted",
    "wrong_partition": "the record lies in a partition that is not its group's",
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
    "too_many_symbols": "the symbol is not configured, and `[limits] symbols` others that are not"
    " came before it in the partition",
    "beyond_horizon": "more than `horizon_sessions` sessions before that of the watermark",
    "ahead_of_time": "more than `max_ahead` after the watermark",
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

EVENT_FIELDS = {
    "derived_bar": {
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
    "session": {
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
    "quality": {
        "interval": "Base interval.",
        "as_of_ms": "The fact speaks of slots that end at or before this instant.",
        "due": "Slots that have ended.",
        "actual": "Due slots with a bar.",
        "missing": "due - actual.",
        "quality": "100 x actual / due.",
    },
    "gap": {
        "interval": "Base interval.",
        "start_ms": "Start of the first missing slot.",
        "end_ms": "End of the last missing slot, exclusive.",
        "missing": "Number of missing slots.",
        "state": "`closed` once a present slot follows or the session has closed, else `open`.",
    },
    "range": {
        "kind": "Kind of range, such as `Major`.",
        "name": "Name of the range within its kind.",
        "start_ms": "Start of the window, inclusive.",
        "to_ms": "Label of the true open (TO); of a first_touch range the end of its window.",
        "expires_ms": "Instant of expiry; null: never.",
        "state": "`incomplete`, or the state of its machine.",
        "expired": "Whether it expired before it was resolved.",
        "high": "Highest price of the window; null if incomplete.",
        "low": "Lowest price of the window; null if incomplete.",
        "true_open": "TO; null if incomplete or of machine first_touch.",
        "poc": "PoC: the extreme farther from TO; null likewise.",
        "rpp": "RPP = 2 TO - PoC; null likewise.",
        "have": "Base slots of the window with a bar.",
        "need": "Base slots of the window the calendar expects.",
        "reason": "If incomplete `no_to_bar`, `no_previous_close` or `coverage`; else null.",
        "side": "Level of the first break: `PoC` or `RPP`; null before.",
        "resolution": "`single_sided` or `double_sided`; null before it is resolved.",
        "first_break_ms": "Label of the bar of the first break.",
        "return_ms": "Label of the bar of the return to TO.",
        "second_break_ms": "Label of the bar of the second break.",
        "resolved_ms": "Label of the bar that resolved it.",
    },
    "touch": {
        "range": "Id of the range.",
        "kind": "Kind of the range.",
        "name": "Name of the range.",
        "event": "State that was reached, a `touched_...` of a first_touch range, or `expired`.",
        "level": "Level that was touched; null for an expiry.",
        "price": "Price of that level; null for an expiry.",
        "bar_ms": "Label of the bar; of an expiry its instant.",
        "ambiguous": "Whether one bar spans PoC and RPP, so that either could have come first.",
    },
    "pair": {
        "group": "Group id.",
        "kind": "Kind of the ranges.",
        "name": "Name of the ranges.",
        "level": "Level that was touched.",
        "event": "State that was reached.",
        "times": "Label of each member's touch; null while it has none.",
        "delta_min": "Whole minutes between the two; null while one is absent.",
        "leader": "Symbol that came first, or `simultaneous`; null while one is absent.",
    },
    "swing": {
        "start_ms": "Label of the bar.",
        "side": "`high` or `low`.",
        "price": "The bar's high or low.",
        "class": "1 to 6.",
        "prior": "Nearest earlier opposite swing; null: none.",
        "touch": "Latest touch of the symbol at or before the bar; null: none.",
    },
    "reject": {
        "id": "`reject|<source>`.",
        "code": "Stable code of the rule that failed.",
        "reason": "What was wrong, in words.",
        "source": "Topic, partition and offset, or file and line.",
        "raw": "Bytes of the record, base64.",
        "symbol": "Symbol, where it could be read; else null.",
    },
}

NESTED_FIELDS = {
    "Prior": {
        "start_ms": "Label of its bar.",
        "points": "Distance in price.",
        "bars": "Distance in bars that are present.",
    },
    "TouchLink": {
        "id": "Id of the touch.",
        "minutes": "Elapsed minutes from the touch to the swing.",
        "bars": "Distance in bars that are present.",
    },
}


def field_meaning(type_name: str, field: str) -> str:
    """Meaning of one field of an event type, a record type, ``retract`` or a nested struct.

    Raises
    ------
    KeyError
        When there is no such field.
    """
    if type_name in RECORDS:
        return RECORD_FIELDS[field]
    if type_name in NESTED_FIELDS:
        return NESTED_FIELDS[type_name][field]
    return EVENT_FIELDS.get(type_name, {}).get(field) or COMMON_FIELDS[field]
