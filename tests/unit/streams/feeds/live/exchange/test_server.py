"""The history and the faults of the sample exchange; its stream is read by a whole feed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.exchange.server import LAG_MS, PAGE, REQUESTS, SampleExchange
from tapeline.streams.feeds.live.transports.inbox import read_clocks


@pytest.fixture
async def exchange() -> AsyncIterator[SampleExchange]:
    made = SampleExchange(SampleMarket())
    await made.start()
    yield made
    await made.stop()


async def ask(exchange: SampleExchange, path: str, **query: Any) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{exchange.port}/{path}", params=query) as answer,
    ):
        return answer.status, await answer.json() if answer.status == 200 else answer.headers


async def fault(exchange: SampleExchange, **asked: Any) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{exchange.port}/faults", json=asked) as answer,
    ):
        return answer.status


async def test_the_history_gives_pages_up_to_the_slot_that_is_old_enough(
    exchange: SampleExchange,
) -> None:
    now_ms = read_clocks().wall_ms
    first_ms = now_ms // SLOT_MS * SLOT_MS - 1_200 * SLOT_MS
    query: dict[str, Any] = {"symbol": "BETA", "from": first_ms, "to": now_ms + 60_000}
    labels: list[int] = []
    pages = 0
    while True:
        status, answer = await ask(exchange, "bars", **query)
        assert status == 200
        pages += 1
        labels += [row["t"] for row in answer["bars"]]
        if "next" not in answer:
            break
        query["page"] = answer["next"]
    market = SampleMarket()
    assert pages == -(-len(labels) // PAGE)
    assert labels == [
        at for at in range(first_ms, labels[-1] + 1, SLOT_MS) if market.bar("BETA", at) is not None
    ]
    assert now_ms - LAG_MS - 10 * SLOT_MS < labels[-1] + SLOT_MS
    assert labels[-1] + SLOT_MS + LAG_MS <= read_clocks().wall_ms


async def test_too_many_requests_are_refused_and_not_counted(exchange: SampleExchange) -> None:
    now_ms = read_clocks().wall_ms
    exchange.requests.extend([now_ms] * REQUESTS)
    status, headers = await ask(exchange, "bars", symbol="BETA", **{"from": 0, "to": 0})
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 10
    assert len(exchange.requests) == REQUESTS


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"symbol": "NONE", "from": 0, "to": 0}, 404),
        ({"symbol": "BETA", "from": "x", "to": 0}, 400),
        ({"symbol": "BETA"}, 400),
    ],
)
async def test_wrong_requests_are_refused(
    exchange: SampleExchange, query: dict[str, Any], status: int
) -> None:
    assert (await ask(exchange, "bars", **query))[0] == status


async def test_faults_are_asked_for_by_name(exchange: SampleExchange) -> None:
    assert await fault(exchange, fault="no_history", seconds=20) == 204
    assert (await ask(exchange, "bars", symbol="BETA", **{"from": 0, "to": 0}))[0] == 503
    exchange.ask("no_history", 0)
    assert await fault(exchange, fault="limit", seconds=20) == 204
    status, headers = await ask(exchange, "bars", symbol="BETA", **{"from": 0, "to": 0})
    assert (status, headers["Retry-After"]) == (429, "5")
    assert await fault(exchange, fault="refuse", seconds=20) == 204
    assert (await ask(exchange, "stream"))[0] == 503
    before_ms = exchange.now_ms()
    assert await fault(exchange, fault="clock", seconds=180) == 204
    assert exchange.now_ms() - before_ms >= 180_000
    assert await fault(exchange, fault="fire") == 400
    assert await fault(exchange, seconds=3) == 400


async def streamed(exchange: SampleExchange, seconds: int) -> list[tuple[int, dict[str, Any]]]:
    """Messages of all symbols, with the slot in which each came."""
    found = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{exchange.port}/stream") as socket,
    ):
        await socket.send_str('{"subscribe":["ALPHA","BETA","GAMMA"]}')
        await socket.receive()
        until_ms = exchange.now_ms() + seconds * SLOT_MS
        while exchange.now_ms() < until_ms:
            message = await socket.receive_json(timeout=10)
            found.append((exchange.now_ms() // SLOT_MS * SLOT_MS, message))
    return found


async def test_late_bars_come_three_seconds_later_and_in_their_order(
    exchange: SampleExchange,
) -> None:
    exchange.ask("late", 60)
    messages = await streamed(exchange, 5)
    assert [message["bars"] for _, message in messages[:2]] == [[], []]
    bars = [(at, bar["t"]) for at, message in messages for bar in message["bars"]]
    first = [at - label for at, label in bars if label == max(label for _, label in bars)]
    assert first
    assert min(first) >= 3 * SLOT_MS


async def test_a_halt_is_announced_and_has_no_bars_in_stream_and_history(
    exchange: SampleExchange,
) -> None:
    exchange.ask("halt", 2)
    messages = await streamed(exchange, 6)
    halts = {message["type"]: message["t"] for _, message in messages if "s" in message}
    halted = range(halts["halt"], halts["resume"], SLOT_MS)
    assert len(halted) == 2
    bars = [
        bar for _, message in messages for bar in message.get("bars", ()) if bar["s"] == "ALPHA"
    ]
    assert bars
    assert not {bar["t"] for bar in bars} & set(halted)
    query = {"symbol": "ALPHA", "from": halts["halt"] - SLOT_MS, "to": halts["resume"]}
    _, answer = await ask(exchange, "bars", **query)
    assert [row["t"] for row in answer["bars"]] == [query["from"], query["to"]]
