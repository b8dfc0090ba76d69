"""The socket of a gateway: lines first, records after them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from random import Random

import pytest

pytest.importorskip("databento_dbn")

from tapeline.streams.feeds.live.adapters.databento_sockets import (
    DatabentoSockets,
    Framing,
    FramingError,
)
from tapeline.streams.feeds.live.model import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tests.unit.streams.feeds.live.adapters.gateway import (
    Gateway,
    Session,
    bar,
    metadata,
    named,
    system,
)
from tests.unit.streams.feeds.live.transports.watching import Watched

RECORDS = [named("ESZ6"), bar("ESZ6", 0), system("heartbeat"), bar("ESZ6", 1)]


def test_messages_are_the_same_however_the_bytes_are_cut() -> None:
    whole = (
        b"lsg_version=0.7.0\ncram=Dabc\nsuccess=1|session_id=5\n" + metadata() + b"".join(RECORDS)
    )
    for seed in range(50):
        random, framing = Random(seed), Framing(1 << 20)
        messages: list[bytes] = []
        at = 0
        while at < len(whole):
            size = random.choice([1, 2, 7, 100, 1_000])
            messages += framing.take(whole[at : at + size])
            at += size
        assert messages[:4] == [
            b"lsg_version=0.7.0",
            b"cram=Dabc",
            b"success=1|session_id=5",
            metadata(),
        ]
        assert b"".join(messages[4:]) == b"".join(RECORDS)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(metadata() + b"\x00\x21", id="a record of no length"),
        pytest.param(b"DBN\x03" + b"\xff" * 4, id="endless metadata"),
        pytest.param(b"x" * 70_000, id="an endless line"),
    ],
)
def test_bytes_that_are_no_message_are_an_error(data: bytes) -> None:
    with pytest.raises(FramingError):
        Framing(1 << 20).take(data)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    inbox = Inbox()
    made = Watched(inbox, DatabentoSockets(inbox))
    yield made
    await made.transport.stop()


async def test_lines_go_out_and_messages_come_in_until_the_gateway_ends(watched: Watched) -> None:
    async def script(session: Session) -> None:
        await session.send(b"cram=abc\n")
        assert await session.reader.readuntil(b"\n") == b"hello\n"
        await session.send(metadata(), *RECORDS)

    async with Gateway(script) as gateway:
        watched.connect(gateway.url)
        await watched.until(ConnectionOpened)
        watched.send("hello")
        (closed,) = await watched.until(ConnectionClosed)
    assert closed.reason in ("ended by the gateway", "connection reset by peer")
    received = [each.data for each in watched.of(Received)]
    assert received[:2] == [b"cram=abc", metadata()]
    assert b"".join(received[2:]) == b"".join(RECORDS)


@pytest.mark.parametrize("abort", [True, False])
async def test_a_session_is_ended_though_the_gateway_is_silent(
    watched: Watched, abort: bool
) -> None:
    ended: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(session: Session) -> None:
        try:
            ended.put_nowait(await session.reader.read())
        except ConnectionError:
            ended.put_nowait(b"")

    async with Gateway(script) as gateway:
        watched.connect(gateway.url)
        await watched.until(ConnectionOpened)
        watched.close(abort=abort)
        (closed,) = await watched.until(ConnectionClosed)
        assert closed.reason == "ended by us"
        async with asyncio.timeout(5):
            assert await ended.get() == b""


async def test_a_port_without_a_gateway_is_a_failed_attempt(watched: Watched) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    watched.connect(f"tcp://127.0.0.1:{port}")
    (failed,) = await watched.until(ConnectFailed)
    assert failed.reason == "connection refused"
