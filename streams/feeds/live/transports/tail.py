"""A file that grows by lines: each whole line is a message, also across its rotation."""

from __future__ import annotations

import asyncio
import os
from io import FileIO
from typing import Final
from urllib.parse import unquote, urlsplit

from tapeline.streams.feeds.live.model import (
    Connect,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.answers import reason_of
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.links import ConnectionTask

LOOK_S: Final = 0.25
_CHUNK: Final = 1024 * 1024


class Tails:
    """Tails of one feed.

    A tail begins at the start of the file: what the log has already is no news to the engine, so no
    position is kept anywhere. A file that is renamed and made anew is read to its end first; one
    that became shorter is read from its start.
    """

    def __init__(self, inbox: Inbox, look_s: float = LOOK_S) -> None:
        self._inbox = inbox
        self._look_s = look_s

    async def run(self, link: ConnectionTask, action: Connect) -> None:
        """Read lines until the connection is ended."""
        path = unquote(urlsplit(action.http.url).path)
        try:
            tail = _Tail(path, action.max_frame)
        except OSError as error:
            self._inbox.put(ConnectFailed(link.number, reason_of(error)))
            return
        self._inbox.put(ConnectionOpened(link.number))
        try:
            while True:
                lines = tail.read()
                for line in lines:
                    await self._inbox.room()
                    self._inbox.put(Received(link.number, line))
                if not lines and not tail.turn():
                    await asyncio.sleep(self._look_s)
        except OSError as error:
            self._inbox.put(ConnectionClosed(link.number, None, reason_of(error)))
        finally:
            tail.close()

    async def stop(self) -> None:
        """Nothing is held between connections."""


class _Tail:
    """An open file, and the line that has no end yet."""

    def __init__(self, path: str, longest: int) -> None:
        self._path = path
        self._longest = longest
        self._file = FileIO(path)
        self._rest = b""
        self._skipping = False

    def read(self) -> list[bytes]:
        """Whole lines that came, without their ends; empty ones are left out."""
        data = self._file.read(_CHUNK)
        if not data:
            return []
        *lines, rest = (self._rest + data).split(b"\n")
        if self._skipping:
            if not lines:
                return []
            self._skipping = False
            lines = lines[1:]
        if len(rest) > self._longest:
            # Its beginning becomes a letter; its end is no line of its own.
            lines.append(rest[: self._longest])
            rest, self._skipping = b"", True
        self._rest = rest
        return [line.rstrip(b"\r") for line in lines if line.strip()]

    def turn(self) -> bool:
        """Take what became of the file since its end was reached; whether there is more to read."""
        try:
            now = os.stat(self._path)
        except FileNotFoundError:
            # Between the renaming and the new file.
            return False
        held = os.fstat(self._file.fileno())
        if held.st_size > self._file.tell():
            return True
        if (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino):
            fresh = FileIO(self._path)
            self._file.close()
            self._file, self._rest, self._skipping = fresh, b"", False
            return True
        if held.st_size < self._file.tell():
            self._file.seek(0)
            self._rest, self._skipping = b"", False
            return True
        return False

    def close(self) -> None:
        """Close the file."""
        self._file.close()
