"""Derived bars and sessions hold exactly what the base bars held."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

from hypothesis import given

from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.calendars import load_calendar
from tests.properties.books import BookShape, config_for, make_book, shapes
from tests.properties.folding import fold, run

FAR_AHEAD_MS = 30 * 86_400_000


def _in_session(shape: BookShape, book: list[Bar]) -> list[Bar]:
    calendar = load_calendar(shape.calendar)
    return [
        bar
        for bar in book
        if calendar.segment_of(calendar.session_of(bar.start_ms), bar.start_ms) >= 0
    ]


def _members(bars: list[Bar], start_ms: int, end_ms: int) -> list[Bar]:
    return [bar for bar in bars if start_ms <= bar.start_ms < end_ms]


def _assert_holds(fact: dict[str, Any], members: list[Bar], count: str) -> None:
    assert fact[count] == len(members)
    assert fact["high"] == max((bar.high for bar in members), default=None)
    assert fact["low"] == min((bar.low for bar in members), default=None)
    volumes = [bar.volume for bar in members if bar.volume is not None]
    # One after the other, as the engine; the sum of a later Python rounds once.
    assert fact["volume"] == (reduce(add, volumes) if volumes else None)


@given(shape=shapes())
def test_windows_and_sessions_hold_what_their_bars_held(shape: BookShape) -> None:
    book = make_book("A", shape)
    if not book:
        return
    log: list[LogRecord] = [*book, Clock("A", book[-1].start_ms + FAR_AHEAD_MS)]
    view = fold(run(config_for(shape, ("A",)), "A", log))
    bars = _in_session(shape, book)
    for fact in view.values():
        if fact["type"] == "derived_bar":
            members = _members(bars, fact["start_ms"], fact["end_ms"])
            _assert_holds(fact, members, "have")
            assert (fact["open"], fact["close"]) == (members[0].open, members[-1].close)
        if fact["type"] == "session":
            _assert_holds(fact, _members(bars, fact["open_ms"], fact["close_ms"]), "bars")


@given(shape=shapes())
def test_every_bar_is_in_one_window_of_each_interval(shape: BookShape) -> None:
    book = make_book("A", shape)
    if not book:
        return
    log: list[LogRecord] = [*book, Clock("A", book[-1].start_ms + FAR_AHEAD_MS)]
    config = config_for(shape, ("A",))
    view = fold(run(config, "A", log))
    bars = _in_session(shape, book)
    for interval in config.intervals_for(shape.base):
        windows = [
            fact
            for fact in view.values()
            if fact["type"] == "derived_bar" and fact["interval"] == interval.name
        ]
        assert sum(fact["have"] for fact in windows) == len(bars)
        assert all(fact["have"] <= fact["need"] for fact in windows)


@given(shape=shapes())
def test_present_and_missing_slots_add_up_to_the_session(shape: BookShape) -> None:
    book = make_book("A", shape)
    if not book:
        return
    log: list[LogRecord] = [*book, Clock("A", book[-1].start_ms + FAR_AHEAD_MS)]
    view = fold(run(config_for(shape, ("A",)), "A", log))
    gaps: dict[str, int] = {}
    for fact in view.values():
        if fact["type"] == "gap":
            gaps[fact["session"]] = gaps.get(fact["session"], 0) + fact["missing"]
    for fact in view.values():
        if fact["type"] == "session" and fact["state"] == "closed":
            assert fact["bars"] + gaps.get(fact["session"], 0) == fact["expected"]
        if fact["type"] == "quality" and fact["as_of_ms"] == fact["event_ms"]:
            assert fact["due"] == fact["actual"] + fact["missing"]
