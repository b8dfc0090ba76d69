"""What the parts of a live feed hand to each other: plain values, no I/O.

A mapping turns messages into *meanings*. The engine is handed *events* (of sockets, answers,
acknowledgements, timers) with the time of both clocks, and returns *actions*, which a supervisor
carries out. Nothing here waits, sends or looks at a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from tapeline.schemas.feed_events import FeedEvent
from tapeline.schemas.records import Bar
from tapeline.streams.pipeline.log_writer import LogEntry


class Instant(NamedTuple):
    """One instant by two clocks: timers go by ``mono_ms``, times of bars by ``wall_ms`` (UTC)."""

    mono_ms: int
    wall_ms: int


# Meanings: what a mapping makes of one message.


class Statement(Struct, frozen=True):
    """A bar as the provider states it.

    Attributes
    ----------
    bar
        With our symbol and base interval; ``source`` None.
    final
        Whether its slot is over by the provider's own word; None: it has no such word.
    sent_ms
        The provider's time of sending, None where messages carry none.
    empty
        A candle without a trade.
    """

    bar: Bar
    final: bool | None
    sent_ms: int | None = None
    empty: bool = False


NoticeKind = Literal[
    "halt", "resume", "marker", "removed", "dirty", "shutdown", "slow", "refused", "fatal"
]


class Notice(Struct, frozen=True):
    """A message that is no bar.

    Attributes
    ----------
    means
        ``halt``, ``resume`` of a symbol; ``marker``: every bar that starts at or before
        ``start_ms`` was sent, of those before the connection began the ones from ``from_ms`` on,
        if it replayed them; ``removed``: the provider takes a bar back; ``dirty``: a trade of a
        bar was corrected; ``shutdown``: a cut is announced; ``slow``: we read too slowly;
        ``refused``: not now (``wait_ms``), or not this symbol; ``fatal``: never.
    symbol
        Ours; None: all.
    text
        What the provider wrote, without secrets.
    """

    means: NoticeKind
    symbol: str | None = None
    start_ms: int | None = None
    wait_ms: int | None = None
    text: str = ""
    from_ms: int | None = None


class Alive(Struct, frozen=True):
    """A heartbeat of the application."""

    sent_ms: int | None = None


class Unreadable(Struct, frozen=True):
    """A message, or one row of it, that cannot be a bar: it becomes a dead letter."""

    code: str
    reason: str
    raw: bytes
    symbol: str | None = None


class Unasked(Struct, frozen=True):
    """A bar of a symbol that this feed does not have; by the provider's name."""

    name: str


Meaning = Statement | Notice | Alive | Unreadable | Unasked


# What a mapping knows of connections and of the history.


class HttpRequest(Struct, frozen=True):
    """A request or an address; ``shown`` is the address without secrets, for people."""

    url: str
    shown: str
    headers: tuple[tuple[str, str], ...] = ()


class HistoryRequest(Struct, frozen=True):
    """Bars of some symbols with from_ms <= label <= to_ms, or the next page of them."""

    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int
    http: HttpRequest
    page: int = 1


class HistoryPage(Struct, frozen=True):
    """One answer of the history endpoint, read.

    Attributes
    ----------
    next
        The request of the next page; None: this was the last one.
    problem
        Why the answer is no answer; "" when it is one.
    """

    rows: tuple[Bar, ...]
    unreadable: tuple[Unreadable, ...] = ()
    next: HistoryRequest | None = None
    problem: str = ""


class StepMessage(Struct, frozen=True):
    """A message of a step of the session, and the symbols it asks for (none: all or nothing).

    Without ``awaits`` nothing answers it: its symbols count as acknowledged once it is sent.
    ``number`` counts the messages of a step from 1: answers may name it.
    """

    text: str
    symbols: tuple[str, ...] = ()
    awaits: bool = True
    number: int = 1


class StepAnswer(Struct, frozen=True):
    """What a message says about the step that waits.

    Attributes
    ----------
    outcome
        ``other``: nothing; ``expected``: the step is done; ``fatal``: refused for good.
    acknowledged
        Symbols that the provider confirmed, those of other messages included; None where the answer
        lists none. Some providers answer one symbol at a time.
    text
        What the provider wrote, without secrets.
    """

    outcome: Literal["other", "expected", "fatal"]
    acknowledged: frozenset[str] | None = None
    text: str = ""


Closing = Literal["stated", "successor", "elapsed"]
"""What ends a slot: the provider's word, its next bar, or its time (or its next bar)."""


