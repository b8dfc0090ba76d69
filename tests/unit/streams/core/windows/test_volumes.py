"""Volumes by time after the open, of a session and of those before it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.volume import Volume
from tapeline.streams.core.windows.volumes import SlotVolumes
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.core.scenario import DAY_MS, MINUTE_MS, XNYS, day_number

PLAN = plan_group(read_config(XNYS, "test"), "ACME").instruments[0]
DATES = ("2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07")


def session(date: str) -> int:
    """Index of a session of the exchange."""
    return PLAN.calendar.index_of_day(day_number(date))


def take(volumes: SlotVolumes, date: str, *bars: tuple[int, int | float | None]) -> None:
    """Bars of a session by the minute of their end after the open, and their volumes."""
    index = session(date)
    volumes.enter(index)
    for minute, volume in bars:
        volumes.take(PLAN.calendar.open_ms(index) + minute * MINUTE_MS, volume)


def earlier(volumes: SlotVolumes, date: str, minute: int, sessions: int = 10) -> list[object]:
    """Volumes of earlier sessions at a minute after the open of the present one."""
    return volumes.earlier(PLAN.calendar.open_ms(session(date)) + minute * MINUTE_MS, sessions)


def test_earlier_sessions_are_read_at_the_same_time_after_the_open() -> None:
    volumes = SlotVolumes(PLAN, 10)
    take(volumes, "2025-07-01", (5, 100), (10, 200), (20, 50))
    take(volumes, "2025-07-02", (5, 7), (15, 8))
    assert (volumes.so_far(), earlier(volumes, "2025-07-02", 15)) == (15, [300])
    # The time that is asked about need not be that of a bar.
    assert earlier(volumes, "2025-07-02", 20) == [350]
    assert earlier(volumes, "2025-07-02", 4) == [0]


def test_a_missing_bar_does_not_shift_the_others() -> None:
    volumes = SlotVolumes(PLAN, 10)
    take(volumes, "2025-07-01", (5, 100), (15, 50))
    take(volumes, "2025-07-02", (10, 1))
    assert earlier(volumes, "2025-07-02", 10) == [100]
    assert earlier(volumes, "2025-07-02", 15) == [150]


def test_a_session_that_had_closed_by_then_does_not_count() -> None:
    volumes = SlotVolumes(PLAN, 10)
    take(volumes, "2025-07-02", (5, 10), (300, 20))
    take(volumes, "2025-07-03", (5, 100), (210, 200))
    take(volumes, "2025-07-07", (210, 1))
    assert earlier(volumes, "2025-07-07", 210) == [10, 300]
    assert earlier(volumes, "2025-07-07", 211) == [10]


@pytest.mark.parametrize(("sessions", "expected"), [(3, [1]), (2, [])])
def test_sessions_without_bars_count_among_those_that_are_asked_about(
    sessions: int, expected: list[int]
) -> None:
    volumes = SlotVolumes(PLAN, 3)
    take(volumes, "2025-07-02", (5, 1))
    take(volumes, "2025-07-08", (5, 2))
    assert earlier(volumes, "2025-07-08", 5, sessions) == expected


def test_a_session_without_any_volume_has_bars_and_no_value() -> None:
    volumes = SlotVolumes(PLAN, 10)
    take(volumes, "2025-07-01", (5, None), (10, None))
    take(volumes, "2025-07-02", (5, None))
    assert (volumes.so_far(), earlier(volumes, "2025-07-02", 5)) == (0, [])
    assert volumes.first_index == session("2025-07-01")


def test_a_volume_that_is_not_known_is_none() -> None:
    volumes = SlotVolumes(PLAN, 10)
    take(volumes, "2025-07-01", (5, None), (10, 3), (15, None))
    take(volumes, "2025-07-02", (5, 1))
    assert earlier(volumes, "2025-07-02", 5) == [0]
    take(volumes, "2025-07-02", (15, 0.5))
    assert (volumes.so_far(), earlier(volumes, "2025-07-02", 15)) == (1.5, [3])


def through_json(data: Any) -> Any:
    return json.loads(json.dumps(data))


def test_a_bar_changes_the_chunk_of_its_slot_alone() -> None:
    volumes = SlotVolumes(PLAN, 2)
    for date in DATES:
        take(volumes, date, (1, 100), (210, 1))
    records = volumes.changed()
    assert len(records) == 4 * 4 + 1
    assert volumes.changed() == {}
    take(volumes, "2025-07-08", (1, 1))
    assert volumes.changed() == {
        "volumes/4/0": [1],
        "volumes/sessions": [
            [day_number(date), chunks]
            for date, chunks in zip((*DATES, "2025-07-08"), (4, 4, 4, 4, 1), strict=True)
        ],
    }
    take(volumes, "2025-07-08", (2, 1), (3, None))
    assert volumes.changed() == {"volumes/4/0": [1, 2, 2]}
    take(volumes, "2025-07-08", (61, 1))
    assert volumes.changed().keys() == {"volumes/4/0", "volumes/4/1", "volumes/sessions"}


def test_what_no_restore_point_asks_about_is_forgotten_and_its_record_used_again() -> None:
    volumes = SlotVolumes(PLAN, 1)
    keys: set[str] = set()
    points = []
    for date in (*DATES, "2025-07-08", "2025-07-09"):
        take(volumes, date, (1, 100), (70, 1))
        points.append(volumes.restore_point())
        volumes.release(points[max(len(points) - 2, 0)])
        keys |= volumes.changed().keys()
    # The session of the restore point, the one before it, and the present one.
    assert keys == {f"volumes/{n}/{chunk}" for n in range(3) for chunk in (0, 1)} | {
        "volumes/sessions"
    }
    volumes.rewind(points[-2])
    assert earlier(volumes, "2025-07-08", 70) == [101]


def restored(records: dict[str, Any], point: list[Any]) -> SlotVolumes:
    """Volumes of stored records."""
    volumes = SlotVolumes(PLAN, 2)
    volumes.restore(records)
    volumes.rewind(point)
    return volumes


def test_a_lost_record_is_noticed() -> None:
    volumes = SlotVolumes(PLAN, 2)
    for date in DATES:
        take(volumes, date, (1, 100), (70, 1))
    point, records = volumes.restore_point(), volumes.changed()
    assert restored(records, point).records() == volumes.records()
    for lost in records:
        left = {name: data for name, data in records.items() if name != lost}
        with pytest.raises((AssertionError, KeyError), match="volumes"):
            restored(left, point)


class Naive:
    """All bars: session, end, volume."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.bars: list[tuple[int, int, Volume]] = []

    def until(self, index: int, end_ms: int) -> Volume:
        total: Volume = None
        for session, ended_ms, volume in self.bars:
            if session == index and ended_ms <= end_ms and volume is not None:
                total = volume if total is None else total + volume
        return total

    def earlier(self, end_ms: int, sessions: int) -> list[Any]:
        calendar = self._calendar
        present = self.bars[-1][0]
        elapsed_ms = end_ms - calendar.open_ms(present)
        found = []
        for index in range(present - sessions, present):
            if index < 0 or self.until(index, calendar.close_ms(index)) is None:
                continue
            opened = calendar.open_ms(index)
            if calendar.close_ms(index) - opened >= elapsed_ms:
                found.append(self.until(index, opened + elapsed_ms) or 0)
        return found


