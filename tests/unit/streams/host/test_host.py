"""The host: order of what a record leads to, order of calls, numbers, starts and ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tapeline.schemas.host_events import SignalNote
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.streams.host.errors import LookAheadError
from tapeline.streams.host.market import HostRecord
from tapeline.streams.host.plan import Numbering
from tapeline.streams.host.strategy import Needs, Signal
from tests.unit.streams.core.scenario import HOUR_MS, MINUTE_MS, at, flat
from tests.unit.streams.host.scene import (
    ACME,
    AVERAGES,
    CLOSE,
    DAY,
    OPEN,
    PAIRED,
    RICH,
    TWO,
    HostScene,
    as_json,
    at_calls,
    loaded,
    minute,
    scripted,
    tags,
)

BUY = Signal("ACME", "buy")
SESSION = "2025-07-02"


def test_a_strategy_is_published_as_running_with_the_first_record_that_is_taken() -> None:
    scene = HostScene(ACME, scripted(), scripted())
    scene.offset = 7
    first, second = scene.bars(1)
    assert [first.id, second.id] == ["strategy|s0", "strategy|s1"]
    assert (first.state, first.step, first.record, first.error) == ("running", 7, None, None)
    assert (first.symbol, first.session, first.event_ms) == (None, SESSION, OPEN + MINUTE_MS)
    assert first.watermark_ms == first.event_ms
    assert scene.bars(3) == []


def test_what_a_call_emits_is_published_at_once_as_signal_decision_and_order() -> None:
    scene = HostScene(ACME, scripted(at_calls({("bar", 2): lambda now: now.emit(BUY)})))
    scene.bars(2)
    signal, decision, order = scene.bars(1)
    assert tags([signal, decision, order]) == ["signal", "decision", "order"]
    assert signal.id == f"signal|s0|ACME|{OPEN + 3 * MINUTE_MS}|0"
    assert decision.id == f"decision|{signal.id}"
    assert order.id == f"order|{signal.id}|entry"
    assert decision.approved
    assert (signal.state, signal.closed_ms, signal.close_reason) == ("issued", None, None)
    assert (signal.op, signal.rev, signal.corrects, signal.account) == (
        "upsert",
        0,
        None,
        "default",
    )


def test_the_numbers_of_files_come_after_those_of_facts() -> None:
    scene = HostScene(ACME, scripted(at_calls({("bar", 2): lambda now: now.emit(BUY)})))
    scene.bars(2)
    found = scene.bars(1)
    assert [each.seq for each in found] == [2_500_000, 2_500_001, 2_500_002]
    assert {str(each.cause) for each in found} == {"{'0': 2}"}


def test_the_numbers_of_a_book_are_its_steps_and_name_the_partition() -> None:
    made = scripted(at_calls({("bar", 0): lambda now: now.emit(BUY)}))
    scene = HostScene(ACME, made, numbering=Numbering(0, by_partition=True))
    scene.drive.apply(minute(0), 0)
    outcome = scene.drive.apply(minute(1), 1)
    record = HostRecord(5, 3, 41, minute(1), "ACME", "accepted", [], None, outcome.watermark_ms)
    found = scene.host.take(record)
    assert [each.seq for each in found] == [5_000_000, 5_000_001, 5_000_002, 5_000_003]
    assert {str(each.cause) for each in found} == {"{'3': 41}"}


def test_every_id_is_published_once_a_record_with_its_last_content_but_for_orders() -> None:
    def twice(now: Any) -> None:
        now.cancel(now.emit(BUY))

    scene = HostScene(ACME, scripted(at_calls({("bar", 2): twice})))
    scene.bars(2)
    decision, working, signal, cancelled = scene.bars(1)
    assert tags([decision, working, signal, cancelled]) == ["decision", "order", "signal", "order"]
    assert (signal.state, signal.close_reason) == ("cancelled", "strategy")
    assert (working.state, cancelled.state) == ("working", "cancelled")


def test_of_a_record_come_expiries_by_its_start_then_fills_then_other_expiries_then_calls() -> None:
    def three(now: Any) -> None:
        # The first ends before the bar that fills the second; the third ends with that bar.
        now.emit(Signal("ACME", "buy", order="limit", price=1.0, valid_bars=1))
        now.emit(BUY)
        now.emit(Signal("ACME", "buy", order="limit", price=1.0, valid_bars=2))

    actions = {("bar", 0): three, ("bar", 1): lambda now: now.emit(Signal("ACME", "hold"))}
    scene = HostScene(ACME, scripted(at_calls(actions)))
    scene.bars(1)
    # The minute between is missing: both waits go over it.
    found = scene.take(minute(2))
    assert [(each.id.split("|")[0], getattr(each, "state", None)) for each in found] == [
        ("signal", "expired"),
        ("order", "cancelled"),
        ("order", "filled"),
        ("fill", None),
        ("position", None),
        ("account", "active"),
        ("signal", "expired"),
        ("order", "cancelled"),
        ("signal", "issued"),
        ("decision", None),
    ]
    assert found[0].id.endswith("|0")
    assert found[6].id.endswith("|2")


def test_signals_that_expire_together_go_by_strategy_then_issue_then_id_with_their_entries() -> (
    None
):
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            signal = Signal(
                "ACME", "buy", order="limit", price=1.0, valid_until_ms=OPEN + 4 * MINUTE_MS
            )
            if now.ms < signal.valid_until_ms:
                now.emit(signal)

    scene = HostScene(
        ACME,
        lambda config: loaded(scripted(script), config, "b"),
        lambda config: loaded(scripted(script), config, "a"),
    )
    scene.bars(3)
    found = scene.clock(OPEN + 4 * MINUTE_MS)
    assert tags(found) == ["signal", "order"] * 6
    listed = [each.id.split("|")[1:4] for each in found[::2]]
    assert listed == sorted(listed)
    assert [each.signal for each in found[1::2]] == [each.id for each in found[::2]]


def test_an_entry_fills_in_no_bar_that_starts_when_its_signal_ends() -> None:
    action = lambda now: now.emit(Signal("ACME", "buy", valid_until_ms=OPEN + 3 * MINUTE_MS))  # noqa: E731
    scene = HostScene(ACME, scripted(at_calls({("bar", 0): action})))
    scene.bars(1)
    scene.take(minute(3))
    assert scene.of("fill") == []
    assert [each.state for each in scene.of("order")] == ["working", "cancelled"]
    assert scene.of("signal")[-1].close_reason == "expired"


def test_calls_of_a_record_are_fills_then_the_bar_then_facts_in_order_of_publication() -> None:
    made = scripted(at_calls({("bar", 3): lambda now: now.emit(BUY)}))
    scene = HostScene(ACME, made)
    scene.bars(4)
    made.calls.clear()
    scene.bars(1)
    assert [hook for hook, _, _ in made.calls] == ["fill", "bar", "bars", "event"]
    assert made.calls[2][1].interval == "5m"


def test_a_bar_that_leads_to_no_fact_is_called_after_what_it_fills() -> None:
    made = scripted(at_calls({("bar", 5): lambda now: now.emit(BUY)}))
    scene = HostScene(ACME, made)
    scene.bars(6)
    made.calls.clear()
    scene.bars(1)
    assert scene.outcome is not None
    assert scene.outcome.events == []
    assert [hook for hook, _, _ in made.calls] == ["fill", "bar"]


def test_for_each_item_strategies_go_by_name_and_see_the_account_but_not_others_signals() -> None:
    seen: list[Any] = []

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            signals = [each.id for each in now.view.signals()]
            seen.append((strategy.settings["name"], now.view.position("ACME").quantity, signals))
            if len(now.view.signals()) == 0:
                now.emit(BUY)

    def made(name: str) -> Any:
        return lambda config: loaded(scripted(script), config, name, settings={"name": name})

    scene = HostScene(ACME, made("b"), made("a"))
    scene.bars(1)
    scene.bars(1)
    first = f"signal|a|ACME|{OPEN + MINUTE_MS}|0"
    second = f"signal|b|ACME|{OPEN + MINUTE_MS}|0"
    assert seen == [("a", 0, []), ("b", 0, []), ("a", 2, [first]), ("b", 2, [second])]
    assert [each.id for each in scene.of("signal")] == [first, second]


def test_all_facts_of_the_record_are_in_the_view_before_its_first_call() -> None:
    seen: list[Any] = []

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook in {"bar", "bars"}:
            last = now.view.bars("ACME", "5m")[-1:]
            value = now.view.indicator("ACME", "sma_2_5m")
            seen.append((hook, now.ms, last[0].end_ms if last else None, value))

    needs = Needs(bars={"5m": 3}, indicators=["sma_2_5m"], cold=True)
    scene = HostScene(AVERAGES, scripted(script, needs))
    scene.bars(5, 100.0)
    scene.bars(4, 101.0)
    seen.clear()
    scene.bars(1, 102.0)
    end_ms = OPEN + 10 * MINUTE_MS
    assert seen == [("bar", end_ms, end_ms, 101.0), ("bars", end_ms, end_ms, 101.0)]


def test_bars_are_in_order_when_their_end_moves_the_watermark_and_late_ones_are_corrections() -> (
    None
):
    made = scripted()
    scene = HostScene(ACME, made)
    scene.bars(2)
    scene.clock(OPEN + 10 * MINUTE_MS)
    made.calls.clear()
    scene.take(minute(5))
    assert [hook for hook, _, _ in made.calls if hook in {"bar", "correction"}] == ["correction"]
    bar, start_ms, symbol = made.calls[0][1]
    assert (bar.start_ms, start_ms, symbol) == (OPEN + 5 * MINUTE_MS, OPEN + 5 * MINUTE_MS, "ACME")
    assert scene.host.missed == {"s0": 1}
    scene.take(Cancel("ACME", "1m", OPEN))
    assert ("correction", (None, OPEN, "ACME"), OPEN + 10 * MINUTE_MS) in made.calls
    scene.take(minute(5))
    assert [hook for hook, _, _ in made.calls].count("correction") == 2, "a duplicate is no call"


def test_a_late_bar_before_the_newest_one_is_no_lost_call() -> None:
    scene = HostScene(ACME + "quality = false\n", scripted())
    scene.bars(12)
    scene.take(minute(13), minute(12))
    assert scene.host.missed == {}


def test_corrected_facts_reach_the_hooks_of_corrections_and_facts_alone() -> None:
    made = scripted()
    scene = HostScene(ACME, made)
    scene.bars(4)
    scene.bars(8)
    made.calls.clear()
    scene.take(minute(3, 101.0))
    hooks = [hook for hook, _, _ in made.calls]
    assert hooks[0] == "correction"
    assert set(hooks[1:]) == {"event"}
    assert made.calls[1][1].corrects == OPEN + 3 * MINUTE_MS


def test_a_bar_off_session_is_called_and_fills_nothing() -> None:
    made = scripted(at_calls({("bar", 0): lambda now: now.emit(BUY)}))
    scene = HostScene(ACME + RICH, made)
    scene.take(flat("ACME", CLOSE - MINUTE_MS, 100.0))
    made.calls.clear()
    late_ms = CLOSE + 2 * HOUR_MS
    found = scene.take(flat("ACME", late_ms, 100.0))
    assert [hook for hook, _, _ in made.calls] == ["bar"]
    assert found == []
    filled = scene.take(flat("ACME", "2025-07-03 09:30", 100.0))
    assert "fill" in tags(filled)


def test_clocks_before_the_first_bar_move_time_and_call_nothing() -> None:
    made = scripted()
    scene = HostScene(ACME, made)
    [started] = scene.clock(OPEN)
    assert (started.event_ms, started.session) == (OPEN, SESSION)
    assert made.calls == []
    scene.bars(1)
    assert made.calls[0][2] == OPEN + MINUTE_MS


def test_time_is_the_greatest_watermark_and_facts_of_what_lies_behind_come_at_it() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and argument.symbol == "BETA":
            now.emit(Signal("BETA", "buy"))

    scene = HostScene(TWO, scripted(script), symbols=("ACME", "BETA"))
    scene.bars(9)
    signal, decision, *_ = scene.take(minute(2, symbol="BETA"))
    assert signal.event_ms == OPEN + 9 * MINUTE_MS
    assert signal.watermark_ms == OPEN + 3 * MINUTE_MS
    assert [each.value for each in decision.checks if each.name == "stale"] == [6]
    assert decision.code == "stale"


def test_signals_are_counted_over_all_records_of_one_instant_and_symbol() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "correction":
            now.emit(BUY)

    scene = HostScene(ACME, scripted(script))
    scene.bars(5)
    scene.take(minute(1, 101.0))
    scene.restart(keep=True)
    scene.take(minute(2, 101.0))
    scene.bars(1)
    scene.take(minute(3, 101.0))
    ends = [each.id.split("|")[-2:] for each in scene.of("signal")]
    assert ends == [
        [str(OPEN + 5 * MINUTE_MS), "0"],
        [str(OPEN + 5 * MINUTE_MS), "1"],
        [str(OPEN + 6 * MINUTE_MS), "0"],
    ]


def test_the_session_of_a_signal_at_a_close_is_the_next_one_that_of_the_account_the_closed() -> (
    None
):
    made = scripted(at_calls({("bar", 0): lambda now: now.emit(BUY)}))
    scene = HostScene(ACME, made)
    scene.take(flat("ACME", CLOSE - MINUTE_MS, 100.0))
    [account] = scene.of("account")
    [signal] = scene.of("signal")
    [order] = scene.of("order") or [None]
    assert (account.id, account.session) == ("account|default|2025-07-02", "2025-07-02")
    assert signal.session == "2025-07-03"
    assert scene.of("decision")[0].session == "2025-07-03"
    assert order is None, "a session of one bar has no quality"


def test_an_account_is_published_at_every_close_that_one_record_passes() -> None:
    scene = HostScene(ACME, scripted())
    scene.bars(3)
    scene.clock(at("2025-07-07 10:00"))
    assert [each.id for each in scene.of("account")] == [
        "account|default|2025-07-02",
        "account|default|2025-07-03",
    ]
    assert {each.event_ms for each in scene.of("account")} == {at("2025-07-07 10:00")}


@pytest.mark.parametrize("group", ["AB", "BETA"])
def test_facts_of_a_group_reach_a_strategy_on_one_of_its_symbols(group: str) -> None:
    config = PAIRED.replace("AB =", f"{group} =").replace(
        '"XNYS"\n', '"XNYS"\nranges = ["own"]\n'
    ) + (
        '[templates.own]\nzone = "America/New_York"\n[[templates.own.kinds]]\nkind = "First"\n'
        'period = "day"\nlabel = "f"\nstart = "09:30"\nuntil = "09:32"\n'
    )
    made = scripted(None, Needs(events=["pair"]))
    scene = HostScene(config, made, symbols=("ACME",))
    for symbol in ("ACME", "BETA"):
        for number, price in enumerate((100.0, 101.0, 100.5, 101.0, 100.5)):
            scene.take(minute(number, price, symbol))
    pairs = [argument for hook, argument, _ in made.calls if hook == "event"]
    assert pairs
    assert {each.symbol for each in pairs} == {group}
    assert pairs[-1].times["BETA"] is not None
    assert scene.host.groups == {group}


def test_a_fact_of_the_future_is_never_delivered() -> None:
    scene = HostScene(ACME, scripted())
    scene.bars(5)
    outcome = scene.outcome
    assert outcome is not None
    assert outcome.events
    early = [
        msgspec.structs.replace(each, event_ms=each.event_ms + HOUR_MS) for each in outcome.events
    ]
    record = HostRecord(9, 0, 9, minute(4), "ACME", "accepted", early, None, outcome.watermark_ms)
    with pytest.raises(LookAheadError):
        scene.host.take(record)


def test_the_end_calls_on_end_closes_nothing_and_refuses_signals() -> None:
    refused: list[str] = []

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            now.emit(BUY)
        if hook == "end":
            assert now.view.position("ACME").quantity == 1
            try:
                now.emit(BUY)
            except ValueError as error:
                refused.append(str(error))

    made = scripted(script)
    scene = HostScene(ACME, made)
    scene.bars(2)
    before = as_json(scene.out)
    scene.host.end(3)
    assert [hook for hook, _, _ in made.calls[-2:]] == ["end", "teardown"]
    assert refused == ["the replay is over: nothing can be emitted any more"]
    assert as_json(scene.out) == before


def test_a_live_host_tears_down_what_runs_and_calls_no_end() -> None:
    def fail(now: Any) -> None:
        raise ValueError

    made, failed = scripted(), scripted(at_calls({("bar", 0): fail}))
    scene = HostScene(ACME, made, failed)
    scene.bars(1)
    scene.host.stop()
    assert [hook for hook, _, _ in made.calls if hook in {"end", "teardown"}] == ["teardown"]
    assert [hook for hook, _, _ in failed.calls if hook in {"end", "teardown"}] == []


def test_a_mark_is_seen_of_its_record_alone() -> None:
    scene = HostScene(ACME, scripted(at_calls({("bar", 1): lambda now: now.mark()})))
    marked = []
    for _ in range(3):
        scene.bars(1)
        marked.append(scene.host.marked)
    assert marked == [False, True, False]


def test_records_of_other_groups_lead_to_nothing() -> None:
    made = scripted()
    scene = HostScene(TWO, made)
    scene.bars(1)
    made.calls.clear()
    assert scene.take(*[minute(number, symbol="BETA") for number in range(12)]) == []
    assert made.calls == []
    scene.bars(1)
    assert made.calls[0][2] == OPEN + 2 * MINUTE_MS, "nor do they move time"


def test_a_rebuild_beyond_the_horizon_changes_the_view_and_calls_nothing() -> None:
    made = scripted(at_calls({("bar", 0): lambda now: now.emit(BUY)}), Needs(bars={"1m": 5}))
    scene = HostScene(ACME, made)
    scene.bars(8)
    outcome = scene.drive.apply(minute(4, 101.0), 50)
    made.calls.clear()
    record = HostRecord(
        50, 0, 50, Clock("ACME", outcome.watermark_ms), "ACME", "rebuilt", list(outcome.events),
        outcome.correction, outcome.watermark_ms,
    )  # fmt: skip
    [note] = scene.host.take(record)
    assert isinstance(note, SignalNote)
    assert note.signal == f"signal|s0|ACME|{OPEN + 5 * MINUTE_MS}|0"
    assert made.calls == []


def test_a_bar_has_no_session_before_the_calendar_and_after_it_none() -> None:
    scene = HostScene(ACME, scripted())
    scene.take(Bar("ACME", "1m", at(f"{DAY} 08:00"), 1.0, 1.0, 1.0, 1.0, 1))
    assert scene.of("strategy")[0].session == SESSION
