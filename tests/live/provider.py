"""A provider of its own, with two dialects: made from no mapping, and with no code of the product.

It trades by the second. Everything that it ever states is remembered, and every request of its
history is counted, so that a test can hold a log against what was stated.

The desk has a websocket of array frames, times with an offset, prices as texts, decimal volumes,
a list of subscriptions that grows, and a history by cursor. The slow one is asked: rows by column,
latest first, the end of a bar in seconds since 1970, and pages by token.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

DESK = ("ALPHA", "BETA")
SLOW = ("GAMMA", "DELTA")
DESK_KEY = "desk-key-5f1c"
DESK_TOKEN = "desk-token-77a2"
SLOW_KEY = "slow-key-9e03"
SECRETS = (DESK_KEY, DESK_TOKEN, SLOW_KEY)
LAG_S = 1.0
PAGE = 7
DESK_LIMIT = (24, 4.0)
SLOW_LIMIT = (24, 4.0)
JITTER = 0.9
"""Requests of a window may arrive this much closer together than they left."""
PARIS_IN_WINTER = timezone(timedelta(hours=1))


class Row(NamedTuple):
    """A bar in cents and in hundredths of a lot; ``second`` is its start."""

    symbol: str
    second: int
    open: int
    high: int
    low: int
    close: int
    lots: int


class Edition(NamedTuple):
    """What the provider has of a second, from when on; None: it was taken back."""

    at: float
    row: Row | None
    by_stream: bool


class Tape:
    """What is traded: made as time goes on, and the same for the same seed and second."""

    def __init__(self, seed: int, first: int) -> None:
        self.first = first
        self.last: int | None = None
        self._seed = seed
        self._known: dict[tuple[str, int], list[Edition]] = {}
        self._hidden: dict[tuple[str, int], float] = {}

    def close(self, last: int) -> None:
        """Trade until a second to come; every symbol has a bar there, which stays."""
        self.last = last
        for symbol in (*DESK, *SLOW):
            row = Row(symbol, last, 10_000, 10_001, 9_999, 10_000, 500)
            self._known[symbol, last] = [Edition(last + 1.1, row, True)]

    def editions(self, symbol: str, second: int) -> list[Edition]:
        """All editions of a second, in order of time."""
        key = symbol, second
        if key not in self._known:
            over = second < self.first or (self.last is not None and second > self.last)
            if over:
                return []
            self._known[key] = list(self._make(symbol, second))
        return self._known[key]

    def _make(self, symbol: str, second: int) -> Iterator[Edition]:
        dice = Random(f"{self._seed} {symbol} {second}")
        if dice.random() < 0.25 and second != self.first:
            return
        opened, closed = 10_000 + dice.randint(-60, 60), 10_000 + dice.randint(-60, 60)
        high, low = (
            max(opened, closed) + dice.randint(0, 9),
            min(opened, closed) - dice.randint(0, 9),
        )
        row = Row(symbol, second, opened, high, low, closed, dice.randint(100, 90_000))
        at = second + 1 + dice.uniform(0.02, 0.2)
        if second == self.first:
            yield Edition(at, row, True)
            return
        if dice.random() < 0.07:
            at += dice.uniform(1, 2)
        yield Edition(at, row, dice.random() > 0.05)
        if dice.random() < 0.05:
            self._hidden[symbol, second] = at + 3
        while dice.random() < 0.12:
            at += dice.uniform(0.3, 1.5)
            row = row._replace(lots=row.lots + dice.randint(1, 999), high=row.high + 1)
            yield Edition(at, row, dice.random() > 0.2)
        if dice.random() < 0.04:
            yield Edition(at + 0.5, None, dice.random() > 0.5)

    def known(self, symbol: str, second: int, at: float) -> Row | None:
        """A row as the history has it."""
        key = symbol, second
        editions = self.editions(symbol, second)
        if at < second + 1 + LAG_S or at < self._hidden.get(key, 0.0):
            return None
        held = [each for each in editions if each.at <= at]
        return held[-1].row if held else None

    def final(self, symbol: str) -> list[Row]:
        """Rows that stay, in order of time."""
        assert self.last is not None
        found = []
        for second in range(self.first, self.last + 1):
            editions = self.editions(symbol, second)
            if editions and editions[-1].row is not None:
                found.append(editions[-1].row)
        return found

    def finished_at(self) -> float:
        """From when on nothing changes any more."""
        assert self.last is not None
        times = [each.at for editions in self._known.values() for each in editions]
        return max([*times, *self._hidden.values(), self.last + 1]) + LAG_S


class Requests:
    """Requests of one history against its limit."""

    def __init__(self, limit: tuple[int, float]) -> None:
        self.times: list[float] = []
        self.broken = 0
        self._most, self._seconds = limit

    def take(self) -> None:
        """One more."""
        now = time.monotonic()
        self.times.append(now)
        window = [each for each in self.times if each > now - self._seconds * JITTER]
        self.broken += len(window) > self._most


Answer = tuple[HTTPStatus, dict[str, str], Any]


class Provider:
    """Both dialects on loopback.

    Attributes
    ----------
    stated
        Every row that was ever sent.
    desk_requests, slow_requests
        Of their histories.
    """

    def __init__(self, seed: int = 1) -> None:
        now = int(time.time())
        self.tape = Tape(seed, now - 12)
        self.stated: set[Row] = set()
        self.desk_requests = Requests(DESK_LIMIT)
        self.slow_requests = Requests(SLOW_LIMIT)
        self.strange: list[str] = []
        self._dice = Random(seed)
        self._refused_until = 0.0
        self._limited_until = 0.0
        self._mute_until = 0.0
        self._clients: dict[ServerConnection, set[str]] = {}
        self._sent: set[tuple[str, int, int]] = set()
        self._started = time.time()

    async def __aenter__(self) -> Provider:
        self._socket: Server = await serve(
            self._desk, "127.0.0.1", 0, process_request=self._admit, compression=None
        )
        self._http = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.socket_port = next(iter(self._socket.sockets)).getsockname()[1]
        self.http_port = self._http.sockets[0].getsockname()[1]
        self._pushing = asyncio.create_task(self._push())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pushing.cancel()
        await asyncio.gather(self._pushing, return_exceptions=True)
        self._http.close()
        self._socket.close()
        await self._socket.wait_closed()

    # Faults.

    def cut(self) -> None:
        """Reset all sockets."""
        for client in list(self._clients):
            client.transport.abort()

    def refuse(self, seconds: float) -> None:
        """Reset all sockets, and refuse new ones and polls for a while."""
        self._refused_until = time.time() + seconds
        self.cut()

    def limit(self, seconds: float) -> None:
        """Answer requests of the histories with 429 for a while."""
        self._limited_until = time.time() + seconds

    def mute(self, seconds: float) -> None:
        """Keep the sockets, and send nothing for a while."""
        self._mute_until = time.time() + seconds

    def end(self) -> None:
        """Trade no more."""
        self.tape.close(int(time.time()) + 1)

    # The desk.

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if time.time() < self._refused_until:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "later\n")
        if f"token={DESK_TOKEN}" not in request.path:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    async def _desk(self, client: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in client:
                await self._take(client, json.loads(text))
        self._clients.pop(client, None)

    async def _take(self, client: ServerConnection, message: list[Any]) -> None:
        if message[0] == "login":
            answer = "welcome" if message[1] == DESK_KEY else "denied"
            await client.send(json.dumps([answer, "desk"]))
            # Some providers repeat what they were sent.
            await client.send(json.dumps(["motd", f"you came as {message[1]}"]))
        elif message[0] == "sub":
            names = self._clients.setdefault(client, set())
            names |= set(message[1])
            await client.send(json.dumps(["subscribed", sorted(names)]))
        else:
            self.strange.append(str(message))

    async def _push(self) -> None:
        """Send what is new twenty times a second, some of it twice, and a heartbeat."""
        beat = 0.0
        while True:
            now = time.time()
            frames = list(self._new_frames(now))
            if now - beat >= 1:
                beat = now
                frames.append((None, ["hb", round(now * 1000)]))
            if now >= self._mute_until:
                for client, names in list(self._clients.items()):
                    await self._send(client, names, frames)
            await asyncio.sleep(0.05)

    def _new_frames(self, now: float) -> Iterator[tuple[Row | None, list[Any]]]:
        rows: list[Row] = []
        for symbol in DESK:
            for second in range(max(self.tape.first, int(now) - 30), int(now) + 1):
                for number, edition in enumerate(self.tape.editions(symbol, second)):
                    key = symbol, second, number
                    if key in self._sent or edition.at > now:
                        continue
                    self._sent.add(key)
                    if not edition.by_stream or edition.at < self._started:
                        continue
                    if edition.row is None:
                        yield None, ["bust", f"{symbol}.X".lower(), iso(second)]
                    else:
                        rows += [edition.row] * (2 if self._dice.random() < 0.1 else 1)
        self._dice.shuffle(rows)
        for row in rows:
            yield row, ["bar", iso(now), [_desk_row(row)]]

    async def _send(
        self, client: ServerConnection, names: set[str], frames: list[tuple[Row | None, list[Any]]]
    ) -> None:
        with suppress(ConnectionClosed):
            for row, frame in frames:
                if row is not None and f"{row.symbol}.X".lower() not in names:
                    continue
                if row is not None:
                    self.stated.add(row)
                await client.send(json.dumps(frame))

    # The addresses.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.strip().split("\r\n")
            address = urlsplit(line.split(" ")[1])
            fields = {key: values[0] for key, values in parse_qs(address.query).items()}
            headers = dict(each.split(": ", 1) for each in lines)
            status, more, body = self._answer(unquote(address.path), fields, headers)
            data = json.dumps(body).encode()
            text = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            more |= {"Content-Length": str(len(data)), "Connection": "close"}
            text += "".join(f"{name}: {value}\r\n" for name, value in more.items())
            writer.write(text.encode() + b"\r\n" + data)
            await writer.drain()
        writer.close()

    def _answer(self, path: str, fields: dict[str, str], headers: dict[str, str]) -> Answer:
        if path.startswith("/hist/"):
            self.desk_requests.take()
            return self._guarded(
                headers.get("X-Desk-Key") == DESK_KEY, self._desk_page, path, fields
            )
        if path == "/v1/range":
            self.slow_requests.take()
            return self._guarded(fields.get("key") == SLOW_KEY, self._slow_page, path, fields)
        if path == "/v1/latest" and fields.get("key") == SLOW_KEY:
            if time.time() < self._refused_until:
                return HTTPStatus.SERVICE_UNAVAILABLE, {}, {}
            return HTTPStatus.OK, {}, self._latest(fields["names"].split(","))
        self.strange.append(path)
        return HTTPStatus.NOT_FOUND, {}, {}

    def _guarded(
        self,
        allowed: bool,
        page: Callable[[str, dict[str, str]], Any],
        path: str,
        fields: dict[str, str],
    ) -> Answer:
        if not allowed:
            return HTTPStatus.FORBIDDEN, {}, {}
        if time.time() < self._limited_until:
            return HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "1"}, {}
        return HTTPStatus.OK, {}, page(path, fields)

    def _rows(self, symbol: str, first: int, last: int) -> list[Row]:
        now = time.time()
        seconds = range(max(first, self.tape.first), min(last, int(now)) + 1)
        found = [self.tape.known(symbol, second, now) for second in seconds]
        return [row for row in found if row is not None]

    def _desk_page(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """Rows with since <= start < until, oldest first, and a cursor."""
        symbol = path.removeprefix("/hist/").removesuffix(".x").upper()
        since = int(fields.get("cursor") or datetime.fromisoformat(fields["since"]).timestamp())
        until = int(datetime.fromisoformat(fields["until"]).timestamp())
        rows = self._rows(symbol, since, until - 1)
        page = rows[:PAGE]
        self.stated |= set(page)
        more = {"cursor": page[-1].second + 1} if len(rows) > PAGE else {}
        return {"page": [_desk_row(row)[1:] for row in page], **more}

    def _slow_page(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """Rows whose ends lie in [from, to], latest first, and a token."""
        first, last = int(fields["from"]) - 1, int(fields["to"]) - 1
        rows = self._rows(fields["name"].upper(), first, last)[::-1]
        begin = 0
        if "token" in fields:
            begin = int(base64.urlsafe_b64decode(fields["token"]).decode())
        page = rows[begin : begin + PAGE]
        self.stated |= set(page)
        found: dict[str, Any] = _columns([_slow_row(row, "done") for row in page])
        if len(rows) > begin + PAGE:
            found["token"] = base64.urlsafe_b64encode(str(begin + PAGE).encode()).decode()
        return found

    def _latest(self, names: list[str]) -> dict[str, Any]:
        """What is known of the last seconds, and of the one that is not over."""
        now = time.time()
        values = []
        for name in names:
            for second in range(int(now), int(now) - 8, -1):
                editions = [
                    each for each in self.tape.editions(name.upper(), second) if each.by_stream
                ]
                ready = [each for each in editions if each.at <= now]
                if second == int(now) and editions and editions[0].row is not None:
                    values.append(_slow_row(editions[0].row._replace(lots=1), "live"))
                elif ready and ready[-1].row is not None:
                    self.stated.add(ready[-1].row)
                    values.append(_slow_row(ready[-1].row, "done"))
        return _columns(values)


def iso(instant: float) -> str:
    """A time of the desk: in Paris."""
    return datetime.fromtimestamp(instant, UTC).astimezone(PARIS_IN_WINTER).isoformat()


def _desk_row(row: Row) -> list[Any]:
    prices = [f"{cents / 100:.2f}" for cents in (row.open, row.high, row.low, row.close)]
    return [f"{row.symbol}.X".lower(), iso(row.second), *prices, f"{row.lots / 100:.2f}"]


def _slow_row(row: Row, state: str) -> list[Any]:
    prices = (row.close / 100, row.high / 100, row.low / 100, row.open / 100)
    return [row.symbol.lower(), row.second + 1, *prices, row.lots, state]


def _columns(values: list[list[Any]]) -> dict[str, Any]:
    names = ["name", "end", "close", "high", "low", "open", "lots", "state"]
    return {"columns": names, "values": values}
