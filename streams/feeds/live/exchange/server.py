"""The sample exchange as a server: a websocket for bars, an address for their history."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSMsgType, web

from tapeline.schemas.instants import SECOND_MS
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.transports.inbox import read_clocks

LATENCY_MS: Final = 80
"""From the end of a slot to the message of its bars."""
REVISED_MS: Final = 2 * SECOND_MS
"""From the end of a slot to the second message of a bar that is revised."""
LAG_MS: Final = 1 * SECOND_MS
"""From the end of a slot to its bar in the history."""
REQUESTS: Final = 100
PER_MS: Final = 10 * SECOND_MS
PAGE: Final = 500
FAULTS: Final = ("cut", "refuse", "silence", "late", "halt", "limit", "no_history", "clock")
"""What can be asked for at ``/faults``; the last one puts the clock ahead."""
LATE_SLOTS: Final = 3
RETRY_S: Final = 5
_OF_LOOPBACK: Final = "127.0.0.1"


class SampleExchange:
    """The server; one process has any number of them.

    Faults are asked for by ``POST /faults {"fault": "silence", "seconds": 10}``: ``cut`` ends every
    connection, ``refuse`` refuses new ones too, ``silence`` keeps them and sends nothing,
    ``late`` sends bars `LATE_SLOTS` seconds later, ``halt`` stops the first symbol, ``limit``
    answers requests for history with 429, ``no_history`` with 503, ``clock`` puts the exchange's
    clock ahead by so many seconds.

    Attributes
    ----------
    port
        Where it listens on loopback.
    requests
        Instants of the requests to the history that were not refused.
    stated
        Every bar that the stream or the history ever gave out, by symbol, label and content.
    """

    def __init__(self, market: SampleMarket, port: int = 0) -> None:
        self.market = market
        self.port = port
        self.requests: deque[int] = deque(maxlen=10_000)
        self.stated: set[Bar] = set()
        self._until_ms = dict.fromkeys(FAULTS, 0)
        self._ahead_ms = 0
        self._halts: list[tuple[int, int]] = []
        self._held: deque[list[Bar]] = deque()
        self._clients: dict[web.WebSocketResponse, set[str]] = {}
        self._runner: web.AppRunner | None = None
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            When the port is taken.
        """
        application = web.Application()
        application.router.add_get("/stream", self._stream)
        application.router.add_get("/bars", self._bars)
        application.router.add_post("/faults", self._faults)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _OF_LOOPBACK, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._beating = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Listen no more."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        self._cut()
        if self._runner is not None:
            await self._runner.cleanup()

    def ask(self, fault: str, seconds: float) -> None:
        """Have a fault, for so many seconds where that means something."""
        if fault == "clock":
            self._ahead_ms = round(seconds * SECOND_MS)
            return
        if fault == "halt":
            first_ms = self.now_ms() // SLOT_MS * SLOT_MS + SLOT_MS
            self._halts.append((first_ms, first_ms + round(seconds) * SLOT_MS))
            return
        self._until_ms[fault] = read_clocks().wall_ms + round(seconds * SECOND_MS)
        if fault in ("cut", "refuse"):
            self._cut()

    def now_ms(self) -> int:
        """The time of the exchange."""
        return read_clocks().wall_ms + self._ahead_ms

    def _has(self, fault: str) -> bool:
        return read_clocks().wall_ms < self._until_ms[fault]

    def _cut(self) -> None:
        for client in list(self._clients):
            transport = client._req.transport if client._req is not None else None
            if transport is not None:
                transport.abort()

    # The stream.

    async def _run(self) -> None:
        """A message for each slot: its bars, and those that have changed since."""
        while True:
            now_ms = self.now_ms()
            await asyncio.sleep((SLOT_MS - now_ms % SLOT_MS + LATENCY_MS) / SECOND_MS)
            ended_ms = self.now_ms() // SLOT_MS * SLOT_MS - SLOT_MS
            revised_ms = ended_ms - REVISED_MS
            await self._send_halts(ended_ms)
            bars = [
                self.market.first(symbol, ended_ms)
                for symbol in self.market.symbols
                if not self._is_halted(symbol, ended_ms)
            ]
            bars += [
                self.market.bar(symbol, revised_ms)
                for symbol in self.market.symbols
                if self.market.is_revised(symbol, revised_ms)
                and not self._is_halted(symbol, revised_ms)
            ]
            self._held.append([bar for bar in bars if bar is not None])
            late_slots = LATE_SLOTS if self._has("late") else 0
            if len(self._held) <= late_slots:
                # The connection is alive, though it has no bars yet.
                await self._send([])
            while len(self._held) > late_slots:
                await self._send(self._held.popleft())

    def _is_halted(self, symbol: str, start_ms: int) -> bool:
        first = self.market.symbols[0]
        return symbol == first and any(begin <= start_ms < end for begin, end in self._halts)

    async def _send_halts(self, ended_ms: int) -> None:
        """Halts that began with the slot that has ended, or ended with it."""
        symbol = self.market.symbols[0]
        for begin_ms, end_ms in self._halts:
            for means, at_ms in (("halt", begin_ms), ("resume", end_ms)):
                if at_ms == ended_ms:
                    await self._announce({"type": means, "s": symbol, "t": at_ms}, symbol)

    async def _announce(self, message: dict[str, Any], symbol: str) -> None:
        for client, symbols in list(self._clients.items()):
            if symbol in symbols and not client.closed:
                with suppress(ConnectionError):
                    await client.send_str(json.dumps(message))

    async def _send(self, bars: list[Bar]) -> None:
        if self._has("silence"):
            return
        for client, symbols in list(self._clients.items()):
            if not symbols or client.closed:
                continue
            wanted = [bar for bar in bars if bar.symbol in symbols]
            self.stated.update(wanted)
            message = {"type": "bars", "sent": self.now_ms(), "bars": [_row(bar) for bar in wanted]}
            with suppress(ConnectionError):
                await client.send_str(json.dumps(message))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._has("refuse"):
            return web.Response(status=503, headers={"Retry-After": "1"})
        client = web.WebSocketResponse()
        await client.prepare(request)
        self._clients[client] = set()
        try:
            async for message in client:
                if message.type is not WSMsgType.TEXT or self._has("silence"):
                    continue
                await client.send_str(json.dumps(self._answer(client, message.data)))
        finally:
            del self._clients[client]
        return client

    def _answer(self, client: web.WebSocketResponse, text: str) -> dict[str, Any]:
        try:
            asked = json.loads(text)
            if "hello" in asked:
                return {"type": "welcome", "status": "ok"}
            symbols = {each for each in asked["subscribe"] if each in self.market.symbols}
        except (ValueError, TypeError, KeyError):
            return {"type": "error", "text": "unknown message"}
        self._clients[client] |= symbols
        return {"type": "subscribed", "symbols": sorted(self._clients[client])}

    # The history.

    async def _bars(self, request: web.Request) -> web.Response:
        now_ms = read_clocks().wall_ms
        if self._has("no_history"):
            return web.Response(status=503)
        if self._has("limit"):
            return web.Response(status=429, headers={"Retry-After": str(RETRY_S)})
        window = [each for each in self.requests if each > now_ms - PER_MS]
        if len(window) >= REQUESTS:
            wait_s = -((now_ms - PER_MS - window[0]) // SECOND_MS)
            return web.Response(status=429, headers={"Retry-After": str(wait_s)})
        self.requests.append(now_ms)
        try:
            symbol = request.query["symbol"]
            first_ms = int(request.query.get("page", request.query["from"]))
            last_ms = int(request.query["to"])
            page = min(int(request.query.get("limit", PAGE)), PAGE)
        except (KeyError, ValueError):
            return web.Response(status=400)
        if symbol not in self.market.symbols:
            return web.Response(status=404)
        return web.json_response(self._page(symbol, first_ms, last_ms, page))

    def _page(self, symbol: str, first_ms: int, last_ms: int, page: int) -> dict[str, Any]:
        """Bars with first <= label <= last of which the history has the end; at most a page."""
        known_ms = self.now_ms() - LAG_MS - SLOT_MS
        rows: list[Bar] = []
        start_ms = -(-first_ms // SLOT_MS) * SLOT_MS
        while start_ms <= min(last_ms, known_ms):
            if len(rows) == page:
                # A page that is full may be the last one, and still has a next.
                return {"bars": [_row(bar) for bar in rows], "next": str(start_ms)}
            bar = self.market.bar(symbol, start_ms)
            if bar is not None and not self._is_halted(symbol, start_ms):
                rows.append(bar)
                self.stated.add(bar)
            start_ms += SLOT_MS
        return {"bars": [_row(bar) for bar in rows]}

    async def _faults(self, request: web.Request) -> web.Response:
        try:
            asked = await request.json()
            fault, seconds = str(asked["fault"]), float(asked.get("seconds", 0))
        except (ValueError, TypeError, KeyError):
            return web.Response(status=400)
        if fault not in FAULTS:
            return web.Response(status=400, text=f"faults are {', '.join(FAULTS)}")
        self.ask(fault, seconds)
        return web.Response(status=204)


def _row(bar: Bar) -> dict[str, Any]:
    return {
        "s": bar.symbol,
        "t": bar.start_ms,
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": bar.volume,
    }
