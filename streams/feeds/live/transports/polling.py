"""An address that is asked every so often: each answer is a message."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from tapeline.schemas.instants import SECOND_MS
from tapeline.streams.feeds.live.model import (
    Connect,
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.answers import reason_of
from tapeline.streams.feeds.live.transports.http import Response, get, make_session
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.links import ConnectionTask

ANSWER_S: Final = 20.0
_OK: Final = 200


class Polls:
    """Polls of one feed: a connection is open from one good answer to the first bad one.

    Parameters
    ----------
    every_ms
        From one request to the next.
    """

    def __init__(self, inbox: Inbox, every_ms: int) -> None:
        self._inbox = inbox
        self._every_s = every_ms / SECOND_MS
        self._session = make_session()

    async def run(self, link: ConnectionTask, action: Connect) -> None:
        """Ask until an answer is none."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        opened = False
        while True:
            answer = await self._ask(action)
            if isinstance(answer, str) or answer.status != _OK:
                self._report(link.number, answer, opened)
                return
            if not opened:
                self._inbox.put(ConnectionOpened(link.number, answer.date_ms))
                opened = True
            await self._inbox.room()
            self._inbox.put(Received(link.number, answer.body))
            # A slow answer does not lead to several requests at once.
            due_s = max(due_s + self._every_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _ask(self, action: Connect) -> Response | str:
        try:
            return await get(self._session, action.http, ANSWER_S, action.max_frame)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return reason_of(error)

    def _report(self, number: int, answer: Response | str, opened: bool) -> None:
        status = retry_after_ms = None
        if isinstance(answer, str):
            reason = answer
        else:
            status, retry_after_ms = answer.status, answer.retry_after_ms
            reason = f"answered with status {status}"
        if opened:
            closed = ConnectionClosed(number, status, reason, retry_after_ms=retry_after_ms)
            self._inbox.put(closed)
        else:
            self._inbox.put(ConnectFailed(number, reason, status, retry_after_ms))

    async def stop(self) -> None:
        """End all polls."""
        await self._session.close()
