"""Historical windows of one symbol: what is published at the close of each session."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.tracker_list import TrackerList
from tapeline.streams.core.windows.tracker import NO_SESSION, WindowTracker
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.core.scenario import DAY_MS, HOUR_MS, MINUTE_MS, Tape, at, flat

ACME = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nmax_ahead = 0\n'
VOLUME = '[windows.vol]\nkind = "trailing_average"\nfield = "volume"\nperiod = "2d"\n'
SLOTS = VOLUME.replace("[windows.vol]", "[windows.slots]") + 'granularity = "minute"\n'


def opened(*windows: str, more: str = "") -> Tape:
    """An equity with windows."""
    return Tape(ACME + more + "".join(windows), "ACME")


def close(tape: Tape, date: str, time: str = "16:00") -> list[Any]:
    """The close of a session; returns the windows that it published."""
    return [each for each in tape.clock("ACME", f"{date} {time}") if is_window(each)]


def is_window(event: Any) -> bool:
    return str(event.id).startswith("window|")


def session(tape: Tape, date: str, price: float, volume: int | float | None = 100) -> list[Any]:
    """A session of two bars, the first of them in the first slot."""
    tape.take(flat("ACME", f"{date} 09:30", price, volume=volume))
    tape.take(flat("ACME", f"{date} 09:40", price + 1, volume=volume))
    return close(tape, date)


def values(tape: Tape, name: str) -> dict[str, Any]:
    """Values of a window in the view, by session."""
    return {
        fact["session"]: fact["value"]
        for fact in tape.view.values()
        if fact["id"].startswith(f"window|ACME|{name}|")
    }


def test_a_value_is_published_at_the_close_for_the_next_session() -> None:
    tape = opened(VOLUME)
    session(tape, "2025-07-01", 10.0)
    [event] = session(tape, "2025-07-02", 20.0, 300)
    assert json.loads(json.dumps(tape.view[event.id])) == {
        "type": "window",
        "id": "window|ACME|vol|2025-07-03",
        "op": "upsert",
        "symbol": "ACME",
        "session": "2025-07-03",
        "event_ms": at("2025-07-02 16:00"),
        "kind": "trailing_average",
        "field": "volume",
        "granularity": "daily",
        "period": "2d",
        "value": 400.0,
        "from": "2025-07-01",
        "to": "2025-07-02",
        "have": 2,
        "need": 2,
        "complete": True,
    }


def test_the_first_fact_is_for_the_session_after_the_first_closed_one() -> None:
    tape = opened(VOLUME)
    tape.take(flat("ACME", "2025-07-01 09:30", 10.0))
    assert not any(is_window(each) for each in tape.events)
    [event] = close(tape, "2025-07-01")
    assert (event.session, event.have, event.need, event.complete) == ("2025-07-02", 1, 2, False)


def test_a_first_session_that_was_seen_in_part_is_known_as_such() -> None:
    for first, in_part in (("09:30", False), ("09:31", True)):
        tape = opened(VOLUME)
        tracks = tape.engine.tracks("ACME")
        [tracker] = [each for each in tracks.rules.added if isinstance(each, WindowTracker)]
        assert tracker.in_part == NO_SESSION
        tape.take(flat("ACME", f"2025-07-01 {first}", 10.0))
        assert tracker.in_part == (tracks.sessions.index if in_part else NO_SESSION)


@pytest.mark.parametrize(("first", "have", "value"), [("09:30", 1, 200.0), ("09:31", 0, None)])
def test_the_session_in_which_the_history_begins_counts_from_its_first_slot_alone(
    first: str, have: int, value: float | None
) -> None:
    tape = opened(VOLUME, SLOTS)
    tape.take(flat("ACME", f"2025-07-01 {first}", 10.0, volume=200))
    by_slot, daily = close(tape, "2025-07-01")
    assert (daily.have, daily.value) == (have, value)
    assert (by_slot.have, by_slot.value) == (have, [value, *[None] * 389])
    daily = session(tape, "2025-07-02", 10.0)[1]
    assert (daily.have, daily.complete) == (have + 1, have == 1)


def test_an_off_session_bar_before_the_open_begins_the_history_but_sees_no_slot() -> None:
    tape = opened(VOLUME)
    tape.take(flat("ACME", "2025-07-01 08:00", 10.0))
    tape.take(flat("ACME", "2025-07-01 09:31", 10.0))
    [event] = close(tape, "2025-07-01")
    assert event.have == 0
    tape.take(flat("ACME", "2025-07-01 09:30", 10.0))
    assert values(tape, "vol") == {"2025-07-02": 2.0}


def test_a_session_without_bars_is_needed_and_is_no_value() -> None:
    tape = opened(VOLUME)
    session(tape, "2025-06-30", 10.0)
    session(tape, "2025-07-01", 10.0)
    [event] = close(tape, "2025-07-02")
    assert (event.value, event.have, event.need) == (200.0, 1, 2)
    [event] = close(tape, "2025-07-03", "13:00")
    assert (event.value, event.have, event.need, event.complete) == (None, 0, 2, False)
    assert (event.from_, event.to) == ("2025-07-02", "2025-07-03")


def test_one_clock_publishes_a_fact_for_each_session_that_it_closes() -> None:
    tape = opened(VOLUME, '[windows.range]\nkind = "sum"\nfield = "range"\nperiod = "1w"\n')
    session(tape, "2025-06-30", 10.0)
    found = close(tape, "2025-07-08")
    assert [(each.session, each.id.split("|")[2]) for each in found] == [
        (date, name)
        for date in ("2025-07-02", "2025-07-03", "2025-07-07", "2025-07-08", "2025-07-09")
        for name in ("range", "vol")
    ]
    assert [each.event_ms for each in found[::2]] == [
        at(f"{date} {time}")
        for date, time in (
            ("2025-07-01", "16:00"),
            ("2025-07-02", "16:00"),
            ("2025-07-03", "13:00"),
            ("2025-07-07", "16:00"),
            ("2025-07-08", "16:00"),
        )
    ]


def test_a_session_without_known_volume_has_prices_and_no_volume() -> None:
    high = '[windows.high]\nkind = "trailing_max"\nfield = "high"\nperiod = "2d"\n'
    tape = opened(VOLUME, high)
    session(tape, "2025-07-01", 10.0)
    by_name = {each.id.split("|")[2]: each for each in session(tape, "2025-07-02", 20.0, None)}
    assert (by_name["vol"].have, by_name["vol"].value) == (1, 200.0)
    assert (by_name["high"].have, by_name["high"].value) == (2, 21.0)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("trailing_average", "open", 11.0),
        ("trailing_average", "close", 12.0),
        ("trailing_max", "high", 13.0),
        ("trailing_min", "low", 10.0),
        ("sum", "range", 2.0),
        ("stddev", "close", 1.0),
        ("sum", "volume", 600),
        ("trailing_max", "volume", 400),
    ],
)
def test_every_kind_takes_every_field_of_a_session(kind: str, field: str, value: float) -> None:
    tape = opened(f'[windows.w]\nkind = "{kind}"\nfield = "{field}"\nperiod = "2d"\n')
    session(tape, "2025-07-01", 10.0)
    [event] = session(tape, "2025-07-02", 12.0, 200)
    assert event.value == value
    assert type(event.value) is type(value)


def test_a_price_of_a_window_is_the_double_of_its_decimal() -> None:
    tape = opened('[windows.w]\nkind = "trailing_average"\nfield = "low"\nperiod = "3d"\n')
    for date, price in (("2025-06-30", 0.1), ("2025-07-01", 0.2), ("2025-07-02", 0.3)):
        found = session(tape, date, price)
    assert found[0].value == 0.2


def test_slots_are_counted_from_the_open_and_a_missing_minute_is_left_out() -> None:
    tape = opened(SLOTS)
    tape.take(flat("ACME", "2025-07-01 09:30", 10.0, volume=100))
    tape.take(flat("ACME", "2025-07-01 15:59", 10.0, volume=7))
    close(tape, "2025-07-01")
    tape.take(flat("ACME", "2025-07-02 09:30", 10.0, volume=200))
    tape.take(flat("ACME", "2025-07-02 09:32", 10.0, volume=None))
    [event] = close(tape, "2025-07-02")
    assert len(event.value) == 390
    assert (event.value[0], event.value[389]) == (150.0, 7.0)
    assert event.value[1:389] == [None] * 388
    assert (event.have, event.complete) == (2, True)


def test_a_short_session_fills_what_it_has_and_the_length_is_that_of_a_full_one() -> None:
    tape = opened(SLOTS)
    session(tape, "2025-07-02", 10.0)
    # The 3rd closes early; so the value for it has the slots of the next full session.
    tape.take(flat("ACME", "2025-07-03 09:30", 10.0, volume=50))
    last = flat("ACME", "2025-07-03 12:59", 10.0, volume=9)
    [event] = [each for each in tape.take(last) if is_window(each)]
    assert len(values(tape, "slots")["2025-07-03"]) == len(event.value) == 390
    assert (event.value[0], event.value[10], event.value[209]) == (75.0, 100.0, 9.0)
    assert event.value[210:] == [None] * 180


def test_slots_of_a_broken_run_are_those_of_an_unbroken_one() -> None:
    unbroken, broken = opened(SLOTS), opened(SLOTS)
    start = at("2025-07-01 09:30")
    bars = [flat("ACME", start + slot * MINUTE_MS, 10.0, volume=slot + 1) for slot in range(390)]
    unbroken.take(*bars)
    for bar in bars:
        broken.take(bar, Clock("ACME", bar.start_ms + MINUTE_MS + 1_000))
    expected = [float(slot + 1) for slot in range(390)]
    assert values(unbroken, "slots") == values(broken, "slots") == {"2025-07-02": expected}


def test_a_window_without_sessions_has_no_value() -> None:
    plan = plan_group(read_config(ACME + VOLUME.replace("2d", "1w"), "test"), "ACME")
    days = [20_000, 20_001, 20_020, 20_021]
    opens, closes = ([[day * DAY_MS + at_ms] for day in days] for at_ms in (0, HOUR_MS))
    plan.instruments[0].calendar = Calendar(
        "MADE", days, opens, closes, [0] * 4, opens[0][0], closes[-1][0] + DAY_MS
    )
    tape = Tape(plan=plan)
    tape.take(flat("ACME", opens[0][0], 1.0))
    tape.clock("ACME", closes[2][0])
    after, alone, last = [each for each in tape.events if is_window(each)]
    assert (after.value, after.have, after.need, after.complete) == (1.0, 1, 1, True)
    assert (alone.value, alone.have, alone.need, alone.complete) == (None, 0, 0, False)
    assert (alone.from_, alone.to) == (None, None)
    assert (last.value, last.have, last.need, last.complete) == (None, 0, 1, False)
    # There is no session after the last one.
    assert not any(is_window(each) for each in tape.clock("ACME", closes[3][0]))


def changed(tape: Tape, record: Bar | Cancel) -> list[str]:
    """Ids of the windows that a correction published again."""
    return [each.id for each in tape.take(record) if is_window(each)]


def test_a_correction_publishes_the_windows_that_hold_its_session_and_no_others() -> None:
    high = '[windows.high]\nkind = "trailing_max"\nfield = "high"\nperiod = "1d"\n'
    tape = opened(VOLUME, high)
    dates = ("2025-06-30", "2025-07-01", "2025-07-02", "2025-07-07", "2025-07-08")
    for date in dates:
        session(tape, date, 10.0)
    close(tape, "2025-07-09")
    ids = changed(tape, flat("ACME", "2025-07-01 09:40", 11.0, volume=500))
    assert ids == ["window|ACME|vol|2025-07-02", "window|ACME|vol|2025-07-03"]
    ids = changed(tape, flat("ACME", "2025-07-01 09:40", 99.0, volume=500))
    assert ids == ["window|ACME|high|2025-07-02"]
    before = values(tape, "vol")
    assert changed(tape, Cancel("ACME", "1m", at("2025-07-07 09:40"))) == [
        "window|ACME|high|2025-07-08",
        "window|ACME|vol|2025-07-08",
        "window|ACME|vol|2025-07-09",
    ]
    assert changed(tape, flat("ACME", "2025-07-07 09:40", 11.0, volume=100)) != []
    assert values(tape, "vol") == before


def test_a_window_longer_than_the_horizon_is_corrected_inside_it() -> None:
    month = VOLUME.replace("2d", "1m")
    tape = opened(month, more="horizon_sessions = 2\n")
    for day in range(2, 31):
        date = f"2025-06-{day:02}"
        if day % 7 not in (0, 1) and date != "2025-06-19":
            session(tape, date, 10.0)
    kept = values(tape, "vol")
    ids = changed(tape, flat("ACME", "2025-06-27 09:40", 11.0, volume=2_000))
    assert [each.split("|")[3] for each in ids] == ["2025-06-30", "2025-07-01"]
    found = values(tape, "vol")
    assert found["2025-07-01"] == kept["2025-07-01"] + (2_000 - 100) / 20


def test_state_does_not_grow_with_the_history() -> None:
    tape = opened(VOLUME, SLOTS, more="horizon_sessions = 2\n")
    sizes = []
    records: dict[str, Any] = {}
    for day in range(1, 200):
        date = f"2025-{day // 28 + 3:02}-{day % 28 + 1:02}"
        index = tape.plan.instruments[0].calendar.session_of(at(f"{date} 09:30"))
        if tape.plan.instruments[0].calendar.date(index) != date:
            continue
        session(tape, date, 10.0)
        records |= tape.engine.changed()
        whole = [key for key in tape.engine.snapshot() if "/windows/" in key]
        sizes.append((len(whole), len([key for key in records if "/windows/" in key])))
    assert max(count for count, _ in sizes) <= 8
    assert max(count for _, count in sizes) <= 80
    tape.engine = type(tape.engine).restore(tape.plan, json.loads(json.dumps(records)))
    assert tape.state()


def test_a_restart_in_the_middle_of_a_session_keeps_its_slots() -> None:
    whole, restarted = opened(VOLUME, SLOTS), opened(VOLUME, SLOTS)
    for date in ("2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07"):
        for minute in (0, 1, 2, 65, 70, 130):
            bar = flat("ACME", at(f"{date} 09:30") + minute * MINUTE_MS, 10.0, volume=minute + 1)
            whole.take(bar)
            restarted.take(bar)
            restarted.restart()
        close(whole, date)
        close(restarted, date)
    assert [str(each) for each in restarted.events] == [str(each) for each in whole.events]


def test_a_symbol_that_has_no_window_has_no_tracker_of_them() -> None:
    tape = Tape(
        ACME + VOLUME.replace("[windows.vol]\n", '[windows.vol]\nsymbols = ["ES"]\n'), "ACME"
    )
    trackers: TrackerList = tape.engine.tracks("ACME").rules.all
    assert [each.name for each in trackers.trackers] == ["sessions", "bars", "ranges", "swings"]
