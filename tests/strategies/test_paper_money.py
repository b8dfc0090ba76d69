"""Fills, costs and equity of the shipped strategies, recomputed from bars and rules alone."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tapeline import Bar, Config, IssuedSignal, load_calendar, read_config, sample_book
from tapeline.schemas.host_events import Account, Decision, Fill, HostEvent
from tapeline.schemas.records import Cancel, LogRecord
from tapeline.streams.host.driving import HostDriver
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router
from tests.oracle.paper_money import PaperMoney, Terms

SESSIONS = 4
NAMES = ("sma_crossover", "rsi", "touch_fade", "opening_range", "brackets")
MARKET = """
[indicators.strategies]
list = ["sma(5)", "sma(20)", "rsi(14)"]
intervals = ["5m"]
"""
INSTRUMENT = """
[instruments.{symbol}]
tick = "0.25"
calendar = "CME_EQUITY"
ranges = ["prior_session"]
indicators = ["strategies"]
"""
ACCOUNT = """
[accounts.{name}]
cash = "1000000"
slippage_ticks = {slippage}
commission_per_unit = "2.25"
commission_per_order = "1.1"
commission_bps = "0.3"
ambiguous = "{mode}"
min_quality = 0

[strategies.{name}]
module = "{module}"
symbols = ["ES", "NQ"]
account = "{name}"
"""
BRACKETS = '''
"""Every eleventh bar into the direction of the bar, with a stop and a target that are near."""

from tapeline import Needs, Signal, Strategy


class Brackets(Strategy):
    def setup(self, config):
        return Needs(cold=True)

    def on_bar(self, bar, now):
        if bar.start_ms // 60_000 % 11:
            return
        action, side = ("buy", 1) if bar.close > bar.open else ("sell", -1)
        prices = {"stop": bar.close - side * 1.0, "target": bar.close + side * 1.0}
        now.emit(Signal(bar.symbol, action, quantity=3, **prices))
'''
CASH, PER_UNIT, PER_ORDER, BPS = (Fraction(each) for each in ("1000000", "2.25", "1.1", "0.3"))


def configuration(mode: str, slippage: int, own: Path) -> str:
    modules = {name: f"{own}:Brackets" if name == "brackets" else name for name in NAMES}
    instruments = [INSTRUMENT.format(symbol=each) for each in ("ES", "NQ")]
    accounts = [
        ACCOUNT.format(name=name, module=module, mode=mode, slippage=slippage)
        for name, module in modules.items()
    ]
    return MARKET + "".join(instruments) + "".join(accounts)


def log(seed: int) -> list[LogRecord]:
    """Two symbols, one five minutes behind: bars that are late, changed, cancelled."""
    calendar = load_calendar("CME_EQUITY")
    first = list(sample_book("ES", calendar, "2025-11-24", SESSIONS, seed))
    second = list(sample_book("NQ", calendar, "2025-11-24", SESSIONS, seed + 1))
    found: list[LogRecord] = []
    for number, bar in enumerate(first):
        found.append(bar)
        if number >= 5:
            found.append(second[number - 5])
    for place in range(500, len(found) - 40, 331):
        found.insert(place + 23, found.pop(place))
        changed = found[place - 60]
        assert isinstance(changed, Bar)
        found.insert(place, replace(changed, low=changed.low - 2, high=changed.high + 2))
        gone = found[place - 90]
        assert isinstance(gone, Bar)
        found.insert(place, Cancel(gone.symbol, gone.interval, gone.start_ms))
    return found


def run(settings: Config, seed: int) -> Iterator[tuple[LogRecord, str, list[HostEvent]]]:
    router = Router(settings)
    drive = Drive(router)
    driver = HostDriver(settings, load_strategies(settings, list(NAMES), False, {}), router)
    for offset, record in enumerate(log(seed)):
        outcome = drive.apply(record, offset)
        group = settings.group_of(record.symbol)
        yield record, outcome.kind, driver.take((offset, record, 0), record, outcome, group)


@pytest.mark.parametrize(
    ("mode", "slippage"), [("pessimistic", 1), ("optimistic", 0), ("adaptive", 3)]
)
def test_fills_costs_and_equity_are_those_of_the_rules_to_the_cent(
    tmp_path: Path, mode: str, slippage: int
) -> None:
    own = tmp_path / "brackets.py"
    own.write_text(BRACKETS.lstrip())
    settings = read_config(configuration(mode, slippage, own), "test")
    value = {"ES": Fraction(25, 2), "NQ": Fraction(5)}
    terms = Terms(CASH, Fraction(1, 4), value, slippage, PER_UNIT, PER_ORDER, BPS, mode)
    accounts = {name: PaperMoney(terms) for name in NAMES}
    fills = ambiguous = 0
    for record, kind, events in run(settings, seed=7):
        filled = {name: len(each.fills) for name, each in accounts.items()}
        if kind == "accepted":
            for money in accounts.values():
                money.bar(msgspec.to_builtins(record))
        lots = {each.signal: each.quantity for each in events if isinstance(each, Decision)}
        for event in events:
            if isinstance(event, Fill):
                found = accounts[str(event.account)].fills[event.order]
                price, commission = Fraction(str(event.price)), Fraction(str(event.commission))
                seen = (event.quantity, price, commission, event.fill_ms, event.ambiguous)
                assert seen == found, event
                filled[str(event.account)] += 1
                fills += 1
                ambiguous += event.ambiguous
            elif isinstance(event, Account):
                for name, amount in accounts[str(event.account)].money().items():
                    assert Fraction(str(getattr(event, name))) == amount, (name, event)
        assert filled == {name: len(each.fills) for name, each in accounts.items()}, record
        for event in events:
            if isinstance(event, IssuedSignal) and event.state == "issued" and lots[event.id]:
                accounts[str(event.account)].place(msgspec.to_builtins(event), lots[event.id])
    counts = {name: len(each.fills) for name, each in accounts.items()}
    assert fills > 400
    assert min(counts.values()) > 10, counts
    assert ambiguous > 5
    assert accounts["brackets"].waits > 0
