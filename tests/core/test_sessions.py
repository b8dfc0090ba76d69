"""Sessions, quality and gaps: the examples of the rules, and the edges of a session."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.scenario import Tape, at, equity, flat, minutes

DAY = "2025-07-02"
QUALITY = f"quality|ACME|1m|{DAY}"


def without(*missing: int, count: int = 390) -> list[Any]:
    """The minutes of a session but for those with these numbers."""
    book = minutes("ACME", f"{DAY} 09:30", count)
    return [record for number, record in enumerate(book) if number not in missing]


def test_one_missing_minute() -> None:
    tape = equity()
    tape.take(*without(5, count=7))
    fact = tape.view[QUALITY]
    assert (fact["due"], fact["actual"], fact["as_of_ms"]) == (6, 5, at(f"{DAY} 09:36"))
    assert fact["quality"] == pytest.approx(83.333, abs=5e-4)
    tape.take(*without(*range(7)))
    assert tape.view[QUALITY]["quality"] == pytest.approx(99.744, abs=5e-4)
    assert tape.view[QUALITY]["as_of_ms"] == at(f"{DAY} 16:00")


def test_two_missing_minutes() -> None:
    tape = equity()
    tape.take(*without(5, 6, count=8))
    fact = tape.view[QUALITY]
    assert (fact["due"], fact["actual"], fact["as_of_ms"]) == (7, 5, at(f"{DAY} 09:37"))
    assert fact["quality"] == pytest.approx(71.429, abs=5e-4)


def test_ten_missing_minutes_are_one_gap() -> None:
    tape = equity()
    tape.take(*without(*range(100, 110)))
    [gap] = tape.of("gap").values()
    assert gap["id"] == f"gap|ACME|1m|{at(f'{DAY} 11:10')}"
    assert (gap["end_ms"], gap["missing"], gap["state"]) == (at(f"{DAY} 11:20"), 10, "closed")
    assert gap["event_ms"] == at(f"{DAY} 11:21")
    assert tape.view[QUALITY]["quality"] == pytest.approx(97.436, abs=5e-4)


def test_the_last_missing_minute_shows_when_the_watermark_reaches_the_close() -> None:
    tape = equity()
    tape.take(*without(389))
    assert tape.of("gap") == {}
    tape.clock("ACME", f"{DAY} 16:00")
    [gap] = tape.of("gap").values()
    assert (gap["state"], gap["event_ms"], gap["missing"]) == ("closed", at(f"{DAY} 16:00"), 1)


def test_premarket_bars_and_a_clock_are_quality_0_of_40() -> None:
    tape = equity()
    tape.take(*minutes("ACME", f"{DAY} 08:50", 40))
    assert tape.view == {}
    tape.clock("ACME", f"{DAY} 10:10")
    fact = tape.view[QUALITY]
    assert (fact["due"], fact["actual"], fact["quality"]) == (40, 0, 0.0)


def test_an_early_close_with_105_bars_is_half() -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-07-03 09:30", 105))
    tape.clock("ACME", "2025-07-03 13:00")
    assert tape.view["quality|ACME|1m|2025-07-03"]["quality"] == 50.0
    assert tape.view["session|ACME|2025-07-03"]["early_close"] is True


def test_a_clean_session_publishes_two_sessions_and_two_qualities() -> None:
    tape = equity()
    tape.take(*without())
    sessions = [event for event in tape.events if event.id == f"session|ACME|{DAY}"]
    assert [event.seq // 1_000_000 for event in sessions] == [0, 389]
    qualities = [event for event in tape.events if event.id == QUALITY]
    assert [event.seq // 1_000_000 for event in qualities] == [0, 389]


def test_a_session_opens_with_its_first_slot_and_closes_with_all_of_it() -> None:
    tape = equity()
    tape.take(*without(0))
    fact = tape.view[f"session|ACME|{DAY}"]
    assert (fact["state"], fact["bars"], fact["expected"]) == ("closed", 389, 390)
    first = next(event for event in tape.events if event.id == fact["id"])
    assert (first.event_ms, first.watermark_ms) == (at(f"{DAY} 09:31"), at(f"{DAY} 09:32"))


def test_missing_sessions_are_sessions_with_one_gap_each() -> None:
    tape = equity()
    tape.take(*minutes("ACME", f"{DAY} 09:30", 390), flat("ACME", "2025-07-08 09:30", 100.0))
    assert [fact["session"] for fact in tape.of("session").values()] == [
        DAY,
        "2025-07-03",
        "2025-07-07",
        "2025-07-08",
    ]
    gaps = tape.of("gap").values()
    assert [(gap["session"], gap["missing"]) for gap in gaps] == [
        ("2025-07-03", 210),
        ("2025-07-07", 390),
    ]
    assert tape.view["session|ACME|2025-07-07"]["high"] is None


def test_history_begins_with_the_session_of_the_first_bar() -> None:
    tape = equity()
    tape.take(flat("ACME", f"{DAY} 11:00", 100.0))
    assert tape.view[QUALITY]["due"] == 90
    late = equity()
    late.take(flat("ACME", "2025-07-01 17:00", 100.0), flat("ACME", f"{DAY} 09:30", 100.0))
    assert [fact["session"] for fact in late.of("session").values()] == [DAY]


def test_a_clock_in_mid_slot_makes_only_ended_slots_due() -> None:
    tape = equity()
    tape.take(*minutes("ACME", f"{DAY} 09:30", 2))
    tape.clock("ACME", f"{DAY} 09:33:30")
    [gap] = tape.of("gap").values()
    assert (gap["missing"], gap["state"], gap["event_ms"]) == (1, "open", at(f"{DAY} 09:33"))
    tape.take(flat("ACME", f"{DAY} 09:33", 100.0))
    [gap] = tape.of("gap").values()
    assert (gap["missing"], gap["state"], gap["event_ms"]) == (1, "closed", at(f"{DAY} 09:34"))


def test_a_clock_that_does_not_raise_the_watermark_does_nothing() -> None:
    tape = equity()
    tape.take(*minutes("ACME", f"{DAY} 09:30", 3))
    assert tape.clock("ACME", f"{DAY} 09:33") == []
    assert tape.clock("ACME", f"{DAY} 09:00") == []


def test_a_clock_before_the_first_bar_raises_the_watermark_and_says_nothing() -> None:
    tape = equity()
    assert tape.clock("ACME", f"{DAY} 10:00") == []
    tape.take(flat("ACME", f"{DAY} 09:59", 100.0))
    assert tape.rejected == ["late_bar"]
    tape.take(flat("ACME", f"{DAY} 10:00", 100.0))
    assert tape.view[QUALITY]["due"] == 30


def test_without_quality_there_are_no_gaps_and_bars_say_100() -> None:
    tape = equity("quality = false\n")
    tape.take(*without(*range(20, 30)))
    assert tape.of("gap") == tape.of("quality") == {}
    assert {fact["quality"] for fact in tape.of("derived_bar").values()} == {100.0}


def test_off_session_bars_close_a_gap_only_by_moving_the_watermark() -> None:
    tape = equity()
    tape.take(*without(389), flat("ACME", f"{DAY} 17:00", 100.0))
    [gap] = tape.of("gap").values()
    assert gap["event_ms"] == at(f"{DAY} 16:00")
    assert tape.engine.counters("ACME")["off_session"] == 1


def test_the_order_of_kinds_in_one_record() -> None:
    toml = '[instruments.ACME]\ncalendar = "XNYS"\ntick = 0.01\nranges = ["prior_session"]\n'
    tape = Tape(toml, "ACME")
    tape.take(*minutes("ACME", f"{DAY} 09:30", 380))
    said = tape.take(flat("ACME", "2025-07-07 09:30", 100.0))
    kinds = [event.id.split("|")[0] for event in said]
    order = ["session", "derived_bar", "quality", "gap", "range", "touch"]
    assert kinds == sorted(kinds, key=order.index)
    assert set(kinds) == set(order)
    assert [event.seq for event in said] == [380_000_000 + number for number in range(len(said))]
    ends = [event.event_ms for event in said if event.id.startswith("derived")]
    assert ends == sorted(ends)
