"""Trackers that are added by the plan of a group alone keep the contract."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.core.plan import GroupPlan, InstrumentPlan, TrackerFactory
from tapeline.streams.core.tracker import ClosedBar, Tracker
from tapeline.streams.pipeline.planning import plan_group
from tests.contract.toys import REGISTRY, Peaks, SessionVwap, SpanHighs
from tests.contract.tracker import TrackerContract
from tests.unit.streams.core.scenario import (
    UTC,
    XNYS,
    Tape,
    bar,
    flat,
    lunch,
    minutes,
    utc,
    when,
)


class TestSessionVwap(TrackerContract):
    name = "session_vwap"
    types = ("session_vwap",)
    added = (SessionVwap,)


class TestSpanHighs(TrackerContract):
    name = "span_highs"
    types = ("span_high",)
    added = (SpanHighs,)


class TestPeaks(TrackerContract):
    name = "peaks"
    types = ("peaks",)
    added = (Peaks,)


class TestBesideEachOther(TrackerContract):
    name = "span_highs"
    types = ("session_vwap", "span_high")
    added = (SessionVwap, SpanHighs)


def equity(*trackers: TrackerFactory, extra: str = "") -> Tape:
    """An equity on XNYS with rules of its own."""
    plan = plan_group(read_config(XNYS + extra, "added"), "ACME")
    return Tape(plan=GroupPlan(plan.group, plan.instruments, REGISTRY, trackers))


def rising(day: str, first: float) -> list[Any]:
    """Bars of which each is higher than the one before: no peak."""
    return [bar("ACME", f"{day} 09:{30 + at}", first + at, first + at + 0.5) for at in range(20)]


def test_the_revision_of_a_fact_that_is_open_for_ever_is_never_forgotten() -> None:
    tape = equity(Peaks, extra="horizon_sessions = 1\nswings = false\nranges = []\n")
    tape.take(bar("ACME", "2025-12-15 09:30", 10, 11), bar("ACME", "2025-12-15 09:31", 10, 12))
    tape.take(bar("ACME", "2025-12-15 09:32", 10, 11))
    assert [event.rev for event in tape.versions("peaks|ACME|all")] == [0]
    tape.take(bar("ACME", "2025-12-15 09:31", 10, 10.5), bar("ACME", "2025-12-15 09:31", 10, 12))
    for number, day in enumerate(("2025-12-16", "2025-12-17", "2025-12-18", "2025-12-19")):
        tape.take(*rising(day, 20.0 + 100 * number))
    tape.take(bar("ACME", "2025-12-22 09:30", 10, 11))
    assert [event.rev for event in tape.versions("peaks|ACME|all")] == [0, 1, 2, 2]


def test_a_tracker_hears_of_incomplete_derived_bars_that_are_not_published() -> None:
    heard: list[ClosedBar] = []

    class Listener(Tracker):
        def __init__(self, plan: InstrumentPlan) -> None:
            super().__init__("listener", 1, (), ("5m",))

        def on_derived(self, bar: ClosedBar) -> None:
            heard.append(bar)

    tape = equity(Listener, extra='[derived]\nincomplete = "skip"\n')
    book = minutes("ACME", "2025-12-15 09:30", 10)
    tape.take(*book[:3], *book[4:])
    assert [(bar.have, bar.need, bar.complete) for bar in heard] == [(4, 5, False), (5, 5, True)]
    assert [event.have for event in tape.events if event.id.startswith("derived_bar|")] == [5]


def test_the_next_session_begins_before_the_time_of_a_close_and_none_after_the_last_one() -> None:
    heard: list[str] = []
    closes = [utc("2025-07-04 12:00"), utc("2025-07-07 16:00")]

    class Listener(Tracker):
        def __init__(self, plan: InstrumentPlan) -> None:
            super().__init__("listener", 1, (), ("1d",))
            self.next_ms = closes[0]

        def on_session(self, index: int, date: str) -> None:
            heard.append(f"session {date}")

        def on_derived(self, bar: ClosedBar) -> None:
            heard.append(f"1d of {bar.session}")

        def on_time(self, instant_ms: int) -> None:
            heard.append(f"time {when(instant_ms, UTC)}")
            self.next_ms = closes[-1]

    plan = lunch().plan
    tape = Tape(plan=GroupPlan(plan.group, plan.instruments, REGISTRY, (Listener,)))
    tape.take(flat("HK", utc("2025-07-04 11:59"), 10), flat("HK", utc("2025-07-07 15:59"), 10))
    assert heard == [
        "session 2025-07-04",
        "1d of 2025-07-04",
        "session 2025-07-07",
        "time 2025-07-04 12:00",
        "1d of 2025-07-07",
        "time 2025-07-07 16:00",
    ]


@pytest.mark.parametrize(
    ("trackers", "complaint"),
    [
        ((Peaks, Peaks), "two trackers of one symbol are both of 'peaks'"),
        ((lambda plan: Tracker("other", 1, ("touch",)),), "touch: types of added trackers"),
        ((Peaks, SessionVwap), "in the order of the trackers"),
    ],
)
def test_rules_have_their_own_names_types_and_positions(
    trackers: tuple[TrackerFactory, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        equity(*trackers)


def test_a_tracker_that_takes_runs_must_define_how() -> None:
    tape = equity(lambda plan: Tracker("idle", 1, (), takes_runs=True))
    with pytest.raises(TypeError, match="tracker idle takes runs of bars"):
        tape.take(*minutes("ACME", "2025-12-15 09:30", 10))
