"""Sessions, quality and gaps: the examples of the rules, and the edges of a session."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.records import Bar
from tests.unit.streams.core.scenario import (
    MINUTE_MS,
    Tape,
    at,
    coin,
    equity,
    flat,
    lunch,
    minutes,
    utc,
    when,
)

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
    sessions = tape.versions(f"session|ACME|{DAY}")
    assert [event.seq // 1_000_000 for event in sessions] == [0, 389]
    assert [event.state for event in sessions] == ["open", "closed"]
    qualities = tape.versions(QUALITY)
    assert [event.seq // 1_000_000 for event in qualities] == [0, 389]
    assert [(event.due, event.actual, event.quality) for event in qualities] == [
        (1, 1, 100.0),
        (390, 390, 100.0),
    ]
    assert [when(event.as_of_ms) for event in qualities] == [f"{DAY} 09:31", f"{DAY} 16:00"]
    assert [event.event_ms for event in qualities] == [event.as_of_ms for event in qualities]


def test_an_open_session_has_its_first_bar_and_a_closed_one_all_of_them() -> None:
    tape = equity()
    start = at(f"{DAY} 09:30")
    tape.take(Bar("ACME", "1m", start, 10, 12, 9, 11, None))
    tape.take(Bar("ACME", "1m", start + MINUTE_MS, 10, 15, 8, 11, 7))
    opened = tape.view[f"session|ACME|{DAY}"]
    assert (opened["state"], opened["bars"], opened["expected"]) == ("open", 1, 390)
    assert (opened["high"], opened["low"], opened["volume"]) == (12.0, 9.0, None)
    assert (when(opened["open_ms"]), when(opened["close_ms"])) == (f"{DAY} 09:30", f"{DAY} 16:00")
    assert when(opened["event_ms"]) == f"{DAY} 09:31"
    tape.clock("ACME", f"{DAY} 15:59:59")
    assert tape.view[f"session|ACME|{DAY}"] == opened
    tape.clock("ACME", f"{DAY} 16:00")
    closed = tape.view[f"session|ACME|{DAY}"]
    assert (closed["state"], closed["bars"], closed["volume"]) == ("closed", 2, 7)
    assert (closed["high"], closed["low"], closed["early_close"]) == (15.0, 8.0, False)
    assert when(closed["event_ms"]) == f"{DAY} 16:00"
    assert len(tape.versions(f"session|ACME|{DAY}")) == 2


def test_a_session_without_its_first_bar_opens_empty() -> None:
    tape = equity()
    tape.take(*without(0))
    opened, closed = tape.versions(f"session|ACME|{DAY}")
    assert (opened.bars, opened.high, opened.low, opened.volume) == (0, None, None, None)
    assert (opened.event_ms, opened.watermark_ms) == (at(f"{DAY} 09:31"), at(f"{DAY} 09:32"))
    assert (closed.bars, closed.expected) == (389, 390)


SESSIONS: dict[str, tuple[str, str, str, str, int, bool]] = {
    # calendar, session date, open and close in New York, slots, closes early
    "ordinary": ("XNYS", DAY, f"{DAY} 09:30", f"{DAY} 16:00", 390, False),
    "early": ("XNYS", "2025-07-03", "2025-07-03 09:30", "2025-07-03 13:00", 210, True),
    "clocks changed": ("XNYS", "2025-03-10", "2025-03-10 09:30", "2025-03-10 16:00", 390, False),
    "futures": (
        "CME_EQUITY",
        "2025-12-09",
        "2025-12-08 18:00",
        "2025-12-09 17:00",
        1380,
        False,
    ),
    "Thanksgiving": (
        "CME_EQUITY",
        "2025-11-27",
        "2025-11-26 18:00",
        "2025-11-27 13:00",
        1140,
        True,
    ),
    "clocks change in autumn": (
        "CME_EQUITY",
        "2025-11-03",
        "2025-11-02 18:00",
        "2025-11-03 17:00",
        1380,
        False,
    ),
    "every day": ("24/7", "2025-07-02", "2025-07-01 20:00", "2025-07-02 20:00", 1440, False),
}


@pytest.mark.parametrize(
    ("calendar", "date", "opened", "closed", "slots", "early"),
    SESSIONS.values(),
    ids=SESSIONS.keys(),
)
def test_a_session_is_the_calendars(
    calendar: str, date: str, opened: str, closed: str, slots: int, early: bool
) -> None:
    tape = Tape(f'[instruments.ANY]\ncalendar = "{calendar}"\n', "ANY")
    tape.take(*minutes("ANY", opened, slots))
    fact = tape.view[f"session|ANY|{date}"]
    assert (fact["state"], fact["expected"], fact["bars"]) == ("closed", slots, slots)
    assert (when(fact["open_ms"]), when(fact["close_ms"])) == (opened, closed)
    assert fact["early_close"] == early
    assert tape.of("gap") == {}


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


def test_a_clock_before_the_first_bar_raises_the_watermark_and_publishes_nothing() -> None:
    tape = equity()
    assert tape.clock("ACME", f"{DAY} 10:00") == []
    tape.take(flat("ACME", f"{DAY} 09:59", 100.0))
    assert tape.kind == "late"
    assert (tape.view[QUALITY]["due"], tape.view[QUALITY]["actual"]) == (29, 0)


def test_without_quality_there_are_no_gaps_and_bars_show_100() -> None:
    tape = equity("quality = false\n")
    tape.take(*without(*range(20, 30)))
    assert tape.of("gap") == tape.of("quality") == {}
    assert {fact["quality"] for fact in tape.of("derived_bar").values()} == {100.0}


def test_quality_is_published_again_with_each_slot_found_missing_and_not_between() -> None:
    tape = equity()
    tape.take(*without(5, 8, 9, count=20))
    versions = [(when(event.as_of_ms), event.due, event.actual) for event in tape.versions(QUALITY)]
    assert versions == [
        (f"{DAY} 09:31", 1, 1),
        (f"{DAY} 09:36", 6, 5),
        (f"{DAY} 09:40", 10, 7),
    ]
    tape.clock("ACME", f"{DAY} 09:51")
    tape.clock("ACME", f"{DAY} 09:52")
    assert [when(event.as_of_ms) for event in tape.versions(QUALITY)[3:]] == [
        f"{DAY} 09:51",
        f"{DAY} 09:52",
    ]
    assert tape.view[QUALITY]["missing"] == 5


def test_an_open_gap_grows_with_the_clock_and_closes_with_the_next_bar() -> None:
    tape = equity()
    tape.take(*without(count=5))
    for time in ("09:36", "09:37", "09:38:30"):
        tape.clock("ACME", f"{DAY} {time}")
    tape.take(flat("ACME", f"{DAY} 09:40", 100.0))
    gap = f"gap|ACME|1m|{at(f'{DAY} 09:35')}"
    versions = [
        (when(event.end_ms), event.missing, event.state, when(event.event_ms))
        for event in tape.versions(gap)
    ]
    assert versions == [
        (f"{DAY} 09:36", 1, "open", f"{DAY} 09:36"),
        (f"{DAY} 09:37", 2, "open", f"{DAY} 09:37"),
        (f"{DAY} 09:38", 3, "open", f"{DAY} 09:38"),
        (f"{DAY} 09:40", 5, "closed", f"{DAY} 09:41"),
    ]


def test_a_gap_at_the_end_of_a_session_does_not_run_into_the_next() -> None:
    tape = equity()
    tape.take(*without(388, 389), flat("ACME", "2025-07-03 09:32", 100.0))
    gaps = sorted(tape.of("gap").values(), key=lambda fact: int(fact["start_ms"]))
    assert [(when(gap["start_ms"]), when(gap["end_ms"]), gap["missing"]) for gap in gaps] == [
        (f"{DAY} 15:58", f"{DAY} 16:00", 2),
        ("2025-07-03 09:30", "2025-07-03 09:32", 2),
    ]
    assert [gap["session"] for gap in gaps] == [DAY, "2025-07-03"]
    assert [when(gap["event_ms"]) for gap in gaps] == [f"{DAY} 16:00", "2025-07-03 09:33"]


def test_a_gap_counts_slots_and_not_minutes() -> None:
    tape = coin('base = "5m"\n')
    start = utc(f"{DAY} 00:00")
    tape.take(flat("COIN", start, 10, "5m"), flat("COIN", start + 20 * MINUTE_MS, 10, "5m"))
    [gap] = tape.of("gap").values()
    assert (gap["interval"], gap["missing"]) == ("5m", 3)
    assert (gap["start_ms"], gap["end_ms"]) == (start + 5 * MINUTE_MS, start + 20 * MINUTE_MS)


def test_a_clock_that_jumps_over_sessions_publishes_what_is_final() -> None:
    tape = equity()
    tape.take(*without())
    published = tape.clock("ACME", "2025-07-08 09:35")
    assert [(event.id.split("|")[0], event.session) for event in published] == [
        ("session", "2025-07-03"),
        ("session", "2025-07-07"),
        ("session", "2025-07-08"),
        ("derived_bar", "2025-06-30"),
        ("quality", "2025-07-03"),
        ("quality", "2025-07-07"),
        ("quality", "2025-07-08"),
        ("gap", "2025-07-03"),
        ("gap", "2025-07-07"),
        ("gap", "2025-07-08"),
    ]
    states = [getattr(event, "state", "") for event in published if "session" in event.id]
    assert states == ["closed", "closed", "open"]
    gaps = [event for event in published if event.id.startswith("gap")]
    assert [getattr(event, "state", "") for event in gaps] == ["closed", "closed", "open"]
    assert [when(event.event_ms) for event in gaps] == [
        "2025-07-03 13:00",
        "2025-07-07 16:00",
        "2025-07-08 09:35",
    ]
    assert {event.watermark_ms for event in published} == {at("2025-07-08 09:35")}
    assert tape.view["quality|ACME|1m|2025-07-08"]["due"] == 5


def test_lunch_is_no_gap_and_a_gap_may_go_over_it() -> None:
    tape = lunch()
    morning = minutes("HK", utc(f"{DAY} 09:30"), 148)
    afternoon = minutes("HK", utc(f"{DAY} 13:00"), 180)
    tape.take(*morning)
    tape.clock("HK", utc(f"{DAY} 12:30"))
    [gap] = tape.of("gap").values()
    assert (gap["end_ms"], gap["missing"], gap["state"]) == (utc(f"{DAY} 12:00"), 2, "open")
    tape.take(*afternoon[1:])
    [gap] = tape.of("gap").values()
    assert (gap["start_ms"], gap["end_ms"]) == (utc(f"{DAY} 11:58"), utc(f"{DAY} 13:01"))
    assert (gap["missing"], gap["state"], gap["event_ms"]) == (3, "closed", utc(f"{DAY} 13:02"))
    quality = tape.view[f"quality|HK|1m|{DAY}"]
    assert (quality["due"], quality["actual"]) == (330, 327)
    session = tape.view[f"session|HK|{DAY}"]
    assert (session["bars"], session["expected"], session["state"]) == (327, 330, "closed")


def test_a_clean_session_with_a_break_is_as_clean_as_any() -> None:
    tape = lunch()
    tape.take(*minutes("HK", utc(f"{DAY} 09:30"), 150), *minutes("HK", utc(f"{DAY} 13:00"), 180))
    assert tape.of("gap") == {}
    assert len(tape.versions(f"session|HK|{DAY}")) == 2
    assert [event.quality for event in tape.versions(f"quality|HK|1m|{DAY}")] == [100.0, 100.0]


def test_a_bar_in_the_break_is_off_session() -> None:
    tape = lunch()
    tape.take(*minutes("HK", utc(f"{DAY} 09:30"), 150), flat("HK", utc(f"{DAY} 12:30"), 500.0))
    tape.take(*minutes("HK", utc(f"{DAY} 13:00"), 180))
    assert tape.engine.counters("HK")["off_session"] == 1
    assert tape.view[f"session|HK|{DAY}"]["high"] == 100.0
    assert tape.of("gap") == {}


def test_a_late_open_and_an_early_close_have_fewer_slots() -> None:
    tape = lunch()
    tape.take(flat("HK", utc("2025-07-03 10:00"), 100.0))
    tape.clock("HK", utc("2025-07-07 09:00"))
    late, early = tape.view["session|HK|2025-07-03"], tape.view["session|HK|2025-07-04"]
    assert (late["expected"], late["early_close"], late["bars"]) == (300, False, 1)
    assert (early["expected"], early["early_close"], early["bars"]) == (150, True, 0)


def test_the_last_session_of_a_calendar_closes_and_nothing_follows() -> None:
    tape = lunch()
    tape.take(flat("HK", utc("2025-07-07 09:30"), 100.0))
    tape.clock("HK", utc("2025-07-07 16:00"))
    assert tape.view["session|HK|2025-07-07"]["state"] == "closed"
    tape.restart()
    tape.take(flat("HK", utc("2025-07-07 16:00"), 100.0))
    assert tape.rejected == ["outside_calendar"]


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
    published = tape.take(flat("ACME", "2025-07-07 09:30", 100.0))
    kinds = [event.id.split("|")[0] for event in published]
    order = ["session", "derived_bar", "quality", "gap", "range", "touch"]
    assert kinds == sorted(kinds, key=order.index)
    assert set(kinds) == set(order)
    assert [event.seq for event in published] == [
        380_000_000 + number for number in range(len(published))
    ]
    ends = [event.event_ms for event in published if event.id.startswith("derived")]
    assert ends == sorted(ends)
