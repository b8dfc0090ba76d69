"""Requests of HTTP: no proxy, no redirection, no cookies, a deadline and a limit on each."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import aiohttp

from tapeline import __version__
from tapeline.schemas.instants import SECOND_MS
from tapeline.streams.feeds.live.model import Answered, Fetch, HttpRequest, Unanswered
from tapeline.streams.feeds.live.transports.answers import date_of, reason_of, retry_after_of
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks

CONNECT_S: Final = 10.0
"""TCP and TLS together."""
GREATEST_BODY: Final = 64 * 1024 * 1024
_CHUNK: Final = 65_536


class Response(NamedTuple):
    """An answer of any status."""

    status: int
    body: bytes
    date_ms: int | None
    retry_after_ms: int | None


def make_session(connect_s: float = CONNECT_S) -> aiohttp.ClientSession:
    """A session for one feed; needs a running loop."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"tapeline/{__version__}"},
        trust_env=False,
        trace_configs=[trace],
    )


async def _refuse_redirect(*_: object) -> None:
    """Headers with secrets go to no address but that of the feed."""
    raise aiohttp.RedirectClientError


async def get(
    session: aiohttp.ClientSession, http: HttpRequest, seconds: float, limit: int = GREATEST_BODY
) -> Response:
    """Ask an address.

    Raises
    ------
    aiohttp.ClientError, OSError, TimeoutError
        When no whole answer came within so many seconds, or one above ``limit`` bytes.
    """
    async with (
        asyncio.timeout(seconds),
        session.get(http.url, headers=dict(http.headers), allow_redirects=False) as answer,
    ):
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise aiohttp.ClientPayloadError
        return Response(
            answer.status,
            bytes(body),
            date_of(answer.headers),
            retry_after_of(answer.headers, read_clocks().wall_ms),
        )


class HttpRequests:
    """Requests of one feed to its history; made inside a running loop."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._session = make_session()
        self._tasks: set[asyncio.Task[None]] = set()

    def fetch(self, action: Fetch) -> None:
        """Send a request: `Answered` or `Unanswered` follows."""
        task = asyncio.create_task(self._fetch(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch(self, action: Fetch) -> None:
        try:
            answer = await get(self._session, action.http, action.deadline_ms / SECOND_MS)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._inbox.put(Unanswered(action.request, reason_of(error)))
            return
        self._inbox.put(Answered(action.request, *answer))

    async def stop(self) -> None:
        """End all requests."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
