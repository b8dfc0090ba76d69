"""An address that is asked every so often."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tapeline.streams.feeds.live.model import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionOpened,
    Received,
)
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tapeline.streams.feeds.live.transports.polling import Polls
from tests.unit.streams.feeds.live.transports.raw_server import Peer, RawServer, Script
from tests.unit.streams.feeds.live.transports.watching import KEY, Watched


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    inbox = Inbox()
    made = Watched(inbox, Polls(inbox, every_ms=20))
    yield made
    await made.transport.stop()
    assert KEY not in repr(made.events)


def answering(status: str, body: bytes = b"", **headers: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.respond(status, body, Connection="close", **headers)

    return script


async def test_each_good_answer_is_a_message_of_one_open_connection(watched: Watched) -> None:
    date = "Mon, 30 Nov 2026 15:00:00 GMT"
    scripts = [answering("200 OK", b"[%d]" % number, Date=date) for number in range(4)]
    async with RawServer(*scripts) as server:
        watched.connect(f"http://127.0.0.1:{server.port}")
        received = await watched.until(Received, 4)
    assert [each.data for each in received[:4]] == [b"[0]", b"[1]", b"[2]", b"[3]"]
    assert watched.of(ConnectionOpened) == [ConnectionOpened(1, 1_796_050_800_000)]


async def test_a_first_bad_answer_is_a_failed_attempt(watched: Watched) -> None:
    async with RawServer(answering("429 Too Many", Retry_After="17")) as server:
        watched.connect(f"http://127.0.0.1:{server.port}")
        (failed,) = await watched.until(ConnectFailed)
    assert failed == ConnectFailed(1, "answered with status 429", 429, 17_000)


async def test_a_later_bad_answer_ends_the_connection_with_its_status_and_pause(
    watched: Watched,
) -> None:
    scripts = answering("200 OK", b"[]"), answering("418 Banned", Retry_After="300")
    async with RawServer(*scripts) as server:
        watched.connect(f"http://127.0.0.1:{server.port}")
        (closed,) = await watched.until(ConnectionClosed)
    assert (closed.code, closed.retry_after_ms) == (418, 300_000)
    assert len(watched.of(Received)) == 1


async def test_a_connection_of_polls_is_ended_between_two_of_them(watched: Watched) -> None:
    async with RawServer(answering("200 OK", b"[]")) as server:
        watched.connect(f"http://127.0.0.1:{server.port}")
        await watched.until(Received, 2)
        watched.close()
        await watched.until(ConnectionClosed)
        asked = len(server.peers)
        await watched.inbox.take(0.1)
        assert len(server.peers) == asked
