"""What users of other libraries report about strategies, by name, and what holds here."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.host.strategy import Needs, Signal
from tests.unit.streams.core.scenario import MINUTE_MS, at, bar, flat
from tests.unit.streams.host.scene import (
    ACME,
    OPEN,
    RICH,
    TWO,
    HostScene,
    at_calls,
    loaded,
    minute,
    scripted,
    tags,
)

BUY = Signal("ACME", "buy")


def emit(signal: Signal) -> Any:
    return lambda now: now.emit(signal)


def quantity(scene: HostScene) -> int:
    found: int = scene.of("position")[-1].quantity
    return found


def test_signal_gone_but_position_open() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and argument.close > 100.0 and not now.view.signals():
            now.emit(BUY)

    scene = HostScene(ACME, scripted(script))
    scene.take(minute(0), minute(1, 101.0), minute(2))
    [note] = scene.take(minute(1, 100.0))
    assert (note.position, note.state) == (1, "issued"), "the signal stays, the note says why"
    first = note.fields[0]
    assert (first.field, first.before, first.after) == ("close", 101.0, 100.0)
    assert len(scene.of("signal")) == 1
    assert quantity(scene) == 1


def test_slow_strategy_trades_late() -> None:
    signal = Signal("ACME", "buy", valid_minutes=3)
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit(signal)})))
    scene.bars(2)
    scene.take(minute(30))
    assert scene.of("fill") == [], "what comes after valid_until_ms fills nothing"
    assert scene.of("signal")[-1].state == "expired"


def test_exception_in_callback_is_silent() -> None:
    def fail(now: Any) -> None:
        raise RuntimeError("no such thing")

    bad, good = scripted(at_calls({("bar", 1): fail})), scripted()
    scene = HostScene(ACME, bad, good)
    scene.bars(4)
    fault = scene.view("strategy")["strategy|s0"]
    assert (fault.state, fault.error_type, fault.error) == (
        "faulted",
        "RuntimeError",
        "no such thing",
    )
    assert fault.record.offset == 1
    assert [hook for hook, _, _ in good.calls].count("bar") == 4


def test_expired_insight_keeps_position() -> None:
    signal = Signal("ACME", "buy", stop=90.0, target=110.0, valid_bars=2)
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit(signal)})))
    scene.bars(8)
    assert scene.of("signal")[-1].state == "expired"
    assert quantity(scene) == 1
    states = {each.id.rsplit("|", 1)[1]: each.state for each in scene.view("order").values()}
    assert states == {"entry": "filled", "stop": "working", "target": "working"}


def test_expired_twice() -> None:
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit(replace(BUY, valid_bars=2))})))
    for _ in range(6):
        scene.bars(1)
        scene.clock(OPEN + 4 * MINUTE_MS)
        scene.restart(keep=True)
    assert [each.state for each in scene.of("signal")] == ["issued", "expired"]


def test_risk_exit_reopens_next_bar() -> None:
    signal = Signal("ACME", "buy", stop=99.0)
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit(signal)})))
    scene.bars(3)
    scene.take(bar("ACME", OPEN + 3 * MINUTE_MS, 98.0, 100.0))
    scene.bars(5)
    assert quantity(scene) == 0, "the signal is still valid, and does not enter again"
    assert len(scene.of("fill")) == 2


def test_which_model_said_it() -> None:
    made = {name: scripted(at_calls({("bar", 1): emit(BUY)})) for name in ("breakout", "fade")}
    scene = HostScene(
        ACME,
        lambda config: loaded(made["fade"], config, "fade", version="b" * 12),
        lambda config: loaded(made["breakout"], config, "breakout", version="a" * 12),
    )
    scene.bars(4)
    assert [(each.strategy, each.version) for each in scene.of("signal")] == [
        ("breakout", "a" * 12),
        ("fade", "b" * 12),
    ]
    assert [each.strategy for each in scene.of("fill")] == ["breakout", "fade"]


def test_expiry_by_calendar() -> None:
    scene = HostScene(ACME + RICH, scripted(at_calls({("bar", 0): emit(BUY)})))
    scene.take(flat("ACME", "2025-07-03 10:00", 100.0))
    [signal] = scene.of("signal")
    assert signal.valid_until_ms == at("2025-07-03 13:00"), "the day before a holiday is short"


def test_grouped() -> None:
    def both(now: Any) -> None:
        now.emit(Signal("ACME", "buy", group="spread"))
        now.emit(Signal("BETA", "sell", group="spread"))

    scene = HostScene(TWO + RICH, scripted(at_calls({("bar", 1): both})), symbols=("ACME", "BETA"))
    scene.take(minute(0, symbol="BETA"), minute(0), minute(1, symbol="BETA"), minute(1))
    assert {(each.symbol, each.group) for each in scene.of("signal")} == {
        ("ACME", "spread"),
        ("BETA", "spread"),
    }


def test_fill_on_the_signal_bar() -> None:
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit(BUY)})))
    assert "fill" not in tags(scene.bars(2))
    [fill] = [each for each in scene.bars(1) if each.id.startswith("fill")]
    assert fill.fill_ms == OPEN + 2 * MINUTE_MS


def test_pair_removed_with_open_trade_has_no_data() -> None:
    made, other = scripted(at_calls({("bar", 1): emit(BUY)})), scripted()
    scene = HostScene(ACME, made, other)
    scene.bars(3)
    left = replace(scene.plan, strategies=scene.plan.strategies[1:])
    scene.restart(left, keep=True)
    scene.bars(1, 105.0)
    scene.take(flat("ACME", "2025-07-03 09:30", 105.0))
    assert quantity(scene) == 1
    assert scene.of("position")[-1].marked_price == 105.0, "the account still marks it"


def test_re_added_pair_keeps_its_old_signal() -> None:
    made, other = scripted(at_calls({("bar", 1): emit(BUY)}), Needs(bars={"1m": 2})), scripted()
    scene = HostScene(ACME, made, other)
    both = scene.plan
    scene.bars(3)
    scene.restart(replace(both, strategies=both.strategies[1:]), keep=True)
    scene.bars(1)
    scene.restart(both, keep=True)
    made.calls.clear()
    [started] = scene.bars(1)
    assert (started.id, started.state) == ("strategy|s0", "running")
    assert made.calls == [], "it begins empty, and waits for its bars anew"


def test_universe_grows_in_a_backtest() -> None:
    made = scripted()
    scene = HostScene(TWO, made, symbols=("ACME", "BETA"))
    scene.bars(3)
    scene.take(minute(2, symbol="BETA"))
    assert made.calls[-1][1].symbol == "BETA"


def test_repainted_bar_moves_an_old_signal() -> None:
    scene = HostScene(ACME, scripted(at_calls({("bar", 2): emit(BUY)})))
    scene.bars(5)
    before = scene.of("signal")[0]
    scene.take(Cancel("ACME", "1m", OPEN + 2 * MINUTE_MS), minute(2, 90.0))
    assert scene.of("signal") == [before]
    assert [each.rev for each in scene.of("note")] == [0, 1]


BRACKET = Signal("ACME", "buy", stop=99.0, target=101.0)


def wide(number: int, open_: float, low: float, high: float) -> Bar:
    """A bar of a minute of the session that closes where it opens."""
    return Bar("ACME", "1m", OPEN + number * MINUTE_MS, open_, high, low, open_, 1)


def bracketed(mode: str = "pessimistic") -> HostScene:
    """A long position from 100.0, by the third bar, with its stop and target."""
    account = f'[accounts.default]\nambiguous = "{mode}"\nslippage_ticks = 0\n'
    script = scripted(at_calls({("bar", 1): emit(BRACKET)}))
    scene = HostScene(ACME + account, script)
    scene.bars(3)
    assert quantity(scene) == 1
    return scene


@pytest.mark.parametrize(
    ("mode", "price"), [("pessimistic", 99.0), ("optimistic", 101.0), ("adaptive", 101.0)]
)
def test_stop_and_target_in_one_bar(mode: str, price: float) -> None:
    scene = bracketed(mode)
    scene.take(wide(3, 100.5, 98.5, 101.5))
    fill = scene.of("fill")[-1]
    assert (fill.price, fill.ambiguous) == (price, True)
    assert quantity(scene) == 0


def test_stop_price_equal_to_low() -> None:
    scene = bracketed()
    scene.take(wide(3, 100.0, 99.0, 100.0))
    assert scene.of("fill")[-1].price == 99.0, "levels are inclusive"


def test_one_bar_later() -> None:
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit(BRACKET)})))
    scene.bars(2)
    scene.take(wide(2, 100.0, 98.5, 101.5))
    assert len(scene.of("fill")) == 1, (
        "the bar of the entry reached both, and does not say which first"
    )
    scene.take(wide(3, 100.0, 98.5, 100.5))
    assert len(scene.of("fill")) == 2


def test_exit_before_entry() -> None:
    limit = Signal("ACME", "buy", order="limit", price=99.5, stop=99.0, target=100.0)
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit(limit)})))
    scene.bars(2)
    scene.take(wide(2, 100.0, 99.5, 100.5))
    assert len(scene.of("fill")) == 1, "the high may have been before the entry"
    assert quantity(scene) == 1


def test_stop_far_beyond() -> None:
    scene = bracketed()
    scene.take(wide(3, 90.0, 90.0, 95.0))
    fill = scene.of("fill")[-1]
    assert (fill.price, fill.ambiguous) == (90.0, False), "at the open, not at its level"
