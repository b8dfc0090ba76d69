"""Databento: its handshake, its records, and a whole session of the connection side."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

pytest.importorskip("databento_dbn")

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.live.adapters.databento import (
    DatabentoMapping,
    DatabentoSettingsError,
    databento_mapping,
)
from tapeline.streams.feeds.live.adapters.databento_sockets import DatabentoSockets
from tapeline.streams.feeds.live.engine.connection import ConnectionSide
from tapeline.streams.feeds.live.engine.feed import FeedEngine
from tapeline.streams.feeds.live.engine.letters import Letters
from tapeline.streams.feeds.live.engine.signals import Heard, WentDown, WentLive
from tapeline.streams.feeds.live.engine.watchdog import MarketHours
from tapeline.streams.feeds.live.model import (
    Alive,
    Close,
    Connect,
    Fetch,
    Leave,
    Notice,
    Send,
    Statement,
    Timer,
    Unasked,
    Unreadable,
)
from tapeline.streams.feeds.live.secrets import read_secrets
from tapeline.streams.feeds.live.transports.http import HttpRequests
from tapeline.streams.feeds.live.transports.inbox import Inbox, read_clocks
from tapeline.streams.feeds.live.transports.links import ConnectionTasks
from tapeline.streams.ingest.feed_run import FeedRun
from tapeline.streams.pipeline.log_writer import KnownLog, KnownSymbol, LogEntry
from tapeline.streams.pipeline.routing import Router
from tests.unit.streams.feeds.live.adapters.gateway import (
    CONFIGURATION,
    KEY,
    MINUTE_NS,
    OPEN_NS,
    Gateway,
    Session,
    bar,
    error,
    mapping_of,
    metadata,
    named,
    system,
)
from tests.unit.streams.feeds.live.exchange.test_settings import MemoryLog

ROUND_THE_CLOCK = """
[instruments.COIN]
base = "1s"
ranges = []
tick = 0.01
calendar = "24/7"
[instruments.DOGE]
base = "1s"
ranges = []
tick = 0.01
calendar = "24/7"
[feeds.cme]
kind = "databento"
url = "{url}"
symbols = {{ COIN = "ESZ6", DOGE = "NQZ6" }}
parameters = {{ dataset = "GLBX.MDP3" }}
truth = {{ silence = "marker" }}
"""
OPEN_MS = OPEN_NS // 1_000_000


def meant(mapping: DatabentoMapping, data: bytes) -> list[Any]:
    return mapping.meanings(mapping.parse(data), data)


def test_a_bar_is_a_final_statement_with_exact_prices_and_its_time_of_sending() -> None:
    mapping = mapping_of()
    assert meant(mapping, named("ESZ6")) == []
    (statement,) = meant(mapping, bar("ESZ6", 3, 5_021_250_000_001))
    assert isinstance(statement, Statement)
    assert statement.bar == Bar(
        "ES",
        "1m",
        OPEN_MS + 180_000,
        5021.250000001,
        5021.500000001,
        5021.250000001,
        5021.250000001,
        412,
    )
    assert (statement.final, statement.sent_ms) == (True, OPEN_MS + 240_005)


def test_the_end_of_an_interval_shows_that_all_bars_up_to_it_were_sent() -> None:
    (notice,) = meant(mapping_of(), system("end_of_interval", 5, "ohlcv-1m"))
    assert notice == Notice("marker", start_ms=OPEN_MS + 4 * 60_000)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(system("heartbeat"), [Alive(OPEN_MS + 1)], id="a heartbeat"),
        pytest.param(
            system("slow_reader_warning", 0, "behind"), [Notice("slow", text="behind")], id="slow"
        ),
        pytest.param(system("subscription_ack"), [], id="an acknowledgement"),
        pytest.param(system("replay_completed"), [], id="the end of what was missed"),
        pytest.param(
            error("auth_failed", "no such key"), [Notice("fatal", text="no such key")], id="key"
        ),
        pytest.param(
            error("connection_limit_exceeded", "10"), [Notice("refused", text="10")], id="limit"
        ),
        pytest.param(
            error("symbol_resolution_failed", "Failed to resolve NQZ6 today"),
            [Notice("refused", "NQ", text="Failed to resolve NQZ6 today")],
            id="a symbol",
        ),
        pytest.param(
            error("skipped_records_after_slow_reading", "skipped"),
            [Notice("slow", text="skipped")],
            id="lost records",
        ),
        pytest.param(bar("NQZ6", 0), [Unasked("instrument 7002")], id="an unknown number"),
        pytest.param(
            b"success=0|error=User has reached their open connection limit",
            [Notice("refused", text="User has reached their open connection limit")],
            id="limit at the door",
        ),
    ],
)
def test_other_messages_mean_what_the_gateway_says(data: bytes, expected: list[Any]) -> None:
    assert meant(mapping_of(), data) == expected


def test_once_the_replay_has_caught_up_a_mark_covers_it_from_its_start() -> None:
    mapping = mapping_of()
    marks = []
    for data in (
        named("ESZ6"),
        bar("ESZ6", 2),
        system("end_of_interval", 5),
        bar("ESZ6", 3),
        system("replay_completed"),
        system("end_of_interval", 6),
    ):
        marks += [each for each in meant(mapping, data) if isinstance(each, Notice)]
    assert [(mark.start_ms, mark.from_ms) for mark in marks] == [
        (OPEN_MS + 4 * 60_000, None),
        (OPEN_MS + 5 * 60_000, OPEN_MS + 2 * 60_000),
    ]


@pytest.mark.parametrize(
    ("minutes", "begin"),
    [
        pytest.param(30, 5, id="within the day: from the start that was asked for"),
        pytest.param(25 * 60, 25 * 60 - 2, id="beyond it: from the first bar that came"),
    ],
)
def test_a_replay_is_promised_for_a_day(minutes: int, begin: int) -> None:
    mapping = mapping_of()
    for data in (system("replay_completed"), system("end_of_interval", 6)):
        meant(mapping, data)
    mapping.answer(0, None, mapping.parse(b"cram=another"))
    (message,) = mapping.messages(2, ["ES"])
    assert f"|start={OPEN_NS + 5 * MINUTE_NS}|" in message.text
    meant(mapping, named("ESZ6") + bar("ESZ6", minutes - 2) + system("replay_completed"))
    (mark,) = meant(mapping, system("end_of_interval", minutes))
    assert mark.from_ms == OPEN_MS + begin * 60_000


def test_what_was_not_replayed_to_its_end_is_asked_for_again() -> None:
    mapping = mapping_of()
    for data in (system("replay_completed"), system("end_of_interval", 6)):
        meant(mapping, data)
    for _ in range(2):
        mapping.answer(0, None, mapping.parse(b"cram=another"))
        (message,) = mapping.messages(2, ["ES"])
        assert f"|start={OPEN_NS + 5 * MINUTE_NS}|" in message.text
        (mark,) = meant(mapping, system("end_of_interval", 40))
        assert mark.from_ms is None, "it is one of now"


def test_a_price_that_is_not_defined_is_a_letter() -> None:
    mapping = mapping_of()
    data = bar("ESZ6", 0, low=9_223_372_036_854_775_807)
    (letter,) = meant(mapping, named("ESZ6") + data)
    assert isinstance(letter, Unreadable)
    assert (letter.code, letter.symbol, letter.raw) == ("bad_price", "ES", data)


@pytest.mark.parametrize("data", [b"", b"\x10\x21short", b"DBN\x09\x00\x00\x00\x00"])
def test_bytes_that_are_no_records_mean_nothing_or_cannot_be_read(data: bytes) -> None:
    mapping = mapping_of()
    try:
        parsed = mapping.parse(data)
    except ValueError:
        return
    assert mapping.meanings(parsed, data) == []


def test_the_version_of_records_is_that_of_the_session() -> None:
    mapping = mapping_of()
    mapping.parse(metadata(version=2))
    assert meant(mapping, named("ESZ6")) == []
    assert len(meant(mapping, bar("ESZ6", 0))) == 1


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        (CONFIGURATION.format(url="").replace("dataset", "other"), "say which data it reads"),
        (
            CONFIGURATION.format(url="").replace("NQ =", "ACME =")
            + '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nbase = "5m"\n',
            "one base interval",
        ),
    ],
)
def test_a_feed_that_cannot_be_read_is_refused_with_the_way_out(toml: str, reason: str) -> None:
    config = read_config(toml.replace('url = ""\n', ""), "test")
    feed = config.feeds["cme"]
    secrets = read_secrets(feed, {"DATABENTO_API_KEY": KEY})
    with pytest.raises(DatabentoSettingsError, match=reason):
        databento_mapping(feed, config, secrets)


def test_the_gateway_of_a_dataset_is_known() -> None:
    config = read_config(CONFIGURATION.format(url="").replace('url = ""\n', ""), "test")
    feed = config.feeds["cme"]
    mapping = databento_mapping(feed, config, read_secrets(feed, {"DATABENTO_API_KEY": KEY}))
    assert mapping.address(["ES"]).url == "tcp://glbx-mdp3.lsg.databento.com:13000"


class Feed:
    """The connection side of a feed against a gateway, in real time."""

    def __init__(self, url: str) -> None:
        config = read_config(CONFIGURATION.format(url=url), "test")
        feed = config.feeds["cme"]
        self.mapping = mapping_of(url)
        router = Router(config)
        hours = MarketHours([router.plan(symbol) for symbol in feed.symbols])
        self.side = ConnectionSide(feed, self.mapping, hours, Random(1), Letters("cme"))
        self.inbox = Inbox()
        self.transport = ConnectionTasks(self.inbox, DatabentoSockets(self.inbox))
        self.outputs: list[Any] = []

    async def until(self, kind: type[Any], count: int) -> list[Any]:
        """All outputs of a kind, once there are so many."""
        async with asyncio.timeout(20):
            while len(self.of(kind)) < count:
                now = read_clocks()
                wait_ms = min(max(0, self.side.next_ms - now.mono_ms), 100)
                events = await self.inbox.take(wait_ms / 1000)
                for event, at in [*events, (Timer(), read_clocks())]:
                    for output in self.side.handle(event, at):
                        self.outputs.append(output)
                        self._carry_out(output)
        return self.of(kind)

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.outputs if isinstance(each, kind)]

    def _carry_out(self, output: Any) -> None:
        if isinstance(output, Connect):
            self.transport.connect(output)
        elif isinstance(output, Send):
            self.transport.send(output)
        elif isinstance(output, Close):
            self.transport.close(output)
        assert not isinstance(output, Fetch)


async def test_a_session_after_a_cut_asks_for_everything_since_the_last_interval() -> None:
    async def first(session: Session) -> None:
        assert await session.open()
        await session.send(named("ESZ6"), named("NQZ6"), bar("ESZ6", 0), bar("NQZ6", 0))
        await session.send(system("replay_completed"), system("end_of_interval", 1))
        await session.send(bar("ESZ6", 1)[:20])

    async def second(session: Session) -> None:
        assert await session.open()
        await session.send(named("ESZ6"), bar("ESZ6", 0), bar("ESZ6", 1))
        await asyncio.Event().wait()

    async with Gateway(first, second) as gateway:
        feed = Feed(gateway.url)
        await feed.until(WentDown, 1)
        heard = await feed.until(Heard, len(feed.of(Heard)) + 1)
        await feed.transport.stop()
        starts = [[each["start"] for each in session.asked] for session in gateway.sessions]
        asked = gateway.sessions[0].asked
    assert starts == [["0"], [str(OPEN_NS)]]
    assert asked == [
        {
            "schema": "ohlcv-1m",
            "stype_in": "raw_symbol",
            "start": "0",
            "symbols": "ESZ6,NQZ6",
            "snapshot": "0",
            "is_last": "1",
        }
    ]
    (live, again) = feed.of(WentLive)
    assert set(live.symbols) == set(again.symbols) == {"ES", "NQ"}
    statements = [
        (each.connection, meaning.bar.symbol, (meaning.bar.start_ms - OPEN_MS) // 60_000)
        for each in heard
        for meaning in each.meanings
        if isinstance(meaning, Statement)
    ]
    assert statements == [(1, "ES", 0), (1, "NQ", 0), (2, "ES", 0), (2, "ES", 1)]
    assert KEY not in repr(feed.outputs)


async def test_a_wrong_key_ends_the_feed_and_is_nowhere_to_be_seen() -> None:
    async def script(session: Session) -> None:
        await session.send(b"lsg_version=0.7.0\n", b"cram=another challenge\n")
        await session.reader.readuntil(b"\n")
        await session.send(b"success=0|error=Authentication failed.\n")
        await asyncio.Event().wait()

    async with Gateway(script) as gateway:
        feed = Feed(gateway.url)
        (leave,) = await feed.until(Leave, 1)
        await feed.transport.stop()
    assert leave.exit_code == 2
    assert leave.message.endswith("Authentication failed.")
    assert KEY not in repr(feed.outputs)


async def test_a_slot_without_trades_is_proved_by_the_mark_of_the_gateway() -> None:
    async def script(session: Session) -> None:
        assert await session.open()
        await session.send(named("ESZ6"), named("NQZ6"))
        begun_ms = 0
        while True:
            ended_ms = read_clocks().wall_ms // 1000 * 1000
            if not begun_ms:
                begun_ms = ended_ms
                await session.send(bar("NQZ6", 0, open_ns=(ended_ms - 1000) * 1_000_000, length=1))
            await session.send(bar("ESZ6", 0, open_ns=(ended_ms - 1000) * 1_000_000, length=1))
            await session.send(system("end_of_interval", open_ns=ended_ms * 1_000_000))
            await asyncio.sleep(1.02 - read_clocks().wall_ms % 1000 / 1000)

    async with Gateway(script) as gateway:
        config = read_config(ROUND_THE_CLOCK.format(url=gateway.url), "test")
        feed = config.feeds["cme"]
        mapping = databento_mapping(feed, config, read_secrets(feed, {"DATABENTO_API_KEY": KEY}))
        known = KnownLog(symbols={symbol: KnownSymbol() for symbol in feed.symbols})
        inbox, log = Inbox(), MemoryLog()
        run = FeedRun(
            FeedEngine(feed, mapping, Router(config), known, Random(1)),
            inbox,
            ConnectionTasks(inbox, DatabentoSockets(inbox)),
            HttpRequests(inbox),
            log,
        )
        running = asyncio.create_task(run.run())
        async with asyncio.timeout(30):
            while len(marked_clocks(log)) < 3:
                await asyncio.sleep(0.05)
        run.stop(5)
        await running
    (traded,) = log.bars("DOGE")
    clocks = marked_clocks(log)
    assert clocks == sorted(set(clocks))
    assert traded < clocks[0]
    assert len(log.bars("COIN")) >= 2


def marked_clocks(log: MemoryLog) -> list[int]:
    """Times of the clocks of DOGE that rest on a mark."""
    entries = [each for each in log.items if isinstance(each, LogEntry) and each.via == "marker"]
    records = [each.record for each in entries if isinstance(each.record, Clock)]
    return [each.time_ms for each in records if each.symbol == "DOGE"]
