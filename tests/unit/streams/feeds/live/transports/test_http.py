"""Requests to a history endpoint, over loopback."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from tapeline.streams.feeds.live.model import Answered, Fetch, HttpRequest, Unanswered
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import Inbox
from tests.unit.streams.feeds.live.transports.raw_server import Peer, RawServer, Script

DATE = "Mon, 30 Nov 2026 15:00:00 GMT"


@pytest.fixture
async def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def requests(inbox: Inbox) -> AsyncIterator[HttpRequests]:
    made = HttpRequests(inbox)
    yield made
    await made.stop()


def fetch(server: RawServer, number: int = 1, deadline_ms: int = 20_000) -> Fetch:
    url = f"http://127.0.0.1:{server.port}/bars?key=hunter2"
    return Fetch(number, HttpRequest(url, "shown", (("X-Key", "s3cret"),)), deadline_ms)


async def test_an_answer_of_any_status_gives_body_date_and_pause(
    inbox: Inbox, requests: HttpRequests
) -> None:
    async def script(peer: Peer) -> None:
        assert peer.line == "GET /bars?key=hunter2 HTTP/1.1"
        assert peer.headers["x-key"] == "s3cret"
        assert peer.headers["user-agent"].startswith("tapeline/")
        await peer.respond("429 Too Many", b"slow down", Date=DATE, Retry_After="17")

    async with RawServer(script) as server:
        requests.fetch(fetch(server, 7))
        ((event, _),) = await inbox.take(20)
    assert event == Answered(7, 429, b"slow down", 1_796_050_800_000, 17_000)


async def silent_after_half(peer: Peer) -> None:
    await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await peer.silence()


async def cut_after_half(peer: Peer) -> None:
    await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    peer.cut()


@pytest.mark.parametrize("script", [silent_after_half, cut_after_half, Peer.silence])
async def test_half_an_answer_and_none_are_no_answer(
    inbox: Inbox, requests: HttpRequests, script: Script
) -> None:
    async with RawServer(script) as server:
        begun = time.monotonic()
        requests.fetch(fetch(server, deadline_ms=300))
        ((event, _),) = await inbox.take(20)
        assert time.monotonic() - begun < 20
    assert isinstance(event, Unanswered)
    if script is not cut_after_half:
        assert event.reason == "no answer in time"


async def test_a_redirection_is_an_answer_and_is_not_followed(
    inbox: Inbox, requests: HttpRequests
) -> None:
    async def script(peer: Peer) -> None:
        await peer.respond("302 Found", b"", Location="/elsewhere")

    async with RawServer(script) as server:
        requests.fetch(fetch(server))
        ((event, _),) = await inbox.take(20)
        assert isinstance(event, Answered)
        assert event.status == 302
        assert len(server.peers) == 1


async def test_requests_do_not_wait_for_each_other(inbox: Inbox, requests: HttpRequests) -> None:
    async def quick(peer: Peer) -> None:
        await peer.respond("200 OK", b"[]")

    async with RawServer(Peer.silence, quick) as server:
        requests.fetch(fetch(server, 1))
        await server.met()
        requests.fetch(fetch(server, 2))
        ((event, _),) = await inbox.take(20)
    assert event == Answered(2, 200, b"[]")
