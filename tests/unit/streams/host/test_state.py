"""State of a host: what is written, what another host makes of it, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.outcome import OUTCOMES
from tapeline.streams.host.errors import HostStateError, OtherVersionError
from tapeline.streams.host.plan import HostPlan, LoadedStrategy
from tapeline.streams.host.strategy import Needs, Signal
from tests.unit.streams.core.scenario import MINUTE_MS, flat
from tests.unit.streams.host.scene import (
    ACME,
    AVERAGES,
    OPEN,
    RICH,
    HostScene,
    as_json,
    at_calls,
    loaded,
    minute,
    scripted,
    tags,
)

LIMIT = Signal("ACME", "buy", order="limit", price=1.0)


def busy() -> Any:
    """Reads, remembers, emits, cancels and is corrected."""

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        memory = strategy.memory
        memory["calls"] = memory.get("calls", 0) + 1
        if hook == "bar":
            closes = [each.close for each in now.view.bars("ACME", "1m", 3)]
            if memory["calls"] % 3 == 0:
                stop = min(closes) - 1.0
                memory["last"] = now.emit(Signal("ACME", "buy", stop=stop, metadata={"c": closes}))
            elif memory["calls"] % 4 == 0 and now.view.signals():
                now.cancel(now.view.signals()[0].id)
        if hook == "bars":
            now.emit(Signal("ACME", "close", reason=str(now.view.indicator("ACME", "sma_2_5m"))))
        if hook == "note":
            memory.setdefault("notes", []).append(argument.rev)
        if hook == "event":
            now.view.gaps("ACME")

    needs = Needs(bars={"1m": 3}, indicators=["sma_2_5m"], events=["gap", "swing"])
    return scripted(script, needs)


def log() -> list[LogRecord]:
    found: list[LogRecord] = []
    for number in range(40):
        if number not in {7, 8, 21}:
            found.append(minute(number, 100.0 + number * 7 % 5))
    found.insert(12, minute(7, 103.0))
    found.insert(20, minute(12, 99.0))
    found.insert(30, minute(12, 100.0))
    found += [flat("ACME", f"2025-07-03 09:3{number}", 100.0) for number in range(6)]
    found.append(minute(38, 90.0))
    return found


def outputs(every: int | None) -> bytes:
    scene = HostScene(AVERAGES, busy())
    for number, record in enumerate(log()):
        if every is not None and number % every == 0:
            scene.restart(keep=True) if scene.records else scene.store()
        scene.take(record)
    assert {"signal", "note", "fill"} <= set(tags(scene.out))
    return as_json(scene.out)


@pytest.mark.parametrize("every", [1, 2, 7])
def test_a_host_that_is_stopped_anywhere_publishes_the_same_bytes(every: int) -> None:
    assert outputs(every) == outputs(None)


def test_what_was_published_after_the_last_state_is_published_again_to_the_byte() -> None:
    records = log()
    scene = HostScene(AVERAGES, busy())
    scene.take(*records[:20])
    scene.store()
    before = len(scene.out)
    scene.take(*records[20:])
    again = HostScene(AVERAGES, busy())
    again.fold_alone(*records[:20])
    again.records = scene.records
    again.restart()
    again.take(*records[20:])
    assert as_json(again.out) == as_json(scene.out[before:])


def test_nothing_changed_writes_nothing_and_a_bar_little() -> None:
    made = scripted(None, Needs(bars={"1m": 5000}))
    scene = HostScene(ACME, made)
    scene.take(*[minute(number) for number in range(300)])
    scene.store()
    assert scene.host.changed() == {}
    scene.bars(1)
    assert sorted(scene.host.changed()) == [
        "account|default|ACME", "host", "ring|s0|ACME|1m|9", "ring|s0|ACME|1m|head",
    ]  # fmt: skip


def test_a_signal_that_is_over_leaves_the_state() -> None:
    signal = Signal("ACME", "buy", confidence=0.0, valid_bars=1)
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): lambda now: now.emit(signal)})))
    scene.bars(2)
    key = f"signals|s0|signal|s0|ACME|{OPEN + 2 * MINUTE_MS}|0"
    assert scene.store()[key]["event"]["state"] == "issued"
    scene.bars(1)
    assert scene.store()[key] is None


def test_what_dictionaries_remember_keeps_its_order() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            strategy.memory[f"k{9 - len(strategy.memory)}"] = len(strategy.memory)

    scene = HostScene(ACME, scripted(script))
    scene.bars(4)
    scene.restart(keep=True)
    scene.bars(1)
    memory = scene.host._running["s0"].strategy.memory
    assert list(memory) == ["k9", "k8", "k7", "k6", "k5"]


def plan_of(scene: HostScene, *strategies: LoadedStrategy) -> HostPlan:
    return replace(scene.plan, strategies=strategies)


def version(made: Any, text: str, name: str = "one") -> Any:
    def load(config: Config) -> LoadedStrategy:
        return loaded(made, config, name, version=text)

    return load


def test_state_of_another_version_is_refused_by_name() -> None:
    scene = HostScene(ACME, version(scripted(), "a" * 12))
    scene.bars(1)
    scene.store()
    other = version(scripted(), "b" * 12)(scene.config)
    with pytest.raises(OtherVersionError, match="one of aaaaaaaaaaaa, now bbbbbbbbbbbb") as caught:
        scene.restart(plan_of(scene, other))
    assert caught.value.names == ("one",)


def test_a_strategy_that_is_accepted_begins_anew_and_its_signals_are_cancelled() -> None:
    first = scripted(at_calls({("bar", 1): lambda now: now.emit(LIMIT)}), Needs(events=["gap"]))
    scene = HostScene(ACME + RICH, version(first, "a" * 12))
    scene.take(minute(0), minute(2))
    seen: list[Any] = []

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        seen.append((dict(strategy.memory), now.view.gaps("ACME")))

    other = version(scripted(script, Needs(events=["gap"])), "b" * 12)(scene.config)
    scene.restart(plan_of(scene, other), accept=["one"], keep=True)
    scene.restart(keep=True)
    found = scene.bars(1)
    assert tags(found) == ["signal", "order", "strategy"]
    assert (found[0].state, found[0].close_reason) == ("cancelled", "version")
    assert (found[1].state, found[1].reason) == ("cancelled", "version")
    assert (found[2].state, found[2].version) == ("running", "b" * 12)
    assert seen == [({}, [])]
    scene.restart(keep=True)
    assert scene.bars(1) == []


def test_a_strategy_that_failed_stays_so_until_it_is_accepted() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and argument.start_ms == OPEN + MINUTE_MS:
            raise ValueError("once")

    made = scripted(script)
    scene = HostScene(ACME, made)
    scene.bars(2)
    made.calls.clear()
    scene.restart(keep=True)
    scene.bars(2)
    assert made.calls == []
    scene.restart(accept=["s0"], keep=True)
    [started] = scene.bars(1)
    assert (started.state, started.step) == ("running", 4)
    assert made.calls != []


def test_a_strategy_that_is_not_configured_any_more_is_published_as_disabled_once() -> None:
    first = scripted(at_calls({("bar", 1): lambda now: now.emit(LIMIT)}), Needs(bars={"1m": 2}))
    other = scripted()
    scene = HostScene(ACME, version(first, "a" * 12, "one"), version(other, "a" * 12, "two"))
    scene.bars(3)
    scene.restart(plan_of(scene, version(other, "a" * 12, "two")(scene.config)), keep=True)
    scene.store()
    [disabled] = scene.bars(1)
    assert (disabled.id, disabled.state) == ("strategy|one", "disabled")
    scene.restart(keep=True)
    assert scene.bars(1) == []
    assert not [key for key in scene.records if key.split("|")[:2] == ["memory", "one"]]
    assert not [key for key in scene.records if key.startswith("ring|one")]


def test_a_strategy_that_is_added_begins_with_the_next_record() -> None:
    one, two = scripted(), scripted()
    scene = HostScene(ACME, version(one, "a" * 12, "one"))
    scene.bars(2)
    strategies = [version(each, "a" * 12, name)(scene.config) for name, each in
                  (("one", one), ("two", two))]  # fmt: skip
    scene.restart(plan_of(scene, *strategies), keep=True)
    [started] = scene.bars(1)
    assert (started.id, started.state, started.step) == ("strategy|two", "running", 2)


@pytest.mark.parametrize("lost", ["host", "memory|s0", "ring|s0|ACME|1m|0"])
def test_a_state_that_misses_a_record_is_refused(lost: str) -> None:
    scene = HostScene(ACME, scripted(None, Needs(bars={"1m": 3})))
    scene.bars(3)
    scene.store()
    del scene.records[lost]
    with pytest.raises(HostStateError):
        scene.restart()


def test_every_outcome_of_a_record_is_taken() -> None:
    scene = HostScene(ACME, scripted())
    kinds = set()
    for record in [*log(), minute(38, 90.0)]:
        scene.take(record)
        assert scene.outcome is not None
        kinds.add(scene.outcome.kind)
    assert kinds <= set(OUTCOMES)
    assert {"accepted", "late", "changed", "duplicates"} <= kinds
