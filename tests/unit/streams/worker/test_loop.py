"""The event loop of a worker closes a connection soon, whatever the other side does."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
import uvloop

from tapeline.streams.worker.loop import WorkerLoopPolicy
from tests.kafka.certificates import Authority, require_openssl

LIMIT_S = 10.0
"""A third of what libuv's loop waits by itself."""


class Watched(asyncio.Protocol):
    """A connection, and when it is closed."""

    def __init__(self) -> None:
        self.closed = asyncio.get_running_loop().create_future()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set_result(error)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    require_openssl()
    return Authority(tmp_path / "authority")


@pytest.fixture
def deaf(authority: Authority) -> Iterator[int]:
    """Port of a server that agrees to TLS and then reads nothing any more."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.sign("server"))
    done = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with (
                server.accept()[0] as plain,
                context.wrap_socket(plain, server_side=True),
            ):
                done.wait()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join(LIMIT_S)


def test_tls_is_closed_soon_though_the_other_side_does_not_answer(
    authority: Authority, deaf: int
) -> None:
    async def connect_and_close() -> None:
        context = ssl.create_default_context(cafile=str(authority.certificate))
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(Watched, "127.0.0.1", deaf, ssl=context)
        transport.close()
        await asyncio.wait_for(protocol.closed, LIMIT_S)

    loop = WorkerLoopPolicy().new_event_loop()
    try:
        assert isinstance(loop, uvloop.Loop)
        loop.run_until_complete(connect_and_close())
    finally:
        loop.close()
