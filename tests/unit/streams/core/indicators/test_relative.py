"""Volume of a session in proportion to those before it."""

from __future__ import annotations

import json

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.indicators.sets import read_set
from tapeline.streams.core.indicators.making import IndicatorInputs, make_all
from tapeline.streams.core.indicators.model import BarRing, Value
from tapeline.streams.core.tracker import ClosedBar
from tapeline.streams.core.volume import Volume
from tapeline.streams.core.windows.volumes import SlotVolumes
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.core.indicators.books import MINUTE_MS, UNITS
from tests.unit.streams.core.scenario import XNYS, day_number

PLAN = plan_group(read_config(XNYS, "test"), "ACME").instruments[0]


class Relative:
    """A relative volume over windows of five minutes."""

    def __init__(self, sessions: int) -> None:
        self.volumes = SlotVolumes(PLAN, sessions)
        self.ring = BarRing()
        inputs = IndicatorInputs(UNITS, 0.0, self.volumes)
        self.indicator = make_all(read_set([f"rvol({sessions})"]), self.ring, inputs)[0]

    def push(self, date: str, window: int, *minutes: tuple[int, Volume]) -> None:
        """A window of five minutes, from 0 on, by its minutes that are there."""
        index = PLAN.calendar.index_of_day(day_number(date))
        start_ms = PLAN.calendar.open_ms(index) + window * 5 * MINUTE_MS
        self.volumes.enter(index)
        for minute, volume in minutes:
            self.volumes.take(start_ms + (minute + 1) * MINUTE_MS, volume)
        span = (start_ms, start_ms + 5 * MINUTE_MS, 1, 1, 1, 1)
        self.ring.push(ClosedBar("5m", date, span, 0, len(minutes), 5))
        self.indicator.update(len(self.ring.closes) - 1, self.ring.count)

    @property
    def cold(self) -> bool:
        return self.ring.count < self.indicator.first

    @property
    def warming(self) -> bool:
        return self.ring.counted < self.indicator.warm_from

    @property
    def value(self) -> Value:
        return self.indicator.value(0)


def test_relative_volume_with_missing_minute() -> None:
    relative = Relative(10)
    relative.push("2025-07-01", 0, (0, 10), (3, 20))
    assert relative.cold
    relative.push("2025-07-01", 1, (0, 70), (4, 100))
    # The last minutes of this window are missing: what counts is its end.
    relative.push("2025-07-02", 0, (0, 15))
    assert not relative.cold
    assert relative.value == 0.5
    relative.push("2025-07-02", 1, (2, 35))
    assert relative.value == 0.25


def test_the_mean_is_of_sessions_with_a_volume() -> None:
    relative = Relative(10)
    relative.push("2025-06-30", 0, (0, 10))
    relative.push("2025-07-01", 0, (0, None))
    relative.push("2025-07-02", 0, (0, 20))
    relative.push("2025-07-03", 0, (0, 45))
    assert relative.value == 3.0


def test_without_a_session_that_counts_there_is_no_value() -> None:
    relative = Relative(2)
    relative.push("2025-07-01", 0, (0, 10))
    relative.push("2025-07-08", 0, (0, 10))
    assert not relative.cold
    assert relative.value is None


def test_a_mean_of_nothing_makes_it_1() -> None:
    relative = Relative(2)
    relative.push("2025-07-01", 0, (0, 0))
    relative.push("2025-07-02", 0, (0, 10))
    assert relative.value == 1.0


def test_fractions_of_volumes_have_a_proportion() -> None:
    relative = Relative(2)
    relative.push("2025-07-01", 0, (0, 0.5))
    relative.push("2025-07-02", 0, (0, 2))
    assert relative.value == 4.0


def test_it_is_warm_once_its_sessions_lie_behind_the_first() -> None:
    relative = Relative(2)
    warming = []
    for date in ("2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07", "2025-07-08"):
        relative.push(date, 0, (0, 10))
        warming.append(relative.warming)
    assert warming == [True, True, True, False, False]


def test_it_goes_on_from_a_snapshot() -> None:
    whole, after = Relative(3), Relative(3)
    for date in ("2025-07-01", "2025-07-02", "2025-07-03"):
        whole.push(date, 0, (0, 10), (1, 3))
    state = [whole.volumes.records(), whole.volumes.restore_point(), whole.ring.snapshot()]
    data = json.loads(json.dumps(state))
    after.volumes.restore(data[0])
    after.volumes.rewind(data[1])
    after.ring.restore(data[2])
    after.indicator.restore([])
    assert (after.cold, after.warming, after.value) == (whole.cold, whole.warming, whole.value)
    for relative in (whole, after):
        relative.push("2025-07-03", 1, (0, 7))
        relative.push("2025-07-07", 0, (2, 9))
    assert after.value == whole.value == pytest.approx(27 / 39)
