"""Websockets by aiohttp, with deadlines of their own."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import aiohttp

from tapeline.streams.feeds.live.model import (
    Connect,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.answers import date_of, reason_of, retry_after_of
from tapeline.streams.feeds.live.transports.http import CONNECT_S, make_session
from tapeline.streams.feeds.live.transports.inbox import Inbox, InProgress, read_clocks
from tapeline.streams.feeds.live.transports.links import ConnectionTask

PING_S: Final = 20.0
"""Pings keep what is between us and the provider open; they are no evidence of anything."""
_ABNORMAL: Final = 1006


class Deadlines(NamedTuple):
    """Seconds for TCP and TLS, for the upgrade, and for a close, after which there is an abort."""

    connect_s: float = CONNECT_S
    upgrade_s: float = 10.0
    close_s: float = 2.0


DEADLINES: Final = Deadlines()


class WebSockets:
    """Websockets of one feed; made inside a running loop.

    Parameters
    ----------
    in_progress
        Which messages the inbox may replace by later ones; None: none.
    """

    def __init__(
        self,
        inbox: Inbox,
        deadlines: Deadlines = DEADLINES,
        in_progress: InProgress | None = None,
    ) -> None:
        self._inbox = inbox
        self._in_progress = in_progress
        self._deadlines = deadlines
        self._session = make_session(deadlines.connect_s)

    async def run(self, link: ConnectionTask, action: Connect) -> None:
        """Connect, then read until the end."""
        socket = await self._open(action)
        if socket is None:
            return
        sender = asyncio.create_task(_send_all(socket, link.outgoing))
        reader = asyncio.create_task(self._read(link.number, socket))
        try:
            await asyncio.wait((reader,))
            self._inbox.put(reader.result())
        except asyncio.CancelledError:
            # The reader goes on: it is what takes the other side's answer to the close.
            if not link.aborted:
                await _close(socket, self._deadlines.close_s)
            raise
        finally:
            sender.cancel()
            reader.cancel()
            _abort(socket)

    async def _open(self, action: Connect) -> aiohttp.ClientWebSocketResponse[bool] | None:
        http = action.http
        try:
            async with asyncio.timeout(self._deadlines.connect_s + self._deadlines.upgrade_s):
                socket = await self._session.ws_connect(
                    http.url,
                    headers=dict(http.headers),
                    timeout=aiohttp.ClientWSTimeout(ws_close=self._deadlines.close_s),
                    heartbeat=PING_S,
                    max_msg_size=action.max_frame,
                    decode_text=False,
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            status = retry_after_ms = None
            if isinstance(error, aiohttp.WSServerHandshakeError):
                status = error.status
                retry_after_ms = retry_after_of(error.headers or {}, read_clocks().wall_ms)
            self._inbox.put(
                ConnectFailed(action.connection, reason_of(error), status, retry_after_ms)
            )
            return None
        date_ms = date_of(socket._response.headers)
        self._inbox.put(ConnectionOpened(action.connection, date_ms))
        return socket

    async def _read(
        self, number: int, socket: aiohttp.ClientWebSocketResponse[bool]
    ) -> ConnectionClosed:
        """Put messages into the inbox; how the connection ended."""
        while True:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                if not self._inbox.put(Received(number, message.data), self._in_progress):
                    return ConnectionClosed(number, None, "too many messages", overflow=True)
                continue
            code = None if socket.close_code == _ABNORMAL else socket.close_code
            reason = ""
            if message.type is aiohttp.WSMsgType.CLOSE:
                reason = str(message.extra or "")
            elif message.type is aiohttp.WSMsgType.ERROR and message.data is not None:
                reason = reason_of(message.data)
            return ConnectionClosed(number, code, reason)

    async def stop(self) -> None:
        """End all connections."""
        await self._session.close()


async def _send_all(
    socket: aiohttp.ClientWebSocketResponse[bool], outgoing: asyncio.Queue[str]
) -> None:
    """Send messages in their order; a connection that is gone is its reader's to report."""
    try:
        while True:
            await socket.send_str(await outgoing.get())
    except (aiohttp.ClientError, OSError):
        return


async def _close(socket: aiohttp.ClientWebSocketResponse[bool], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await socket.close()
    except (aiohttp.ClientError, OSError):
        return


def _abort(socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
    """Give the connection up without another byte: a close would wait for a dead peer."""
    connection = socket._response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    socket._response.close()
