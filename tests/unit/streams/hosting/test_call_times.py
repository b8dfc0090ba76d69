"""How long strategies take, by a clock that decides nothing."""

from __future__ import annotations

from tapeline.streams.hosting.call_times import CallTimes


def test_calls_are_counted_and_those_that_take_longer_than_their_limit_are_given_back() -> None:
    clock = [100.0]
    times = CallTimes(lambda: clock[0])
    found = []
    for took_s in (0.5, 2.0, 2.5):
        times.begin()
        clock[0] += took_s
        found.append(times.end(2.0))
    assert found == [None, None, 2.5]
    assert (times.calls, times.slow, times.seconds) == (3, 1, 5.0)
