"""What the provider of a drill has, and when."""

from __future__ import annotations

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import MINUTE_MS, SECOND_MS
from tapeline.streams.ingest.drill.market import DrillMarket
from tapeline.streams.pipeline.routing import Router

START_MS = 1_796_049_060_000
END_MS = START_MS + 60 * MINUTE_MS


def market(*symbols: str, flagged: bool = True, empty_bars: bool = False) -> DrillMarket:
    text = "".join(
        f'[instruments.{symbol}]\ntick = "0.25"\ncalendar = "24/7"\n' for symbol in symbols
    )
    router = Router(read_config(text, "market"))
    made = DrillMarket(
        {symbol: router.plan(symbol) for symbol in symbols},
        flagged=flagged,
        open_bars=True,
        empty_bars=empty_bars,
    )
    made.trade(START_MS, END_MS)
    return made


def test_bars_pass_the_checks_of_the_core() -> None:
    made = market("A", "B")
    router = Router(read_config('[instruments.A]\ntick = "0.25"\ncalendar = "24/7"\n', "market"))
    for bar in made.final("A").values():
        router.check(bar)


def test_some_symbols_have_slots_without_a_bar() -> None:
    made = market("A", "B")
    assert len(made.final("A")) == 60
    assert 30 < len(made.final("B")) < 60
    assert len(market("A", "B", empty_bars=True).final("B")) == 60


def test_a_silent_stretch_has_no_bars() -> None:
    router = Router(read_config('[instruments.A]\ntick = 1\ncalendar = "24/7"\n', "market"))
    made = DrillMarket({"A": router.plan("A")}, flagged=True, open_bars=False, empty_bars=False)
    made.trade(START_MS, START_MS + 2 * MINUTE_MS, frozenset({"A"}))
    made.trade(START_MS + 2 * MINUTE_MS, START_MS + 4 * MINUTE_MS)
    assert list(made.final("A")) == [START_MS + 2 * MINUTE_MS, START_MS + 3 * MINUTE_MS]


def test_the_last_state_comes_after_the_end_only_where_it_is_flagged() -> None:
    for flagged in (True, False):
        versions = market("A", flagged=flagged).versions["A"][START_MS]
        assert (versions[-1].at_ms > START_MS + MINUTE_MS) == flagged
        assert versions[0].at_ms == START_MS + MINUTE_MS // 2
        assert not versions[0].final


def test_the_history_has_a_version_after_its_lag() -> None:
    made = market("A")
    end_ms = START_MS + MINUTE_MS
    first = made.final("A")[START_MS]
    made.revise("A", START_MS, end_ms + 30 * SECOND_MS)
    lag_ms = 5 * SECOND_MS
    assert made.known("A", START_MS, end_ms + lag_ms - 1, lag_ms) is None
    early = made.known("A", START_MS, end_ms + lag_ms, lag_ms)
    late = made.known("A", START_MS, end_ms + 30 * SECOND_MS, lag_ms)
    assert early is not None
    assert late is not None
    assert early.bar == first
    assert late.bar == made.final("A")[START_MS]
    assert early.bar != late.bar
    assert {first, late.bar} == set(made.states("A", START_MS))


def test_a_delay_moves_the_last_version() -> None:
    made = market("A")
    at_ms = made.versions["A"][START_MS][-1].at_ms
    made.delay("A", START_MS, MINUTE_MS)
    assert made.versions["A"][START_MS][-1].at_ms == at_ms + MINUTE_MS
