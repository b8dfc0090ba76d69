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


def test_what_is_used_above_half_must_be_known_to_a_process_after_it() -> None:
    limiter = Limiter(4, 100, 0)
    assert not limiter.above_half(0)
    limiter.sent(0)
    assert limiter.above_half(99)
    assert not limiter.above_half(100)


def test_of_two_pauses_the_longer_one_holds() -> None:
    limiter = Limiter(4, 100, 0)
    limiter.pause(500)
    limiter.pause(300)
    assert limiter.free_at(10) == 500
    assert limiter.free_at(600) == 600
