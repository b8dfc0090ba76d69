"""Restore points: which are kept before slots without a bar, and for how long."""

from __future__ import annotations

import pytest

from tapeline.streams.core.history.ring import (
    GAP,
    GAP_POINT_BARS,
    HOUR,
    MOST_GAP_POINTS,
    SESSION,
    RestorePoint,
    RestorePoints,
)

MARK_MS = 60_000


def points_with(kind: int, watermark_ms: int = MARK_MS, position: int = 10) -> RestorePoints:
    """One point of that kind."""
    points = RestorePoints()
    points.add(RestorePoint(kind, watermark_ms, position))
    return points


@pytest.mark.parametrize("kind", [GAP, HOUR, SESSION])
def test_the_first_gap_of_a_history_asks_for_a_point(kind: int) -> None:
    assert RestorePoints().prepare_gap(kind, MARK_MS, 0)


@pytest.mark.parametrize(
    ("latest", "asked", "kept", "stored"),
    [
        (GAP, GAP, GAP, 0),
        (GAP, HOUR, HOUR, 1),
        (GAP, SESSION, SESSION, 1),
        (HOUR, SESSION, SESSION, 2),
        (SESSION, HOUR, SESSION, 1),
    ],
)
def test_a_point_at_the_watermark_is_enough_and_is_kept_as_long_as_the_gap_asks(
    latest: int, asked: int, kept: int, stored: int
) -> None:
    points = points_with(latest)
    assert not points.prepare_gap(asked, MARK_MS, 10)
    assert [point.kind for point in points.points] == [kept]
    assert points.made == stored


@pytest.mark.parametrize(("bars", "needed"), [(GAP_POINT_BARS - 1, False), (GAP_POINT_BARS, True)])
def test_a_gap_inside_an_hour_asks_for_a_point_some_bars_after_the_last(
    bars: int, needed: bool
) -> None:
    assert points_with(HOUR).prepare_gap(GAP, 2 * MARK_MS, 10 + bars) is needed


def test_a_gap_over_the_hour_asks_for_a_point_however_near_the_last_one_is() -> None:
    assert points_with(GAP).prepare_gap(HOUR, 2 * MARK_MS, 11)


def test_the_newest_gap_points_are_kept_and_the_others_go() -> None:
    points = points_with(SESSION, 0, 0)
    for number in range(1, MOST_GAP_POINTS + 3):
        points.add(RestorePoint(GAP, number * MARK_MS, 4 * number))
    kept = [point.watermark_ms // MARK_MS for point in points.points]
    assert kept == [0, *range(3, MOST_GAP_POINTS + 3)]
    assert [point.number for point in points.stored()] == [1]
