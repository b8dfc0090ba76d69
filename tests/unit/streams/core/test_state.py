"""The state of a symbol as records: named by dates, under keys that do not grow with history."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.engine import GroupEngine, StateIncompleteError, stored_bar_counts
from tapeline.streams.core.plan import GroupPlan
from tapeline.streams.core.ranges.stored import INDEX
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.calendars.altered import REMOVED, altered
from tests.unit.streams.core.scenario import (
    DAY_MS,
    MINUTE_MS,
    Tape,
    at,
    day_number,
    equity,
    minutes,
)

OPEN = at("2025-12-07 18:00")
"""Of the session of 2025-12-08, on a Sunday evening."""
DECEMBER = (
    "2025-12-15", "2025-12-16", "2025-12-17", "2025-12-18", "2025-12-19", "2025-12-22",
    "2025-12-23", "2025-12-24", "2025-12-26", "2025-12-29", "2025-12-30", "2025-12-31",
    "2026-01-02",
)  # fmt: skip


def plan_on(calendar: Calendar) -> GroupPlan:
    """The plan of ES and NQ on a calendar of that name with other days."""
    plan = plan_group(built_in_config(), "ES-NQ")
    for instrument in plan.instruments:
        instrument.calendar = calendar
    return plan


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    restored: dict[str, Any] = json.loads(json.dumps(state))
    return restored


def test_a_state_stays_in_its_session_when_an_earlier_one_is_removed() -> None:
    book = minutes("ES", OPEN, 180, 6800.0)
    tape = Tape()
    tape.take(*book[:90])
    other = altered("CME_EQUITY", {"2025-01-09": REMOVED})
    again = Tape(plan=plan_on(other))
    again.engine = GroupEngine.restore(again.plan, through_json(tape.engine.snapshot()))
    assert again.engine.tracks("ES").sessions.date == "2025-12-08"
    assert again.take(*book[:90]) == []
    assert again.engine.counters("ES")["duplicates"] == 90
    assert published(again, book[90:]) == published(tape, book[90:])
    assert again.engine.snapshot() == tape.engine.snapshot()


def test_bars_that_indicators_took_are_known_by_the_hot_record_alone() -> None:
    text = (
        '[indicators.own]\nlist = ["sma(3)"]\nintervals = ["1m", "5m"]\n'
        '[instruments.ES]\nindicators = ["own"]\n'
    )
    tape = Tape(text)
    hot = through_json(tape.engine.snapshot())["hot"]
    assert stored_bar_counts(tape.plan, hot) == {}
    tape.take(*minutes("ES", OPEN, 13, 6800.0), *minutes("NQ", OPEN, 13, 24000.0))
    hot = through_json(tape.engine.snapshot())["hot"]
    assert stored_bar_counts(tape.plan, hot) == {"ES": {"1m": 13, "5m": 2}}


def published(tape: Tape, records: list[LogRecord]) -> list[Any]:
    """What an engine publishes for records, whatever it was given before."""
    events: list[Any] = []
    for offset, record in enumerate(records, 1000):
        events += tape.engine.apply(record, offset).events
    return events


def test_a_state_names_sessions_by_their_dates() -> None:
    tape = Tape()
    tape.take(*minutes("ES", OPEN, 90, 6800.0))
    state = tape.engine.snapshot()
    day = day_number("2025-12-08")
    present = state["hot"]["symbols"]["ES"][3]
    assert present[6][0][0] == day
    assert [chunk[:2] for key, chunk in state.items() if "/bars/" in key] == [[day, 0], [day, 1]]
    points = [when for key, when in state.items() if "/ring/" in key]
    assert points
    assert {when[6][0][0] for when in points} == {day}


@pytest.mark.parametrize("horizon", [0, 1, 2, 5])
def test_the_records_that_changed_make_the_state_whatever_holidays_lie_between(
    horizon: int,
) -> None:
    tape = equity(f"horizon_sessions = {horizon}\nswings = false\n")
    table: dict[str, Any] = {}
    for day in DECEMBER:
        for hour in ("08:30", "09:30", "11:00"):
            tape.take(*minutes("ACME", f"{day} {hour}", 30))
            table |= through_json(tape.engine.changed())
            restored = GroupEngine.restore(tape.plan, through_json(table))
            assert restored.snapshot() == tape.engine.snapshot()


def test_a_state_that_is_restored_at_every_session_keeps_its_bars() -> None:
    tape = equity("horizon_sessions = 2\nswings = false\n")
    whole = equity("horizon_sessions = 2\nswings = false\n")
    table: dict[str, Any] = {}
    for day in DECEMBER:
        book = minutes("ACME", f"{day} 09:30", 100)
        tape.take(*book)
        whole.take(*book)
        table |= through_json(tape.engine.changed())
        tape.engine = GroupEngine.restore(tape.plan, through_json(table))
        assert tape.engine.snapshot() == whole.engine.snapshot()


def test_the_keys_of_bars_are_those_of_the_sessions_in_reach() -> None:
    tape = equity("horizon_sessions = 2\nswings = false\n")
    keys: set[str] = set()
    for day in DECEMBER:
        tape.take(*minutes("ACME", f"{day} 09:30", 60))
        keys |= {key for key in tape.engine.changed() if "/bars/" in key}
    # The session of the watermark, and two before it.
    assert keys == {f"ACME/bars/{number}/0" for number in range(3)}


@pytest.mark.parametrize("whole", [True, False], ids=["a snapshot", "records that changed"])
def test_a_state_that_lost_any_of_its_bars_is_refused(whole: bool) -> None:
    tape = equity("horizon_sessions = 2\nswings = false\n")
    table: dict[str, Any] = {}
    for day in DECEMBER[:4]:
        tape.take(*minutes("ACME", f"{day} 08:30", 30))
        tape.take(*minutes("ACME", f"{day} 09:30", 100))
        table |= through_json(tape.engine.changed())
    if whole:
        table = through_json(tape.engine.snapshot())
    bars = [key for key in table if "/bars/" in key or "/off/" in key]
    assert len(bars) == 9
    for lost in bars:
        left = {key: value for key, value in table.items() if key != lost}
        with pytest.raises(StateIncompleteError, match=r"group ACME is incomplete: .* records"):
            GroupEngine.restore(tape.plan, left)
    # One of before the horizon, which a later session did not take over, is a left over.
    GroupEngine.restore(tape.plan, {**table, "ACME/bars/0/7": [day_number(DECEMBER[0]), 7, []]})


def day_of_ranges() -> Tape:
    """ES over two sessions, with ranges that were published and touched."""
    tape = Tape()
    tape.take(*minutes("ES", OPEN, 1380, 6800.0), *minutes("ES", OPEN + DAY_MS, 400, 6790.0))
    return tape


@pytest.mark.parametrize("lost", ["ES/ranges/0", "ES/journal/0", "ES/ring/0"])
def test_a_state_without_its_ranges_or_what_they_were_is_refused_by_name(lost: str) -> None:
    tape = day_of_ranges()
    table = through_json(tape.engine.snapshot())
    del table[lost]
    with pytest.raises(StateIncompleteError, match=f"there is no '{lost}'"):
        GroupEngine.restore(tape.plan, table)


def test_ranges_are_written_when_they_change_and_not_before() -> None:
    tape = day_of_ranges()
    ranges = tape.engine.tracks("ES").ranges
    first = ranges.changed()
    assert first == ranges.snapshot()
    assert {"ranges/0", "journal/0", INDEX} <= set(first)
    # The block of the journal that is being filled is always among them.
    assert ranges.changed() == {"journal/0": first["journal/0"], INDEX: first[INDEX]}
    tape.take(*minutes("ES", OPEN + DAY_MS + 400 * MINUTE_MS, 200, 6900.0))
    later = ranges.changed()
    assert {"ranges/0", INDEX} <= set(later)
    assert later["ranges/0"] != first["ranges/0"]
    assert "ranges/0" not in ranges.changed()


def test_a_state_of_an_earlier_version_is_refused() -> None:
    tape = equity()
    tape.take(*minutes("ACME", "2025-12-15 09:30", 3))
    state = tape.engine.snapshot()
    state["hot"]["v"] = 2
    with pytest.raises(ValueError, match="state version 2 is not 3"):
        GroupEngine.restore(tape.plan, state)
