"""A server that messages are posted to; TLS belongs to a proxy in front of it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from aiohttp import web

from tapeline.streams.feeds.live.model import (
    Connect,
    ConnectFailed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.answers import reason_of
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.links import ConnectionTask

GREATEST_BODY: Final = 1024 * 1024
_DEFAULT_PORT: Final = 80


class Patience(NamedTuple):
    """Seconds that a client has for a whole request, and for its next one."""

    request_s: float = 5.0
    idle_s: float = 15.0


PATIENCE: Final = Patience()


class Webhook:
    """The server of one feed: it listens while its connection is open.

    A message is accepted (202) as soon as it is in the inbox, so a sender never waits for the log;
    503 asks the sender to come again. A wrong secret gets 403, by a comparison whose time says
    nothing about the secret.

    Parameters
    ----------
    has_secret
        Whether a body has the secret that bodies are to have.
    """

    def __init__(
        self,
        inbox: Inbox,
        has_secret: Callable[[bytes], bool],
        patience: Patience = PATIENCE,
    ) -> None:
        self._inbox = inbox
        self._has_secret = has_secret
        self._patience = patience
        self._served: set[object] = set()

    async def run(self, link: ConnectionTask, action: Connect) -> None:
        """Listen until the connection is ended."""
        address = urlsplit(action.http.url)
        path = unquote(address.path or "/").encode()

        async def handle(request: web.Request) -> web.Response:
            self._served.add(request.protocol)
            if not hmac.compare_digest(unquote(request.rel_url.raw_path).encode(), path):
                return web.Response(status=403)
            return await self._take(link.number, request)

        limit = min(GREATEST_BODY, action.max_frame)
        application = web.Application(client_max_size=limit)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(
            application,
            access_log=None,
            keepalive_timeout=self._patience.idle_s,
            lingering_time=0,
            handle_signals=False,
        )
        await runner.setup()
        try:
            host, port = address.hostname or "127.0.0.1", address.port or _DEFAULT_PORT
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                self._inbox.put(ConnectFailed(link.number, reason_of(error)))
                return
            self._inbox.put(ConnectionOpened(link.number))
            await self._end_slow_clients(runner)
        finally:
            await runner.cleanup()

    async def _take(self, number: int, request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        try:
            async with asyncio.timeout(self._patience.request_s):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408, headers={"Connection": "close"})
        if not self._has_secret(body):
            return web.Response(status=403)
        taken = self._inbox.put(Received(number, body))
        return web.Response(status=202 if taken else 503)

    async def _end_slow_clients(self, runner: web.AppRunner) -> None:
        """End connections that never send a whole head: the library waits for it for ever."""
        loop = asyncio.get_running_loop()
        since: dict[web.RequestHandler, float] = {}
        server = runner.server
        assert isinstance(server, web.Server)
        while True:
            await asyncio.sleep(self._patience.request_s / 4)
            held = server.connections
            since = {each: since.get(each, loop.time()) for each in held}
            self._served.intersection_update(held)
            for each, first in since.items():
                if each not in self._served and loop.time() - first > self._patience.request_s:
                    each.force_close()

    async def stop(self) -> None:
        """Nothing is held between connections."""
