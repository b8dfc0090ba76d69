"""Notes: which signals a correction concerns, what a note lists, in which order they come."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.records import Cancel
from tapeline.streams.host.strategy import Needs, Signal
from tests.unit.streams.core.scenario import MINUTE_MS, at, flat
from tests.unit.streams.host.scene import (
    ACME,
    AVERAGES,
    OPEN,
    HostScene,
    at_calls,
    loaded,
    minute,
    scripted,
    tag,
    tags,
)

LIMIT = Signal("ACME", "buy", order="limit", price=1.0)


def reading(count: int = 2, interval: str = "1m", signal: Signal = LIMIT) -> Any:
    """Reads bars at each bar and emits at the fifth."""

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar":
            now.view.bars("ACME", interval, count)
            if argument.start_ms == OPEN + 5 * MINUTE_MS:
                now.emit(signal)

    return scripted(script, Needs(bars={interval: max(count, 2)}, cold=True))


def notes(found: list[Any]) -> list[Any]:
    return [each for each in found if tag(each) == "note"]


def test_a_changed_bar_inside_a_span_makes_a_note_on_an_issued_signal() -> None:
    scene = HostScene(ACME, reading())
    scene.bars(8)
    [note] = scene.take(minute(4, 101.0))
    [signal] = scene.of("signal")
    start_ms = OPEN + 4 * MINUTE_MS
    assert note.id == f"note|{signal.id}|ACME|{start_ms}"
    assert (note.signal, note.state, note.position, note.input_gone) == (
        signal.id, "issued", 0, False,
    )  # fmt: skip
    assert (note.event_ms, note.symbol, note.corrects, note.rev) == (
        OPEN + 8 * MINUTE_MS, "ACME", start_ms, 0,
    )  # fmt: skip
    name = f"bar|ACME|1m|{start_ms}"
    assert [(each.id, each.field, each.before, each.after) for each in note.fields] == [
        (name, "close", 100.0, 101.0),
        (name, "high", 100.0, 101.0),
        (name, "low", 100.0, 101.0),
        (name, "open", 100.0, 101.0),
    ]


@pytest.mark.parametrize(("number", "count"), [(3, 0), (4, 1), (5, 1), (6, 0)])
def test_a_span_reaches_from_its_first_start_to_its_last_end(number: int, count: int) -> None:
    scene = HostScene(ACME, reading())
    scene.bars(8)
    assert len(notes(scene.take(minute(number, 101.0)))) == count


def test_a_cancelled_bar_has_no_values_after_and_a_late_one_none_before() -> None:
    scene = HostScene(ACME, reading())
    scene.bars(8)
    [gone] = notes(scene.take(Cancel("ACME", "1m", OPEN + 4 * MINUTE_MS)))
    assert {(each.before, each.after) for each in gone.fields} == {(100.0, None), (1, None)}
    assert not gone.input_gone, "no listed input is gone"
    [back] = notes(scene.take(minute(4, 99.0)))
    assert {(each.before, each.after) for each in back.fields} == {(None, 99.0), (None, 1)}
    assert (gone.id, gone.rev, back.rev) == (back.id, 0, 1)


def test_a_correction_that_reverts_is_another_version_with_before_and_after_swapped() -> None:
    scene = HostScene(ACME, reading())
    scene.bars(8)
    scene.restart(keep=True)
    [first] = notes(scene.take(minute(4, 101.0)))
    scene.restart(keep=True)
    [second] = notes(scene.take(minute(4, 100.0)))
    assert (first.id, first.rev, second.rev) == (second.id, 0, 1)
    assert [(each.field, each.after, each.before) for each in second.fields] == [
        (each.field, each.before, each.after) for each in first.fields
    ]


def test_a_listed_fact_that_changed_makes_a_note_with_its_values_key_by_key() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bars" and argument.end_ms == OPEN + 10 * MINUTE_MS:
            now.view.indicator("ACME", "sma_2_5m")
            now.emit(LIMIT)

    needs = Needs(bars={"5m": 2}, indicators=["sma_2_5m"])
    scene = HostScene(AVERAGES, scripted(script, needs))
    scene.bars(12)
    [signal] = scene.of("signal")
    bar, row = (each.id for each in signal.inputs)
    assert bar == f"derived_bar|ACME|5m|{OPEN + 5 * MINUTE_MS}"
    assert row == f"indicators|ACME|5m|{OPEN + 5 * MINUTE_MS}"
    [note] = notes(scene.take(minute(9, 102.0)))
    assert [(each.id, each.field, each.before, each.after) for each in note.fields] == [
        (bar, "close", 100.0, 102.0),
        (bar, "high", 100.0, 102.0),
        (row, "values.sma_2_5m", 100.0, 101.0),
    ]


def test_counts_of_bars_alone_make_no_note() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bars" and argument.end_ms == OPEN + 10 * MINUTE_MS:
            now.emit(LIMIT)

    scene = HostScene(ACME, scripted(script, Needs(bars={"5m": 1})))
    scene.take(*[minute(number) for number in range(12) if number not in {3, 7}])
    assert len(scene.of("signal")) == 1
    assert notes(scene.take(flat("ACME", OPEN + 3 * MINUTE_MS, 100.0))) == [], "quality of the bar"
    changed = notes(scene.take(flat("ACME", OPEN + 7 * MINUTE_MS, 100.0, volume=None)))
    assert changed == [], "have and complete"
    scene.take(flat("ACME", OPEN + 7 * MINUTE_MS, 100.0, volume=5))
    [note] = scene.of("note")
    assert [each.field for each in note.fields] == ["volume"]


def test_a_listed_fact_that_is_taken_back_is_gone() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "event" and argument.start_ms == OPEN + 2 * MINUTE_MS:
            now.emit(LIMIT)

    scene = HostScene(ACME, scripted(script, Needs(events=["gap"])))
    scene.take(minute(0), minute(1), minute(3), minute(4))
    [signal] = scene.of("signal")
    assert [each.id for each in signal.inputs] == [f"gap|ACME|1m|{OPEN + 2 * MINUTE_MS}"]
    [note] = notes(scene.take(minute(2)))
    assert note.input_gone
    assert [(each.field, each.before, each.after) for each in note.fields] == [
        ("missing", 1, None),
        ("state", "closed", None),
    ]


def test_the_bar_that_filled_an_order_is_an_input_of_its_signal() -> None:
    scene = HostScene(
        ACME, scripted(at_calls({("bar", 1): lambda now: now.emit(Signal("ACME", "buy"))}))
    )
    scene.bars(5)
    assert [each.bar_ms for each in scene.of("fill")] == [OPEN + 2 * MINUTE_MS]
    assert notes(scene.take(minute(3, 100.5))) == []
    [note] = notes(scene.take(minute(2, 101.0)))
    assert note.fields[0].id == f"bar|ACME|1m|{OPEN + 2 * MINUTE_MS}"
    assert note.position == 1
    assert len(scene.of("fill")) == 1, "the fill stays"


@pytest.mark.parametrize(
    ("what", "due"),
    [
        ("issued", True),
        ("filled and open", True),
        ("filled and closed", False),
        ("rejected", False),
        ("approved and young", True),
        ("approved and a session old", True),
        ("approved and old", False),
    ],
)
def test_a_note_is_due_while_a_signal_matters(what: str, due: bool) -> None:
    signals = {
        "issued": LIMIT,
        "filled and open": Signal("ACME", "buy", valid_bars=1),
        "filled and closed": Signal("ACME", "buy", stop=99.0, valid_bars=1),
        "rejected": Signal("ACME", "buy", confidence=0.0, valid_bars=1),
        "approved and young": Signal("ACME", "buy", order="limit", price=1.0, valid_bars=1),
    }
    signals["approved and a session old"] = signals["approved and young"]
    signals["approved and old"] = signals["approved and young"]
    scene = HostScene(ACME, reading(signal=signals[what]))
    scene.bars(8)
    if what == "filled and closed":
        scene.bars(1, 98.0)
        scene.take(*[flat("ACME", at(f"2025-07-{day} 09:30"), 98.0) for day in ("03", "07", "08")])
    if what == "filled and open":
        scene.take(*[flat("ACME", at(f"2025-07-{day} 09:30"), 98.0) for day in ("03", "07", "08")])
    if what == "approved and a session old":
        scene.take(flat("ACME", at("2025-07-03 09:30"), 100.0))
    if what == "approved and old":
        scene.take(*[flat("ACME", at(f"2025-07-{day} 09:30"), 98.0) for day in ("03", "07")])
    scene.restart(keep=True)
    assert len(notes(scene.take(minute(4, 100.5)))) == due


def test_no_code_of_a_strategy_decides_whether_a_note_exists() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and argument.start_ms == OPEN + 5 * MINUTE_MS:
            now.view.bars("ACME", "1m", 2)
            now.emit(Signal("ACME", "buy", confidence=0.0))
        if hook == "correction":
            now.cancel(now.view.signals()[0].id)

    scene = HostScene(ACME, scripted(script, Needs(bars={"1m": 2})))
    scene.bars(8)
    signal, note = scene.take(minute(4, 101.0))
    assert (signal.state, note.state) == ("cancelled", "cancelled")


def test_notes_go_by_strategy_then_issue_then_id_and_reach_their_strategy_after_all() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and argument.start_ms >= OPEN + 5 * MINUTE_MS:
            now.view.bars("ACME", "1m", 3)
            now.emit(LIMIT)
            now.emit(LIMIT)
        if hook == "note":
            now.cancel(argument.signal)

    needs = Needs(bars={"1m": 3})
    scene = HostScene(
        ACME,
        lambda config: loaded(scripted(script, needs), config, "b"),
        lambda config: loaded(scripted(script, needs), config, "a"),
    )
    scene.bars(7)
    found = scene.take(minute(5, 101.0))
    listed = [each.signal.split("|")[1:] for each in notes(found)]
    assert listed == sorted(listed)
    assert len(listed) == 8
    assert tags(found) == ["note"] * 8 + ["signal", "order"] * 8


def test_at_most_64_fields_are_listed() -> None:
    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and argument.start_ms == OPEN + 60 * MINUTE_MS:
            for back in range(50):
                now.view.indicator("ACME", "ema_9_1m", back)
            now.emit(LIMIT)

    config = (
        ACME + 'indicators = ["own"]\n[indicators.own]\nlist = ["ema(20)", "ema(9)"]\n'
        'intervals = ["1m"]\n'
    )
    needs = Needs(bars={"1m": 60}, indicators=["ema_9_1m"])
    scene = HostScene(config, scripted(script, needs))
    scene.bars(62)
    [note] = notes(scene.take(minute(12, 150.0)))
    assert len(note.fields) == 64
    listed = [(each.id, each.field) for each in note.fields]
    assert listed == sorted(listed)
    assert {field for _, field in listed} == {"values.ema_9_1m", "values.ema_20_1m"}


def test_a_signal_on_another_symbol_gets_a_note_for_the_bar_it_read() -> None:
    two = ACME + '[instruments.BETA]\ntick = 0.01\ncalendar = "XNYS"\n'

    def script(strategy: Any, hook: str, argument: Any, now: Any) -> None:
        if hook == "bar" and argument.symbol == "ACME" and now.view.watermark_ms("BETA"):
            now.emit(Signal("BETA", "buy", order="limit", price=1.0))

    scene = HostScene(two, scripted(script), symbols=("ACME", "BETA"))
    scene.take(minute(0, symbol="BETA"), minute(0))
    [note] = notes(scene.take(minute(0, 101.0)))
    assert note.symbol == "BETA"
    assert note.id.endswith(f"|ACME|{OPEN}")
