"""Websockets against a server that misbehaves, and against one of another library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tapeline.schemas.instants import SECOND_MS
from tapeline.streams.feeds.live.model import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.websocket import Deadlines, WebSockets
from tests.unit.streams.feeds.live.transports.raw_server import BINARY, Peer, RawServer
from tests.unit.streams.feeds.live.transports.watching import KEY, Watched

HASTY = Deadlines(connect_s=0.3, upgrade_s=0.3, close_s=0.3)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    inbox = Inbox()
    made = Watched(inbox, WebSockets(inbox, HASTY))
    yield made
    await made.transport.stop()
    assert KEY not in repr(made.events)


async def listening(peer: Peer) -> None:
    await peer.upgrade()
    await peer.silence()


async def test_messages_come_in_order_as_bytes_whatever_they_hold(watched: Watched) -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade(Date="Mon, 30 Nov 2026 15:00:00 GMT")
        assert await peer.read_text() == "first"
        assert await peer.read_text() == "second"
        await peer.frame(b"one")
        await peer.frame(b"\xff no UTF-8")
        await peer.frame(b"\x00two", BINARY)
        await peer.silence()

    async with RawServer(script) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}/stream")
        (opened,) = await watched.until(ConnectionOpened)
        assert opened.date_ms == 1_796_050_800 * SECOND_MS
        watched.send("first")
        watched.send("second")
        received = await watched.until(Received, 3)
    assert [each.data for each in received] == [b"one", b"\xff no UTF-8", b"\x00two"]


async def test_headers_and_address_reach_the_server_and_no_proxy_is_asked(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with RawServer(listening) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}/stream", X_Key="s3cret")
        await watched.until(ConnectionOpened)
        assert server.peers[0].line == f"GET /stream?key={KEY} HTTP/1.1"
        assert server.peers[0].headers["x_key"] == "s3cret"


async def test_half_a_message_is_no_message(watched: Watched) -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.frame(b"whole")
        await peer.frame(b"half of", length=5_000)
        peer.cut()

    async with RawServer(script) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}")
        (closed,) = await watched.until(ConnectionClosed)
    assert [each.data for each in watched.of(Received)] == [b"whole"]
    assert (closed.code, closed.overflow) == (None, False)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012])
async def test_a_close_frame_gives_its_code_and_reason(watched: Watched, code: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.close_frame(code, "maintenance")
        await peer.gone()

    async with RawServer(script) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}")
        (closed,) = await watched.until(ConnectionClosed)
    assert (closed.code, closed.reason) == (code, "maintenance")


async def test_a_connection_that_is_aborted_sends_nothing_and_waits_for_nothing(
    watched: Watched,
) -> None:
    sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        try:
            sent.put_nowait(await peer.reader.read())
        except ConnectionResetError:
            sent.put_nowait(b"")

    async with RawServer(script) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}")
        await watched.until(ConnectionOpened)
        watched.close(abort=True)
        await watched.until(ConnectionClosed)
        async with asyncio.timeout(20):
            assert await sent.get() == b""


async def test_a_close_that_the_server_does_not_answer_ends_at_its_deadline(
    watched: Watched,
) -> None:
    async with RawServer(listening) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}")
        await watched.until(ConnectionOpened)
        begun = time.monotonic()
        watched.close()
        (closed,) = await watched.until(ConnectionClosed)
    assert 0.25 < time.monotonic() - begun < 20
    assert closed.reason == "ended by us"


async def test_a_close_is_a_handshake_where_the_server_takes_part(watched: Watched) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.put_nowait(connection.close_code)

    async with serve(handler, "127.0.0.1", 0) as server:
        watched.connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await watched.until(ConnectionOpened)
        watched.close()
        await watched.until(ConnectionClosed)
        assert await codes.get() == 1000


async def test_messages_reach_a_server_of_another_library_and_come_back(watched: Watched) -> None:
    async def handler(connection: ServerConnection) -> None:
        await (await connection.ping())
        await connection.send("ready")
        async for message in connection:
            await connection.send(message)

    async with serve(handler, "127.0.0.1", 0) as server:
        watched.connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await watched.until(ConnectionOpened)
        await watched.until(Received)
        for number in range(200):
            watched.send(f"message {number}")
        received = await watched.until(Received, 201)
    assert [each.data.decode() for each in received[1:]] == [f"message {n}" for n in range(200)]


async def test_a_server_that_never_answers_the_upgrade_meets_a_deadline(watched: Watched) -> None:
    async with RawServer(Peer.silence) as server:
        begun = time.monotonic()
        watched.connect(f"ws://127.0.0.1:{server.port}")
        (failed,) = await watched.until(ConnectFailed)
    assert 0.5 < time.monotonic() - begun < 20
    assert (failed.reason, failed.status) == ("no answer in time", None)


async def test_a_server_without_tls_and_one_that_never_ends_its_handshake_are_failed_attempts(
    watched: Watched,
) -> None:
    async def plain(peer: Peer) -> None:
        await peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def no_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with RawServer(plain) as silent:
        watched.connect(f"wss://127.0.0.1:{silent.port}", 1)
        (failed,) = await watched.until(ConnectFailed)
        assert failed.reason == "no answer in time"
    server = await asyncio.start_server(no_request, "127.0.0.1", 0)
    watched.connect(f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}", 2)
    failed = (await watched.until(ConnectFailed, 2))[1]
    server.close()
    await server.wait_closed()
    assert (failed.connection, failed.reason) == (2, "no TLS connection came about")


async def test_an_attempt_can_be_ended(watched: Watched) -> None:
    async with RawServer(Peer.silence) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}")
        await server.met()
        watched.close(abort=True)
        await watched.until(ConnectionClosed)
    assert watched.of(ConnectFailed) == []


@pytest.mark.parametrize(
    ("status", "headers", "retry_after_ms"),
    [
        pytest.param("401 Unauthorized", {}, None, id="refused"),
        pytest.param("429 Too Many", {"Retry_After": "17"}, 17_000, id="seconds"),
        pytest.param(
            "503 Busy",
            {
                "Date": "Mon, 30 Nov 2026 15:00:00 GMT",
                "Retry_After": "Mon, 30 Nov 2026 15:01:30 GMT",
            },
            90_000,
            id="an HTTP date",
        ),
    ],
)
async def test_another_answer_than_an_upgrade_gives_status_and_pause(
    watched: Watched, status: str, headers: dict[str, str], retry_after_ms: int | None
) -> None:
    async def script(peer: Peer) -> None:
        await peer.respond(status, b"no", **headers)

    async with RawServer(script) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}")
        (failed,) = await watched.until(ConnectFailed)
    assert failed.status == int(status[:3])
    assert failed.reason == f"answered with status {failed.status} instead of an upgrade"
    assert failed.retry_after_ms == retry_after_ms


async def test_secrets_do_not_follow_a_redirection_to_another_address(watched: Watched) -> None:
    async with RawServer(listening) as other:

        async def script(peer: Peer) -> None:
            await peer.respond("302 Found", b"", Location=f"http://127.0.0.1:{other.port}/")

        async with RawServer(script) as server:
            watched.connect(f"ws://127.0.0.1:{server.port}", X_Key="s3cret")
            (failed,) = await watched.until(ConnectFailed)
        assert failed.reason == "redirected, which is not followed"
        assert other.peers == []


async def test_a_port_without_a_server_is_a_failed_attempt(watched: Watched) -> None:
    async with RawServer(listening) as server:
        port = server.port
    watched.connect(f"ws://127.0.0.1:{port}")
    (failed,) = await watched.until(ConnectFailed)
    assert (failed.reason, failed.status) == ("connection refused", None)


async def test_a_message_of_five_megabytes_is_taken_and_one_above_the_limit_ends_with_1009(
    watched: Watched,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.frame(b"x" * (5 << 20))
        await peer.gone()

    async with RawServer(script) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}", 1)
        (received,) = await watched.until(Received)
        assert len(received.data) == 5 << 20
        watched.connect(f"ws://127.0.0.1:{server.port}", 2, max_frame=1 << 20)
        (closed,) = await watched.until(ConnectionClosed)
    assert (closed.connection, closed.code) == (2, 1009)


async def test_a_full_inbox_ends_the_connection_instead_of_holding_the_reader_up() -> None:
    inbox = Inbox(messages=10)
    watched = Watched(inbox, WebSockets(inbox, HASTY))

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        for number in range(1_000):
            await peer.frame(b"%d" % number)
        ended.put_nowait(await peer.gone())

    ended: asyncio.Queue[bool] = asyncio.Queue()
    async with RawServer(script) as server:
        watched.connect(f"ws://127.0.0.1:{server.port}")
        # Nothing takes from the inbox, and the connection ends all the same.
        async with asyncio.timeout(20):
            await ended.get()
    (closed,) = await watched.until(ConnectionClosed)
    assert closed.overflow
    assert [each.data for each in watched.of(Received)] == [b"%d" % n for n in range(10)]
    await watched.transport.stop()


async def test_a_stop_ends_every_connection(watched: Watched) -> None:
    async with RawServer(listening) as server:
        for number in (1, 2, 3):
            watched.connect(f"ws://127.0.0.1:{server.port}", number)
        await watched.until(ConnectionOpened, 3)
        await watched.transport.stop()
        assert len(await watched.until(ConnectionClosed, 3)) == 3
