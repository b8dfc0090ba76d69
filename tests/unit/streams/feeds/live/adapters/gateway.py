"""A live gateway of Databento on loopback: its handshake, and records made by its library."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.live.adapters.databento import DatabentoMapping, databento_mapping
from tapeline.streams.feeds.live.secrets import read_secrets

KEY = "db-0123456789abcdef01234567fghij"
CHALLENGE = "t7kNhwj4xqR0QYjzFKtBEG2ec2pXJ4FK"
NUMBERS = {"ESZ6": 7001, "NQZ6": 7002}
MINUTE_NS = 60_000_000_000
OPEN_NS = 1_796_050_800_000_000_000
"""2026-11-30 15:00 UTC."""
CONFIGURATION = """
[feeds.cme]
kind = "databento"
url = "{url}"
symbols = {{ ES = "ESZ6", NQ = "NQZ6" }}
parameters = {{ dataset = "GLBX.MDP3" }}
"""


def mapping_of(url: str = "", more: str = "") -> DatabentoMapping:
    """The mapping of a feed of two futures."""
    config = read_config(CONFIGURATION.format(url=url or "tcp://127.0.0.1:1") + more, "test")
    feed = config.feeds["cme"]
    return databento_mapping(feed, config, read_secrets(feed, {"DATABENTO_API_KEY": KEY}))


def metadata(version: int = 3) -> bytes:
    from databento_dbn import Metadata, SType

    return bytes(
        Metadata(
            dataset="GLBX.MDP3",
            start=0,
            stype_in=SType.RAW_SYMBOL,
            stype_out=SType.INSTRUMENT_ID,
            schema=None,
            version=version,
            ts_out=True,
        )
    )


def named(symbol: str) -> bytes:
    """The number of a symbol in this session."""
    from databento_dbn import UNDEF_TIMESTAMP, SType, SymbolMappingMsg

    return bytes(
        SymbolMappingMsg(
            1,
            NUMBERS[symbol],
            OPEN_NS,
            SType.RAW_SYMBOL,
            symbol,
            SType.INSTRUMENT_ID,
            str(NUMBERS[symbol]),
            0,
            UNDEF_TIMESTAMP,
            ts_out=OPEN_NS,
        )
    )


def bar(
    symbol: str,
    minute: int,
    close: int = 5_021_500_000_000,
    open_ns: int = OPEN_NS,
    length: int = 60,
    **changed: Any,
) -> bytes:
    """A bar of so many seconds."""
    from databento_dbn import OHLCVMsg

    start_ns = open_ns + minute * MINUTE_NS
    prices = {"open": close, "high": close + 250_000_000, "low": close, "close": close} | changed
    sent_ns = start_ns + length * 1_000_000_000 + 5_000_000
    return bytes(OHLCVMsg(33, 1, NUMBERS[symbol], start_ns, **prices, volume=412, ts_out=sent_ns))


def system(code: str, minute: int = 0, text: str = "", open_ns: int = OPEN_NS) -> bytes:
    from databento_dbn import SystemCode, SystemMsg

    at_ns = open_ns + minute * MINUTE_NS
    return bytes(SystemMsg(at_ns, text, SystemCode.from_str(code), ts_out=at_ns + 1_000_000))


def error(code: str, text: str) -> bytes:
    from databento_dbn import ErrorCode, ErrorMsg

    return bytes(ErrorMsg(OPEN_NS, text, True, ErrorCode.from_str(code), ts_out=OPEN_NS))


class Session:
    """One client of the gateway.

    Attributes
    ----------
    asked
        Its lines after the key.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.asked: list[dict[str, str]] = []

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def open(self) -> bool:
        """The handshake, up to the start of the stream; whether the key was right."""
        await self.send(b"lsg_version=0.7.0\n", f"cram={CHALLENGE}\n".encode())
        fields = await self._line()
        digest = hashlib.sha256(f"{CHALLENGE}|{KEY}".encode()).hexdigest()
        assert (fields["dataset"], fields["encoding"], fields["ts_out"]) == (
            "GLBX.MDP3",
            "dbn",
            "1",
        )
        if fields["auth"] != f"{digest}-{KEY[-5:]}":
            await self.send(b"success=0|error=Authentication failed.\n")
            return False
        await self.send(b"success=1|session_id=123456\n")
        while True:
            fields = await self._line()
            if "start_session" in fields:
                await self.send(metadata())
                return True
            self.asked.append(fields)

    async def _line(self) -> dict[str, str]:
        text = (await self.reader.readuntil(b"\n")).decode().strip()
        return dict(field.partition("=")[::2] for field in text.split("|"))


class Gateway:
    """The server; each client plays the next script, the last one again and again."""

    def __init__(self, *scripts: Callable[[Session], Awaitable[None]]) -> None:
        self._scripts = scripts
        self._tasks: set[asyncio.Task[None]] = set()
        self.sessions: list[Session] = []
        self.url = ""

    async def __aenter__(self) -> Gateway:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self._scripts[min(len(self.sessions), len(self._scripts) - 1)]
        session = Session(reader, writer)
        self.sessions.append(session)
        try:
            await script(session)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()
