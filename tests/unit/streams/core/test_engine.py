"""The engine of a group: what it publishes for a record, in which order, and what its state is."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.events import Event
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.engine import (
    HOT,
    GroupEngine,
    StateIncompleteError,
    StateVersionError,
    stored_watermarks,
)
from tapeline.streams.core.outcome import OUTCOMES
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.core.scenario import (
    HOUR_MS,
    MINUTE_MS,
    Tape,
    at,
    bar,
    equity,
    flat,
    minutes,
    template,
)

DAY = "2025-07-02"
OPEN = at(f"{DAY} 09:30")
COMMON = ["type", "id", "op", "seq", "rev", "symbol", "session", "event_ms", "watermark_ms"]
FIELDS = {
    "derived_bar": "interval start_ms end_ms open high low close volume have need complete"
    " truncated quality",
    "session": "state open_ms close_ms early_close bars expected volume high low",
    "quality": "interval as_of_ms due actual missing quality",
    "gap": "interval start_ms end_ms missing state",
    "indicators": "interval start_ms end_ms values cold warming null_volumes",
    "window": "kind field granularity period value from to have need complete",
    "range": "kind name start_ms to_ms expires_ms state expired high low true_open poc rpp have"
    " need reason side resolution first_break_ms return_ms second_break_ms resolved_ms",
    "touch": "range kind name event level price bar_ms ambiguous",
    "pair": "group kind name level event times delta_min leader",
    "swing": "start_ms side price class prior touch",
}
KINDS = EVENTS.published()

OWN = template(
    "own",
    "America/New_York",
    {"kind": "First", "label": "f", "start": "09:30", "until": "09:32", "expires_minutes": 20},
)
PAIR = (
    '[instruments.A]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["own", "prior_session"]\n'
    'indicators = ["own"]\n'
    '[instruments.B]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["own", "prior_session"]\n'
    '[indicators.own]\nlist = ["sma(2)"]\nintervals = ["1m", "5m", "1d"]\n'
    '[groups]\nAB = ["A", "B"]\n'
    '[windows.volume]\nkind = "sum"\nfield = "volume"\nperiod = "2d"\n'
) + OWN


def wave(symbol: str, start: int, count: int, step: int) -> list[LogRecord]:
    """Bars that go up and down between 95 and 105, some of them missing."""
    book: list[LogRecord] = []
    for number in range(count):
        level = abs(number * step % 20 - 10)
        if number % 11 != 7:
            book.append(bar(symbol, start + number * MINUTE_MS, 95 + level, 96 + level, 95 + level))
    return book


def disordered() -> list[LogRecord]:
    """Two sessions of two symbols: one far ahead, then the other, clocks and refusals between."""
    first = wave("A", OPEN, 60, 3)
    later = wave("A", at("2025-07-03 09:30"), 40, 7)
    second = wave("B", OPEN, 60, 7)
    log = [flat("A", OPEN - HOUR_MS, 99.0), *first[:30], *second[:10], *first[30:]]
    log += [Clock("B", OPEN + 12 * MINUTE_MS + 30_000), *second[14:20], first[3], Clock("A", OPEN)]
    log += [Clock("A", at(f"{DAY} 15:59")), flat("B", OPEN + 30_000, 1.0), *second[20:]]
    return [
        *log,
        *later,
        *wave("B", at("2025-07-03 09:31"), 20, 3),
        flat("A", "2025-07-07 09:30", 9),
    ]


def played() -> Tape:
    """The whole of the disordered book."""
    tape = Tape(PAIR, "AB")
    tape.take(*disordered())
    return tape


def kind(event: Event) -> str:
    """Type of an event."""
    return event.id.split("|")[0]


def test_the_book_holds_every_kind_of_event() -> None:
    assert {kind(event) for event in played().events} == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_every_event_has_the_fields_of_its_kind(name: str) -> None:
    events = [event for event in played().events if kind(event) == name]
    assert events
    for event in events:
        content = json.loads(msgspec.json.encode(event))
        assert list(content) == [*COMMON, "corrects", *FIELDS[name].split()]
        assert content["type"] == name
        assert (content["op"], content["rev"], content["corrects"]) == ("upsert", 0, None)


def test_seq_is_offset_times_a_million_plus_index() -> None:
    tape = Tape(PAIR, "AB")
    for offset, record in enumerate(disordered()):
        results = tape.take(record)
        assert [event.seq for event in results] == [
            offset * 1_000_000 + index for index in range(len(results))
        ]


def test_offsets_are_those_of_the_source() -> None:
    engine = equity().engine
    results = engine.apply(flat("ACME", OPEN, 10.0), 41).events
    later = engine.apply(Clock("ACME", at(f"{DAY} 16:00")), 1_000_000_007).events
    assert [event.seq for event in results] == [41_000_000, 41_000_001]
    assert later[0].seq == 1_000_000_007_000_000


def test_one_record_publishes_an_id_once_and_kind_by_kind() -> None:
    tape = Tape(PAIR, "AB")
    for record in disordered():
        results = tape.take(record)
        kinds = [KINDS.index(kind(event)) for event in results]
        assert kinds == sorted(kinds)
        assert len({event.id for event in results}) == len(results)
        order = [(KINDS.index(kind(event)), event.event_ms, tie(event)) for event in results]
        assert order == sorted(order)


def tie(event: Event) -> tuple[int, str]:
    """What decides among events of one kind and one instant: length of interval, then id."""
    _, _, name = event.id.split("|")[:3]
    lengths = ["1m", "5m", "15m", "30m", "60m", "240m", "1d", "1w"]
    return (lengths.index(name) if kind(event) in ("derived_bar", "indicators") else 0, event.id)


def test_nothing_is_published_before_it_is_decided() -> None:
    tape = Tape(PAIR, "AB")
    for record in disordered():
        results = tape.take(record)
        marks = {symbol: tape.engine.watermark_ms(symbol) or 0 for symbol in "AB"}
        for event in results:
            both = kind(event) == "pair"
            assert event.symbol == ("AB" if both else record.symbol)
            assert event.watermark_ms == (max(marks.values()) if both else marks[record.symbol])
            assert event.event_ms <= event.watermark_ms


INSTANTS = {"derived_bar": "end_ms", "quality": "as_of_ms"}


@pytest.mark.parametrize(("name", "field"), INSTANTS.items())
def test_some_instants_are_fields_of_the_fact(name: str, field: str) -> None:
    facts = played().of(name).values()
    assert facts
    assert all(fact["event_ms"] == fact[field] for fact in facts)


def test_instants_of_touches_and_ranges_follow_the_bars() -> None:
    tape = played()
    touches = tape.of("touch").values()
    for touch in touches:
        after = 0 if touch["event"] == "expired" else MINUTE_MS
        assert touch["event_ms"] == touch["bar_ms"] + after
    for fact in tape.of("range").values():
        decided = fact["to_ms"] + (0 if fact["kind"] == "Prior" else MINUTE_MS)
        last = [touch["event_ms"] for touch in touches if touch["range"] == fact["id"]]
        assert fact["event_ms"] == max([decided, *last])


def test_a_session_is_the_date_of_the_facts_own_start() -> None:
    tape = played()
    assert {fact["session"] for fact in tape.of("swing").values()} == {DAY, "2025-07-03"}
    for fact in tape.of("gap").values():
        assert fact["session"] == (DAY if fact["start_ms"] < at(f"{DAY} 16:00") else "2025-07-03")
    prior = tape.view["range|A|Prior|2025-07-03"]
    assert prior["session"] == DAY


def test_a_record_that_changes_nothing_publishes_nothing() -> None:
    tape = equity()
    tape.take(*minutes("ACME", OPEN, 3))
    assert tape.take(*minutes("ACME", OPEN, 3)) == []
    assert tape.clock("ACME", OPEN + 3 * MINUTE_MS) == []
    assert tape.take(flat("ACME", OPEN + 3 * MINUTE_MS, 100.0)) == []


def test_a_clock_that_does_not_raise_the_watermark_leaves_the_state() -> None:
    tape = equity()
    tape.take(*minutes("ACME", OPEN, 3))
    before = tape.state()
    for time in (0, 1, 3):
        tape.clock("ACME", OPEN + time * MINUTE_MS)
    assert tape.state() == before
    assert tape.engine.counters("ACME")["idle"] == 3


def test_symbols_of_a_group_do_not_move_each_other() -> None:
    tape = Tape(PAIR, "AB")
    tape.take(flat("A", OPEN, 10.0))
    assert tape.engine.watermark_ms("A") == OPEN + MINUTE_MS
    assert tape.engine.watermark_ms("B") is None
    tape.clock("B", OPEN - HOUR_MS)
    assert tape.engine.watermark_ms("B") == OPEN - HOUR_MS


def test_the_watermark_is_the_greatest_end_of_all_that_was_accepted() -> None:
    tape = equity()
    steps: list[tuple[LogRecord, str]] = [
        (Clock("ACME", at(f"{DAY} 08:00")), "08:00"),
        (flat("ACME", f"{DAY} 08:30", 10.0), "08:31"),
        (flat("ACME", f"{DAY} 08:10", 10.0), "08:31"),
        (flat("ACME", f"{DAY} 09:30", 10.005), "08:31"),
        (flat("ACME", f"{DAY} 09:30", 10.0), "09:31"),
        (Clock("ACME", at(f"{DAY} 09:00")), "09:31"),
        (Clock("ACME", at(f"{DAY} 09:40")), "09:40"),
        (flat("ACME", f"{DAY} 09:40", 10.0), "09:41"),
        (flat("ACME", f"{DAY} 18:00", 10.0), "18:01"),
    ]
    for record, mark in steps:
        tape.take(record)
        assert tape.engine.watermark_ms("ACME") == at(f"{DAY} {mark}"), record


def test_the_end_of_a_bar_is_that_of_its_slot() -> None:
    engine = Tape('[instruments.H]\ncalendar = "XNYS"\nbase = "60m"\n', "H").engine
    assert engine.slot_end_ms("H", at(f"{DAY} 14:30")) == at(f"{DAY} 15:30")
    assert engine.slot_end_ms("H", at(f"{DAY} 15:30")) == at(f"{DAY} 16:00")
    assert engine.slot_end_ms("H", at(f"{DAY} 16:30")) == at(f"{DAY} 17:30")


def test_every_record_is_counted_once() -> None:
    tape = played()
    records = len(disordered())
    counted = [tape.engine.counters(symbol) for symbol in ("A", "B")]
    found = sum(counts[kind] for counts in counted for kind in OUTCOMES)
    assert found + len(tape.rejected) == records
    assert [counts["duplicates"] for counts in counted] == [1, 0]
    assert [counts["clocks"] for counts in counted] == [1, 1]
    assert [counts["idle"] for counts in counted] == [1, 0]
    assert [counts["off_session"] for counts in counted] == [1, 0]
    assert tape.rejected == ["misaligned_start"]


def test_a_symbol_of_another_group_is_unknown() -> None:
    tape = Tape()
    tape.take(flat("ACME", OPEN, 10.0), Clock("ACME", OPEN))
    assert tape.rejected == ["unknown_symbol"] * 2


@pytest.mark.parametrize("cut", range(0, len(disordered()), 3))
def test_a_restart_at_any_record_changes_no_byte(cut: int) -> None:
    log = disordered()
    tape = Tape(PAIR, "AB")
    tape.take(*log[:cut])
    state = json.dumps(tape.engine.snapshot())
    tape.restart()
    assert json.dumps(tape.engine.snapshot()) == state
    tape.take(*log[cut:])
    straight = played()
    assert encoded(tape) == encoded(straight)
    assert tape.rejected == straight.rejected
    end = json.dumps(straight.engine.snapshot())
    assert json.dumps(tape.engine.snapshot()) == end


def test_a_restart_at_every_record_changes_no_byte() -> None:
    tape = Tape(PAIR, "AB")
    for record in disordered():
        tape.restart()
        tape.take(record)
    assert encoded(tape) == encoded(played())


def test_taking_a_snapshot_changes_nothing() -> None:
    tape = Tape(PAIR, "AB")
    for record in disordered():
        first = json.dumps(tape.engine.snapshot())
        assert json.dumps(tape.engine.snapshot()) == first
        tape.take(record)
    assert encoded(tape) == encoded(played())


def encoded(tape: Tape) -> bytes:
    """The bytes of everything a tape published."""
    return msgspec.json.Encoder().encode_lines(tape.events)


def test_a_snapshot_is_plain_data_and_names_its_version_and_offset() -> None:
    tape = played()
    state = tape.engine.snapshot()
    assert json.loads(json.dumps(state)) == state
    assert state["hot"]["v"] >= 2
    assert state["hot"]["offset"] == len(disordered()) - 1
    assert list(state["hot"]["symbols"]) == ["A", "B"]


def altered(**changes: Any) -> dict[str, Any]:
    """A state with some of its values changed."""
    state = equity().engine.snapshot()
    return {**state, "hot": {**state["hot"], **changes}}


def test_a_state_of_another_version_or_group_is_refused() -> None:
    tape = equity()
    with pytest.raises(ValueError, match="version"):
        GroupEngine.restore(tape.plan, altered(v=99))
    with pytest.raises(ValueError, match="ACME"):
        GroupEngine.restore(Tape().plan, altered())


def corrected() -> Tape:
    """The disordered book, and a change of what was published."""
    tape = played()
    for record in wave("A", at("2025-07-03 09:30"), 40, 7)[:3]:
        assert isinstance(record, Bar)
        tape.take(msgspec.structs.replace(record, high=float(record.high) + 9))
    return tape


def test_a_state_that_lacks_a_record_is_incomplete_and_the_record_is_named() -> None:
    tape = corrected()
    state = tape.engine.snapshot()
    assert {"hot", "revisions/0", "A/ring/0", "B/ranges/0", "A/journal/0"} <= state.keys()
    for name in state:
        rest = {key: record for key, record in state.items() if key != name}
        # Chunks of bars and windows are counted, the others are named one by one.
        counted = re.match(r"[AB]/(bars|off|added/windows)/", name)
        lost = f"'{name}'" if counted is None else rf"\d+ of \d+ .*{counted[1]}"
        with pytest.raises(StateIncompleteError, match=rf"group AB is incomplete: .*{lost}"):
            GroupEngine.restore(tape.plan, rest)


@pytest.mark.parametrize(
    ("name", "record"),
    [("A/ring/0", []), ("B/ranges/0", [[1]]), ("revisions/0", [["x"]]), ("A/journal/0", [0, []])],
)
def test_a_state_whose_records_do_not_go_together_is_incomplete(name: str, record: Any) -> None:
    tape = corrected()
    state = {**tape.engine.snapshot(), name: record}
    with pytest.raises(StateIncompleteError, match="group AB is incomplete: its records do not"):
        GroupEngine.restore(tape.plan, state)


def test_two_engines_of_one_plan_share_no_state() -> None:
    tape = equity()
    other = GroupEngine(tape.plan)
    tape.take(*minutes("ACME", OPEN, 10))
    assert other.watermark_ms("ACME") is None
    assert [event.seq for event in other.apply(flat("ACME", OPEN, 5.0), 0).events] == [0, 1]


def test_a_rejection_holds_code_and_reason() -> None:
    engine = equity().engine
    with pytest.raises(RecordRejected) as caught:
        engine.apply(flat("ACME", OPEN, 10.005), 0)
    assert caught.value.code == "off_tick"
    assert "10.005" in caught.value.reason
    assert "0.01" in caught.value.reason


def test_prices_are_nearest_doubles_of_their_decimals() -> None:
    tape = Tape('[instruments.FX]\ntick = "0.0001"\n', "FX")
    tape.take(Bar("FX", "1m", OPEN, 207.7696, 207.7701, 207.7689, 207.77, 1))
    tape.clock("FX", OPEN + 5 * MINUTE_MS)
    [event] = [event for event in tape.events if event.id.startswith("derived_bar|FX|5m")]
    text = msgspec.json.encode(event)
    assert b'"open":207.7696,"high":207.7701,"low":207.7689,"close":207.77,' in text


def test_the_order_of_symbols_in_the_log_does_not_change_the_view() -> None:
    def of_symbol(symbol: str) -> list[LogRecord]:
        return [record for record in disordered() if record.symbol == symbol]

    one, other = Tape(PAIR, "AB"), Tape(PAIR, "AB")
    one.take(*of_symbol("A"), *of_symbol("B"))
    other.take(*of_symbol("B"), *of_symbol("A"))
    assert one.view == other.view == played().view


def test_a_plan_of_the_built_in_configuration_runs() -> None:
    engine = GroupEngine(plan_group(read_config("", "built in"), "ES-NQ"))
    assert engine.apply(flat("ES", "2025-12-08 18:00", 6800.25), 0).events
    assert engine.unresolved("ES") == 0


def test_bars_that_are_kept_are_given_from_a_label_on() -> None:
    engine = GroupEngine(plan_group(read_config(PAIR, "test"), "AB"))
    for minute in range(4):
        price = 10.0 + minute
        label = OPEN + minute * MINUTE_MS
        engine.apply(Bar("A", "1m", label, price, price + 0.5, price - 0.5, price), minute)
    assert engine.bars_from("A", OPEN + 2 * MINUTE_MS) == [
        (OPEN + 2 * MINUTE_MS, 12.5, 11.5),
        (OPEN + 3 * MINUTE_MS, 13.5, 12.5),
    ]
    assert engine.bars_from("B", OPEN) == []


def test_the_hot_record_of_a_group_has_the_watermark_of_each_symbol() -> None:
    engine = GroupEngine(plan_group(read_config(PAIR, "test"), "AB"))
    engine.apply(Bar("A", "1m", OPEN, 1.0, 1.0, 1.0, 1.0), 0)
    hot = engine.snapshot()[HOT]
    assert stored_watermarks("AB", hot) == {"A": OPEN + MINUTE_MS, "B": None}
    with pytest.raises(StateVersionError, match="state version 0"):
        stored_watermarks("AB", {**hot, "v": 0})
