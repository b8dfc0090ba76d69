"""The provider of a drill: servers on loopback with the dialect of a feed, and faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import WSMsgType, web
from msgspec import Struct, field

from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig
from tapeline.schemas.instants import SECOND_MS
from tapeline.schemas.records import Bar
from tapeline.streams.ingest.drill.dialect import Asked, DrillDialect, StatedBar
from tapeline.streams.ingest.drill.market import DrillMarket, DrillVersion
from tapeline.streams.ingest.drill.virtual_time import VirtualClock

LOOPBACK: Final = "127.0.0.1"
POLLED_SLOTS: Final = 12
"""Bars of a symbol in the answer to a poll."""


class DrillLink(Struct):
    """One connection: when it opened, was subscribed and ended (UTC ms)."""

    number: int
    opened_ms: int
    socket: web.WebSocketResponse | None = None
    symbols: set[str] = field(default_factory=set)
    live_ms: int | None = None
    ended_ms: int | None = None
    position: int = -1


class SentItem(Struct, frozen=True):
    """Something that was sent: when, by which connection, and of bars which."""

    at_ms: int
    link: int
    bar: Bar | None = None
    final: bool = False


class SeenRequest(Struct, frozen=True):
    """A request of the history, and with which status it was answered."""

    at_ms: int
    asked: Asked
    status: int


class Attempt(Struct, frozen=True):
    """An attempt to connect, and with which status it was answered; 101: it was taken."""

    at_ms: int
    status: int


class Faults(Struct):
    """What is wrong with the provider now.

    Attributes
    ----------
    refuse, history
        Status that connections, and requests of the history, are answered with; 0: as they should.
    retry_after_s
        What these answers ask for.
    mute
        Nothing is sent, messages are not answered.
    cut_at_once
        New connections end as soon as they are open.
    deny
        Steps are refused for good.
    left_out
        Symbols that are not confirmed.
    ahead_ms
        The provider's clock less the true time.
    copies
        How often every message is sent.
    open_row
        The history has the bars in progress, too.
    """

    refuse: int = 0
    history: int = 0
    retry_after_s: int | None = None
    mute: bool = False
    cut_at_once: bool = False
    deny: bool = False
    left_out: frozenset[str] = frozenset()
    ahead_ms: int = 0
    copies: int = 1
    open_row: bool = False


class DrillProvider:
    """Stream and history of one feed.

    Parameters
    ----------
    tail
        File that a feed of kind ``tail`` reads.

    Attributes
    ----------
    faults
        To be changed at any time.
    attempts, links, sent, requests
        Everything that happened.
    posted
        Statuses of posts to a webhook.
    """

    def __init__(
        self,
        feed: FeedConfig,
        dialect: DrillDialect,
        market: DrillMarket,
        clock: VirtualClock,
        tail: Path,
    ) -> None:
        self.faults = Faults()
        self.attempts: list[Attempt] = []
        self.links: list[DrillLink] = []
        self.sent: list[SentItem] = []
        self.requests: list[SeenRequest] = []
        self.posted: list[int] = []
        self.strange: list[str] = []
        self.hook_url = ""
        self.ports: tuple[int, int] = (0, 0)
        self._kind = feed.kind
        self._history = feed.history or HistoryConfig()
        self._dialect = dialect
        self._market = market
        self._clock = clock
        self._tail = tail
        self._runners: list[web.AppRunner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._client: aiohttp.ClientSession | None = None
        self._played_ms = 0

    # Servers.

    async def start(self) -> None:
        """Listen on two ports: the stream, and the history."""
        handlers = (self._polled if self._kind == "http" else self._streamed, self._asked)
        ports = [await self._listen(handler) for handler in handlers]
        self._played_ms = self._clock.now_ms
        self.ports = ports[0], ports[1]
        self._client = aiohttp.ClientSession()
        if self._kind == "tail":
            self._tail.write_bytes(b"")
        alive = self._dialect.tables.alive
        if alive is not None:
            every_ms = alive.every_ms or max(self._dialect.symbols.length_ms.values())
            self._tasks.append(asyncio.create_task(self._beat(every_ms)))

    async def _listen(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> int:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, LOOPBACK, 0).start()
        port: int = runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()
        for runner in self._runners:
            await runner.cleanup()
        if self._client is not None:
            await self._client.close()

    @property
    def now_ms(self) -> int:
        """The provider's clock."""
        return self._clock.now_ms + self.faults.ahead_ms

    def _headers(self) -> dict[str, str]:
        headers = {"Date": formatdate(self.now_ms // SECOND_MS, usegmt=True)}
        if self.faults.retry_after_s is not None:
            headers["Retry-After"] = str(self.faults.retry_after_s)
        return headers

    # Connections.

    def live(self) -> list[DrillLink]:
        """Connections that are subscribed."""
        return [link for link in self.links if link.live_ms is not None and link.ended_ms is None]

    def cut(self, *, inside: bytes = b"") -> None:
        """Reset all connections, after a part of a message where one is named."""
        for link in self.links:
            if link.ended_ms is None and link.socket is not None:
                request = link.socket._req
                transport = None if request is None else request.transport
                if transport is not None:
                    if inside:
                        # A frame that is announced as longer than it is.
                        transport.write(bytes((0x81, 126, 0x10, 0x00)) + inside[:100])
                    transport.abort()
                self._end(link)

    async def close(self, code: int) -> None:
        """Close all connections with a code."""
        for link in self.links:
            if link.ended_ms is None and link.socket is not None:
                self._end(link)
                with suppress(ConnectionError):
                    await link.socket.close(code=code)

    def freeze(self) -> None:
        """Read nothing any more, not even pings, and send nothing; the sockets stay open."""
        for link in self.links:
            if link.ended_ms is None and link.socket is not None and link.socket._req is not None:
                transport = link.socket._req.transport
                if transport is not None:
                    transport.pause_reading()
                self._end(link)

    def _end(self, link: DrillLink) -> None:
        if link.ended_ms is None:
            link.ended_ms = self._clock.now_ms

    def _refusal(self) -> web.Response | None:
        status = self.faults.refuse
        if status and self._kind == "http":
            for link in self.live():
                self._end(link)
        self.attempts.append(Attempt(self._clock.now_ms, status or 101))
        return web.Response(status=status, headers=self._headers()) if status else None

    async def _streamed(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal()
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse()
        socket.headers.update(self._headers())
        await socket.prepare(request)
        link = DrillLink(len(self.links) + 1, self._clock.now_ms, socket, set())
        self.links.append(link)
        if self.faults.cut_at_once:
            self.cut()
            return socket
        try:
            await self._greet(link)
            async for message in socket:
                if message.type is WSMsgType.TEXT and not self.faults.mute:
                    await self._take(link, message.data)
        finally:
            self._end(link)
        return socket

    async def _take(self, link: DrillLink, text: str) -> None:
        """Answer a message of the feed."""
        step = self._dialect.step(text)
        if step is None:
            # A keepalive, or what a newer session sends: nothing answers it.
            return
        if self.faults.deny:
            refusal = self._dialect.refusal(step.position)
            if refusal is not None:
                await self._send(link, refusal)
                return
        link.symbols |= set(step.symbols) - self.faults.left_out
        symbols = [each for each in self._dialect.symbols.theirs if each in link.symbols]
        for answer in self._dialect.answers(step.position, symbols, step.number):
            await self._send(link, answer)
        link.position = step.position
        await self._greet(link)

    async def _greet(self, link: DrillLink) -> None:
        """Send what the feed waits for without asking."""
        steps = self._dialect.tables.steps
        while link.position + 1 < len(steps) and not steps[link.position + 1].send:
            link.position += 1
            for answer in self._dialect.answers(link.position, list(self._dialect.topics), 1):
                await self._send(link, answer)
        if link.position + 1 == len(steps) and link.live_ms is None:
            link.live_ms = self._clock.now_ms
            if not any(each.send for each in steps):
                link.symbols |= self._dialect.symbols.theirs.keys()

    async def _send(self, link: DrillLink, data: bytes) -> None:
        if link.socket is not None and link.ended_ms is None:
            with suppress(ConnectionError):
                for _ in range(self.faults.copies):
                    await link.socket.send_str(data.decode())

    async def _polled(self, request: web.Request) -> web.StreamResponse:
        """The latest bars of every symbol, as an answer."""
        refusal = self._refusal()
        if refusal is not None:
            return refusal
        now_ms = self._clock.now_ms
        if not self.live():
            link = DrillLink(len(self.links) + 1, now_ms, None, set(self._market.plans), now_ms)
            self.links.append(link)
        link = self.live()[-1]
        stated: list[StatedBar] = []
        for slots in self._market.versions.values():
            held = [self._polled_version(slots[label]) for label in sorted(slots)]
            found = [version for version in held if version is not None]
            stated += [self._stated(version) for version in found[-POLLED_SLOTS:]]
            if self.faults.mute:
                stated = []
        self.sent += [SentItem(now_ms, link.number, each.bar, each.final) for each in stated]
        messages = self._dialect.bars(stated, even_none=True)
        body = messages[-1] if messages else b"{}"
        return web.Response(body=body, headers=self._headers())

    def _polled_version(self, versions: list[DrillVersion]) -> DrillVersion | None:
        """What an answer to a poll has of a slot: the same as the history, and bars in progress."""
        ready = [
            each for each in versions if each.at_ms <= self._clock.now_ms and self._may_send(each)
        ]
        return ready[-1] if ready else None

    def _may_send(self, version: DrillVersion) -> bool:
        final = self._dialect.tables.bar.final
        return version.bar is not None and (version.final or final != "sent")

    # The stream.

    async def play(self, until_ms: int) -> None:
        """Send what is stated up to a time (included), each at its own."""
        due = []
        for slots in self._market.versions.values():
            for versions in slots.values():
                due += [
                    version
                    for version in versions
                    if version.stream
                    and self._played_ms < version.at_ms <= until_ms
                    and self._may_send(version)
                ]
        self._played_ms = until_ms
        due.sort(key=lambda version: version.at_ms)
        for version in due:
            await self._clock.until(version.at_ms)
            await self.state(version)
        await self._clock.until(until_ms)

    async def state(self, *versions: DrillVersion) -> None:
        """Send versions to those who are subscribed, now."""
        if self.faults.mute or self._kind == "http":
            return
        stated = [self._stated(version) for version in versions if version.bar is not None]
        if self._kind in ("webhook", "tail"):
            await self._hand_in(stated)
            return
        for link in self.live():
            wanted = [each for each in stated if each.bar.symbol in link.symbols]
            for each in wanted:
                item = SentItem(self._clock.now_ms, link.number, each.bar, each.final)
                self.sent.append(item)
            for message in self._dialect.bars(wanted):
                await self._send(link, message)

    def _stated(self, version: DrillVersion) -> StatedBar:
        assert version.bar is not None, "a bar that was taken back"
        return StatedBar(version.bar, version.final, self.now_ms, version.empty)

    async def _hand_in(self, stated: list[StatedBar]) -> None:
        for each in stated:
            for message in self._dialect.bars([each]):
                for _ in range(self.faults.copies):
                    taken = await self.post(message)
                    if taken:
                        item = SentItem(self._clock.now_ms, 1, each.bar, each.final)
                        self.sent.append(item)

    async def post(self, message: bytes, path: str | None = None) -> bool:
        """Hand a message to a webhook, or to a file; whether it was taken."""
        if self._kind == "tail":
            with self._tail.open("ab") as file:
                file.write(message + b"\n")
            return True
        assert self._client is not None, "not started"
        try:
            async with self._client.post(path or self.hook_url, data=message) as answer:
                self.posted.append(answer.status)
                return answer.status < 300
        except aiohttp.ClientError:
            return False

    async def send_raw(self, message: bytes) -> None:
        """Send a message as it is to those who are subscribed."""
        if self._kind in ("webhook", "tail"):
            await self.post(message)
        for link in self.live():
            await self._send(link, message)

    async def _beat(self, every_ms: int) -> None:
        while True:
            await asyncio.sleep(every_ms / SECOND_MS)
            beat = self._dialect.heartbeat(self.now_ms)
            if beat is not None and not self.faults.mute:
                for link in self.live():
                    self.sent.append(SentItem(self._clock.now_ms, link.number))
                    await self._send(link, beat)

    # The history.

    async def _asked(self, request: web.Request) -> web.Response:
        asked = self._dialect.asked(request.raw_path)
        if asked is None:
            self.strange.append(request.raw_path.partition("?")[0])
            return web.Response(status=400)
        status = self.faults.history or 200
        self.requests.append(SeenRequest(self._clock.now_ms, asked, status))
        if status != 200:
            return web.Response(status=status, headers=self._headers())
        rows: list[StatedBar] = []
        now_ms = self._clock.now_ms
        for symbol in asked.symbols:
            for label in sorted(self._market.versions[symbol]):
                late = asked.to_ms is not None and label > asked.to_ms
                if label < asked.from_ms or late:
                    continue
                found = self._market.known(symbol, label, now_ms, self._history.lag_ms)
                if found is not None:
                    rows.append(self._stated(found))
            if self.faults.open_row:
                rows.append(self._stated(self._market.in_progress(symbol, now_ms)))
        following = None
        size = self._dialect.page_rows
        if size is not None:
            begin = 0 if not self._dialect.names_pages else (asked.page - 1) * size
            if self._dialect.names_pages and len(rows) > begin + size:
                following = asked.page + 1
            rows = rows[begin : begin + size]
        body = self._dialect.page(rows, request.raw_path, following)
        return web.Response(body=body, headers=self._headers())
