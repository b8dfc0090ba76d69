"""Tapes: what a provider sent, as it was received, one message a line of JSON.

A line is ``{"recv_ms": 1796049060210, "via": "stream", "raw": "..."}``: milliseconds of the
machine's clock, ``stream`` or ``history``, and the text of the message; ``b64`` instead of ``raw``
where it is not UTF-8, and of an answer of the history ``symbols`` and ``url``: what was asked for,
without secrets. Lines without a message are ``begun``, ``opened`` and ``closed``. A line of any
other shape is a message itself, received at an unknown time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tapeline.schemas.config.model import INPUT_MIB
from tapeline.streams.feeds.lines import LineReader

Via = Literal["stream", "history", "begun", "opened", "closed"]
"""Of a message or an answer; without one: the feed began, a connection opened, or closed."""
EVENTS: frozenset[Via] = frozenset({"begun", "opened", "closed"})


class TapeMessage(Struct, frozen=True):
    """One message of a tape.

    Attributes
    ----------
    number
        Its line, counted from 1.
    recv_ms
        When it was received; None: the tape does not say.
    symbols
        Ours that an answer of the history was asked for; empty: the tape does not say.
    url
        The address of that request, as it is shown; "": the tape does not say.
    """

    number: int
    data: bytes
    recv_ms: int | None = None
    via: Via = "stream"
    symbols: tuple[str, ...] = ()
    url: str = ""


class _TapeLine(Struct, forbid_unknown_fields=True):
    recv_ms: int | None = None
    via: Via = "stream"
    raw: str | None = None
    b64: str | None = None
    symbols: tuple[str, ...] = ()
    url: str = ""


_LINES = msgspec.json.Decoder(_TapeLine)


def tape_line(
    data: bytes,
    recv_ms: int,
    via: Via = "stream",
    symbols: tuple[str, ...] = (),
    url: str = "",
) -> bytes:
    """A line of a tape, without its end."""
    line: dict[str, Any] = {"recv_ms": recv_ms, "via": via}
    if symbols:
        line["symbols"] = symbols
    if url:
        line["url"] = url
    try:
        line["raw"] = data.decode("utf-8")
    except UnicodeDecodeError:
        line["b64"] = base64.b64encode(data).decode("ascii")
    return msgspec.json.encode(line)


def tape_messages(path: str, limit_mib: int = INPUT_MIB) -> Iterator[TapeMessage]:
    """All messages of a file, plain or gzip; empty lines are none.

    Raises
    ------
    InputError
        When the file is missing, empty or binary.
    FeedBroken
        When reading fails on the way.
    """
    for block in LineReader(path, limit_mib=limit_mib).blocks():
        for number, line in enumerate(block.text.split(b"\n"), start=block.first):
            text = line.rstrip(b"\r")
            if text:
                yield _message(number, text)


def _message(number: int, text: bytes) -> TapeMessage:
    try:
        line = _LINES.decode(text)
        if line.b64 is not None:
            data = base64.b64decode(line.b64, validate=True)
        elif line.raw is not None or line.via in EVENTS:
            data = (line.raw or "").encode("utf-8")
        else:
            return TapeMessage(number, text)
    except (ValueError, RecursionError, binascii.Error):
        return TapeMessage(number, text)
    return TapeMessage(number, data, line.recv_ms, line.via, line.symbols, line.url)
