"""What is not sure of fills is counted, and its worth is known both ways."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from tapeline.replay.report.amounts import Instruments, units
from tapeline.replay.report.doubts import BothWays, Doubts, doubts_of
from tapeline.schemas.config.accounts import AccountConfig
from tapeline.schemas.host_events import Order, OrderKind
from tests.unit.replay.report.books import bars, book, configuration, fill, order, signal

INSTRUMENTS = Instruments(configuration(), ["ACME", "FUT"])
ACCOUNT = AccountConfig(slippage_ticks=2, commission_bps="10")

Side = Literal["buy", "sell"]


def bracket(side: Side, stop: float, target: float, quantity: int = 3) -> list[Order]:
    """Entry, stop and target of one signal."""
    made = signal(0, side, stop=stop, target=target)
    other: Side = "sell" if side == "buy" else "buy"
    return [
        order(made, "entry", side, quantity=quantity),
        order(made, "stop", other, "stop", stop, quantity=quantity),
        order(made, "target", other, "limit", target, quantity=quantity),
    ]


def found(*events: Any, seen: Any = None) -> Doubts:
    return doubts_of(book(*events, seen=seen), INSTRUMENTS, ACCOUNT)


@pytest.mark.parametrize(
    ("side", "stop", "target"), [("buy", 9.0, 11.0), ("sell", 11.0, 9.0)], ids=["long", "short"]
)
def test_an_ambiguous_stop_could_have_been_the_target(
    side: Side, stop: float, target: float
) -> None:
    orders = bracket(side, stop, target)
    slipped = 8.98 if side == "buy" else 11.02
    events = fill(orders[0], 1, 10.0), fill(orders[1], 3, slipped, ambiguous=True)
    # 2.02 a lot, and a thousandth of the 2.02 that the notional grows or shrinks by.
    more = 3 * 2.02 - 3 * (target - slipped) / 1000
    extremes = found(*orders, *events).extremes
    assert extremes == BothWays(1, 0, units(round(more, 6)))


def test_an_ambiguous_target_could_have_been_the_stop_with_its_slippage() -> None:
    orders = bracket("buy", 9.0, 11.0)
    events = fill(orders[0], 1, 10.0), fill(orders[2], 3, 11.0, ambiguous=True)
    less = -3 * 2.02 + 3 * 2.02 / 1000
    assert found(*orders, *events).extremes == BothWays(1, units(round(less, 6)), 0)


def test_fills_that_are_sure_have_no_extremes() -> None:
    orders = bracket("buy", 9.0, 11.0)
    events = fill(orders[0], 1, 10.0), fill(orders[2], 3, 11.0)
    assert found(*orders, *events).extremes == BothWays(0, 0, 0)


@pytest.mark.parametrize(
    ("low", "high", "waits"), [(9.5, 10.5, 0), (9.0, 10.5, 1), (9.5, 11.0, 1), (8.0, 12.0, 2)]
)
def test_exits_wait_that_the_bar_of_the_entry_held(low: float, high: float, waits: int) -> None:
    orders = bracket("buy", 9.0, 11.0)
    seen = bars([(10.0, high, low, 10.0)])
    assert found(*orders, fill(orders[0], 0, 10.0), seen=seen).waits == waits


def test_an_exit_in_the_bar_of_the_entry_did_not_wait() -> None:
    orders = bracket("sell", 11.0, 9.0)
    seen = bars([(10.0, 11.0, 9.5, 10.0)])
    events = fill(orders[0], 0, 10.0), fill(orders[1], 0, 11.02)
    assert found(*orders, *events, seen=seen).waits == 0


@pytest.mark.parametrize(("kind", "delayed"), [("market", 1), ("limit", 0)])
def test_only_market_orders_are_delayed(kind: OrderKind, delayed: int) -> None:
    late = order(signal(0), "entry", "buy", kind, None if kind == "market" else 10.0)
    assert found(late, fill(late, 5, 10.0, delay_ms=60_000)).delayed == delayed


@pytest.mark.parametrize(("quality", "thin"), [(95.0, 0), (94.9, 1), (None, 1)])
def test_fills_under_95_per_cent_quality_are_thin(quality: float | None, thin: int) -> None:
    made = order(signal(0), "entry", "buy")
    assert found(made, fill(made, 1, 10.0, quality=quality)).thin == thin


def test_bars_that_clocks_had_passed_are_counted_for_the_symbols_of_the_account() -> None:
    made = order(signal(0), "entry", "buy")
    seen = bars([(10.0, 10.0, 10.0, 10.0)] * 3, outcome="late")
    assert found(signal(0), made, seen=seen).behind_clocks == 3
