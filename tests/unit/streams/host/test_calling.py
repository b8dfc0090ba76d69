"""Calls of strategies: what they emit, what they raise, and what they remember."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.streams.host.errors import MemoryRefusedError
from tapeline.streams.host.plain_data import MOST_MEMORY_BYTES
from tapeline.streams.host.strategy import Signal
from tests.unit.streams.core.scenario import MINUTE_MS, at
from tests.unit.streams.host.scene import (
    ACME,
    OPEN,
    HostScene,
    at_calls,
    loaded,
    scripted,
    tag,
    tags,
)

BUY = Signal("ACME", "buy")
LIMIT = Signal("ACME", "buy", order="limit", price=1.0)


def fail(now: Any) -> None:
    raise ZeroDivisionError(f"of {object()!r}")


def test_an_exception_drops_the_signals_of_its_call_and_ends_the_strategy() -> None:
    def emit_and_fail(now: Any) -> None:
        now.emit(BUY)
        fail(now)

    made = scripted(at_calls({("bar", 1): lambda now: now.emit(LIMIT), ("bar", 2): emit_and_fail}))
    other = scripted()
    scene = HostScene(ACME, made, other)
    scene.bars(2)
    found = scene.bars(1)
    assert tags(found) == ["strategy", "signal", "order"]
    fault, signal, order = found
    assert (fault.state, fault.error_type, fault.error) == ("faulted", "ZeroDivisionError",
                                                            "of <object object at 0x>")  # fmt: skip
    assert (fault.record.partition, fault.record.offset, fault.step) == (0, 2, 2)
    assert (signal.state, signal.close_reason) == ("cancelled", "strategy_fault")
    assert (order.state, order.reason) == ("cancelled", "strategy_fault")
    made.calls.clear()
    other.calls.clear()
    scene.bars(5)
    assert made.calls == []
    assert [hook for hook, _, _ in other.calls].count("bar") == 5


@pytest.mark.parametrize(("on_fault", "held"), [("hold", 1), ("flatten", 0)])
def test_positions_of_a_strategy_that_failed_are_held_or_flattened(
    on_fault: Any, held: int
) -> None:
    made = scripted(at_calls({("bar", 1): lambda now: now.emit(BUY), ("bar", 3): fail}))
    scene = HostScene(ACME, lambda config: loaded(made, config, on_fault=on_fault))
    scene.bars(6)
    position = scene.of("position")[-1]
    assert position.quantity == held
    flattening = [each for each in scene.of("order") if each.id.endswith("|flatten")]
    assert [each.id for each in flattening] == (
        [] if held else ["order|strategy|one|ACME|3|flatten"] * 2
    )


@pytest.mark.parametrize(
    "signal",
    [
        Signal("ACME", "buy", quantity=0),
        Signal("ACME", "buy", order="limit"),
        Signal("ACME", "buy", order="limit", price=100.001),
        Signal("ACME", "buy", stop=101.0, target=100.0),
        Signal("BETA", "buy"),
        "buy",
    ],
)
def test_a_signal_that_is_none_ends_the_strategy_even_where_it_catches_the_error(
    signal: Any,
) -> None:
    def emit(now: Any) -> None:
        try:
            now.emit(signal)
        except ValueError:
            now.emit(BUY)

    scene = HostScene(ACME, scripted(at_calls({("bar", 1): emit})))
    scene.bars(1)
    [fault] = scene.bars(1)
    assert (fault.state, fault.error_type) == ("faulted", "SignalError")


@pytest.mark.parametrize("what", ["closed", "foreign", "unknown"])
def test_closing_a_signal_that_is_closed_or_of_another_strategy_ends_the_strategy(
    what: str,
) -> None:
    ids: dict[str, str] = {}

    def emit(now: Any) -> None:
        ids["closed"] = now.emit(LIMIT)
        now.cancel(ids["closed"])

    def other(now: Any) -> None:
        ids["foreign"] = now.emit(LIMIT)

    close = lambda now: now.cancel(ids.get(what, "signal|s0|ACME|1|0"))  # noqa: E731
    scene = HostScene(
        ACME,
        scripted(at_calls({("bar", 1): emit, ("bar", 2): close})),
        scripted(at_calls({("bar", 1): other})),
    )
    scene.bars(2)
    fault = scene.bars(1)[0]
    assert (fault.id, fault.state, fault.error_type) == ("strategy|s0", "faulted", "SignalError")


def test_a_replacement_closes_the_old_signal_first_and_it_stays_closed_if_the_new_is_rejected() -> (
    None
):
    ids: list[str] = []

    def replace(now: Any) -> None:
        ids.append(now.replace(ids[0], Signal("ACME", "buy", confidence=0.1)))

    scene = HostScene(
        ACME,
        scripted(
            at_calls({("bar", 1): lambda now: ids.append(now.emit(LIMIT)), ("bar", 2): replace})
        ),
    )
    scene.bars(2)
    old, order, new, decision = scene.bars(1)
    assert (old.id, old.state, old.close_reason) == (ids[0], "replaced", "replaced")
    assert (order.state, order.reason) == ("cancelled", "replaced")
    assert (new.id, new.state, new.replaces) == (ids[1], "issued", ids[0])
    assert (decision.approved, decision.code) == (False, "confidence")
    assert old.reason == "", "content is frozen"


def test_a_cancel_ends_the_entry_and_never_a_position_its_stop_or_its_target() -> None:
    ids: list[str] = []
    bracket = Signal("ACME", "buy", stop=90.0, target=110.0)
    scene = HostScene(
        ACME,
        scripted(
            at_calls(
                {
                    ("bar", 1): lambda now: ids.append(now.emit(bracket)),
                    ("bar", 3): lambda now: now.cancel(ids[0], "no longer"),
                }
            )
        ),
    )
    scene.bars(3)
    [signal] = scene.bars(1)
    assert (signal.state, signal.close_reason) == ("cancelled", "strategy")
    assert scene.of("position")[-1].quantity == 1
    assert [each.state for each in scene.view("order").values()] == ["filled", "working", "working"]


def test_decisions_are_reported_after_all_of_a_call_is_published() -> None:
    seen: list[Any] = []

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and not seen:
            now.emit(BUY)
            now.emit(Signal("ACME", "hold"))
        if hook == "decision":
            seen.append((argument.approved, len(now.view.signals())))
            if len(seen) == 1:
                now.emit(Signal("ACME", "hold", reason="after a decision"))

    scene = HostScene(ACME, scripted(script))
    found = scene.bars(1)
    assert [each.id.rsplit("|", 1)[1] for each in found if tag(each) == "decision"] == [
        "0",
        "1",
        "2",
    ]
    assert seen == [(True, 2), (True, 3), (True, 3)]


def test_a_strategy_that_answers_every_decision_with_a_signal_fails() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook in {"bar", "decision"}:
            now.emit(Signal("ACME", "hold"))

    scene = HostScene(ACME, scripted(script))
    scene.bars(1)
    fault = scene.of("strategy")[-1]
    assert (fault.state, fault.error_type) == ("faulted", "SignalError")
    assert len(scene.view("signal")) == 1000


def test_what_expired_is_reported_with_its_last_version() -> None:
    made = scripted(
        at_calls({("bar", 1): lambda now: now.emit(Signal("ACME", "hold", valid_bars=2))})
    )
    scene = HostScene(ACME, made)
    scene.bars(3)
    made.calls.clear()
    scene.bars(1)
    [closed] = [argument for hook, argument, _ in made.calls if hook == "closed"]
    assert (closed.state, closed.closed_ms) == ("expired", OPEN + 4 * MINUTE_MS)
    assert [hook for hook, _, _ in made.calls][:2] == ["closed", "bar"]


def test_memory_that_is_no_plain_data_ends_the_strategy_at_the_call_that_emits() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            strategy.memory["seen"] = (argument.start_ms,)
            if argument.start_ms == OPEN + 2 * MINUTE_MS:
                now.emit(BUY)

    scene = HostScene(ACME, scripted(script))
    scene.bars(2)
    [fault] = scene.bars(1)
    assert fault.error_type == "MemoryRefusedError"
    assert fault.error == (
        "memory['seen'] is a tuple; plain data are dict, list, str, int, float, bool and None"
    )


def test_memory_is_looked_at_when_a_session_closes() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            strategy.memory["text"] = "x" * MOST_MEMORY_BYTES

    scene = HostScene(ACME, scripted(script))
    scene.bars(2)
    with pytest.raises(MemoryRefusedError, match="at most 262144"):
        scene.store()
    found = scene.clock(at("2025-07-02 16:00"))
    assert [each.state for each in found if tag(each) == "strategy"] == ["faulted"]


def test_memory_is_looked_at_after_every_call_where_that_is_asked_for() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        strategy.memory["at"] = {1: now.ms}

    scene = HostScene(ACME, scripted(script), check_memory=True)
    [fault] = scene.bars(1)
    assert fault.error == "memory['at'] has the key 1; keys are text"


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_process_is_no_fault_of_a_strategy(end: type[BaseException]) -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        raise end

    scene = HostScene(ACME, scripted(script))
    with pytest.raises(end):
        scene.bars(1)
