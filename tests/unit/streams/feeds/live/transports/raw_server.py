"""A provider on plain sockets, which can do what no library of servers would."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Peer:
    """One client of the server.

    Attributes
    ----------
    request
        Its first line and its headers, by lower-case names.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.line = ""
        self.headers: dict[str, str] = {}

    async def read_request(self) -> None:
        """Read a request without its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        self.line, *lines = head.strip().split("\r\n")
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (each.partition(":") for each in lines)
        }

    async def upgrade(self, **headers: str) -> None:
        """Become a websocket."""
        key = self.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _ACCEPT).digest()).decode()
        await self.respond(
            "101 Switching Protocols",
            None,
            Upgrade="websocket",
            Connection="Upgrade",
            Sec_WebSocket_Accept=accept,
            **headers,
        )

    async def respond(self, status: str, body: bytes | None, **headers: str) -> None:
        """Answer a request; dashes of header names are underscores."""
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        await self.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    async def frame(self, payload: bytes, opcode: int = TEXT, length: int | None = None) -> None:
        """Send a frame; one that is announced as longer than it is stays unfinished."""
        size = len(payload) if length is None else length
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, size)
        elif size < 65_536:
            head = struct.pack("!BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
        await self.write(head + payload)

    async def close_frame(self, code: int, reason: str = "") -> None:
        """Send a close frame."""
        await self.frame(struct.pack("!H", code) + reason.encode(), CLOSE)

    async def read_frame(self) -> tuple[int, bytes]:
        """Opcode and unmasked payload of the client's next frame."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(size)
        return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    async def read_text(self) -> str:
        """The client's next message, pings left out."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == TEXT:
                return payload.decode()

    async def gone(self) -> bool:
        """Wait until the client is gone; whether it left by a reset."""
        try:
            while await self.reader.read(65_536):
                pass
        except ConnectionResetError:
            return True
        return False

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def cut(self) -> None:
        """End the connection with a reset, whatever was being sent."""
        self.writer.transport.abort()

    async def silence(self) -> None:
        """Do nothing more, and keep the connection."""
        await asyncio.Event().wait()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """A server on loopback; each connection plays the next script, the last one again and again.

    Attributes
    ----------
    peers
        Clients in order of their requests.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._met = asyncio.Event()
        self.peers: list[Peer] = []
        self.port = 0

    async def met(self) -> None:
        """Wait for the first client."""
        await self._met.wait()

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            peer.cut()
            with suppress(ConnectionError):
                await peer.writer.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self._scripts[min(self._connections, len(self._scripts) - 1)]
        self._connections += 1
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self._met.set()
        try:
            await peer.read_request()
            await script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()
