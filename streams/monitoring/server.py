"""Health over HTTP: whether the process lives, whether it works, and its numbers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

PATIENCE_S = 5.0
BACKLOG = 16
TEXT = "text/plain; version=0.0.4; charset=utf-8"
Answer = tuple[int, str]
REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class HealthServer:
    """Answers ``/healthz``, ``/readyz`` and ``/metrics``, one request a connection.

    Parameters
    ----------
    not_ready
        Names what the process still waits for; None when it works.
    page
        The text of ``/metrics``.
    """

    def __init__(self, not_ready: Callable[[], str | None], page: Callable[[], str]) -> None:
        self._not_ready = not_ready
        self._page = page

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Listen.

        Raises
        ------
        OSError
            When the port is taken.
        """
        return await asyncio.start_server(self._serve, host, port, backlog=BACKLOG)

    def answer(self, method: str, path: str) -> Answer:
        """Status and text for a request."""
        if method not in ("GET", "HEAD"):
            return 405, "only GET\n"
        if path == "/healthz":
            return 200, "alive\n"
        if path == "/readyz":
            missing = self._not_ready()
            return (200, "ready\n") if missing is None else (503, f"{missing}\n")
        if path == "/metrics":
            return 200, self._page()
        return 404, "there are /healthz, /readyz and /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
            await asyncio.wait_for(self._reply(reader, writer), PATIENCE_S)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        status, text = self.answer(method, path.partition("?")[0])
        body = text.encode()
        lines = (
            f"HTTP/1.1 {status} {REASONS[status]}",
            f"Content-Type: {TEXT}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if method == "GET":
            writer.write(body)
        await writer.drain()
