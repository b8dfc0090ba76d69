"""Decisions on signals: what each check looks at, and the orders of what is approved."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.accounts import AccountConfig, ConfiguredState, StopGuard
from tapeline.schemas.host_events import Action, Check, Decision, DecisionCode, Order
from tapeline.streams.host.accounts.model import SignalMarket
from tests.unit.streams.host.accounts.desk import (
    GOOD,
    Desk,
    Wanted,
    decision,
    fills,
    orders,
)

CHECKS = list(get_args(DecisionCode))
CALM = (100.0, 100.0, 100.0, 100.0)


def no_slippage(**changes: object) -> AccountConfig:
    return replace(AccountConfig(slippage_ticks=0), **changes)


def check(found: Decision, name: str) -> tuple[object, object, bool]:
    (one,) = [each for each in found.checks if each.name == name]
    return one.limit, one.value, one.pass_


def marked(account: AccountConfig | None = None, price: float = 100) -> Desk:
    """A desk whose symbols A and B have had a bar at a price."""
    desk = Desk(no_slippage() if account is None else account)
    for symbol in ("A", "B"):
        desk.bar(0, (price, price, price, price), symbol)
    return desk


def test_a_decision_lists_all_checks_in_their_order() -> None:
    found = decision(marked().signal())
    assert [each.name for each in found.checks] == CHECKS
    assert (found.approved, found.code, found.reason, found.quantity) == (True, None, None, 10)
    assert found.checks == (
        Check("trading_state", "active", "active", True),
        Check("muted", None, None, True),
        Check("cold", None, 0, True),
        Check("stale", 5, 0, True),
        Check("quality", 95.0, 100.0, True),
        Check("quantity", 100, 10, True),
        Check("confidence", 0.5, 1.0, True),
        Check("buying_power", None, 1000.0, True),
        Check("per_trade", None, 1000.0, True),
        Check("per_symbol", None, 1000.0, True),
        Check("positions", None, 1, True),
        Check("cooldown", None, None, True),
        Check("drawdown", None, 0.0, True),
        Check("stop_guard", None, None, True),
    )


Case = tuple[AccountConfig, Wanted, SignalMarket, str | None, object, object]

# Account, signal, what is known of the symbol; code, limit and value of that check.
REJECTED: dict[str, Case] = {
    "reducing": (
        no_slippage(state="reducing"),
        Wanted(),
        GOOD,
        "trading_state",
        "active",
        "reducing",
    ),
    "halted": (no_slippage(state="halted"), Wanted(), GOOD, "trading_state", "active", "halted"),
    "muted": (no_slippage(), Wanted(), replace(GOOD, muted="config"), "muted", None, "config"),
    "a cold key": (no_slippage(), Wanted(), replace(GOOD, cold=2), "cold", None, 2),
    "six slots behind": (no_slippage(), Wanted(), replace(GOOD, stale_slots=6), "stale", 5, 6),
    "too little quality": (
        no_slippage(),
        Wanted(),
        replace(GOOD, quality=94.9),
        "quality",
        95.0,
        94.9,
    ),
    "quality that is not known": (
        no_slippage(),
        Wanted(),
        replace(GOOD, quality=None),
        "quality",
        95.0,
        None,
    ),
    "too many lots": (no_slippage(), Wanted(quantity=101), GOOD, "quantity", 100, 101),
    "too little confidence": (
        no_slippage(),
        Wanted(confidence=0.49),
        GOOD,
        "confidence",
        0.5,
        0.49,
    ),
    "too much in all": (
        no_slippage(max_buying_power="999.99"),
        Wanted(),
        GOOD,
        "buying_power",
        999.99,
        1000.0,
    ),
    "too much at once": (
        no_slippage(max_per_trade="999"),
        Wanted(),
        GOOD,
        "per_trade",
        999.0,
        1000.0,
    ),
    "too much of a symbol": (
        no_slippage(max_per_symbol="999"),
        Wanted(),
        GOOD,
        "per_symbol",
        999.0,
        1000.0,
    ),
    "too many positions": (no_slippage(max_open_positions=0), Wanted(), GOOD, "positions", 0, 1),
}


@pytest.mark.parametrize("case", REJECTED.values(), ids=REJECTED.keys())
def test_the_first_check_that_fails_rejects_the_signal_as_a_whole(case: Case) -> None:
    account, wanted, market, code, limit, value = case
    found = marked(account).signal(wanted, market=market)
    assert len(found) == 1
    rejected = decision(found)
    assert (rejected.approved, rejected.code, rejected.quantity) == (False, code, 0)
    assert check(rejected, str(code)) == (limit, value, False)
    assert [each.name for each in rejected.checks] == CHECKS
    assert [each.name for each in rejected.checks if not each.pass_] == [code]


AT_THE_LIMIT: dict[str, tuple[AccountConfig, Wanted, SignalMarket]] = {
    "five slots behind": (no_slippage(), Wanted(), replace(GOOD, stale_slots=5)),
    "quality": (no_slippage(), Wanted(), replace(GOOD, quality=95.0)),
    "lots": (no_slippage(), Wanted(quantity=100), GOOD),
    "confidence": (no_slippage(), Wanted(confidence=0.5), GOOD),
    "in all": (no_slippage(max_buying_power="1000"), Wanted(), GOOD),
    "at once": (no_slippage(max_per_trade="1000"), Wanted(), GOOD),
    "of a symbol": (no_slippage(max_per_symbol="1000"), Wanted(), GOOD),
    "positions": (no_slippage(max_open_positions=1), Wanted(), GOOD),
}


@pytest.mark.parametrize("case", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT.keys())
def test_what_is_just_at_a_limit_passes(case: tuple[AccountConfig, Wanted, SignalMarket]) -> None:
    account, wanted, market = case
    assert decision(marked(account).signal(wanted, market=market)).approved


def test_the_code_is_the_first_of_several_and_the_reason_has_its_numbers_unrounded() -> None:
    market = replace(GOOD, quality=94.99999, cold=1)
    found = decision(marked().signal(Wanted(confidence=0.1), market=market))
    assert found.code == "cold"
    assert found.reason == "cold: value 1, limit null"
    assert [each.name for each in found.checks if not each.pass_] == [
        "cold",
        "quality",
        "confidence",
    ]
    alone = decision(marked().signal(market=replace(market, cold=0)))
    assert alone.reason == "quality: value 94.99999, limit 95.0"
    assert alone.quality == 94.99999


def test_a_signal_without_lots_has_those_of_its_account() -> None:
    found = marked(no_slippage(quantity=7)).signal(Wanted(quantity=None))
    assert decision(found).quantity == 7
    (order,) = [event for event in found if isinstance(event, Order)]
    assert order.quantity == 7


# Order and its price; the marked price is 100.
REFERENCES: dict[str, tuple[Wanted, float]] = {
    "market": (Wanted(), 1000.0),
    "limit": (Wanted(order="limit", price=90), 900.0),
    "stop": (Wanted(order="stop", price=120), 1200.0),
}


@pytest.mark.parametrize("case", REFERENCES.values(), ids=REFERENCES.keys())
def test_notional_is_reckoned_with_the_price_of_the_order_or_the_mark(
    case: tuple[Wanted, float],
) -> None:
    wanted, expected = case
    found = decision(marked().signal(wanted))
    for name in ("buying_power", "per_trade", "per_symbol"):
        assert check(found, name)[1] == expected


def test_without_a_mark_a_market_order_is_refused_and_a_limit_is_not() -> None:
    desk = Desk(no_slippage())
    found = decision(desk.signal())
    assert found.code == "buying_power"
    assert [check(found, name)[1] for name in ("buying_power", "per_trade", "per_symbol")] == [
        None
    ] * 3
    assert [each.name for each in found.checks if not each.pass_] == ["buying_power"]
    assert decision(desk.signal(Wanted(order="limit", price=90))).approved


def test_what_is_not_known_fails_a_limit_that_is_set() -> None:
    found = decision(Desk(no_slippage(max_per_trade="1000000")).signal())
    assert [each.name for each in found.checks if not each.pass_] == ["buying_power", "per_trade"]


def test_buying_power_counts_positions_and_working_entries_of_all_symbols() -> None:
    desk = marked()
    desk.signal()
    desk.bar(1, CALM)
    desk.bar(1, (200.0, 200.0, 200.0, 200.0), "B")
    assert check(decision(desk.signal(Wanted(quantity=3), "B")), "buying_power")[1] == 1600.0
    # The entry in B works, and counts.
    found = decision(desk.signal(Wanted(quantity=1)))
    assert check(found, "buying_power")[1] == 1700.0
    assert check(found, "per_symbol")[1] == 1100.0
    assert check(found, "per_trade")[1] == 100.0
    assert check(found, "positions")[1] == 2


def test_a_reversal_counts_the_position_that_it_ends_with() -> None:
    desk = Desk(no_slippage())
    desk.long()
    found = decision(desk.signal(Wanted("sell", 4)))
    assert check(found, "buying_power")[1] == 400.0
    assert check(found, "per_symbol")[1] == 400.0
    # Once more, while the first one works: it is sold to, not closed a second time.
    again = decision(desk.signal(Wanted("sell", 4), strategy="t"))
    assert check(again, "per_symbol")[1] == 800.0


def test_a_short_counts_like_a_long() -> None:
    found = decision(marked().signal(Wanted("sell", 10)))
    assert check(found, "buying_power")[1] == 1000.0


# State, action; whether it passes with a long position, and what it then places.
STATES: dict[str, tuple[ConfiguredState, Action, bool, list[str]]] = {
    "active, buy": ("active", "buy", True, ["entry"]),
    "active, sell": ("active", "sell", True, ["flatten", "entry"]),
    "active, close": ("active", "close", True, ["flatten"]),
    "active, hold": ("active", "hold", True, []),
    "reducing, buy": ("reducing", "buy", False, []),
    "reducing, a reversal as a whole": ("reducing", "sell", False, []),
    "reducing, close": ("reducing", "close", True, ["flatten"]),
    "reducing, hold": ("reducing", "hold", True, []),
    "halted, buy": ("halted", "buy", False, []),
    "halted, close": ("halted", "close", False, []),
    "halted, hold": ("halted", "hold", True, []),
}


@pytest.mark.parametrize("case", STATES.values(), ids=STATES.keys())
def test_a_state_of_an_account_decides_what_may_trade(
    case: tuple[ConfiguredState, Action, bool, list[str]],
) -> None:
    state, action, approved, placed = case
    desk = Desk(no_slippage())
    desk.long()
    # The state is that of a configuration which the accounts are started with again.
    account = replace(desk.config.accounts["default"], state=state)
    desk.config = replace(desk.config, accounts={"default": account})
    desk.restart()
    found = desk.signal(Wanted(action))
    assert decision(found).approved is approved
    assert [role for role, _, _ in orders(found)] == placed


POOR = SignalMarket(muted=None, cold=3, stale_slots=9, quality=None)


def test_a_close_is_refused_by_muted_and_halted_alone() -> None:
    desk = Desk(no_slippage())
    desk.long()
    found = decision(desk.signal(Wanted("close", None, confidence=0.0), market=POOR))
    assert (found.approved, found.quantity, found.quality) == (True, 10, None)
    assert check(found, "quality") == (95.0, None, True)
    assert check(found, "quantity") == (100, 10, True)
    assert check(found, "buying_power") == (None, 0.0, True)
    muted = decision(desk.signal(Wanted("close"), market=replace(POOR, muted="config")))
    assert (muted.approved, muted.code, muted.quantity) == (False, "muted", 0)


def test_a_close_of_more_lots_than_a_signal_may_have_passes() -> None:
    desk = Desk(no_slippage(max_quantity=10))
    desk.long()
    desk.signal()
    desk.bar(2, CALM)
    found = desk.signal(Wanted("close", None))
    assert decision(found).approved
    assert decision(found).quantity == 20


def test_a_close_without_a_position_is_approved_and_places_nothing() -> None:
    found = marked().signal(Wanted("close", None))
    assert len(found) == 1
    assert (decision(found).approved, decision(found).quantity) == (True, 0)


@pytest.mark.parametrize(
    ("market", "confidence", "code"),
    [
        (replace(GOOD, muted="config"), 1.0, "muted"),
        (replace(GOOD, cold=1), 1.0, "cold"),
        (replace(GOOD, stale_slots=6), 1.0, "stale"),
        (replace(GOOD, quality=None), 1.0, "quality"),
        (GOOD, 0.1, "confidence"),
    ],
)
def test_a_hold_is_refused_by_what_is_known_of_the_symbol(
    market: SignalMarket, confidence: float, code: str
) -> None:
    found = decision(marked().signal(Wanted("hold", None, confidence=confidence), market=market))
    assert found.code == code


def test_a_hold_passes_what_would_limit_a_position_and_does_nothing() -> None:
    account = no_slippage(
        max_buying_power="0", max_per_trade="0", max_per_symbol="0", max_open_positions=0,
        cooldown_bars=1000, max_quantity=1, state="halted",
    )  # fmt: skip
    found = marked(account).signal(Wanted("hold", 10))
    assert len(found) == 1
    assert (decision(found).approved, decision(found).quantity) == (True, 0)


def test_a_cooldown_counts_bars_since_the_position_came_to_zero() -> None:
    desk = Desk(no_slippage(cooldown_bars=2))
    desk.long()
    desk.signal(Wanted("close", None))
    desk.bar(2, CALM)
    seen = []
    for minute in (3, 4, 5):
        found = decision(desk.signal(Wanted(quantity=1, order="limit", price=50)))
        seen.append((check(found, "cooldown"), found.code))
        desk.bar(minute, CALM)
    assert seen == [((2, 0, False), "cooldown"), ((2, 1, False), "cooldown"), ((2, 2, True), None)]


def test_bars_of_another_symbol_do_not_cool() -> None:
    desk = Desk(no_slippage(cooldown_bars=1))
    desk.long()
    desk.signal(Wanted("close", None))
    desk.bar(2, CALM)
    desk.bar(3, CALM, "B")
    assert decision(desk.signal()).code == "cooldown"
    assert decision(desk.signal(symbol="B")).approved


@pytest.mark.parametrize(
    ("quantity", "share", "code"), [(10, 0.099, None), (11, 0.1089, "drawdown")]
)
def test_a_drawdown_is_a_share_of_the_peak_at_the_present_mark(
    quantity: int, share: float, code: str | None
) -> None:
    desk = Desk(no_slippage(max_drawdown=0.1, cash="10000"))
    desk.long(Wanted(quantity=quantity))
    desk.bar(2, (100, 100, 1, 1))
    found = decision(desk.signal(Wanted(quantity=1)))
    assert found.code == code
    assert check(found, "drawdown") == (0.1, share, code is None)


def test_a_stop_guard_counts_stops_of_the_symbol_within_its_bars() -> None:
    desk = Desk(no_slippage(stop_guard=StopGuard(2, 3)))
    desk.bar(0, CALM)
    desk.bar(0, CALM, "B")
    for minute in (1, 2):
        desk.signal(Wanted(stop=99))
        found = desk.bar(minute, (100, 100, 98, 100))
        assert [fill.id.rsplit("|", 1)[1] for fill in fills(found)] == ["entry", "stop"]
    guard = {"stops": 2, "bars": 3}
    rejected = decision(desk.signal())
    assert rejected.code == "stop_guard"
    assert check(rejected, "stop_guard") == (guard, 2, False)
    assert rejected.reason == 'stop_guard: value 2, limit {"stops":2,"bars":3}'
    assert decision(desk.signal(symbol="B")).approved
    desk.bar(3, CALM)
    assert decision(desk.signal()).code == "stop_guard"
    # The first of them is no longer among the last three bars.
    desk.bar(4, CALM)
    assert check(decision(desk.signal()), "stop_guard") == (guard, 1, True)


def test_a_target_that_fills_is_no_stop() -> None:
    desk = Desk(no_slippage(stop_guard=StopGuard(1, 100)))
    desk.bar(0, CALM)
    desk.signal(Wanted(target=101))
    desk.bar(1, (100, 102, 100, 100))
    assert decision(desk.signal()).approved
