"""Messages that are posted to a server of ours."""

from __future__ import annotations

import asyncio
import io
import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from tapeline.streams.feeds.live.model import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.webhook import GREATEST_BODY, Patience, Webhook
from tests.unit.streams.feeds.live.transports.watching import Watched

PATH = "/hook/s3cret%2F%C3%A9"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Hook(Watched):
    """A webhook that listens, with a secret in its path."""

    def __init__(self, messages: int = 100, *, body_secret: bytes = b"") -> None:
        inbox = Inbox(messages=messages)
        super().__init__(
            inbox, Webhook(inbox, lambda body: body_secret in body, Patience(0.2, 0.2))
        )
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        """Open it."""
        self.connect(self.origin + PATH)
        await self.until(ConnectionOpened)

    async def post(
        self, body: bytes, path: str = "/hook/s3cret%2F%C3%A9", method: str = "POST"
    ) -> int:
        """Send a request; the status of its answer."""

        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, URL(self.origin + path, encoded=True), data=io.BytesIO(body)
            ) as answer,
        ):
            return answer.status


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    await made.listen()
    yield made
    await made.transport.stop()


async def test_a_message_is_accepted_as_soon_as_it_is_queued(hook: Hook) -> None:
    assert await hook.post(b'{"bar": 1}') == 202
    assert await hook.post(b"no JSON") == 202
    received = await hook.until(Received, 2)
    assert [each.data for each in received] == [b'{"bar": 1}', b"no JSON"]


@pytest.mark.parametrize("path", ["/hook/s3cret", "/hook/", "/", "/hook/S3CRET%2F%C3%A9", "/x"])
async def test_a_wrong_secret_in_the_path_is_refused(hook: Hook, path: str) -> None:
    assert await hook.post(b"{}", path) == 403
    assert hook.of(Received) == []


async def test_a_wrong_secret_in_the_body_is_refused() -> None:
    hook = Hook(body_secret=b"pa55")
    await hook.listen()
    assert [await hook.post(body) for body in (b"{}", b'{"key": "pa55"}')] == [403, 202]
    assert len(await hook.until(Received)) == 1
    await hook.transport.stop()


async def test_a_full_queue_asks_the_sender_to_come_again() -> None:
    hook = Hook(messages=2)
    await hook.listen()
    assert [await hook.post(b"{}") for _ in range(3)] == [202, 202, 503]
    await hook.until(Received, 2)
    assert await hook.post(b"{}") == 202
    await hook.transport.stop()


async def test_a_body_above_the_limit_and_another_method_are_refused(hook: Hook) -> None:
    assert await hook.post(b"x" * (GREATEST_BODY + 1)) == 413
    assert await hook.post(b"", method="GET") == 405
    assert await hook.post(b"x" * GREATEST_BODY) == 202


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /hook/s3cret%2F%C3%A9 HTTP/1.1\r\nHo", id="half a head"),
        pytest.param(
            b"POST /hook/s3cret%2F%C3%A9 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
            id="half a body",
        ),
    ],
)
async def test_a_slow_client_is_ended_and_others_are_served(hook: Hook, begun: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hook.port)
    writer.write(begun)
    started = time.monotonic()
    assert await hook.post(b"{}") == 202
    async with asyncio.timeout(20):
        answer = await reader.read()
    assert time.monotonic() - started < 20
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
    writer.close()
    await writer.wait_closed()
    assert len(await hook.until(Received)) == 1


async def test_a_port_that_is_taken_is_a_failed_attempt(hook: Hook) -> None:
    hook.connect(hook.origin, 2)
    (failed,) = await hook.until(ConnectFailed)
    assert failed.reason == "address already in use"


async def test_a_webhook_that_is_ended_listens_no_more(hook: Hook) -> None:
    hook.close()
    await hook.until(ConnectionClosed)
    with pytest.raises(aiohttp.ClientConnectionError):
        await hook.post(b"{}")
