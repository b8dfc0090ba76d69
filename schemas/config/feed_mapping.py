"""How the messages of a provider are read: the tables of a feed that are compiled into functions.

Paths and texts with variables are kept as they were written; `schemas.config.feed_paths` takes them
apart. Values that are compared are kept as text, truth values as they are: 402 and "402" are equal.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

TimeForm = Literal["ms", "s", "us", "ns", "rfc3339", "local"]
Stamp = Literal["open", "close", "last_ms"]
Finality = Literal["sent", "successor", "elapsed"]
Meant = Literal[
    "halt",
    "resume",
    "marker",
    "removed",
    "dirty",
    "shutdown",
    "slow",
    "refused",
    "fatal",
    "nothing",
]
Wanted = tuple[str | bool, ...]
Where = tuple[tuple[str, Wanted], ...]
"""Paths, and the values of which one must stand there; all paths must hold."""


class TimeField(Struct, frozen=True, kw_only=True):
    """A time in a message.

    Attributes
    ----------
    unit
        Of a number since 1970; ``rfc3339``: a text with an offset; ``local``: a text without one,
        wall time of `zone`.
    stamp
        What of a bar it is: its start, its end, or its last millisecond.
    """

    path: str
    unit: TimeForm
    stamp: Stamp = "open"
    zone: str = ""


class Comparison(Struct, frozen=True, kw_only=True):
    """Whether one of some values stands at a path."""

    path: str
    equals: Wanted


class StepTable(Struct, frozen=True, kw_only=True):
    """A step of a session: what is sent, and what answers it.

    Attributes
    ----------
    send
        "" sends nothing.
    expect
        One element of an answer that holds all of it ends the step; empty: nothing answers.
    fatal
        What refuses for good.
    chunk
        Symbols of one message, where it has a variable of them.
    pace_ms
        Least time between two messages.
    """

    send: str = ""
    expect: Where = ()
    fatal: Where = ()
    chunk: int = 500
    pace_ms: int = 0


class AliveTable(Struct, frozen=True, kw_only=True):
    """What else than bars proves that the provider sends; ``every_ms`` None: no promise."""

    where: Where
    every_ms: int | None = None
    sent: TimeField | None = None


class BarTable(Struct, frozen=True, kw_only=True):
    """How a bar stands in a message, or in an answer of the history.

    Attributes
    ----------
    each
        Paths of the elements; "": the message.
    symbol
        None: of the key ``{symbol}``, or the only one there is.
    interval
        Where the interval stands; other bars than base bars are passed over. None: nowhere.
    volume_default
        What a missing volume becomes; None: none. "required": the row is refused.
    """

    each: tuple[str, ...] = ("",)
    where: Where = ()
    symbol: str | None = None
    interval: str | None = None
    start: TimeField
    prices: tuple[str, str, str, str]
    volume: str | None = None
    volume_default: int | Literal["required"] | None = "required"
    final: Finality | Comparison = "sent"
    sent: TimeField | None = None
    empty: Comparison | None = None


class NoticeTable(Struct, frozen=True, kw_only=True):
    """A message that is no bar, and what it means (`tapeline.streams.feeds.live.model.Notice`).

    ``nothing``: it is known, and of no interest; messages of an unknown kind are dead letters.
    """

    where: Where
    means: Meant
    symbol: str | None = None
    start: TimeField | None = None
    wait_ms: int | None = None
    text: str | None = None


class NextPage(Struct, frozen=True, kw_only=True):
    """Where an answer has its next page: an address, or a value for a parameter of the address."""

    path: str
    param: str = ""


class HistoryTable(Struct, frozen=True, kw_only=True):
    """How the history is asked for and read; ``rows`` has its own paths where they differ.

    Attributes
    ----------
    error
        Path of a text that makes an answer none.
    next
        None: pages end where `limit` says, or there is one.
    next_auth
        Query that is appended to the address of a next page.
    limit
        Rows of a full answer: without `next`, one of so many goes on behind its last row.
    end_included
        Whether the provider's ``to`` is.
    """

    url: str
    headers: tuple[tuple[str, str], ...] | None = None
    rows: BarTable
    error: str | None = None
    next: NextPage | None = None
    next_auth: str = ""
    limit: int | None = None
    end_included: bool = True


class MappingTables(Struct, frozen=True, kw_only=True):
    """All that says how one provider speaks.

    Attributes
    ----------
    topic
        What a symbol is called in subscriptions.
    intervals
        The provider's word for each base interval; None: it needs none.
    parameters
        The user's own variables of addresses, topics and messages.
    secret
        Of a webhook: the value that a message must have, ``${NAME}``.
    """

    topic: str = "{symbol}"
    steps: tuple[StepTable, ...] = ()
    alive: AliveTable | None = None
    bar: BarTable
    notices: tuple[NoticeTable, ...] = ()
    history: HistoryTable | None = None
    intervals: dict[str, str] | None = None
    parameters: dict[str, str] = {}
    secret: Comparison | None = None
