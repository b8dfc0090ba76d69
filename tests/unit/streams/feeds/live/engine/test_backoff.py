"""Waits between attempts: drawn from all of a growing range, told pauses, a breaker."""

from __future__ import annotations

from random import Random

import pytest

from tapeline.streams.feeds.live.engine.backoff import (
    BREAKER_FAILURES,
    BREAKER_PAUSE_MS,
    CAP_MS,
    LEAST_BOUND_MS,
    Backoff,
)

FAR_APART_MS = 3_600_000


@pytest.mark.parametrize("failures", [0, 1, 3, 7, 40, 5_000])
def test_waits_fill_the_whole_range_which_doubles_up_to_a_minute(failures: int) -> None:
    bound = min(CAP_MS, LEAST_BOUND_MS * 2 ** min(failures, 20))
    waits = []
    for seed in range(200):
        backoff = Backoff(Random(seed))
        backoff.failures = failures
        waits.append(backoff.failed(0))
    assert 0 <= min(waits) < bound / 10
    assert bound * 0.9 < max(waits) <= bound


def test_a_pause_that_was_asked_for_is_kept_and_exceeded_by_less_than_a_second() -> None:
    waits = {Backoff(Random(seed)).failed(1_000, pause_ms=17_000) - 1_000 for seed in range(100)}
    assert min(waits) >= 17_000
    assert max(waits) <= 18_000
    assert len(waits) > 50


def test_ten_failures_in_five_minutes_stop_all_attempts_for_five_minutes() -> None:
    backoff = Backoff(Random(3))
    dues = [backoff.failed(number * 1_000) for number in range(BREAKER_FAILURES)]
    assert all(due < 100_000 for due in dues[:-1])
    assert dues[-1] >= 9_000 + BREAKER_PAUSE_MS
    assert backoff.breaker_until_ms == 9_000 + BREAKER_PAUSE_MS


def test_failures_far_apart_do_not_open_the_breaker() -> None:
    backoff = Backoff(Random(3))
    for number in range(30):
        now_ms = number * FAR_APART_MS
        assert backoff.failed(now_ms) - now_ms <= CAP_MS


def test_a_healthy_connection_ends_the_row_of_failures() -> None:
    backoff = Backoff(Random(3))
    for number in range(BREAKER_FAILURES - 1):
        backoff.failed(number)
    backoff.succeeded()
    assert backoff.failures == 0
    assert backoff.failed(20) <= 20 + LEAST_BOUND_MS
