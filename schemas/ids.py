"""Ids of events, made and taken apart here alone: type|symbol|..., equal for equal facts.

No name holds the separator (`schemas.symbols`, `schemas.config.templates`), so that an id can be
taken apart again. Where an id is made for every bar, its fixed beginning is made once
(`ids_of`), and the rest is appended.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

SEPARATOR: Final = "|"
FEWEST_PARTS: Final = 3
"""Type, symbol or group, and what distinguishes two facts of one symbol."""

Held = Literal["connections", "history", "requests"]
"""What a pause of a feed holds back: its connections, its history as the provider asked, or the
requests of another process, whose share of the limit is used."""

OrderRole = Literal["entry", "stop", "target", "flatten"]
"""What an order of a signal is for."""


class FactId(Struct, frozen=True):
    """An id taken apart.

    Attributes
    ----------
    type
        Event type, such as ``touch``.
    name
        Symbol, or the group of a fact that belongs to a group.
    rest
        What distinguishes two facts of that symbol; one part at least.
    """

    type: str
    name: str
    rest: tuple[str, ...]

    @property
    def label(self) -> str:
        """Kind and name of the range, of an id that names one (range, touch, pair)."""
        return SEPARATOR.join(self.rest[:2])


def parsed_id(fact_id: str) -> FactId:
    """The parts of an id.

    Raises
    ------
    ValueError
        When it has too few; whether there is such a type, the registry knows.
    """
    parts = fact_id.split(SEPARATOR)
    if len(parts) < FEWEST_PARTS:
        raise ValueError(f"{fact_id}: is no id")
    return FactId(parts[0], parts[1], tuple(parts[2:]))


def ids_of(event_type: str, name: str | None = None, *more: str) -> str:
    """What the ids of a type, of a symbol, and so on, begin with; the separator comes last."""
    parts = (event_type, "") if name is None else (event_type, name, *more, "")
    return SEPARATOR.join(parts)


def last_part(name: str) -> str:
    """The end of an id whose last part is `name`, to be appended to what comes before it."""
    return SEPARATOR + name


def range_label(kind: str, name: str) -> str:
    """What names a range among those of a symbol, as ids of ranges, touches and pairs hold it."""
    return f"{kind}|{name}"


def derived_bar_id(symbol: str, interval: str, start_ms: int) -> str:
    """Id of a derived bar by its window's start."""
    return f"derived_bar|{symbol}|{interval}|{start_ms}"


def session_id(symbol: str, session: str) -> str:
    """Id of a trading session by its ISO date."""
    return f"session|{symbol}|{session}"


def quality_id(symbol: str, interval: str, session: str) -> str:
    """Id of the quality fact of one session."""
    return f"quality|{symbol}|{interval}|{session}"


def gap_id(symbol: str, interval: str, start_ms: int) -> str:
    """Id of a gap by the start of its first missing slot."""
    return f"gap|{symbol}|{interval}|{start_ms}"


def indicators_id(symbol: str, interval: str, start_ms: int | None = None) -> str:
    """Id of a row of indicators by the start of its bar; without it that of the latest bar."""
    latest = f"indicators|{symbol}|{interval}"
    return latest if start_ms is None else f"{latest}|{start_ms}"


def window_id(symbol: str, name: str, session: str) -> str:
    """Id of the value of a historical window by the ISO date of the session it is for."""
    return f"window|{symbol}|{name}|{session}"


def range_id(symbol: str, label: str) -> str:
    """Id of a session range by its `range_label`."""
    return f"range|{symbol}|{label}"


def touch_id(symbol: str, label: str, event: str) -> str:
    """Id of a touch, or of an expiry (`event` = ``expired``), by the label of its range."""
    return f"touch|{symbol}|{label}|{event}"


def pair_id(group: str, label: str, level: str, event: str) -> str:
    """Id of a pair row by the label of its ranges."""
    return f"pair|{group}|{label}|{level}|{event}"


def swing_id(symbol: str, start_ms: int, side: str) -> str:
    """Id of a swing by its bar and side."""
    return f"swing|{symbol}|{start_ms}|{side}"


def bar_id(symbol: str, interval: str, start_ms: int) -> str:
    """Name of a base bar among the inputs of signals; no event has it as its id."""
    return f"bar|{symbol}|{interval}|{start_ms}"


def signal_id(strategy: str, symbol: str, event_ms: int, n: int) -> str:
    """Id of a signal; `n` counts those of the strategy and symbol at that instant, from 0."""
    return f"signal|{strategy}|{symbol}|{event_ms}|{n}"


def note_id(signal: str, symbol: str, corrects: int) -> str:
    """Id of a note on a signal by the symbol and start of the corrected bar."""
    return f"note|{signal}|{symbol}|{corrects}"


