"""What is wanted of the history, and which of it becomes the next request."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import pytest

from tapeline.schemas.instants import DAY_MS, FAR_FUTURE_MS
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.engine.wants import Ask, Wants
from tapeline.streams.pipeline.log_writer import KnownSymbol
from tapeline.streams.pipeline.routing import Router
from tests.feeds_live_provider import MINUTE, SECOND, config_of

START = 1_764_583_200_000
LAG = 2 * SECOND


def _states(count: int) -> dict[str, FeedSymbol]:
    """Symbols whose log ends at the start."""
    plan = Router(config_of(["A"])).plan("A")
    return {
        name: FeedSymbol(name, plan, KnownSymbol(START))
        for name in (f"S{number}" for number in range(count))
    }


class _Looks(Mapping[str, FeedSymbol]):
    """States that count how often one is looked at."""

    def __init__(self, states: dict[str, FeedSymbol]) -> None:
        self.count = 0
        self._states = states

    def __getitem__(self, symbol: str) -> FeedSymbol:
        self.count += 1
        return self._states[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


def _calls(wants: Wants, now_ms: int) -> int:
    """Calls that taking the next request costs."""
    calls = 0

    def count(frame: FrameType, event: str, found: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        wants.take(now_ms, START + now_ms)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("purpose", ["evidence", "tail", "end"])
def test_a_request_costs_as_much_among_many_wants_as_among_few(purpose: Any) -> None:
    costs = []
    for others in (10, 5_000):
        states = _states(others + 5)
        wants = Wants(states, 5, LAG)
        for number, symbol in enumerate(states):
            states[symbol].unknown.add(START, FAR_FUTURE_MS)
            ready_ms = 90 * SECOND if number < others else 61 * SECOND
            wants.add(purpose, symbol, START, FAR_FUTURE_MS, ready_ms)
        costs.append(_calls(wants, 70 * SECOND))
    few, many = costs
    assert many <= few + 20


def test_wants_of_other_days_are_not_all_looked_at_for_one_request() -> None:
    looks = _Looks(_states(2_000))
    wants = Wants(looks, 10, LAG)
    for number, symbol in enumerate(looks):
        from_ms = START - 5 * DAY_MS if number == 0 else START
        wants.add("older", symbol, from_ms, START, 0)
    looks.count = 0
    assert wants.take(0, START + 10 * MINUTE) == Ask(("S0",), START - 5 * DAY_MS, START, "older")
    assert looks.count < 100
    ask = wants.take(0, START + 10 * MINUTE)
    assert ask is not None
    assert ask.symbols == tuple(f"S{number}" for number in range(1, 11))


def test_what_became_known_since_it_was_wanted_is_not_asked() -> None:
    states = _states(3)
    wants = Wants(states, 10, LAG)
    for state in states.values():
        state.unknown.add(START, START + 10 * MINUTE)
        wants.add("tail", state.symbol, START, FAR_FUTURE_MS, 0)
    states["S0"].unknown.remove(START, START + 9 * MINUTE)
    states["S1"].unknown.remove(START, START + 10 * MINUTE)
    states["S2"].unknown.remove(START, START + 8 * MINUTE)
    ask = wants.take(0, START + 20 * MINUTE)
    latest_ms = wants.latest("S0", START + 20 * MINUTE)
    assert ask == Ask(("S0", "S2"), START + 8 * MINUTE, latest_ms, "tail")
    assert wants.take(0, START + 20 * MINUTE) is None
    assert wants.next_ms == FAR_FUTURE_MS


def test_what_an_answer_under_way_may_bring_is_not_asked_twice() -> None:
    states = _states(1)
    states["S0"].unknown.add(START, START + 10 * MINUTE)
    wants = Wants(states, 1, LAG)
    wants.add("seam", "S0", START, FAR_FUTURE_MS, 0)
    seam = wants.take(0, START + 10 * MINUTE)
    assert seam is not None
    wants.add("tail", "S0", START, FAR_FUTURE_MS, 0)
    assert wants.take(0, START + 11 * MINUTE) is None
    wants.ended(seam)
    states["S0"].unknown.remove(START, START + 9 * MINUTE)
    tail = wants.take(wants.next_ms, START + 11 * MINUTE)
    assert tail is not None
    assert (tail.purpose, tail.from_ms) == ("tail", START + 9 * MINUTE)


def test_a_slot_that_is_not_in_the_history_yet_waits_until_it_may_be() -> None:
    states = _states(1)
    states["S0"].unknown.add(START + MINUTE, FAR_FUTURE_MS)
    wants = Wants(states, 1, LAG)
    wants.add("tail", "S0", START, FAR_FUTURE_MS, 0)
    assert wants.take(0, START + 90 * SECOND) is None
    assert wants.next_ms == 30 * SECOND + LAG
    ask = wants.take(wants.next_ms, START + 2 * MINUTE + LAG)
    assert ask == Ask(("S0",), START + MINUTE, START + MINUTE, "tail")


def test_a_second_want_widens_the_first_and_makes_it_no_later() -> None:
    states = _states(1)
    wants = Wants(states, 1, LAG)
    wants.add("dirty", "S0", START, START + MINUTE, 500)
    wants.add("dirty", "S0", START - MINUTE, START, 900)
    wants.add("dirty", "S0", START, START + 2 * MINUTE, 300)
    assert wants.next_ms == 300
    ask = wants.take(300, START + 20 * MINUTE)
    assert ask == Ask(("S0",), START - MINUTE, START + 2 * MINUTE, "dirty")
    assert wants.take(900, START + 20 * MINUTE) is None


def test_a_session_that_is_over_is_compared_after_what_a_new_process_missed() -> None:
    wants = Wants(_states(2), 1, LAG, 30 * SECOND)
    wants.add("end", "S0", START, START, 0)
    assert wants.take(5 * SECOND, START + 20 * MINUTE) is None
    wants.add("seam", "S1", START, START, 6 * SECOND)
    taken = [wants.take(at * SECOND, START + 20 * MINUTE) for at in (6, 7, 30)]
    assert [ask and ask.purpose for ask in taken] == ["seam", None, "end"]


def test_the_most_urgent_want_comes_first_and_what_is_dropped_never() -> None:
    wants = Wants(_states(3), 1, LAG)
    wants.add("end", "S0", START, START, 0)
    wants.add("seam", "S1", START, START, 0)
    wants.add("older", "S2", START, START, 0)
    assert wants.drop("S2")
    assert not wants.drop("S2", "older")
    taken = [wants.take(0, START + 20 * MINUTE) for _ in range(3)]
    assert [ask and ask.symbols for ask in taken] == [("S1",), ("S0",), None]
