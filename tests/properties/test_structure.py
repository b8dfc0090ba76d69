"""What market structure promises of every book (docs/rules.md 8 to 12)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tests.properties.books import (
    BookShape,
    config_for,
    first_session,
    make_book,
    shapes,
)
from tests.properties.folding import fold, run

TRANSITIONS = ("first_break_ms", "return_ms", "second_break_ms", "resolved_ms")


@given(shape=shapes(calendars=("CME_EQUITY", "24/7"), bases=("1m",), sessions=(2, 4)))
def test_ranges_and_pairs_keep_their_promises(shape: BookShape) -> None:
    config = config_for(shape, ("A", "B"))
    book = sorted(
        make_book("A", shape) + make_book("B", shape), key=lambda bar: (bar.start_ms, bar.symbol)
    )
    view = fold(run(config, "TWO", book))
    touches: dict[str, int] = {}
    for fact in view.values():
        if fact["type"] == "range":
            _assert_range(fact)
        if fact["type"] == "touch":
            touches[fact["range"]] = touches.get(fact["range"], 0) + (fact["event"] != "expired")
            assert view[fact["range"]]["state"] != "incomplete"
        if fact["type"] == "pair":
            present = [time for time in fact["times"].values() if time is not None]
            assert present
            assert (fact["delta_min"] is None) == (len(present) == 1)
            assert (fact["leader"] is None) == (len(present) == 1)
    assert all(count <= 4 for count in touches.values())


def _assert_range(fact: dict[str, Any]) -> None:
    times = [fact[name] for name in TRANSITIONS if fact[name] is not None]
    assert times == sorted(set(times))
    assert all(time > fact["to_ms"] for time in times)
    if fact["poc"] is not None:
        assert abs(fact["rpp"] - fact["true_open"]) == abs(fact["poc"] - fact["true_open"])
        assert fact["poc"] in (fact["high"], fact["low"])


@given(shape=shapes(bases=("1m", "60m"), sessions=(2, 4)))
def test_swings_are_a_pyramid(shape: BookShape) -> None:
    book = make_book("A", shape)
    config = config_for(shape, ("A",))
    classes: dict[str, int] = {}
    for event in run(config, "A", book):
        if event.id.startswith("swing|"):
            swing = msgspec.to_builtins(event)
            assert classes.get(event.id, 0) <= swing["class"] <= 6
            classes[event.id] = swing["class"]
    view = fold(run(config, "A", book))
    structural = config.instruments["A"].swing_structural_class
    for swing in (fact for fact in view.values() if fact["type"] == "swing"):
        prior = swing["prior"]
        if prior is not None:
            other = "low" if swing["side"] == "high" else "high"
            opposite = view[f"swing|A|{prior['start_ms']}|{other}"]
            assert prior["points"] == abs(swing["price"] - opposite["price"])
            assert swing["class"] < structural or opposite["class"] >= structural


@given(shape=shapes(calendars=("CME_EQUITY",), bases=("1m",), sessions=(3, 5)), seed=st.booleans())
def test_a_shift_by_whole_weeks_across_a_clock_change_moves_only_instants(
    shape: BookShape, seed: bool
) -> None:
    winter, summer = ("2025-02-24", "2025-03-24") if seed else ("2025-09-15", "2025-11-10")
    weeks = (date.fromisoformat(summer) - date.fromisoformat(winter)) // timedelta(days=1)
    calendar = load_calendar("CME_EQUITY")
    book = make_book("A", replace(shape, start=winter, off_session=0))
    shift = calendar.open_ms(first_session(calendar, summer)) - calendar.open_ms(
        first_session(calendar, winter)
    )
    assert shift % 86_400_000 != 0
    moved = [_moved(bar, shift) for bar in book]
    # Windows over months hold other sessions in another month.
    config = config_for(replace(shape, windows=False), ("A",))
    before = fold(run(config, "A", book))
    after = fold(run(config, "A", moved))
    expected = [_shifted(fact, shift, weeks) for fact in before.values() if _weekly(fact)]
    found = [_shifted(fact, 0, 0) for fact in after.values() if _weekly(fact)]
    assert found == expected


def _moved(bar: Bar, shift: int) -> Bar:
    return msgspec.structs.replace(bar, start_ms=bar.start_ms + shift)


def _weekly(fact: dict[str, Any]) -> bool:
    """Months and years do not come again after some weeks, nor do links to their touches."""
    return fact.get("kind") not in ("Monthly", "Yearly") and fact["type"] != "swing"


def _shifted(fact: dict[str, Any], shift: int, days: int) -> dict[str, Any]:
    """The fact with all instants and dates moved; ids and names follow from them."""
    moved = dict(fact)
    for name in ("id", "name", "range"):
        moved.pop(name, None)
    for name, value in fact.items():
        if name.endswith("_ms") and value is not None:
            moved[name] = value + shift
    moved["session"] = (date.fromisoformat(fact["session"]) + timedelta(days=days)).isoformat()
    return moved