class FeedMapping(Protocol):
    """The protocol of one provider; made once, by `mapping` from TOML or by an adapter. No I/O."""

    steps: int
    """Steps of a session after the connection is open; 0: it is asked for by the address alone."""

    has_history: bool

    replays: bool
    """Whether a connection begins with what was missed before it; a marker ends that."""

    cadence_ms: int
    """Greatest time between two messages of a connection in session, as far as is promised: that
    of heartbeats, else the base interval."""

    closing: Closing
    """``stated``: no statement has ``final`` None."""

    def address(self, symbols: Sequence[str]) -> HttpRequest:
        """Where to connect."""
        ...

    def messages(self, step: int, symbols: Sequence[str]) -> list[StepMessage]:
        """Messages of a step in their order; none: it only waits for its answer."""
        ...

    def pace_ms(self, step: int) -> int:
        """Least time between two messages of a step."""
        ...

    def answer(self, step: int, message: StepMessage | None, parsed: Any) -> StepAnswer:
        """What a parsed message says about a step, or one message of it."""
        ...

    def parse(self, data: bytes) -> Any:
        """A message as plain data.

        Raises
        ------
        ValueError
            When it cannot be read; the text is the reason of its dead letter.
        """
        ...

    def meanings(self, parsed: Any, data: bytes) -> list[Meaning]:
        """Everything a parsed message means; never raises for what a provider may send."""
        ...

    def without_secrets(self, data: bytes) -> bytes:
        """A message as a dead letter may hold it: a provider may repeat a key that it was sent."""
        ...

    def history(self, symbols: Sequence[str], from_ms: int, to_ms: int) -> list[HistoryRequest]:
        """First pages for bars with from_ms <= label <= to_ms."""
        ...

    def page(self, request: HistoryRequest, body: bytes) -> HistoryPage:
        """An answer with status 200, read."""
        ...


# Events into the engine.


class ConnectionOpened(Struct, frozen=True):
    """A connection is open; ``date_ms`` is the server's own Date header."""

    connection: int
    date_ms: int | None = None


class ConnectFailed(Struct, frozen=True):
    """A connection could not be opened."""

    connection: int
    reason: str
    status: int | None = None
    retry_after_ms: int | None = None


class Received(Struct, frozen=True):
    """A whole message came, at ``now``."""

    connection: int
    data: bytes


class ConnectionClosed(Struct, frozen=True):
    """A connection ended, by whichever side.

    Attributes
    ----------
    code
        That of the close frame, of polls the status of the answer; None where none came.
    overflow
        The transport ended it because messages came faster than they were taken.
    """

    connection: int
    code: int | None
    reason: str = ""
    overflow: bool = False
    retry_after_ms: int | None = None


class Answered(Struct, frozen=True):
    """An answer to a request, of any status."""

    request: int
    status: int
    body: bytes
    date_ms: int | None = None
    retry_after_ms: int | None = None


class Unanswered(Struct, frozen=True):
    """A request got no answer."""

    request: int
    reason: str


class Acknowledged(Struct, frozen=True):
    """The destination holds a batch, and all before it."""

    batch: int


class Timer(Struct, frozen=True):
    """Time has passed; due when `now` has reached the engine's ``next_ms``."""


class StopAsked(Struct, frozen=True):
    """A person or a supervisor asks the feed to end."""


Event = (
    ConnectionOpened
    | ConnectFailed
    | Received
    | ConnectionClosed
    | Answered
    | Unanswered
    | Acknowledged
    | Timer
    | StopAsked
)


# Actions out of the engine.


class Connect(Struct, frozen=True):
    """Open a connection; numbers count from 1 and are never used twice."""

    connection: int
    http: HttpRequest
    max_frame: int


class Send(Struct, frozen=True):
    """Send a text message."""

    connection: int
    text: str


class Close(Struct, frozen=True):
    """End a connection, at once with ``abort``; `ConnectionClosed` follows in either case."""

    connection: int
    abort: bool


class Fetch(Struct, frozen=True):
    """Send a request; `Answered` or `Unanswered` follows within ``deadline_ms`` from now.

    It is for ``symbols``, ours, which a tape of the answer names.
    """

    request: int
    http: HttpRequest
    deadline_ms: int
    symbols: tuple[str, ...] = ()


class Append(Struct, frozen=True):
    """Append records in this order; numbers count from 1. `Acknowledged` follows."""

    batch: int
    entries: tuple[LogEntry, ...]


class Report(Struct, frozen=True):
    """An event for the operations topic."""

    event: FeedEvent


class FeedLetter(Struct, frozen=True):
    """A dead letter; ``source`` is ``feed:<name>:<recv_ms>:<n>``."""

    source: str
    code: str
    reason: str
    raw: bytes
    symbol: str | None


class Leave(Struct, frozen=True):
    """The feed is out: ``exit_code`` of the process when no feed is left."""

    exit_code: int
    message: str


Action = Connect | Send | Close | Fetch | Append | Report | FeedLetter | Leave
