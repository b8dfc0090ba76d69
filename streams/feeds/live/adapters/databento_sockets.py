"""Live gateways of Databento: lines of text first, then binary records over the same socket."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from tapeline.schemas.errors import InputOutputError
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

CONNECT_S: Final = 10.0
CLOSE_S: Final = 2.0
METADATA: Final = b"DBN"
_PREFIX: Final = 8
"""Bytes of metadata before their content: name, version, length."""
_WORD: Final = 4
_CHUNK: Final = 65_536
_LONGEST_LINE: Final = 65_536


class FramingError(InputOutputError):
    """Bytes that are neither a line nor a record."""


class Framing:
    """Cuts the bytes of a session into messages: lines, the metadata, whole records.

    Records that came together are one message.
    """

    def __init__(self, longest: int) -> None:
        self._rest = b""
        self._binary = False
        self._longest = longest

    def take(self, data: bytes) -> list[bytes]:
        """Whole messages.

        Raises
        ------
        FramingError
            When what came cannot begin a message.
        """
        self._rest += data
        messages: list[bytes] = []
        while not self._binary and self._rest and not METADATA.startswith(self._rest[:3]):
            line, end, rest = self._rest.partition(b"\n")
            if not end:
                if len(line) > _LONGEST_LINE:
                    raise FramingError("a line without an end")
                return messages
            messages.append(line)
            self._rest = rest
        if not self._binary and len(self._rest) >= _PREFIX:
            length = _PREFIX + int.from_bytes(self._rest[4:_PREFIX], "little")
            if length > self._longest:
                raise FramingError(f"metadata of {length} bytes")
            if len(self._rest) >= length:
                messages.append(self._rest[:length])
                self._rest = self._rest[length:]
                self._binary = True
        if self._binary:
            whole = self._whole_records()
            if whole:
                messages.append(self._rest[:whole])
                self._rest = self._rest[whole:]
        return messages

    def _whole_records(self) -> int:
        """Length of the whole records at the beginning."""
        whole = 0
        while whole < len(self._rest):
            length = self._rest[whole] * _WORD
            if length == 0:
                raise FramingError("a record without a length")
            if whole + length > len(self._rest):
                break
            whole += length
        return whole


class DatabentoSockets:
    """Sessions of one feed with a gateway."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def run(self, link: ConnectionTask, action: Connect) -> None:
        """Connect, then read until the end."""
        address = urlsplit(action.http.url)
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError as error:
            self._inbox.put(ConnectFailed(link.number, reason_of(error)))
            return
        self._inbox.put(ConnectionOpened(link.number))
        sender = asyncio.create_task(_send_all(writer, link.outgoing))
        try:
            self._inbox.put(await self._read(link.number, reader, Framing(action.max_frame)))
        except asyncio.CancelledError:
            if not link.aborted:
                await _close(writer)
            raise
        finally:
            sender.cancel()
            writer.transport.abort()

    async def _read(
        self, number: int, reader: asyncio.StreamReader, framing: Framing
    ) -> ConnectionClosed:
        """Put messages into the inbox; how the connection ended."""
        try:
            while data := await reader.read(_CHUNK):
                for message in framing.take(data):
                    if not self._inbox.put(Received(number, message)):
                        return ConnectionClosed(number, None, "too many messages", overflow=True)
        except OSError as error:
            return ConnectionClosed(number, None, reason_of(error))
        except FramingError as error:
            return ConnectionClosed(number, None, str(error))
        return ConnectionClosed(number, None, "ended by the gateway")

    async def stop(self) -> None:
        """Nothing is held between connections."""


async def _send_all(writer: asyncio.StreamWriter, outgoing: asyncio.Queue[str]) -> None:
    """Send lines in their order; a connection that is gone is its reader's to report."""
    try:
        while True:
            writer.write(f"{await outgoing.get()}\n".encode())
            await writer.drain()
    except OSError:
        return


async def _close(writer: asyncio.StreamWriter) -> None:
    """End what we send, and give what is on its way a little time."""
    try:
        async with asyncio.timeout(CLOSE_S):
            writer.close()
            await writer.wait_closed()
    except OSError:
        return
