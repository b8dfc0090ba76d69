"""Requests by their times of sending."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.feeds.live.engine.limiter import Limiter


@given(
    requests=st.integers(1, 6),
    waits=st.lists(st.integers(0, 40), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_the_limit(requests: int, waits: list[int]) -> None:
    limiter = Limiter(requests, 100, 0)
    now, sent = 0, list[int]()
    for wait in waits:
        now = max(now + wait, limiter.free_at(now + wait))
        limiter.sent(now)
        sent.append(now)
    for begin in sent:
        assert sum(begin <= each < begin + 100 for each in sent) <= requests


def test_a_new_process_starts_with_half_a_window_used() -> None:
    limiter = Limiter(4, 100, 1_000)
    for _ in range(2):
        assert limiter.free_at(1_000) == 1_000
        limiter.sent(1_000)
    assert limiter.free_at(1_000) == 1_100


def test_what_a_process_uses_above_half_must_be_known_to_one_after_it() -> None:
    limiter = Limiter(4, 100, 0)
    for _ in range(2):
        limiter.sent(0)
        assert not limiter.above_half(0), "half of it the next process takes as used"
    limiter.sent(50)
    assert limiter.above_half(99)
    assert not limiter.above_half(100)


def test_where_the_process_before_began_within_the_window_the_whole_of_it_counts_as_used() -> None:
    limiter = Limiter(4, 100, 1_050, 1_000)
    assert limiter.free_at(1_060) == 1_100
    for _ in range(2):
        limiter.sent(1_100)
    assert limiter.free_at(1_100) == 1_150
    assert Limiter(4, 100, 1_100, 1_000).free_at(1_100) == 1_100


@given(
    requests=st.integers(1, 6),
    lives=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), min_size=1, max_size=12),
)
def test_no_window_holds_more_than_the_limit_however_often_a_process_is_killed(
    requests: int, lives: list[tuple[int, int]]
) -> None:
    sent, born, announced = list[int](), 1_000, 0
    begun: int | None = None
    for length, wanted in lives:
        limiter = Limiter(requests, 100, born, begun)
        limiter.pause(announced)
        begun, now = born, born
        for _ in range(wanted):
            now = limiter.free_at(now)
            if now > born + length:
                break
            limiter.sent(now)
            sent.append(now)
            if limiter.above_half(now):
                announced = now + 100
        born += length
    for first in sent:
        assert sum(first <= each < first + 100 for each in sent) <= requests


def test_of_two_pauses_the_longer_one_holds() -> None:
    limiter = Limiter(4, 100, 0)
    limiter.pause(500)
    limiter.pause(300)
    assert limiter.free_at(10) == 500
    assert limiter.free_at(600) == 600
