"""Slots of one symbol in the sessions of its calendar."""

from __future__ import annotations

import pytest

from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.live.engine.slots import SlotGrid

MINUTE = 60_000
HOUR = 60 * MINUTE
FRIDAY = 1_764_288_000_000
"""2025-11-28T00:00Z: XNYS is open from 14:30 to 18:00, the next session is Monday's."""
OPEN, CLOSE = FRIDAY + 14 * HOUR + 30 * MINUTE, FRIDAY + 18 * HOUR
MONDAY_OPEN = OPEN + 72 * HOUR


@pytest.fixture(scope="module")
def slots() -> SlotGrid:
    return SlotGrid(load_calendar("XNYS"), MINUTE)


def test_the_slot_at_an_instant_is_the_one_that_ends_after_it(slots: SlotGrid) -> None:
    assert slots.at(OPEN - 5 * HOUR) == OPEN
    assert slots.at(OPEN) == OPEN
    assert slots.at(OPEN + MINUTE - 1) == OPEN
    assert slots.at(OPEN + MINUTE) == OPEN + MINUTE
    assert slots.at(CLOSE) == MONDAY_OPEN


def test_the_last_end_looks_over_nights_and_weekends(slots: SlotGrid) -> None:
    assert slots.last_end(OPEN + 90_000) == OPEN + MINUTE
    assert slots.last_end(CLOSE + HOUR) == CLOSE
    assert slots.last_end(MONDAY_OPEN + 59_999) == CLOSE
    assert slots.last_end(MONDAY_OPEN + MINUTE) == MONDAY_OPEN + MINUTE


def test_labels_and_their_number_go_over_a_closure(slots: SlotGrid) -> None:
    labels = list(slots.labels(CLOSE - 2 * MINUTE + 1, MONDAY_OPEN + MINUTE + 1))
    assert labels == [CLOSE - MINUTE, MONDAY_OPEN, MONDAY_OPEN + MINUTE]
    assert slots.count(CLOSE - 2 * MINUTE + 1, MONDAY_OPEN + MINUTE + 1) == 3


def test_the_session_of_an_instant_between_two_is_the_next_one(slots: SlotGrid) -> None:
    assert slots.session(OPEN + HOUR) == (OPEN, CLOSE)
    assert slots.session(CLOSE)[0] == MONDAY_OPEN
    assert slots.session_before(CLOSE) == (OPEN, CLOSE)
    assert slots.session_before(CLOSE - 1)[1] < OPEN


def test_trading_stops_at_a_close_but_not_at_midnight_where_it_goes_on(slots: SlotGrid) -> None:
    assert slots.closes(CLOSE)
    assert not slots.closes(CLOSE - MINUTE)
    day = SlotGrid(load_calendar("24/7"), MINUTE)
    assert not day.closes(FRIDAY)
    assert day.session(FRIDAY) == (FRIDAY, FRIDAY + 24 * HOUR)


def test_beyond_the_calendar_there_is_no_slot(slots: SlotGrid) -> None:
    assert slots.at(FRIDAY + 100 * 365 * 24 * HOUR) == FAR_FUTURE_MS
