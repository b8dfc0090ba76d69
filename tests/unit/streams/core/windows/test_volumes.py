"""Volumes by time after the open, of a session and of those before it."""

from __future__ import annotations

import json

import pytest

from tapeline.streams.calendars.artefacts import load_calendar
from tapeline.streams.core.windows.volumes import SlotVolumes
from tests.unit.streams.core.scenario import MINUTE_MS, day_number

XNYS = load_calendar("XNYS")


def session(date: str) -> int:
    """Index of a session of the exchange."""
    return XNYS.index_of_day(day_number(date))


def take(volumes: SlotVolumes, date: str, *bars: tuple[int, int | float | None]) -> None:
    """Bars of a session by the minute of their end after the open, and their volumes."""
    index = session(date)
    for minute, volume in bars:
        volumes.take(index, XNYS.open_ms(index) + minute * MINUTE_MS, volume)


def earlier(volumes: SlotVolumes, date: str, minute: int, sessions: int = 10) -> list[object]:
    """Volumes of earlier sessions at a minute after the open of the present one."""
    return volumes.earlier(XNYS.open_ms(session(date)) + minute * MINUTE_MS, sessions)


def test_earlier_sessions_are_read_at_the_same_time_after_the_open() -> None:
    volumes = SlotVolumes(XNYS, 10)
    take(volumes, "2025-07-01", (5, 100), (10, 200), (20, 50))
    take(volumes, "2025-07-02", (5, 7), (15, 8))
    assert (volumes.so_far(), earlier(volumes, "2025-07-02", 15)) == (15, [300])
    # The time that is asked about need not be that of a bar.
    assert earlier(volumes, "2025-07-02", 20) == [350]
    assert earlier(volumes, "2025-07-02", 4) == [0]


def test_a_missing_bar_does_not_shift_the_others() -> None:
    volumes = SlotVolumes(XNYS, 10)
    take(volumes, "2025-07-01", (5, 100), (15, 50))
    take(volumes, "2025-07-02", (10, 1))
    assert earlier(volumes, "2025-07-02", 10) == [100]
    assert earlier(volumes, "2025-07-02", 15) == [150]


def test_a_session_that_had_closed_by_then_does_not_count() -> None:
    volumes = SlotVolumes(XNYS, 10)
    take(volumes, "2025-07-02", (5, 10), (300, 20))
    take(volumes, "2025-07-03", (5, 100), (210, 200))
    take(volumes, "2025-07-07", (210, 1))
    assert earlier(volumes, "2025-07-07", 210) == [10, 300]
    assert earlier(volumes, "2025-07-07", 211) == [10]


@pytest.mark.parametrize(("sessions", "expected"), [(3, [1]), (2, [])])
def test_sessions_without_bars_count_among_those_that_are_kept(
    sessions: int, expected: list[int]
) -> None:
    volumes = SlotVolumes(XNYS, sessions)
    take(volumes, "2025-07-02", (5, 1))
    take(volumes, "2025-07-08", (5, 2))
    assert earlier(volumes, "2025-07-08", 5, sessions) == expected
    more = SlotVolumes(XNYS, 3)
    take(more, "2025-07-02", (5, 1))
    take(more, "2025-07-08", (5, 2))
    assert earlier(more, "2025-07-08", 5, sessions) == expected


def test_a_session_without_any_volume_has_bars_and_no_value() -> None:
    volumes = SlotVolumes(XNYS, 10)
    take(volumes, "2025-07-01", (5, None), (10, None))
    take(volumes, "2025-07-02", (5, None))
    assert (volumes.so_far(), earlier(volumes, "2025-07-02", 5)) == (0, [])
    assert volumes.first_index == session("2025-07-01")


def test_a_volume_that_is_not_known_is_none() -> None:
    volumes = SlotVolumes(XNYS, 10)
    take(volumes, "2025-07-01", (5, None), (10, 3), (15, None))
    take(volumes, "2025-07-02", (5, 1))
    assert earlier(volumes, "2025-07-02", 5) == [0]
    take(volumes, "2025-07-02", (15, 0.5))
    assert (volumes.so_far(), earlier(volumes, "2025-07-02", 15)) == (1.5, [3])


def test_volumes_are_the_same_after_a_restart() -> None:
    volumes = SlotVolumes(XNYS, 2)
    for date in ("2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07"):
        take(volumes, date, (5, 100), (10, 200))
    again = SlotVolumes(XNYS, 2)
    again.restore(json.loads(json.dumps(volumes.snapshot())))
    kept = volumes.snapshot()
    assert again.snapshot() == kept
    written = json.dumps(kept)
    for each in (volumes, again):
        take(each, "2025-07-07", (15, 1))
        take(each, "2025-07-08", (7, 1))
        assert earlier(each, "2025-07-08", 7, 2) == [100, 100]
        assert each.first_index == session("2025-07-01")
    assert json.dumps(kept) == written
