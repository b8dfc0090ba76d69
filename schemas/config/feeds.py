"""Settings of live feeds: ``[feeds.<name>]`` as structs. None of them changes what a log means.

Nothing here holds a secret: texts have ``${NAME}`` where one belongs.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from tapeline.schemas.config.feed_mapping import MappingTables
from tapeline.schemas.instants import MINUTE_MS, SECOND_MS

FeedKind = Literal["websocket", "http", "kafka", "webhook", "tail", "databento"]
Silence = Literal["marker", "history", "canary", "heartbeat", "none"]
TickPolicy = Literal["refuse", "nearest"]


class KeepaliveConfig(Struct, frozen=True, kw_only=True):
    """A message that the provider wants every so often."""

    send: str
    every_ms: int


class SessionConfig(Struct, frozen=True, kw_only=True):
    """A connection.

    Attributes
    ----------
    keepalive
        None: the transport's pings are enough.
    stale_after_ms
        Greatest silence of the whole connection in session; None: three times the cadence.
    max_frame
        Greatest message in bytes.
    two_connections
        Whether the plan allows a second connection, to be opened before an announced cut.
    life_ms
        After how long the provider cuts every connection; None: it does not say.
    poll_ms
        How often an address of kind ``http`` is asked.
    """

    keepalive: KeepaliveConfig | None = None
    stale_after_ms: int | None = None
    max_frame: int = 16 * 1024 * 1024
    two_connections: bool = False
    life_ms: int | None = None
    poll_ms: int = MINUTE_MS


class HistoryConfig(Struct, frozen=True, kw_only=True):
    """What the provider's history endpoint gives, and how often it may be asked.

    Attributes
    ----------
    lag_ms
        How long after its end a bar is there.
    requests, per_ms
        At most so many requests in any window of that length.
    reach_ms
        How far back holes are filled; None: two sessions or 10,000 slots, whichever is less.
    begin
        Where the history of a new symbol begins, an ISO time; "": the open of the session before.
    per_request
        Symbols of one request.
    """

    lag_ms: int = 3 * SECOND_MS
    requests: int = 60
    per_ms: int = MINUTE_MS
    reach_ms: int | None = None
    begin: str = ""
    per_request: int = 1


class TruthConfig(Struct, frozen=True, kw_only=True):
    """When a statement is final, and what proves a silence.

    Attributes
    ----------
    silence
        Weakest evidence that is taken.
    revises_for_ms
        How long the provider may revise a bar.
    tick
        What becomes of a price off the tick.
    outage_patience_ms
        After how long a clock is written without evidence; the hole stays open.
    clock_every_ms
        Least step of clocks inside a silence; None: a slot.
    skip_empty
        Whether candles without a trade are left out.
    cancels
        Whether two complete answers without a bar that the log has cancel it.
    """

    silence: Silence = "history"
    revises_for_ms: int = 20 * MINUTE_MS
    tick: TickPolicy = "refuse"
    outage_patience_ms: int = 10 * MINUTE_MS
    clock_every_ms: int | None = None
    skip_empty: bool = False
    cancels: bool = False


class FeedConfig(Struct, frozen=True, kw_only=True):
    """One live feed.

    Attributes
    ----------
    name
        Its name in the configuration.
    symbols
        Our symbols, and what the provider calls them.
    backup
        Feed that takes over when this one is not healthy; "" none.
    reclaim
        Whether slots that the backup wrote are revised by this feed once it is back.
    history
        None: the provider has none.
    mapping
        How messages are read; None where an adapter knows.
    headers
        Of the connection, and of the history unless that has its own.
    secrets_file
        File of mode 0600 with secrets that the environment lacks; "" none.
    table
        The whole table, presets merged in, as plain data of TOML.
    """

    name: str
    kind: FeedKind
    url: str
    symbols: dict[str, str]
    session: SessionConfig = SessionConfig()
    history: HistoryConfig | None = None
    truth: TruthConfig = TruthConfig()
    backup: str = ""
    reclaim: bool = False
    mapping: MappingTables | None = None
    headers: tuple[tuple[str, str], ...] = ()
    secrets_file: str = ""
    table: dict[str, Any] = {}