def decision_id(signal: str) -> str:
    """Id of the decision on a signal."""
    return f"decision|{signal}"


def order_id(signal: str, role: OrderRole) -> str:
    """Id of an order of a signal by what it is for."""
    return f"order|{signal}|{role}"


def fault_order_id(strategy: str, symbol: str, step: int) -> str:
    """Id of the order that ends the position of a strategy which failed at that step."""
    return f"order|strategy|{strategy}|{symbol}|{step}|flatten"


def order_role(key: str) -> str:
    """What the order of an id is for: ``entry``, ``stop``, ``target`` or ``flatten``."""
    return key.rsplit(SEPARATOR, 1)[1]


def fill_id(order: str) -> str:
    """Id of the fill of an order."""
    return f"fill|{order}"


def position_id(account: str, symbol: str) -> str:
    """Id of the position of an account in a symbol."""
    return f"position|{account}|{symbol}"


def account_id(account: str, session: str) -> str:
    """Id of an account in the session of an ISO date, by the calendar of its first symbol."""
    return f"account|{account}|{session}"


def strategy_id(strategy: str) -> str:
    """Id of the state of a strategy."""
    return f"strategy|{strategy}"


def reject_id(source: str) -> str:
    """Id of a dead letter by the source position of its record."""
    return f"reject|{source}"


def connection_id(feed: str, connection: int) -> str:
    """Id of a connection of a feed by its number."""
    return f"connection|{feed}|{connection}"


def connection_number(key: str) -> int:
    """Number of the connection that an id names."""
    return int(key.rsplit(SEPARATOR, 1)[1])


def subscription_id(feed: str, connection: int) -> str:
    """Id of what a connection subscribed to."""
    return f"subscription|{feed}|{connection}"


def hole_id(feed: str, connection: int, from_ms: int, symbol: str | None = None) -> str:
    """Id of a hole by its connection and first slot; of what stays missing, by its symbol too."""
    whole = f"hole|{feed}|{connection}|{from_ms}"
    return whole if symbol is None else f"{whole}|{symbol}"


def quiet_id(feed: str, symbol: str, from_ms: int) -> str:
    """Id of a run of quiet slots by its first."""
    return f"quiet|{feed}|{symbol}|{from_ms}"


def failover_id(feed: str, symbol: str, slot_ms: int) -> str:
    """Id of a change of providers by the first slot of the new one."""
    return f"failover|{feed}|{symbol}|{slot_ms}"


def skew_id(feed: str, witness: str) -> str:
    """Id of the offset of a feed's clock by its witness."""
    return f"skew|{feed}|{witness}"


def halt_id(feed: str, symbol: str, from_ms: int) -> str:
    """Id of a halt by when it was reported."""
    return f"halt|{feed}|{symbol}|{from_ms}"


def revised_id(feed: str, symbol: str, start_ms: int) -> str:
    """Id of the revisions of a bar."""
    return f"revised|{feed}|{symbol}|{start_ms}"


def limit_id(feed: str, held: Held) -> str:
    """Id of the pause of a feed by what it holds back: each has its own, the last one counts."""
    return f"limit|{feed}|{held}"


def held_by_limit(key: str) -> str:
    """What the pause of an id holds back."""
    return key.rsplit(SEPARATOR, 1)[1]


def absent_id(feed: str, symbol: str, start_ms: int) -> str:
    """Id of the absence of a bar from the history."""
    return f"absent|{feed}|{symbol}|{start_ms}"


def compared_id(feed: str, from_ms: int, to_ms: int, symbol: str | None = None) -> str:
    """Id of the comparison of a session by its open and close; of one symbol, by that too."""
    whole = f"compared|{feed}|{from_ms}|{to_ms}"
    return whole if symbol is None else f"{whole}|{symbol}"


def snapshot_key(group: str, slot: int, part: int) -> str:
    """Key of a part of a group's snapshot."""
    return f"{group}|{slot}|{part}"


def snapshot_group(key: str) -> str:
    """Group that the key of a part names, of any version."""
    return key.rsplit(SEPARATOR, 2)[0]


def snapshot_part(key: str) -> int:
    """Number of the part that a key names.

    Raises
    ------
    IndexError, ValueError
        When it names none.
    """
    return int(key.rsplit(SEPARATOR, 1)[1])


def state_key(group: str, name: str) -> str:
    """Key of a state record of a group; the records of a partition have an empty one."""
    return f"{group}|{name}"


def split_state_key(key: str) -> tuple[str, str]:
    """Group and name of a state record."""
    group, _, name = key.partition(SEPARATOR)
    return group, name
