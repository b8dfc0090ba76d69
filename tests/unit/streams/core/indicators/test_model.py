"""The bars that the indicators of an interval share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

import pytest

from tapeline.streams.core.indicators.model import SINCE_BEGINNING, SINCE_SESSION, BarRing
from tapeline.streams.core.volume import Volume
from tests.unit.streams.core.indicators.books import MINUTE_MS, bar


def ring_of(volumes: Sequence[Volume], depth: int = 5, sessions: int = 1) -> BarRing:
    ring = BarRing()
    ring.keep(depth)
    for number, volume in enumerate(volumes):
        session = f"2025-07-{1 + number * sessions // len(volumes):02}"
        ring.push(bar(number, (1, number + 2, 1, number + 1), volume, session))
    return ring


def test_the_last_bars_are_kept() -> None:
    ring = ring_of([1] * 500)
    assert ring.count == 500
    assert ring.closes[-5:] == [496, 497, 498, 499, 500]
    assert 5 <= len(ring.closes) < 100


def test_a_bar_that_began_before_history_is_not_counted() -> None:
    ring = BarRing()
    ring.begin_ms = MINUTE_MS // 2
    for number in range(3):
        ring.push(bar(number, (1, 1, 1, 1)))
    assert (ring.count, ring.counted) == (3, 2)


def test_sessions_are_counted_by_their_bars() -> None:
    ring = ring_of([1] * 10, sessions=2)
    assert (ring.sessions, ring.session_bars) == (2, 5)


def test_bars_without_a_volume_are_counted_back() -> None:
    ring = ring_of([None, 1, None, 1, 1, None, 1, None], sessions=2)
    assert ring.unknown_volumes(2) == 1
    assert ring.unknown_volumes(3) == 2
    assert ring.unknown_volumes(SINCE_SESSION) == 2
    assert ring.unknown_volumes(SINCE_BEGINNING) == 4


def test_bars_without_a_volume_are_counted_through_a_long_session() -> None:
    ring = ring_of([None] * 300)
    assert ring.unknown_volumes(SINCE_SESSION) == 300
    assert ring.unknown_volumes(SINCE_BEGINNING) == 300
    assert ring.unknown_volumes(5) == 5


def test_volumes_are_doubles_while_one_of_them_is_a_fraction() -> None:
    ring = ring_of([3, 0.5, None, 2])
    assert ring.volumes == [3, 0, 0, 2]
    assert ring.doubles == [3.0, 0.5, 0.0, 2.0]
    assert not ring.has_fraction(2)
    assert ring.has_fraction(3)


def test_a_first_volume_may_be_a_fraction() -> None:
    assert ring_of([0.5, 1]).doubles == [0.5, 1.0]


def test_doubles_end_when_the_last_fraction_is_forgotten() -> None:
    ring = ring_of([0.5] + [1] * 200)
    assert ring.doubles == []
    assert not ring.has_fraction(5)


@pytest.mark.parametrize("cut", [0, 1, 3, 70, 150])
def test_a_ring_goes_on_from_its_snapshot(cut: int) -> None:
    volumes: list[Volume] = [None if n % 7 == 0 else 0.5 if n % 50 == 3 else n for n in range(200)]
    whole, before, after = (BarRing() for _ in range(3))
    for ring in (whole, before, after):
        ring.keep(4)
    for number, volume in enumerate(volumes):
        each = bar(number, (1, 3, 1, 2), volume, f"2025-07-{1 + number // 40:02}")
        whole.push(each)
        if number < cut:
            before.push(each)
        elif number == cut:
            after.restore(json.loads(json.dumps(before.snapshot())))
        if number >= cut:
            after.push(each)
            assert after.snapshot() == whole.snapshot()
            assert after.unknown_volumes(SINCE_SESSION) == whole.unknown_volumes(SINCE_SESSION)


@pytest.mark.parametrize("seed", range(5))
def test_bars_without_a_volume_are_counted_as_by_looking_at_all_of_them(seed: int) -> None:
    random = Random(seed)
    look_backs = (1, 3, 20)
    ring = BarRing()
    ring.keep(20)
    sessions: list[int] = []
    known: list[bool] = []
    for number in range(700):
        sessions.append(sessions[-1] + (random.random() < 0.01) if sessions else 1)
        known.append(random.random() < (0.9, 0.1)[number // 60 % 2])
        volume = 1 if known[-1] else None
        ring.push(bar(number, (1, 1, 1, 1), volume, f"2025-07-{sessions[-1]:02}"))
        if random.random() < 0.05:
            data = json.loads(json.dumps(ring.snapshot()))
            if random.random() < 0.5:
                ring = BarRing()
                ring.keep(20)
            ring.restore(data)
        if random.random() < 0.7:
            for n in look_backs:
                assert ring.unknown_volumes(n) == known[-n:].count(False)
        here = known[sessions.index(sessions[-1]) :]
        assert ring.unknown_volumes(SINCE_SESSION) == here.count(False)
        assert ring.unknown_volumes(SINCE_BEGINNING) == known.count(False)


def test_what_is_asked_about_bars_without_a_volume_does_not_grow_with_the_session() -> None:
    ring = ring_of([None] * 2_000)
    assert len(json.dumps(ring.snapshot()[2])) < 60


def test_a_snapshot_of_before_unknown_volumes_of_the_session_were_counted_is_read() -> None:
    ring = ring_of([None, 1, None, 1, 1, None, 1, None], depth=2, sessions=2)
    data = ring.snapshot()
    data[2] = [2, [6, 8]]
    again = BarRing()
    again.keep(2)
    again.restore(data)
    assert again.snapshot() == ring.snapshot()
    for look_back in (1, 2, SINCE_SESSION, SINCE_BEGINNING):
        assert again.unknown_volumes(look_back) == ring.unknown_volumes(look_back)
