"""The status of a tape from facts and an instant: who is stale, who is worst, what is running."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tapeline.schemas.feed_events import FeedEvent, Halt, Hole, Subscribed
from tapeline.schemas.host_events import RecordRef, RunState, StrategyState
from tapeline.streams.calendars import load_calendar
from tapeline.streams.pipeline.operations import Operations
from tapeline.streams.pipeline.status import (
    GRACE_MS,
    RECENT_MS,
    STALE_SLOTS,
    CorrectedFact,
    DatedLetter,
    OpenGap,
    StatusFacts,
    SymbolFacts,
    SymbolStatus,
    hosted_strategy,
    session_so_far,
    slots_over,
    status_of,
)

XNYS = load_calendar("XNYS")
CME = load_calendar("CME_EQUITY")
MINUTE_MS = 60_000
OPEN_MS = 1_751_463_000_000
"""2025-07-02 09:30 New York: the open of XNYS."""
CLOSE_MS = OPEN_MS + 390 * MINUTE_MS
NEXT_OPEN_MS = OPEN_MS + 1440 * MINUTE_MS
STALE_AFTER_MS = STALE_SLOTS * MINUTE_MS + GRACE_MS


def facts(symbol: str = "A", minutes: int | None = 10, bars: int | None = None) -> SymbolFacts:
    """A symbol whose watermark, and whose bars, reach so many minutes into the session."""
    watermark = None if minutes is None else OPEN_MS + minutes * MINUTE_MS
    count = minutes if bars is None else bars
    last = None if count is None else OPEN_MS + (count - 1) * MINUTE_MS
    return SymbolFacts(symbol, symbol, XNYS, MINUTE_MS, watermark, last)


def operations(*events: FeedEvent) -> Operations:
    found = Operations({"demo": ["A", "B", "C"]})
    for event in events:
        found.take(event)
    return found


def status(
    symbols: Iterable[SymbolFacts], now_ms: int, *events: FeedEvent
) -> dict[str, SymbolStatus]:
    found = status_of(StatusFacts(list(symbols), operations(*events)), now_ms)
    return {each.symbol: each for each in found.symbols}


def hole(minute: int, end: int | None = None, cause: str = "disconnect") -> Hole:
    to_ms = None if end is None else OPEN_MS + end * MINUTE_MS
    from_ms = OPEN_MS + minute * MINUTE_MS
    return Hole("hole|demo|1", "demo", None, 0, 1, from_ms, to_ms, cause, "open", 0, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after_ms", "state", "silent", "age"),
    [
        (0, "current", 0, 0),
        (MINUTE_MS, "current", 0, 1),
        (STALE_AFTER_MS - 1, "current", 2, 3),
        (STALE_AFTER_MS, "stale", 3, 3),
    ],
)
def test_a_symbol_is_stale_when_slots_are_over_without_bar_or_evidence(
    after_ms: int, state: str, silent: int, age: int
) -> None:
    found = status([facts()], OPEN_MS + 10 * MINUTE_MS + after_ms)["A"]
    assert (found.state, found.silent_slots, found.age_slots) == (state, silent, age)


def test_evidence_without_a_bar_is_not_stale() -> None:
    found = status([facts(minutes=60, bars=10)], OPEN_MS + 61 * MINUTE_MS)["A"]
    assert (found.state, found.silent_slots, found.age_slots) == ("current", 0, 51)


def test_slots_are_those_of_the_calendar() -> None:
    done = facts(minutes=390)
    assert status([done], CLOSE_MS + 60 * MINUTE_MS)["A"].state == "closed"
    overnight = status([done], NEXT_OPEN_MS + 2 * MINUTE_MS)["A"]
    assert (overnight.state, overnight.age_slots) == ("current", 2)
    assert status([done], NEXT_OPEN_MS + STALE_AFTER_MS)["A"].state == "stale"


def test_a_feed_that_ended_in_a_session_is_stale_when_the_next_one_opens() -> None:
    half = facts(minutes=100)
    assert status([half], CLOSE_MS + MINUTE_MS)["A"].state == "closed"
    assert status([half], NEXT_OPEN_MS)["A"].state == "stale"


def test_a_slot_that_is_not_over_does_not_count() -> None:
    half = OPEN_MS + MINUTE_MS // 2
    assert slots_over(XNYS, MINUTE_MS, OPEN_MS, half) == 0
    assert slots_over(XNYS, MINUTE_MS, OPEN_MS, OPEN_MS + MINUTE_MS) == 1
    assert slots_over(XNYS, MINUTE_MS, OPEN_MS + MINUTE_MS, half) == 0
    assert slots_over(XNYS, MINUTE_MS, half, half + MINUTE_MS) == 0
    assert slots_over(XNYS, MINUTE_MS, OPEN_MS, CLOSE_MS + 7) == 390


def test_time_that_goes_on_while_a_connection_is_down_is_no_evidence() -> None:
    now = OPEN_MS + 21 * MINUTE_MS
    quiet = facts(minutes=20, bars=10)
    assert status([quiet], now, hole(12))["A"].state == "stale"
    assert status([quiet], now, hole(12, cause="history"))["A"].state == "current"
    assert status([quiet], now, hole(12, 14))["A"].state == "current"
    # It is up again: bars come, and the hole waits for the history.
    assert status([facts(minutes=20)], now, hole(12))["A"].state == "current"


def test_a_symbol_of_a_feed_without_a_record_is_stale_in_session() -> None:
    none = facts(minutes=None)
    assert status([none], OPEN_MS + STALE_AFTER_MS - 1)["A"].state == "current"
    found = status([none], OPEN_MS + STALE_AFTER_MS)["A"]
    assert (found.state, found.age_slots, found.session) == ("stale", None, None)
    assert status([none], OPEN_MS - MINUTE_MS)["A"].state == "closed"


def test_a_halt_and_a_refused_symbol_are_not_stale() -> None:
    now = OPEN_MS + 60 * MINUTE_MS
    halt = Halt("halt|demo|A", "demo", "A", 0, OPEN_MS, None)
    refused = Subscribed("subscription|demo", "demo", None, 0, 3, ("B",))
    found = status([facts("A"), facts("B"), facts("C")], now, halt, refused)
    assert {symbol: each.state for symbol, each in found.items()} == {
        "C": "stale",
        "A": "halted",
        "B": "refused",
    }
    assert list(found) == ["C", "A", "B"]


def test_the_worst_come_first() -> None:
    gap = OpenGap(OPEN_MS, OPEN_MS + MINUTE_MS, 1)
    symbols = [
        facts("fine", 60),
        SymbolFacts("gap", "gap", XNYS, MINUTE_MS, OPEN_MS + 60 * MINUTE_MS, OPEN_MS, None, (gap,)),
        facts("view", 60),
        facts("A", 60),
        facts("short", 50),
        facts("long", 10),
    ]
    of_a = Hole("h", "demo", "A", 0, 1, OPEN_MS, OPEN_MS + 1, "stale", "open", 0, 0)
    found = status_of(
        StatusFacts(symbols, operations(of_a), stale_groups=["view"]), OPEN_MS + 61 * MINUTE_MS
    )
    assert [each.symbol for each in found.symbols] == ["long", "short", "A", "view", "gap", "fine"]
    assert found.stale == ["long", "short"]
    assert [each.symbol for each in found.symbols if each.stale_view] == ["view"]


def test_the_last_hour_counts() -> None:
    now = OPEN_MS
    since = now - RECENT_MS
    letters = [
        DatedLetter("bad_price", since),
        DatedLetter("off_tick", since - 1),
        DatedLetter("off_tick", None),
    ]
    corrected = [
        CorrectedFact("touch", "A", 1, since),
        CorrectedFact("swing", "A", 1, now),
        CorrectedFact("swing", "B", 1, now),
        CorrectedFact("swing", "A", 2, since - 1),
        CorrectedFact("range", "A", None, now),
    ]
    found = status_of(StatusFacts([], operations(), letters, corrected), now)
    assert found.rejects == {"bad_price": 1}
    assert found.undated_rejects == {"off_tick": 1}
    assert (found.corrected_bars, found.corrected) == (2, {"range": 1, "swing": 2, "touch": 1})


def bars(*minutes: int, first_ms: int = OPEN_MS) -> list[tuple[int, float, float]]:
    return [(first_ms + each * MINUTE_MS, 10.0 + each, 9.0 - each) for each in minutes]


def test_the_running_session_is_as_of_the_watermark() -> None:
    found = session_so_far(XNYS, MINUTE_MS, OPEN_MS + 4 * MINUTE_MS, bars(0, 2, 3, 4))
    assert found is not None
    assert (found.session, found.open_ms, found.close_ms) == ("2025-07-02", OPEN_MS, CLOSE_MS)
    # The bar at the watermark is not over by it.
    assert (found.bars, found.due, found.quality) == (3, 4, 75.0)
    assert (found.high, found.low) == (13.0, 6.0)


@pytest.mark.parametrize("after_ms", [0, 60 * MINUTE_MS])
def test_after_a_close_the_session_that_closed_is_shown(after_ms: int) -> None:
    found = session_so_far(XNYS, MINUTE_MS, CLOSE_MS + after_ms, bars(0, 389, 500))
    assert found is not None
    assert (found.session, found.bars, found.due) == ("2025-07-02", 2, 390)


def test_bars_off_session_do_not_count() -> None:
    # 2025-07-02 16:00 Chicago: the close of a session, which is the fourth of July's eve.
    close = 1_751_490_000_000
    label = close - 3 * MINUTE_MS
    found = session_so_far(CME, MINUTE_MS, close, [(label, 2.0, 1.0), (label + 7, 3.0, 0.0)])
    assert found is not None
    assert (found.bars, found.high, found.low) == (1, 2.0, 1.0)


def test_before_the_first_slot_is_over_there_is_no_quality() -> None:
    found = session_so_far(XNYS, MINUTE_MS, OPEN_MS + 1, [])
    assert found is not None
    assert (found.session, found.bars, found.due, found.quality) == ("2025-07-02", 0, 0, None)
    assert (found.high, found.low) == (None, None)


def reported(name: str, state: RunState, **more: Any) -> StrategyState:
    """What a host reports of a strategy."""
    common = {"error_type": None, "error": None, "record": None, **more}
    return StrategyState(
        f"strategy|{name}", "upsert", 0, 0, None, None, 0, 0, None, "paper", name, {"0": 7},
        version="v1", state=state, step=3, unsafe=False, **common,
    )  # fmt: skip


def test_strategies_are_listed_and_one_that_failed_with_its_error_and_record() -> None:
    failed = reported(
        "breakout", "faulted", error_type="KeyError", error="'x'", record=RecordRef(2, 70)
    )
    found = status_of(
        StatusFacts(
            [],
            operations(),
            strategies=[hosted_strategy(each) for each in (reported("fade", "running"), failed)],
        ),
        OPEN_MS,
    )
    assert [(each.name, each.state, each.error) for each in found.strategies] == [
        ("breakout", "faulted", "KeyError: 'x' (partition 2 offset 70)"),
        ("fade", "running", None),
    ]
