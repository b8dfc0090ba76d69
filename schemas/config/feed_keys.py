"""The keys of ``[feeds.<name>]`` and of its tables, each with its reader."""

from __future__ import annotations

import re
from typing import get_args

from tapeline.schemas.config.feed_mapping import Meant
from tapeline.schemas.config.feed_values import (
    ADDRESS,
    HISTORY_ADDRESS,
    MESSAGE,
    RATE,
    SECRET,
    TOPIC,
    duration,
    read_begin,
    read_comparison,
    read_each,
    read_final,
    read_headers,
    read_interval_words,
    read_next,
    read_parameters,
    read_path,
    read_prices,
    read_symbols,
    read_volume,
    text,
    time_field,
    where,
)
from tapeline.schemas.config.feeds import FeedKind, Silence, TickPolicy
from tapeline.schemas.config.values import (
    ConfigKey,
    Reader,
    as_list,
    one_of,
    read_flag,
    read_name,
    read_table,
    whole_number,
)
from tapeline.schemas.instants import MINUTE_MS

LARGEST_FRAME = 1 << 30
STEPS = "a list of tables with send, expect, fatal, chunk, pace_ms"
KEEPALIVE = "a table with send and every"
ALIVE = "a table with where, and every and sent where they apply"
NOTICES = "a list of tables [[...notice]] with where and means"

STEP_READERS: dict[str, Reader] = {
    "send": text(MESSAGE),
    "expect": where(of_one_value=False),
    "fatal": where(of_one_value=False),
    "chunk": whole_number(1, 100_000),
    "pace_ms": whole_number(0, MINUTE_MS),
}
KEEPALIVE_READERS: dict[str, Reader] = {
    "send": text("text without variables", re.compile(r"[^$]+(\$[^{][^$]*)*")),
    "every": duration(100),
}
ALIVE_READERS: dict[str, Reader] = {
    "where": where(),
    "every": duration(100),
    "sent": time_field(stamped=False),
}
NOTICE_READERS: dict[str, Reader] = {
    "where": where(),
    "means": one_of(get_args(Meant)),
    "symbol": read_path,
    "start": time_field(stamped=True),
    "wait": duration(),
    "text": read_path,
}
RATE_READERS: dict[str, Reader] = {"requests": whole_number(1, 1_000_000), "per": duration(100)}


def _table(readers: dict[str, Reader], required: tuple[str, ...], allowed: str) -> Reader:
    """Reader of a table with some keys that must be there."""

    def read(value: object, at: ConfigKey) -> dict[str, object]:
        if not isinstance(value, dict) or any(key not in value for key in required):
            at.refuse(value, allowed)
        return read_table(value, at, readers)

    return read


def _tables(readers: dict[str, Reader], required: tuple[str, ...], allowed: str) -> Reader:
    """Reader of a list of such tables."""
    read_one = _table(readers, required, allowed)

    def read(value: object, at: ConfigKey) -> list[object]:
        entries = as_list(value, at, allowed)
        return [read_one(entry, at.item(index)) for index, entry in enumerate(entries)]

    return read


SESSION_READERS: dict[str, Reader] = {
    "topic": text(TOPIC),
    "open": _tables(STEP_READERS, (), STEPS),
    "keepalive": _table(KEEPALIVE_READERS, ("send", "every"), KEEPALIVE),
    "alive": _table(ALIVE_READERS, ("where",), ALIVE),
    "stale_after": duration(1_000),
    "max_frame": whole_number(1_024, LARGEST_FRAME),
    "two_connections": read_flag,
    "life": duration(MINUTE_MS),
    "poll": duration(250),
}
BAR_READERS: dict[str, Reader] = {
    "each": read_each,
    "where": where(),
    "symbol": read_path,
    "interval": read_path,
    "start": time_field(stamped=True),
    "prices": read_prices,
    "volume": read_volume,
    "final": read_final,
    "sent": time_field(stamped=False),
    "empty": read_comparison,
}
HISTORY_READERS: dict[str, Reader] = {
    "url": text(HISTORY_ADDRESS, re.compile(r"https?://.+")),
    "headers": read_headers,
    "rows": read_each,
    "where": where(),
    "symbol": read_path,
    "interval": read_path,
    "start": time_field(stamped=True),
    "prices": read_prices,
    "volume": read_volume,
    "empty": read_comparison,
    "error": read_path,
    "next": read_next,
    "next_auth": text(SECRET),
    "limit": whole_number(1, 1_000_000),
    "end": one_of(("inclusive", "exclusive")),
    "lag": duration(0),
    "rate": _table(RATE_READERS, ("requests", "per"), RATE),
    "reach": duration(MINUTE_MS),
    "begin": read_begin,
    "per_request": whole_number(1, 100_000),
}
TRUTH_READERS: dict[str, Reader] = {
    "silence": one_of(get_args(Silence)),
    "revises_for": duration(0),
    "tick": one_of(get_args(TickPolicy)),
    "outage_patience": duration(1_000),
    "clock_every": duration(1_000),
    "skip_empty": read_flag,
    "cancels": read_flag,
}
FEED_READERS: dict[str, Reader] = {
    "kind": one_of(get_args(FeedKind)),
    "url": text(ADDRESS),
    "symbols": read_symbols,
    "headers": read_headers,
    "parameters": read_parameters,
    "interval": read_interval_words,
    "secrets_file": text("the path of a file of mode 0600, from the folder of this file"),
    "secret": read_comparison,
    "backup": read_name,
    "reclaim": read_flag,
}
TABLE_READERS: dict[str, dict[str, Reader]] = {
    "session": SESSION_READERS,
    "bar": BAR_READERS,
    "history": HISTORY_READERS,
    "truth": TRUTH_READERS,
}
"""Tables of a feed that are merged key by key over those of its preset."""
MERGED = (*TABLE_READERS, "headers", "parameters", "interval")
read_notices = _tables(NOTICE_READERS, ("where", "means"), NOTICES)
KEYS = ("use", *FEED_READERS, *TABLE_READERS, "notice")
