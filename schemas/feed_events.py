"""Events of the operations of live feeds (`tape.feeds.v1`), one struct a type.

They tell of what happened while data came in. No fold of the log makes them, they have no `seq`, no
view holds them, and no result depends on them. Every one begins with

``id``
    Natural key: two events with one id are two states of one thing, and the later one holds.
``feed``
    Name of the feed in the configuration.
``symbol``
    Symbol it is about; None: all symbols of the feed.
``at_ms``
    When it was written, by the clock of the ingester, UTC epoch milliseconds.

Windows are [from_ms, to_ms) over the time of bars.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from tapeline.schemas.events import Reject

ConnectionState = Literal["connecting", "live", "lost", "waiting", "refused", "closed"]
HoleCause = Literal["restart", "disconnect", "stale", "overflow", "history"]
HoleState = Literal["open", "filled", "abandoned"]
Evidence = Literal["marker", "history", "canary", "heartbeat", "patience"]
LENGTHS: Final = frozenset({"wait_ms", "offset_ms"})
"""Fields in milliseconds that are no instants."""


class Connection(Struct, frozen=True, gc=False, tag_field="type", tag="connection"):
    """A connection of a feed changed its state; ``attempt`` counts from 1 since it was healthy."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    state: ConnectionState
    reason: str
    attempt: int


class Subscribed(Struct, frozen=True, tag_field="type", tag="subscription"):
    """What a provider acknowledged of what was asked for."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    wanted: int
    missing: tuple[str, ...]


class Hole(Struct, frozen=True, gc=False, tag_field="type", tag="hole"):
    """Slots of which the stream may have lost bars.

    One a connection; one a symbol only for what stays missing. ``to_ms`` is None while it grows.
    ``fetched`` bars came from the history, ``missing`` slots have neither bar nor evidence.
    """

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    connection: int
    from_ms: int
    to_ms: int | None
    cause: HoleCause
    state: HoleState
    fetched: int
    missing: int


class Quiet(Struct, frozen=True, gc=False, tag_field="type", tag="quiet"):
    """A run of slots without a bar, and what showed that there is none."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    from_ms: int
    to_ms: int
    evidence: Evidence


class Failover(Struct, frozen=True, gc=False, tag_field="type", tag="failover"):
    """From slot ``slot_ms`` on the bars are those of another provider."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    from_feed: str
    to_feed: str
    slot_ms: int


class Skew(Struct, frozen=True, gc=False, tag_field="type", tag="skew"):
    """The provider's clock less ours, by a witness (``messages`` or ``date``)."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    offset_ms: int
    witness: str
    healthy: bool


class Halt(Struct, frozen=True, gc=False, tag_field="type", tag="halt"):
    """The provider reported a halt; ``to_ms`` is None until it reported the resumption."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    from_ms: int
    to_ms: int | None


class Revised(Struct, frozen=True, gc=False, tag_field="type", tag="revised"):
    """A slot got other content for the n-th time."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    start_ms: int
    times: int


class Limit(Struct, frozen=True, gc=False, tag_field="type", tag="limit"):
    """The provider asked for a pause (``status`` 429, 418, 1008), or much of our limit is used.

    The id names what waits: connections, or the history, as the provider asked; or requests of a
    process that begins meanwhile, because this one has used more than half of the limit.
    """

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    wait_ms: int
    status: int


class Absent(Struct, frozen=True, gc=False, tag_field="type", tag="absent"):
    """A complete answer of the history lacked a bar that the log has."""

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    start_ms: int
    asked_ms: int


class Compared(Struct, frozen=True, gc=False, tag_field="type", tag="compared"):
    """A session was compared with the history after its close, and what differed was written.

    One a session of the feed; one a symbol only where something differed. Counts are slots;
    ``symbols`` were compared, ``skipped`` could not be.
    """

    id: str
    feed: str
    symbol: str | None
    at_ms: int
    from_ms: int
    to_ms: int
    symbols: int
    skipped: int
    equal: int
    changed: int
    missing: int
    extra: int
    unclear: int
    cancelled: int


FeedEvent = (
    Connection
    | Subscribed
    | Hole
    | Quiet
    | Failover
    | Skew
    | Halt
    | Revised
    | Limit
    | Absent
    | Compared
)

Unnumbered = Reject | FeedEvent
"""Events that no view holds: they have neither `seq` nor `rev`, and are never taken back."""
