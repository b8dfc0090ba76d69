"""Health over HTTP: alive, ready, numbers; anything else is answered and forgotten."""

from __future__ import annotations

import asyncio

import pytest

from tapeline.streams.monitoring.server import HealthServer


@pytest.mark.parametrize(
    ("method", "path", "missing", "expected"),
    [
        ("GET", "/healthz", "partitions", (200, "alive\n")),
        ("GET", "/readyz", "partitions", (503, "partitions\n")),
        ("GET", "/readyz", None, (200, "ready\n")),
        ("GET", "/metrics", None, (200, "numbers\n")),
        ("GET", "/", None, (404, "there are /healthz, /readyz and /metrics\n")),
        ("POST", "/healthz", None, (405, "only GET\n")),
    ],
)
def test_a_request_has_its_answer(
    method: str, path: str, missing: str | None, expected: tuple[int, str]
) -> None:
    server = HealthServer(lambda: missing, lambda: "numbers\n")
    assert server.answer(method, path) == expected


async def exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_the_server_answers_http_and_survives_what_is_no_request() -> None:
    server = HealthServer(lambda: None, lambda: "numbers\n")
    listening = await server.start("127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        assert await exchange(port, b"nonsense\r\n\r\n") == b""
        assert await exchange(port, b"x" * 70_000 + b"\r\n\r\n") == b""
        answer = await exchange(port, b"GET /readyz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Length: 6\r\n" in head
        assert body == b"ready\n"
    finally:
        listening.close()
        await listening.wait_closed()