def broken_days(base: int) -> InstrumentPlan:
    """Twelve days of two segments or one, which do not end with a slot of the base."""
    days = list(range(20_000, 20_012))
    opens = [[day * DAY_MS, day * DAY_MS + 200 * MINUTE_MS] for day in days]
    closes = [
        [day * DAY_MS + 91 * MINUTE_MS, day * DAY_MS + (400 + 7 * (day % 3)) * MINUTE_MS]
        for day in days
    ]
    for day in (3, 7):
        del opens[day][1], closes[day][1]
    last_ms = closes[-1][-1] + DAY_MS
    made = Calendar("MADE", days, opens, closes, [0] * len(days), opens[0][0], last_ms)
    plan = plan_group(read_config(XNYS, "test"), "ACME").instruments[0]
    plan.calendar = made
    plan.base_ms = base * MINUTE_MS
    return plan


@pytest.mark.parametrize("seed", range(12))
def test_random_bars_with_restarts_and_ways_back_are_those_of_a_list(seed: int) -> None:
    random = Random(seed)
    plan = broken_days(random.choice([1, 5, 30]))
    calendar, base_ms = plan.calendar, plan.base_ms
    slots = [
        (index, calendar.slot_start(index, slot, base_ms))
        for index in range(12)
        for slot in range(calendar.slot_count(index, base_ms))
        if index != 5 and random.random() < 0.7
    ]
    volumes, naive = SlotVolumes(plan, 3), Naive(calendar)
    table: dict[str, Any] = {}
    points: list[tuple[int, list[Any]]] = []
    ways_back = 20
    while len(naive.bars) < len(slots):
        index, start_ms = slots[len(naive.bars)]
        end_ms = calendar.slot_end(start_ms, base_ms)
        volume = random.choice([None, 0, random.randint(1, 900), random.random()])
        naive.bars.append((index, end_ms, volume))
        volumes.enter(index)
        volumes.take(end_ms, volume)
        event = random.random()
        if event < 0.1:
            assert volumes.so_far() == (naive.until(index, end_ms) or 0)
            for sessions in (1, 3):
                assert volumes.earlier(end_ms, sessions) == naive.earlier(end_ms, sessions)
            points.append((len(naive.bars), volumes.restore_point()))
            if len(points) > 9:
                del points[:3]
                volumes.release(points[0][1])
        elif event < 0.16:
            table |= through_json(volumes.changed())
            whole = through_json(volumes.records())
            point = through_json(volumes.restore_point())
            volumes = SlotVolumes(plan, 3)
            volumes.restore(dict(table))
            volumes.enter(index)
            volumes.rewind(point)
            assert volumes.changed() == {}
            assert through_json(volumes.records()) == whole
        elif event < 0.2 and points and ways_back:
            ways_back -= 1
            number = random.randrange(len(points))
            del points[number + 1 :]
            count = points[number][0]
            del naive.bars[count:]
            # Bars that were cancelled do not come again.
            del slots[count : count + random.choice([0, 0, 3, 200])]
            volumes.enter(naive.bars[-1][0])
            volumes.rewind(points[number][1])
    assert table
