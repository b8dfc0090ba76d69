"""`tapeline feed reconcile` with a store, against an exchange on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.loading import load_config
from tapeline.schemas.instants import DAY_MS, iso_date
from tapeline.schemas.records import Bar
from tapeline.streams.cli.main import main
from tapeline.streams.feeds.live.engine import history
from tapeline.streams.feeds.live.exchange.market import SLOT_MS, SampleMarket
from tapeline.streams.feeds.live.exchange.server import SampleExchange
from tapeline.streams.feeds.live.exchange.settings import sample_settings
from tapeline.streams.feeds.live.transports.inbox import read_clocks
from tapeline.streams.pipeline.log_writer import LogBatch, LogEntry
from tapeline.streams.store.live import LiveStore
from tests.unit.streams.store.stores import log_lines

QUIET = {"ALPHA": 99, "BETA": 99}
"""A session of bars of a second is long: few of them have a trade."""


@pytest.fixture
async def exchange() -> AsyncIterator[SampleExchange]:
    made = SampleExchange(SampleMarket(QUIET))
    await made.start()
    yield made
    await made.stop()


class Session:
    """A session of some days ago at the exchange, and a store of it."""

    def __init__(self, place: Path, exchange: SampleExchange) -> None:
        day = read_clocks().wall_ms // DAY_MS - 4
        self.date = iso_date(day)
        self.open_ms = day * DAY_MS
        self.store = place / "store"
        self.config = place / "tapeline.toml"
        self.config.write_text(sample_settings(exchange, "demo"))
        self.bars = {
            symbol: [
                bar
                for slot in range(DAY_MS // SLOT_MS)
                if (bar := exchange.market.bar(symbol, self.open_ms + slot * SLOT_MS)) is not None
            ]
            for symbol in exchange.market.symbols
        }

    def write(self, bars: list[Bar], feed: str = "demo") -> None:
        """Bars of a feed that was live, in order of time."""
        ordered = sorted(bars, key=lambda bar: (bar.start_ms, bar.symbol))
        entries = [LogEntry(replace(bar, source="live"), "stream", bar.start_ms) for bar in ordered]
        with LiveStore(load_config(self.config), self.store) as store:
            store.write(feed, LogBatch(tuple(entries)))

    async def reconcile(self, *options: str) -> int:
        """Exit code of the command."""
        command = [
            "feed", "reconcile", "demo", "--session", self.date, "--store", str(self.store),
            "--config", str(self.config), *options,
        ]  # fmt: skip
        return await asyncio.to_thread(main, command)


async def test_a_damaged_session_is_named_then_mended_until_its_view_is_that_of_the_final_bars(
    exchange: SampleExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(tmp_path, exchange)
    alpha, beta = session.bars["ALPHA"], session.bars["BETA"]
    changed = replace(alpha[100], volume=7)
    extra = replace(alpha[200], start_ms=free_slot(alpha, 200))
    missing = [alpha[0], alpha[50], alpha[-1], beta[10], beta[-1]]
    # A feed that went on: the session is not among the last ones of one of the symbols.
    later = replace(alpha[0], start_ms=session.open_ms + 3 * DAY_MS)
    held = [bar for bar in (*alpha, *beta) if bar not in missing and bar != alpha[100]]
    session.write([*held, changed, extra, later])

    before = len(log_lines(session.store))
    assert await session.reconcile("--json", "--verify") == 1
    found = json.loads(capsys.readouterr().out)
    expected = {
        ("ALPHA", changed.start_ms, "changed"),
        ("ALPHA", extra.start_ms, "extra"),
        *((bar.symbol, bar.start_ms, "missing") for bar in missing),
    }
    assert named(found) == expected
    assert found["left"] == len(expected)
    assert found["view"]
    assert len(log_lines(session.store)) == before

    assert await session.reconcile("--publish", "--verify", "--json") == 0
    mended = json.loads(capsys.readouterr().out)
    assert named(mended) == expected
    assert mended["left"] == 0
    assert mended["view"] == []
    appended = log_lines(session.store)[before:]
    assert {(each["type"], each.get("source")) for each in appended} >= {
        ("bar", "fill"),
        ("cancel", None),
    }
    origins = (session.store / "provenance.jsonl").read_text().splitlines()[before:]
    assert {json.loads(line)[1] for line in origins} == {"demo"}

    assert await session.reconcile() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "log and history are equal"


async def test_bars_that_another_feed_wrote_are_compared_and_not_written_over(
    exchange: SampleExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(tmp_path, exchange)
    session.write(session.bars["ALPHA"][1:], feed="other")
    before = len(log_lines(session.store))
    assert await session.reconcile() == 1
    assert await session.reconcile("--publish") == 70
    assert "the latest bars of ALPHA are of feed other" in capsys.readouterr().err
    assert len(log_lines(session.store)) == before


async def test_a_store_that_is_written_to_is_refused_with_its_process(
    exchange: SampleExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(tmp_path, exchange)
    session.write(session.bars["ALPHA"])
    with LiveStore(load_config(session.config), session.store):
        assert await session.reconcile() == 2
    assert "the store is in use by" in capsys.readouterr().err


async def test_a_history_that_does_not_answer_changes_nothing(
    exchange: SampleExchange,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "TRIES", 1)
    session = Session(tmp_path, exchange)
    session.write(session.bars["ALPHA"][1:])
    before = len(log_lines(session.store))
    exchange.ask("no_history", 600)
    assert await session.reconcile("--publish") == 74
    assert "gives no answer to" in capsys.readouterr().err
    assert len(log_lines(session.store)) == before


@pytest.mark.parametrize(
    ("date", "text"), [("2999-01-01", "no symbol of feed demo"), ("today", "is no ISO date")]
)
async def test_a_session_without_bars_is_refused(
    exchange: SampleExchange,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    date: str,
    text: str,
) -> None:
    session = Session(tmp_path, exchange)
    session.date = date
    assert await session.reconcile() == 2
    assert text in capsys.readouterr().err


def named(found: dict[str, Any]) -> set[tuple[str, int, str]]:
    """What differs, by symbol, label and kind."""
    return {(each["symbol"], each["start_ms"], each["kind"]) for each in found["differences"]}


def free_slot(bars: list[Bar], after: int) -> int:
    """Label of a slot without a bar, after that of an index."""
    labels = {bar.start_ms for bar in bars}
    return next(
        label
        for label in range(bars[after].start_ms, bars[-1].start_ms, SLOT_MS)
        if label not in labels
    )
