"""Sessions against the history after their close: no command makes the log what that states."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.feeds import HistoryConfig
from tapeline.schemas.feed_events import Compared
from tapeline.schemas.instants import HOUR_MS, iso_time
from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.feeds.live.engine.signals import RefusedSymbols
from tapeline.streams.feeds.live.model import Notice
from tapeline.streams.pipeline.log_writer import LogEntry
from tests.feeds_live import World
from tests.feeds_live_oracle import (
    assert_folds_like_final_bars,
    assert_nothing_is_minted,
    assert_requests_within,
    assert_silence_is_accounted_for,
)
from tests.feeds_live_provider import MINUTE, SECOND, Provider, bar_of, config_of, feed_of

OPEN = 1_764_599_400_000
"""2025-12-01T14:30Z, the open of a Monday in New York."""
CLOSE = OPEN + 390 * MINUTE
DUE = CLOSE + 20 * MINUTE
BEGIN = CLOSE - 60 * MINUTE
COUNTED = ("equal", "changed", "missing", "extra", "unclear", "cancelled")


def _provider(*symbols: str, without: tuple[int, ...] = ()) -> Provider:
    """An hour of bars up to the close; of the second symbol some are known to the history alone."""
    provider = Provider()
    for symbol in symbols:
        for number in range(60):
            if symbol == symbols[0] or number not in without:
                bar = bar_of(symbol, BEGIN + number * MINUTE, 100 + number / 100, 50 + number)
                provider.publish(bar, bar.start_ms + MINUTE + 400)
    return provider


def _world(
    provider: Provider, start_ms: int = BEGIN, connected: bool = True, **truth: Any
) -> World:
    symbols = list(provider.versions)
    past = HistoryConfig(begin=iso_time(BEGIN), requests=600, per_request=100)
    settings = feed_of(symbols, past, **{"silence": "canary", **truth})
    world = World(config_of(symbols, "XNYS"), settings, provider, start_ms)
    if connected:
        world.at(start_ms + SECOND, world.connect)
    world.stream(CLOSE + HOUR_MS)
    return world


def _differ(provider: Provider) -> None:
    """What the stream did not have: one bar more, another content, and one that was taken back."""
    provider.publish(bar_of("B", BEGIN + 30 * MINUTE, 101.0), BEGIN + 31 * MINUTE)
    provider.publish(bar_of("A", BEGIN + 10 * MINUTE, 102.0), BEGIN + 40 * MINUTE)
    provider.bust("A", BEGIN + 20 * MINUTE, BEGIN + 40 * MINUTE)


def _compared(world: World, symbol: str | None = None) -> list[dict[str, int]]:
    """Counts of the reports of a symbol, or of the feed, that are not 0."""
    return [
        {name: getattr(each, name) for name in COUNTED if getattr(each, name)}
        for each in world.reports
        if isinstance(each, Compared) and each.symbol == symbol
    ]


def _cancels(world: World) -> list[int]:
    return [each.record.start_ms for each in world.log if isinstance(each.record, Cancel)]


def test_after_a_session_the_log_is_what_the_provider_states() -> None:
    provider = _provider("A", "B", without=(30,))
    world = _world(provider, cancels=True)
    _differ(provider)
    world.run(DUE - SECOND)
    assert _compared(world) == []
    with pytest.raises(AssertionError):
        assert_folds_like_final_bars(world, "A")
    world.run(DUE + MINUTE)
    assert _compared(world) == [{"equal": 117, "changed": 1, "missing": 1, "extra": 1}]
    assert _compared(world, "A") == [{"equal": 58, "changed": 1, "extra": 1}]
    assert _compared(world, "B") == [{"equal": 59, "missing": 1}]
    assert _cancels(world) == []
    world.run(DUE + 6 * MINUTE)
    assert _compared(world)[1:] == [{"equal": 117, "changed": 1, "missing": 1, "cancelled": 1}]
    assert _compared(world, "A")[1:] == [{"equal": 58, "changed": 1, "cancelled": 1}]
    assert len(_compared(world, "B")) == 1
    assert _cancels(world) == [BEGIN + 20 * MINUTE]
    for symbol in "AB":
        assert_folds_like_final_bars(world, symbol)
        assert_silence_is_accounted_for(world, symbol)
    assert_nothing_is_minted(world)


def test_a_session_without_a_difference_is_reported_once_and_for_no_symbol() -> None:
    world = _world(_provider("A", "B"))
    records = 0
    world.run(DUE - SECOND)
    records = len(world.log)
    world.run(DUE + 10 * MINUTE)
    [found] = [each for each in world.reports if isinstance(each, Compared)]
    assert (found.symbol, found.from_ms, found.to_ms) == (None, OPEN, CLOSE)
    assert (found.symbols, found.skipped, found.equal) == (2, 0, 120)
    assert len(world.log) == records


def test_a_bar_that_two_answers_lack_stays_where_absence_is_not_to_cancel() -> None:
    provider = _provider("A", "B")
    world = _world(provider)
    provider.bust("A", BEGIN + 20 * MINUTE, BEGIN + 40 * MINUTE)
    world.run(DUE + 20 * MINUTE)
    assert _compared(world) == [{"equal": 119, "extra": 1}]
    assert _cancels(world) == []


def test_a_bar_that_one_answer_lacks_and_the_next_one_has_is_equal() -> None:
    provider = _provider("A", "B")
    world = _world(provider, cancels=True)
    provider.hidden = {("A", BEGIN + 20 * MINUTE)}
    world.run(DUE + MINUTE)
    provider.hidden = set()
    world.run(DUE + 20 * MINUTE)
    assert _compared(world) == [{"equal": 119, "extra": 1}, {"equal": 120}]
    assert _compared(world, "A") == [{"equal": 59, "extra": 1}, {"equal": 60}]
    assert _cancels(world) == []
    assert_folds_like_final_bars(world, "A")


def test_a_symbol_of_which_no_bar_ever_came_is_compared_too() -> None:
    provider = _provider("A")
    provider.versions["B"] = {}
    world = _world(provider)
    for number in range(20, 40):
        label = BEGIN + number * MINUTE
        provider.publish(bar_of("B", label), label + MINUTE + 400)
    world.run(DUE + MINUTE)
    assert _compared(world, "B") == [{"missing": 20}]
    assert len(world.bars("B")) == 20


def test_a_history_that_is_down_after_the_close_is_asked_until_it_answers() -> None:
    provider = _provider("A", "B", without=(30,))
    provider.down = [(CLOSE, CLOSE + 2 * HOUR_MS, 500)]
    world = _world(provider, cancels=True)
    _differ(provider)
    world.run(CLOSE + 2 * HOUR_MS)
    assert _compared(world) == []
    assert not world.side.caught_up
    world.run(CLOSE + 2 * HOUR_MS + 10 * MINUTE)
    assert _compared(world)[-1] == {"equal": 117, "changed": 1, "missing": 1, "cancelled": 1}
    assert_folds_like_final_bars(world, "A")
    assert_requests_within(world, 600, MINUTE)


def test_a_session_that_ended_without_a_process_is_compared_by_the_next_one() -> None:
    provider = _provider("A", "B", without=(30,))
    world = _world(provider, cancels=True)
    _differ(provider)
    world.run(CLOSE + 5 * MINUTE)
    world.kill()
    world.mono_ms = CLOSE + 3 * HOUR_MS - world.offset_ms
    world.connect()
    world.run(CLOSE + 3 * HOUR_MS + 10 * MINUTE)
    assert _compared(world)[-1] == {"equal": 117, "changed": 1, "missing": 1, "cancelled": 1}
    for symbol in "AB":
        assert_folds_like_final_bars(world, symbol)


def _requests_after_a_restart(cancels: bool) -> tuple[World, list[str]]:
    """A feed that was killed after it compared a session in which a bar is extra."""
    provider = _provider("A", "B")
    world = _world(provider, cancels=cancels)
    provider.bust("A", BEGIN + 20 * MINUTE, BEGIN + 40 * MINUTE)
    world.run(DUE + 20 * MINUTE)
    world.kill()
    world.requests.clear()
    world.connect()
    world.run(DUE + 30 * MINUTE)
    return world, [url for _, url in world.requests if int(url.split("/")[4]) < CLOSE - 30 * MINUTE]


def test_a_session_that_is_equal_is_not_asked_for_again_after_a_restart() -> None:
    world, asked = _requests_after_a_restart(cancels=True)
    assert asked == []
    assert_folds_like_final_bars(world, "A")


def test_a_session_with_a_difference_that_is_left_is_compared_again_after_a_restart() -> None:
    world, asked = _requests_after_a_restart(cancels=False)
    assert asked
    assert _compared(world) == [{"equal": 119, "extra": 1}] * 2


def test_a_symbol_whose_history_has_other_prices_is_left_out_and_counted() -> None:
    provider = _provider("A", "B")
    world = _world(provider)
    world.run(CLOSE + MINUTE)
    provider.scale = 0.25
    world.run(DUE + 10 * MINUTE)
    [found] = [each for each in world.reports if isinstance(each, Compared)]
    assert (found.symbols, found.skipped, found.equal) == (0, 2, 0)
    assert world.side.counts["barred"] == 2


def test_a_symbol_that_is_refused_is_left_out_and_counted() -> None:
    provider = _provider("A", "B")
    world = _world(provider)
    world.run(BEGIN + 10 * MINUTE)
    world.disconnect()
    world.signal(RefusedSymbols(1, ("B",), "no such symbol"))
    world.run(DUE + 10 * MINUTE)
    [found] = [each for each in world.reports if isinstance(each, Compared)]
    assert (found.symbols, found.skipped) == (1, 1)


def test_a_session_of_many_slots_is_asked_for_in_pieces_that_overlap() -> None:
    """23,400 slots of a second, a bar a minute; what lies at the end of a piece is judged, too."""
    provider = Provider(base_ms=SECOND)
    bars = [
        Bar("A", "1s", label, 100.0, 100.0, 100.0, 100.0, 10)
        for label in range(OPEN, CLOSE, MINUTE)
    ]
    extra = Bar("A", "1s", OPEN + 9_990 * SECOND, 100.0, 100.0, 100.0, 100.0, 10)
    for bar in [*bars, extra]:
        provider.publish(bar, bar.start_ms + 2 * SECOND)
    past = HistoryConfig(begin=iso_time(OPEN), requests=600, reach_ms=24 * HOUR_MS)
    settings = feed_of(["A"], past, cancels=True)
    world = World(config_of(["A"], "XNYS", "1s"), settings, provider, CLOSE + HOUR_MS)
    known = [*bars[:5], *bars[6:], extra]
    world.log += [
        LogEntry(bar, "stream", bar.start_ms) for bar in sorted(known, key=lambda bar: bar.start_ms)
    ]
    world.written_ms += [bar.start_ms for bar in known]
    provider.bust("A", extra.start_ms, CLOSE)
    world.kill()
    world.connect()
    world.run(CLOSE + HOUR_MS + 10 * MINUTE)
    assert _compared(world)[-1] == {"equal": 389, "missing": 1, "cancelled": 1}
    asked = sorted(
        {(int(a), int(b)) for _, url in world.requests for a, b in [url.split("/")[4:6]]}
    )
    whole = [(a, b) for a, b in asked if b < CLOSE and b - a >= 3_000 * SECOND]
    assert len(whole) == 3
    assert all(b - a < 10_000 * SECOND for a, b in whole)


def test_an_ingest_that_ends_when_it_has_caught_up_waits_for_the_comparison() -> None:
    provider = _provider("A", "B", without=(30,))
    world = _world(provider)
    _differ(provider)
    world.run(CLOSE + 5 * MINUTE)
    world.kill()
    world.mono_ms = CLOSE + HOUR_MS - world.offset_ms
    world.connect()
    while not world.side.caught_up:
        world.run(world.time_ms + SECOND)
    assert len(_compared(world)) == 1
    assert world.time_ms < CLOSE + HOUR_MS + 5 * MINUTE


def test_a_session_that_was_not_due_when_the_process_ended_is_compared_a_day_later() -> None:
    provider = _provider("A", "B", without=(30,))
    world = _world(provider)
    _differ(provider)
    world.run(CLOSE + 5 * MINUTE)
    world.kill()
    world.mono_ms = CLOSE + 24 * HOUR_MS + 5 * MINUTE - world.offset_ms
    world.connect()
    world.run(CLOSE + 24 * HOUR_MS + 10 * MINUTE)
    [found] = [each for each in world.reports if isinstance(each, Compared) and not each.symbol]
    assert (found.from_ms, found.missing, found.changed) == (OPEN, 1, 1)


def test_the_first_bar_of_the_log_can_be_taken_back() -> None:
    provider = _provider("A", "B")
    world = _world(provider, cancels=True)
    provider.bust("A", BEGIN, BEGIN + 40 * MINUTE)
    world.run(DUE + 6 * MINUTE)
    assert _cancels(world) == [BEGIN]
    assert_folds_like_final_bars(world, "A")


def test_what_lies_before_the_log_begins_is_not_fetched() -> None:
    provider = _provider("A", "B")
    for number in range(1, 30):
        label = BEGIN - number * MINUTE
        provider.publish(bar_of("A", label), label + MINUTE + 400)
    world = _world(provider, cancels=True)
    provider.bust("A", BEGIN, BEGIN + 40 * MINUTE)
    world.run(DUE + 20 * MINUTE)
    assert min(bar.start_ms for bar in world.bars("A")) == BEGIN
    assert _compared(world)[-1] == {"equal": 119, "cancelled": 1}


def test_a_bar_that_an_answer_lacked_before_is_taken_back_by_the_comparison_itself() -> None:
    provider = _provider("A", "B")
    world = _world(provider, cancels=True)
    label = BEGIN + 20 * MINUTE
    provider.bust("A", label, CLOSE + 13 * MINUTE)
    provider.down = [(CLOSE + 15 * MINUTE, CLOSE + 19 * MINUTE + 50 * SECOND, 500)]
    world.at(CLOSE + 13 * MINUTE + 30 * SECOND, lambda: world.hear(Notice("dirty", "A", label)))
    world.run(DUE + 30 * SECOND)
    assert _compared(world) == [{"equal": 119, "cancelled": 1}]
    assert _cancels(world) == [label]
