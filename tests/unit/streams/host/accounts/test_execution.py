"""What a bar does to the orders of an account: which fill, in which order, and what they end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.accounts import (
    AccountConfig,
    Ambiguous,
)
from tapeline.schemas.host_events import Order
from tapeline.schemas.records import Bar
from tests.unit.streams.host.accounts.desk import (
    GOOD,
    MINUTE,
    START,
    Desk,
    Published,
    Wanted,
    account_event,
    decision,
    fills,
    orders,
    position_event,
)

CALM = (100.0, 100.0, 100.0, 100.0)
FREE = AccountConfig(slippage_ticks=0)


def at(minute: int) -> int:
    return START + minute * MINUTE


def roles(found: list[Published]) -> list[str]:
    return [fill.id.rsplit("|", 1)[1] for fill in fills(found)]


# When an order fills


def test_a_market_order_fills_at_the_open_of_the_next_bar_and_not_in_that_of_its_signal() -> None:
    desk = Desk(FREE)
    assert fills(desk.bar(0, (90, 110, 90, 100))) == []
    placed = desk.signal()
    assert orders(placed) == [("entry", "working", None)]
    found = desk.bar(1, (103, 110, 90, 95))
    (fill,) = fills(found)
    assert (fill.price, fill.fill_ms, fill.bar_ms) == (103.0, at(1), at(1))
    assert (fill.event_ms, fill.watermark_ms, fill.delay_ms) == (at(2), at(2), 0)
    assert [type(event).__name__ for event in found] == ["Order", "Fill", "Position", "Account"]
    assert orders(found) == [("entry", "filled", None)]


def test_after_a_gap_it_fills_at_the_next_bar_that_comes() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    desk.signal()
    (fill,) = fills(desk.bar(7, CALM))
    assert (fill.fill_ms, fill.delay_ms) == (at(7), 6 * MINUTE)


def test_a_symbol_that_is_behind_fills_in_no_bar_that_began_before_the_signal() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM, "B")
    desk.bar(4, CALM, "A")
    assert desk.now_ms == at(5)
    desk.signal(symbol="B")
    for minute in (1, 2, 3, 4):
        assert fills(desk.bar(minute, CALM, "B")) == []
    (fill,) = fills(desk.bar(5, CALM, "B"))
    assert (fill.fill_ms, fill.delay_ms) == (at(5), 0)
    assert fill.watermark_ms <= fill.event_ms


def test_a_stop_of_a_symbol_that_is_behind_acts_from_the_bar_after_its_entry() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM, "B")
    desk.signal(Wanted(stop=95), "B")
    desk.bar(9, CALM, "A")
    # Both the entry and the stop are handled at ten minutes, in bars of one and two minutes.
    assert roles(desk.bar(1, CALM, "B")) == ["entry"]
    found = desk.bar(2, (100, 100, 90, 95), "B")
    (fill,) = fills(found)
    assert (fill.price, fill.delay_ms, fill.event_ms) == (95.0, 0, at(10))


def test_an_entry_fills_in_no_bar_that_starts_at_its_end_of_validity_or_later() -> None:
    for bars, filled in ((1, ["entry"]), (2, ["entry"])):
        desk = Desk(FREE)
        desk.bar(0, CALM)
        desk.signal(Wanted(valid_bars=bars))
        assert roles(desk.bar(1, CALM)) == filled
    desk = Desk(FREE)
    desk.bar(0, CALM)
    desk.signal(Wanted(valid_bars=3))
    found = desk.bar(4, CALM)
    assert orders(found) == [("entry", "cancelled", "expired")]
    assert fills(found) == []
    (order,) = [event for event in found if isinstance(event, Order)]
    assert (order.closed_ms, order.tif) == (at(5), "session")


def test_an_entry_that_expires_never_fills_even_where_it_was_not_cancelled() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    desk.signal(Wanted(valid_bars=1))
    now = desk.instant("A")
    assert desk.accounts.bar("A", Bar("A", "1m", at(2), *CALM), now) == []


def test_an_order_of_validity_in_bars_says_so() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    market = replace(GOOD, tif="bars")
    (order,) = [event for event in desk.signal(market=market) if isinstance(event, Order)]
    assert order.tif == "bars"


def test_a_flatten_does_not_expire() -> None:
    desk = Desk(FREE)
    desk.long()
    found = desk.signal(Wanted("close", None, valid_bars=0))
    (order,) = [event for event in found if isinstance(event, Order)]
    assert (order.tif, order.kind, order.side, order.quantity) == ("gtc", "market", "sell", 10)
    assert roles(desk.bar(5000, CALM)) == ["flatten"]


def test_a_cancelled_entry_is_gone_and_a_position_with_its_exits_stays() -> None:
    desk = Desk(FREE)
    desk.long(Wanted(stop=90, target=110))
    opened = "signal|s|A|1704067260000|0"
    assert desk.accounts.cancel_entry(opened, "strategy", desk.instant("A")) == []
    waiting = desk.signal(Wanted(order="limit", price=50))
    signal = decision(waiting).signal
    found = desk.accounts.cancel_entry(signal, "replaced", desk.instant("A"))
    assert [(order.state, order.reason) for order in found] == [("cancelled", "replaced")]
    assert desk.accounts.cancel_entry(signal, "replaced", desk.instant("A")) == []
    assert roles(desk.bar(2, (100, 111, 40, 100))) == ["stop"]


def test_orders_fill_in_the_order_of_placing_then_exits_by_signal() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    for strategy in ("z", "y"):
        desk.signal(Wanted(stop=95), strategy=strategy)
    desk.bar(1, CALM)
    desk.signal(Wanted(quantity=1), strategy="x")
    desk.signal(Wanted(quantity=1, order="limit", price=99), strategy="w")
    found = desk.bar(2, (100, 100, 90, 90))
    names = [(fill.strategy, fill.id.rsplit("|", 1)[1]) for fill in fills(found)]
    assert names == [("x", "entry"), ("w", "entry"), ("y", "stop"), ("z", "stop")]


# What a buy, a sell and a close do


def test_a_signal_against_a_position_closes_it_first() -> None:
    desk = Desk(FREE)
    desk.long(Wanted(stop=50, target=200))
    placed = desk.signal(Wanted("sell", 4))
    assert orders(placed) == [("flatten", "working", None), ("entry", "working", None)]
    found = desk.bar(2, (110, 110, 110, 110))
    assert roles(found) == ["flatten", "entry"]
    assert [fill.quantity for fill in fills(found)] == [10, 4]
    # Its stop and target have nothing left to close: they would add to the short.
    assert orders(found) == [
        ("flatten", "filled", None),
        ("stop", "cancelled", "flat"),
        ("target", "cancelled", "flat"),
        ("entry", "filled", None),
    ]
    position = position_event(found)
    assert (position.quantity, position.cost, position.realised) == (-4, -440.0, 100.0)
    assert account_event(found).trades == 1


def test_a_limit_against_a_position_closes_it_at_the_market() -> None:
    desk = Desk(FREE)
    desk.long()
    desk.signal(Wanted("sell", 4, order="limit", price=150))
    found = desk.bar(2, CALM)
    assert roles(found) == ["flatten"]
    assert position_event(found).quantity == 0
    assert roles(desk.bar(3, (150, 150, 150, 150))) == ["entry"]


def test_the_same_side_adds_to_a_position() -> None:
    desk = Desk(FREE)
    desk.long()
    assert orders(desk.signal(Wanted(quantity=5))) == [("entry", "working", None)]
    found = desk.bar(2, (130, 130, 130, 130))
    position = position_event(found)
    assert (position.quantity, position.cost, position.opened_ms) == (15, 1650.0, at(1))


def test_two_closes_of_one_position_sell_it_once() -> None:
    desk = Desk(FREE)
    desk.long()
    desk.signal(Wanted("close", None), strategy="s")
    desk.signal(Wanted("close", None), strategy="t")
    found = desk.bar(2, CALM)
    assert orders(found) == [("flatten", "filled", None), ("flatten", "cancelled", "flat")]
    assert position_event(found).quantity == 0


def test_an_exit_closes_no_more_than_is_held() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    # Both are flat when they decide, so neither closes anything first.
    desk.signal(Wanted(quantity=10, stop=90), strategy="s")
    desk.signal(Wanted("sell", 4), strategy="t")
    assert position_event(desk.bar(1, CALM)).quantity == 6
    found = desk.bar(2, (100, 100, 90, 90))
    (fill,) = fills(found)
    assert fill.quantity == 6
    (order, *_) = [event for event in found if isinstance(event, Order)]
    assert (order.quantity, order.state) == (10, "filled")
    assert position_event(found).quantity == 0


def test_an_entry_that_only_takes_from_a_position_places_no_exits() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    desk.signal(Wanted(quantity=10), strategy="s")
    desk.signal(Wanted("sell", 4, stop=120, target=80), strategy="t")
    found = desk.bar(1, CALM)
    assert orders(found) == [("entry", "filled", None), ("entry", "filled", None)]


def test_an_entry_that_turns_a_position_ends_its_exits_and_places_its_own() -> None:
    desk = Desk(FREE)
    desk.bar(0, CALM)
    desk.signal(Wanted("sell", 14, order="limit", price=105, stop=120), strategy="t")
    desk.signal(Wanted(quantity=10, stop=90), strategy="s")
    desk.bar(1, CALM)
    found = desk.bar(2, (105, 105, 105, 105))
    assert orders(found) == [
        ("entry", "filled", None),
        ("stop", "cancelled", "flat"),
        ("stop", "working", None),
    ]
    assert (position_event(found).quantity, account_event(found).trades) == (-4, 1)
    (fill,) = fills(desk.bar(3, (120, 121, 120, 120)))
    assert (fill.side, fill.quantity) == ("buy", 4)


# Stop and target


def test_a_stop_cancels_the_target_with_the_position() -> None:
    desk = Desk(FREE)
    desk.long(Wanted(stop=95, target=110))
    found = desk.bar(2, (100, 101, 94, 96))
    (fill,) = fills(found)
    assert (fill.price, fill.side, fill.ambiguous) == (95.0, "sell", False)
    assert orders(found) == [("stop", "filled", None), ("target", "cancelled", "flat")]
    stop, target = (event for event in found if isinstance(event, Order))
    assert (stop.kind, stop.price, stop.tif) == ("stop", 95.0, "gtc")
    assert (target.kind, target.price, target.tif) == ("limit", 110.0, "gtc")


def test_an_exit_of_one_of_two_entries_closes_its_part_and_ends_its_other_exit() -> None:
    desk = Desk(FREE)
    desk.long(Wanted(stop=90, target=110))
    desk.signal(Wanted(quantity=5, stop=80, target=120), strategy="t")
    desk.bar(2, CALM)
    found = desk.bar(3, (100, 110, 100, 105))
    assert orders(found) == [("target", "filled", None), ("stop", "cancelled", "bracket")]
    position = position_event(found)
    assert (position.quantity, position.cost, position.realised) == (5, 500.0, 100.0)
    assert account_event(found).trades == 0
    assert roles(desk.bar(4, (80, 80, 80, 80))) == ["stop"]


@pytest.mark.parametrize(
    ("rule", "role"),
    [("pessimistic", "stop"), ("optimistic", "target"), ("adaptive", "target")],
)
def test_a_bar_that_holds_stop_and_target_is_ambiguous(rule: Ambiguous, role: str) -> None:
    desk = Desk(replace(FREE, ambiguous=rule))
    desk.long(Wanted(stop=95, target=105))
    found = desk.bar(2, (102, 106, 94, 100))
    (fill,) = fills(found)
    assert (fill.ambiguous, roles(found)) == (True, [role])


def test_a_stop_reached_by_the_open_of_a_later_session_fills_at_that_open() -> None:
    desk = Desk(FREE)
    desk.long(Wanted(stop=95))
    (fill,) = fills(desk.bar(3000, (80, 85, 70, 80)))
    assert fill.price == 80.0


# Entry, bar of its fill, what fills in it and in the next, calm one; then in one that reaches both.
ENTRY_BARS: dict[str, tuple[Wanted, tuple[float, float, float, float], list[str]]] = {
    "the stop alone": (Wanted(stop=95, target=105), (100, 101, 94, 96), ["entry", "stop"]),
    "the target alone": (Wanted(stop=95, target=105), (100, 106, 99, 99), ["entry", "target"]),
    "both wait": (Wanted(stop=95, target=105), (100, 106, 94, 99), ["entry"]),
    "neither": (Wanted(stop=95, target=105), (100, 101, 99, 99), ["entry"]),
    "a limit inside, then its stop": (
        Wanted(order="limit", price=98, stop=95, target=105),
        (100, 106, 94, 99),
        ["entry", "stop"],
    ),
    "a limit inside, its target waits": (
        Wanted(order="limit", price=98, stop=90, target=105),
        (100, 106, 94, 99),
        ["entry"],
    ),
    "a stop order inside, then its target": (
        Wanted(order="stop", price=102, stop=95, target=105),
        (100, 106, 94, 99),
        ["entry", "target"],
    ),
    "a stop order inside, its stop waits": (
        Wanted(order="stop", price=102, stop=95, target=110),
        (100, 106, 94, 99),
        ["entry"],
    ),
}


@pytest.mark.parametrize("case", ENTRY_BARS.values(), ids=ENTRY_BARS.keys())
def test_exits_in_the_bar_of_their_entry(
    case: tuple[Wanted, tuple[float, float, float, float], list[str]],
) -> None:
    wanted, prices, expected = case
    desk = Desk(FREE)
    desk.bar(0, CALM)
    desk.signal(wanted)
    found = desk.bar(1, prices)
    assert roles(found) == expected
    assert not any(fill.ambiguous for fill in fills(found))
    if len(expected) == 2:
        (stop, target) = [each for each in orders(found) if each[1] == "working"]
        assert (stop[0], target[0]) == ("stop", "target")
        ended = {role: state for role, state, _ in orders(found)}
        assert ended[expected[1]] == "filled"
        assert set(ended.values()) == {"filled", "cancelled"}
    else:
        # What waited fills as soon as a bar reaches it again.
        assert roles(desk.bar(2, (100, 100, 80, 80))) == ["stop"]
