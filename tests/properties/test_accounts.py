"""Paper accounts over random bars and signals: no unit of money appears or is lost.

A second account knows nothing but the fills and the closes of bars, and adds up in fractions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.accounts import AccountConfig, ContractConfig, StopGuard
from tapeline.schemas.config.model import InstrumentConfig
from tapeline.schemas.host_events import (
    Account,
    Action,
    Decision,
    Fill,
    Order,
    OrderKind,
    Position,
)
from tests.unit.streams.host.accounts.desk import (
    MINUTE,
    START,
    Desk,
    Published,
    Wanted,
    config_of,
)

SYMBOLS = ("A", "B")
TICK = {"A": Fraction(1), "B": Fraction(1, 4)}
WORTH = {"A": Fraction(1), "B": Fraction(1, 2)}
"""Of a price of 1 in a lot."""
CONTRACTS = {"B": ContractConfig(multiplier="0.05", lot="10")}
INSTRUMENTS = {
    "A": InstrumentConfig(tick="1", calendar="24/7"),
    "B": InstrumentConfig(tick="0.25", calendar="24/7"),
}

ORDERS: tuple[OrderKind, ...] = ("market", "market", "limit", "stop")
ACTIONS: tuple[Action, ...] = ("buy", "buy", "sell", "sell", "close", "hold")


class Step(NamedTuple):
    """A bar of a symbol, in ticks and minutes after its last, then what a host may do."""

    symbol: str
    wait: int
    prices: tuple[int, int, int, int]
    wanted: Wanted | None
    strategy: str
    restarts: bool
    then: str


def _price(symbol: str, ticks: int) -> float:
    return float(ticks * TICK[symbol])


@st.composite
def steps(draw: st.DrawFn) -> Step:
    symbol = draw(st.sampled_from(SYMBOLS))
    low, first, second, high = sorted(draw(st.lists(st.integers(1, 40), min_size=4, max_size=4)))
    opened, close = draw(st.permutations((first, second)))
    return Step(
        symbol,
        draw(st.sampled_from((1, 1, 1, 2, 5))),
        (opened, high, low, close),
        draw(st.none() | signals(symbol)),
        draw(st.sampled_from("st")),
        draw(st.booleans()),
        draw(st.sampled_from(("", "", "", "cancel", "fault"))),
    )


@st.composite
def signals(draw: st.DrawFn, symbol: str) -> Wanted:
    order = draw(st.sampled_from(ORDERS))
    action = draw(st.sampled_from(ACTIONS))
    price = draw(st.integers(1, 40))
    away = draw(st.integers(1, 10))
    beyond = draw(st.integers(1, 10))
    below, above = max(price - away, 1), price + beyond
    stop, target = (below, above) if action == "buy" else (above, below)
    return Wanted(
        action,
        draw(st.none() | st.integers(1, 12)),
        order,
        None if order == "market" else _price(symbol, price),
        draw(st.none() | st.just(_price(symbol, stop))),
        draw(st.none() | st.just(_price(symbol, target))),
        1.0,
        draw(st.integers(1, 6)),
    )


ACCOUNTS = st.builds(
    AccountConfig,
    cash=st.just("1000"),
    slippage_ticks=st.integers(0, 3),
    commission_per_unit=st.sampled_from(("0", "0.013")),
    commission_per_order=st.sampled_from(("0", "0.5")),
    commission_bps=st.sampled_from(("0", "1.7")),
    limit_through=st.integers(0, 1),
    ambiguous=st.sampled_from(("pessimistic", "optimistic", "adaptive")),
    max_open_positions=st.sampled_from((None, 1)),
    max_buying_power=st.sampled_from((None, "300")),
    cooldown_bars=st.sampled_from((None, 2)),
    max_drawdown=st.sampled_from((None, 0.2)),
    stop_guard=st.sampled_from((None, StopGuard(2, 4))),
)
RUNS = st.lists(steps(), max_size=40)


def desk_of(account: AccountConfig) -> Desk:
    return Desk(config=config_of(account, INSTRUMENTS, CONTRACTS))


def played(desk: Desk, run: list[Step], restarts: bool) -> Iterator[tuple[Step, list[Published]]]:
    """What each bar leads to, what its signal, and what a host did after it."""
    minutes = dict.fromkeys(SYMBOLS, 0)
    for number, step in enumerate(run):
        symbol = step.symbol
        minutes[symbol] += step.wait
        opened, high, low, close = (_price(symbol, each) for each in step.prices)
        yield step, desk.bar(minutes[symbol], (opened, high, low, close), symbol)
        if step.wanted is not None:
            found = desk.signal(step.wanted, symbol, strategy=step.strategy)
            yield step, found
        if step.then == "cancel" and desk.signals:
            last = desk.signals[-1]
            now = desk.instant(str(last.symbol))
            yield step, [*desk.accounts.cancel_entry(last.id, "strategy", now)]
        if step.then == "fault":
            now = desk.instant(symbol)
            yield step, [*desk.accounts.flatten("default", step.strategy, number, now)]
        if restarts and step.restarts:
            desk.restart()


@given(account=ACCOUNTS, run=RUNS)
def test_money_is_conserved_to_the_unit(account: AccountConfig, run: list[Step]) -> None:
    cash = Fraction(1000)
    held: dict[str, int] = defaultdict(int)
    marks: dict[str, Fraction] = {}
    desk = desk_of(account)
    for step, found in played(desk, run, False):
        for event in found:
            if isinstance(event, Fill):
                assert event.symbol is not None
                signed = event.quantity if event.side == "buy" else -event.quantity
                held[event.symbol] += signed
                cash -= signed * Fraction(event.price) * WORTH[event.symbol]
                cash -= Fraction(str(event.commission))
        if not any(isinstance(event, Decision) for event in found):
            marks[step.symbol] = step.prices[3] * TICK[step.symbol]
        worth = {name: held[name] * marks.get(name, Fraction(0)) * WORTH[name] for name in SYMBOLS}
        for event in found:
            if isinstance(event, Position):
                assert event.quantity == held[step.symbol]
                money = Fraction(str(event.cost)) + Fraction(str(event.open))
                assert money == worth[step.symbol]
            if isinstance(event, Account):
                assert Fraction(str(event.equity)) == cash + sum(worth.values())
                assert Fraction(str(event.exposure)) == sum(map(abs, worth.values()))
                parts = [Fraction(str(each)) for each in (event.cash, event.open)]
                assert sum(parts) == Fraction(str(event.equity))
                assert event.positions == len([each for each in held.values() if each])


@given(account=ACCOUNTS, run=RUNS)
def test_accounts_go_on_from_their_state_as_if_they_had_never_stopped(
    account: AccountConfig, run: list[Step]
) -> None:
    whole = [found for _, found in played(desk_of(account), run, False)]
    in_parts = [found for _, found in played(desk_of(account), run, True)]
    assert in_parts == whole


@given(account=ACCOUNTS, run=RUNS)
def test_an_order_works_once_then_ends_once_and_is_filled_inside_its_bar(
    account: AccountConfig, run: list[Step]
) -> None:
    desk = desk_of(account)
    states: dict[str, list[str]] = defaultdict(list)
    placed: dict[str, Order] = {}
    held: dict[str, int] = defaultdict(int)
    for step, found in played(desk, run, False):
        start_ms = desk.market.watermarks[step.symbol] - MINUTE
        for event in found:
            if isinstance(event, Order):
                states[event.id].append(event.state)
                placed[event.id] = event
                assert event.event_ms == desk.now_ms
            if isinstance(event, Fill):
                assert event.symbol is not None
                order = placed[event.order]
                role = order.id.rsplit("|", 1)[1]
                assert order.state == "filled"
                assert START <= event.fill_ms == start_ms
                before = held[event.symbol]
                held[event.symbol] += event.quantity if event.side == "buy" else -event.quantity
                slipped = event.slippage_ticks if event.side == "buy" else -event.slippage_ticks
                ticks = Fraction(event.price) / TICK[event.symbol] - slipped
                assert step.prices[2] <= ticks <= step.prices[1]
                if role == "entry":
                    assert event.quantity == order.quantity
                    assert event.fill_ms >= order.placed_ms
                else:
                    # What closes never opens.
                    assert abs(held[event.symbol]) == abs(before) - event.quantity
                    assert event.quantity <= order.quantity
                if role == "flatten":
                    assert event.fill_ms >= order.placed_ms
    for lived in states.values():
        assert lived in (["working"], ["working", "filled"], ["working", "cancelled"])


@given(account=ACCOUNTS, run=RUNS)
def test_every_signal_has_one_decision_and_only_an_approved_one_has_orders(
    account: AccountConfig, run: list[Step]
) -> None:
    decisions: dict[str, Decision] = {}
    for _, found in played(desk_of(account), run, False):
        for event in found:
            if isinstance(event, Decision):
                assert event.signal not in decisions
                decisions[event.signal] = event
                failed = [check.name for check in event.checks if not check.pass_]
                assert event.approved == (not failed)
                assert event.code == (failed[0] if failed else None)
            elif isinstance(event, Order):
                of_fault = event.id.startswith("order|strategy|")
                assert of_fault == (event.signal is None)
                assert event.signal is None or decisions[event.signal].approved
    asked = [step for step in run if step.wanted is not None]
    assert len(decisions) == len(asked)


@given(account=ACCOUNTS, run=RUNS)
def test_bars_that_come_after_change_nothing_that_was_published(
    account: AccountConfig, run: list[Step]
) -> None:
    half = len(run) // 2
    whole = [found for _, found in played(desk_of(account), run, False)]
    prefix = [found for _, found in played(desk_of(account), run[:half], False)]
    assert whole[: len(prefix)] == prefix
