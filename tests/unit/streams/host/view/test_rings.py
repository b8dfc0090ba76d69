"""The last bars of a symbol and interval, and their records."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from tapeline.schemas.records import Bar
from tapeline.streams.host.errors import HostStateError
from tapeline.streams.host.view.rings import BLOCK_ROWS, Ring


def bar(start_ms: int, price: float = 1.0) -> Bar:
    return Bar("A", "1m", start_ms, price, price, price, price, 1)


def starts(ring: Ring[Bar]) -> list[int]:
    return [each.start_ms for each in ring.last(ring.capacity)]


def filled(*given: int, capacity: int = 3) -> Ring[Bar]:
    ring = Ring(Bar, capacity)
    for start_ms in given:
        ring.put(bar(start_ms))
    return ring


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1, 2), [1, 2]),
        ((1, 2, 3, 4, 5), [3, 4, 5]),
        ((1, 3, 5, 4), [3, 4, 5]),
        ((2, 3, 4, 1), [2, 3, 4]),
        ((3, 1, 2), [1, 2, 3]),
        ((1, 2, 3, 4, 1), [2, 3, 4]),
    ],
)
def test_a_ring_holds_the_last_bars_by_start(given: tuple[int, ...], expected: list[int]) -> None:
    assert starts(filled(*given)) == expected


def test_another_version_takes_the_place_of_a_bar() -> None:
    ring = filled(1, 2, 3)
    ring.put(bar(2, 5.0))
    assert [each.open for each in ring.last(3)] == [1.0, 5.0, 1.0]


def test_a_bar_that_is_gone_leaves_one_fewer_and_none_comes_back_from_before() -> None:
    ring = filled(1, 2, 3, 4)
    ring.remove(3)
    ring.remove(9)
    assert starts(ring) == [2, 4]
    ring.put(bar(1))
    assert starts(ring) == [2, 4], "it left because the ring was full"
    ring.put(bar(3))
    ring.put(bar(5))
    assert starts(ring) == [3, 4, 5]


def test_rows_are_looked_up_from_the_last_one_back() -> None:
    ring = filled(1, 2, 3, 4)
    rows = [ring.row(back) for back in range(4)]
    assert [None if each is None else each.start_ms for each in rows] == [4, 3, 2, None]
    assert ring.last(2) == [bar(3), bar(4)]
    ring.remove_after(3)
    assert starts(ring) == [2, 3]


def test_the_next_bar_changes_one_block() -> None:
    ring = filled(*range(200), capacity=150)
    ring.changed()
    assert ring.changed() == {}
    ring.put(bar(200))
    changed = ring.changed()
    assert sorted(changed) == [str(200 // BLOCK_ROWS % (150 // BLOCK_ROWS + 2)), "head"]


@pytest.mark.parametrize("seed", range(20))
def test_records_of_any_history_give_the_same_ring(seed: int) -> None:
    """Appends, insertions, versions and removals between stores at random points."""
    rng = random.Random(seed)
    capacity = rng.choice((1, 2, 31, 32, 33, 100))
    ring = Ring(Bar, capacity)
    records: dict[str, Any] = {}
    newest = 0
    for _ in range(600):
        action = rng.random()
        if action < 0.7 or newest == 0:
            newest += rng.choice((1, 1, 2))
            ring.put(bar(newest, rng.random()))
        elif action < 0.9:
            ring.put(bar(rng.randint(max(0, newest - 120), newest), rng.random()))
        else:
            ring.remove(rng.randint(max(0, newest - 120), newest))
        if rng.random() < 0.1:
            records |= orjson.loads(orjson.dumps(ring.changed()))
        if rng.random() < 0.03 and records:
            records |= orjson.loads(orjson.dumps(ring.changed()))
            again = Ring(Bar, capacity)
            again.restore(records)
            assert again.last(capacity) == ring.last(capacity)
            assert again.floor_ms == ring.floor_ms
            assert len(records) <= capacity // BLOCK_ROWS + 3
            assert again.changed() == {}
            ring = again


def test_a_bar_that_comes_late_anywhere_is_in_the_records() -> None:
    for number in range(99):
        ring = filled(*range(0, 200, 2), capacity=100)
        records = ring.changed()
        ring.put(bar(2 * number + 1))
        records |= ring.changed()
        again = Ring(Bar, 100)
        again.restore(records)
        assert starts(again) == starts(ring)
        ring.remove(2 * number + 1)
        records |= ring.changed()
        again.restore(records)
        assert starts(again) == starts(ring)


def test_a_lost_record_is_noticed() -> None:
    ring = filled(*range(100), capacity=100)
    records = ring.changed()
    del records["1"]
    with pytest.raises(HostStateError, match="100 rows of a ring are stored, 68 are there"):
        Ring(Bar, 100).restore(records)
