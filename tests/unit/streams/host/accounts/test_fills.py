"""Which prices of a bar fill an order: table by table, in ticks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.accounts import Ambiguous
from tapeline.schemas.host_events import OrderKind
from tapeline.streams.host.accounts.fills import (
    BarTicks,
    ChosenExit,
    Reached,
    chosen_exit,
    exit_of_entry_bar,
    reached,
    slipped,
)

Prices = tuple[int, int, int, int]
Case = tuple[OrderKind, str, int | None, int, Prices, tuple[int, bool] | None]

# Kind, side, level, ticks through, open high low close; price and whether it is the open.
REACHED: dict[str, Case] = {
    "a market order buys the open": ("market", "buy", None, 0, (100, 105, 95, 101), (100, True)),
    "a market order sells the open": ("market", "sell", None, 0, (100, 105, 95, 101), (100, True)),
    "a buy stop above the bar waits": ("stop", "buy", 106, 0, (100, 105, 95, 101), None),
    "a buy stop at the high": ("stop", "buy", 105, 0, (100, 105, 95, 101), (105, False)),
    "a buy stop inside": ("stop", "buy", 103, 0, (100, 105, 95, 101), (103, False)),
    "a buy stop at the open": ("stop", "buy", 100, 0, (100, 105, 95, 101), (100, True)),
    "a gap over a buy stop": ("stop", "buy", 90, 0, (100, 105, 95, 101), (100, True)),
    "a sell stop below the bar waits": ("stop", "sell", 94, 0, (100, 105, 95, 101), None),
    "a sell stop at the low": ("stop", "sell", 95, 0, (100, 105, 95, 101), (95, False)),
    "a sell stop inside": ("stop", "sell", 97, 0, (100, 105, 95, 101), (97, False)),
    "a gap under a sell stop": ("stop", "sell", 110, 0, (100, 105, 95, 101), (100, True)),
    "a buy limit below the bar waits": ("limit", "buy", 94, 0, (100, 105, 95, 101), None),
    "a buy limit at the low": ("limit", "buy", 95, 0, (100, 105, 95, 101), (95, False)),
    "a buy limit inside": ("limit", "buy", 97, 0, (100, 105, 95, 101), (97, False)),
    "a buy limit at the open": ("limit", "buy", 100, 0, (100, 105, 95, 101), (100, True)),
    "a better open": ("limit", "buy", 104, 0, (100, 105, 95, 101), (100, True)),
    "a sell limit at the high": ("limit", "sell", 105, 0, (100, 105, 95, 101), (105, False)),
    "a sell limit above the bar waits": ("limit", "sell", 106, 0, (100, 105, 95, 101), None),
    "a better open to sell": ("limit", "sell", 98, 0, (100, 105, 95, 101), (100, True)),
    "a buy limit that is only touched": ("limit", "buy", 95, 1, (100, 105, 95, 101), None),
    "one gone through by a tick": ("limit", "buy", 96, 1, (100, 105, 95, 101), (96, False)),
    "an open that only touches": ("limit", "buy", 100, 1, (100, 105, 95, 101), (100, False)),
    "an open that is through": ("limit", "buy", 101, 1, (100, 105, 95, 101), (100, True)),
    "a better open that is not through, nor the low": (
        "limit",
        "buy",
        101,
        2,
        (100, 105, 100, 101),
        None,
    ),
    "a better open that is not through, but the low": (
        "limit",
        "buy",
        101,
        2,
        (100, 105, 95, 101),
        (101, False),
    ),
    "a sell limit that is only touched": ("limit", "sell", 105, 1, (100, 105, 95, 101), None),
    "one gone through by a tick, to sell": (
        "limit",
        "sell",
        104,
        1,
        (100, 105, 95, 101),
        (104, False),
    ),
    "an open through, to sell": ("limit", "sell", 99, 1, (100, 105, 95, 101), (100, True)),
}


@pytest.mark.parametrize("case", REACHED.values(), ids=REACHED.keys())
def test_a_bar_fills_an_order_at_its_level_or_at_the_open(case: Case) -> None:
    kind, side, level, through, prices, expected = case
    found = reached(kind, side == "buy", level, through, BarTicks(*prices))
    assert (None if found is None else (found.ticks, found.at_open)) == expected


@st.composite
def bars(draw: st.DrawFn) -> BarTicks:
    prices = sorted(draw(st.lists(st.integers(1, 60), min_size=4, max_size=4)))
    opened, close = draw(st.permutations(prices[1:3]))
    return BarTicks(opened, prices[3], prices[0], close)


@given(
    bar=bars(),
    kind=st.sampled_from(("stop", "limit")),
    buys=st.booleans(),
    level=st.integers(1, 60),
    through=st.integers(0, 3),
)
def test_a_fill_is_a_price_of_the_bar_and_no_better_than_asked(
    bar: BarTicks, kind: OrderKind, buys: bool, level: int, through: int
) -> None:
    found = reached(kind, buys, level, through, bar)
    if found is None:
        return
    assert bar.low <= found.ticks <= bar.high
    assert not found.at_open or found.ticks == bar.open
    worse = found.ticks >= level if buys else found.ticks <= level
    better = found.ticks <= level if buys else found.ticks >= level
    assert worse if kind == "stop" else better
    assert found.at_open or found.ticks == level


def _text(chosen: ChosenExit | None) -> tuple[str, int, bool] | None:
    if chosen is None:
        return None
    return ("stop" if chosen.is_stop else "target", chosen.reached.ticks, chosen.ambiguous)


Exits = tuple[int | None, int | None, str, Prices, Ambiguous, tuple[str, int, bool] | None]

# Stop, target, side of the exits, bar, rule; what fills, where, and whether that is certain.
EXITS: dict[str, Exits] = {
    "neither": (90, 110, "sell", (100, 105, 95, 101), "pessimistic", None),
    "the stop alone": (95, 110, "sell", (100, 105, 95, 101), "pessimistic", ("stop", 95, False)),
    "the target alone": (
        90,
        105,
        "sell",
        (100, 105, 95, 101),
        "pessimistic",
        ("target", 105, False),
    ),
    "no target": (95, None, "sell", (100, 105, 95, 101), "pessimistic", ("stop", 95, False)),
    "no stop": (None, 105, "sell", (100, 105, 95, 101), "pessimistic", ("target", 105, False)),
    "both, pessimistic": (96, 104, "sell", (100, 105, 95, 101), "pessimistic", ("stop", 96, True)),
    "both, optimistic": (96, 104, "sell", (100, 105, 95, 101), "optimistic", ("target", 104, True)),
    "both, the low nearer": (96, 104, "sell", (99, 105, 95, 101), "adaptive", ("stop", 96, True)),
    "both, the high nearer": (
        96,
        104,
        "sell",
        (101, 105, 95, 101),
        "adaptive",
        ("target", 104, True),
    ),
    "both, as near": (96, 104, "sell", (100, 105, 95, 101), "adaptive", ("stop", 96, True)),
    "of a short, the low nearer": (
        104,
        96,
        "buy",
        (99, 105, 95, 101),
        "adaptive",
        ("target", 96, True),
    ),
    "of a short, the high nearer": (
        104,
        96,
        "buy",
        (101, 105, 95, 101),
        "adaptive",
        ("stop", 104, True),
    ),
    "of a short, as near": (104, 96, "buy", (100, 105, 95, 101), "adaptive", ("stop", 104, True)),
    "of a short, pessimistic": (
        104,
        96,
        "buy",
        (100, 105, 95, 101),
        "pessimistic",
        ("stop", 104, True),
    ),
    "a gap beyond the stop is certain": (
        101,
        104,
        "sell",
        (100, 105, 95, 101),
        "optimistic",
        ("stop", 100, False),
    ),
    "a gap beyond the target is certain": (
        96,
        99,
        "sell",
        (100, 105, 95, 101),
        "pessimistic",
        ("target", 100, False),
    ),
    "an open at the stop is certain": (
        100,
        104,
        "sell",
        (100, 105, 95, 101),
        "optimistic",
        ("stop", 100, False),
    ),
}


@pytest.mark.parametrize("case", EXITS.values(), ids=EXITS.keys())
def test_a_bar_that_reaches_stop_and_target_fills_one(case: Exits) -> None:
    stop, target, side, prices, rule, expected = case
    bar = BarTicks(*prices)
    buys = side == "buy"
    at_stop = None if stop is None else reached("stop", buys, stop, 0, bar)
    at_target = None if target is None else reached("limit", buys, target, 0, bar)
    assert _text(chosen_exit(at_stop, at_target, not buys, bar, rule)) == expected


AT = Reached(1, False)
# Entry, at the open, stop reached, target reached; what fills in the entry's bar.
SAME_BAR: dict[str, tuple[OrderKind, bool, bool, bool, str | None]] = {
    "at the open, the stop alone": ("market", True, True, False, "stop"),
    "at the open, the target alone": ("market", True, False, True, "target"),
    "at the open, both wait": ("market", True, True, True, None),
    "at the open, neither": ("market", True, False, False, None),
    "a limit at the open": ("limit", True, False, True, "target"),
    "a stop order at the open": ("stop", True, True, False, "stop"),
    "a limit inside, then the stop": ("limit", False, True, False, "stop"),
    "a limit inside, the target waits": ("limit", False, False, True, None),
    "a limit inside, both": ("limit", False, True, True, "stop"),
    "a stop order inside, then the target": ("stop", False, False, True, "target"),
    "a stop order inside, its stop waits": ("stop", False, True, False, None),
    "a stop order inside, both": ("stop", False, True, True, "target"),
}


@pytest.mark.parametrize("case", SAME_BAR.values(), ids=SAME_BAR.keys())
def test_the_bar_of_an_entry_fills_only_what_certainly_came_after_it(
    case: tuple[OrderKind, bool, bool, bool, str | None],
) -> None:
    kind, at_open, stop, target, expected = case
    found = exit_of_entry_bar(kind, at_open, AT if stop else None, AT if target else None)
    assert (None if found is None else _text(found)) == (
        None if expected is None else (expected, 1, False)
    )


@pytest.mark.parametrize(
    ("ticks", "buys", "slippage", "any_sign", "expected"),
    [
        (100, True, 2, False, 102),
        (100, False, 2, False, 98),
        (3, False, 2, False, 1),
        (3, False, 9, False, 1),
        (1, False, 9, False, 1),
        (3, False, 9, True, -6),
        (-3, False, 1, True, -4),
        (100, True, 0, False, 100),
    ],
)
def test_slippage_goes_against_the_account_and_not_below_one_tick(
    ticks: int, buys: bool, slippage: int, any_sign: bool, expected: int
) -> None:
    assert slipped(ticks, buys, slippage, any_sign) == expected
