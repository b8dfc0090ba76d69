"""What the history is asked for, and what its answers change."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.feeds import HistoryConfig
from tapeline.schemas.feed_events import Absent, Limit
from tapeline.schemas.instants import iso_time
from tapeline.schemas.records import Cancel
from tapeline.streams.feeds.live.model import Notice, Statement
from tests.feeds_live import World
from tests.feeds_live_oracle import (
    assert_folds_like_final_bars,
    assert_nothing_is_minted,
    assert_requests_within,
)
from tests.feeds_live_provider import MINUTE, SECOND, Provider, bar_of, config_of, feed_of
from tests.unit.streams.feeds.live.engine.content.scenes import (
    START,
    history,
    minute,
    minutes,
    provider_of,
    world_of,
)


def _cut(provider: Provider, begin: int, end: int, **truth: Any) -> World:
    """A feed that is cut from one minute to another."""
    world = world_of(provider, **truth)
    world.stream(minute(60))
    world.at(minute(begin) + 30 * SECOND, world.disconnect)
    world.at(minute(end) + 30 * SECOND, world.reconnect)
    return world


@pytest.mark.parametrize("retry_after_ms", [17_000, None])
def test_a_refused_request_waits_and_live_goes_on_after_half_a_minute(
    retry_after_ms: int | None,
) -> None:
    provider = provider_of("A", minutes=60)
    provider.retry_after_ms = retry_after_ms
    provider.down = [(minute(10), minute(16), 429)]
    world = _cut(provider, 10, 12)
    world.run(minute(13))
    assert minutes([world.bars("A")[-1].start_ms])[0] == 9
    world.run(minute(13) + 2 * SECOND)
    assert minutes([world.bars("A")[-1].start_ms])[0] == 12
    world.run(minute(20))
    assert minutes([bar.start_ms for bar in world.bars("A")][-13:])[:9] != list(range(5, 14))
    assert_folds_like_final_bars(world, "A")
    refused = [event for event in world.reports if isinstance(event, Limit) and event.status == 429]
    assert {event.wait_ms for event in refused} == {retry_after_ms or MINUTE}
    times = [mono_ms for mono_ms, _ in world.requests]
    begun = [at for at in times if minute(12) <= at + world.offset_ms < minute(16)]
    steps = [b - a for a, b in pairwise(begun)]
    assert all(step <= 200 or step >= (retry_after_ms or MINUTE) for step in steps)


def test_a_refused_request_waits_until_the_date_that_the_answer_names() -> None:
    provider = provider_of("A", minutes=60)
    provider.retry_until_ms = minute(14)
    provider.down = [(minute(10), minute(14), 429)]
    world = _cut(provider, 10, 12)
    world.run(minute(13) + 2 * SECOND)
    assert minutes([world.bars("A")[-1].start_ms]) == [12]
    world.run(minute(20))
    asked = [mono_ms + world.offset_ms for mono_ms, _ in world.requests]
    refused_ms = min(at for at in asked if at >= minute(10) + 30 * SECOND)
    again_ms = min(at for at in asked if at > refused_ms + SECOND)
    assert minute(14) <= again_ms <= minute(14) + 2 * SECOND
    waits = [each.wait_ms for each in world.reports if isinstance(each, Limit) and each.status]
    assert all(0 <= wait_ms - (minute(14) - refused_ms) <= 2 * SECOND for wait_ms in waits)
    assert_folds_like_final_bars(world, "A")


def test_a_ban_pauses_every_request_for_as_long_as_it_says() -> None:
    provider = provider_of("A", minutes=60)
    provider.retry_after_ms = 600_000
    provider.down = [(minute(10), minute(13), 418)]
    world = _cut(provider, 10, 12)
    world.run(minute(40))
    asked = sorted(mono_ms + world.offset_ms for mono_ms, _ in world.requests)
    banned = next(at for at in asked if at >= minute(10))
    assert banned < minute(13)
    assert [at for at in asked if banned + SECOND < at < banned + 600_000] == []
    assert_folds_like_final_bars(world, "A")


def test_a_pause_that_was_asked_for_outlives_the_process() -> None:
    provider = provider_of("A", minutes=60)
    provider.retry_after_ms = 600_000
    provider.down = [(minute(10), minute(13), 418)]
    world = _cut(provider, 10, 12)
    world.at(minute(14), world.kill)
    world.at(minute(14) + SECOND, world.reconnect)
    world.run(minute(21))
    asked = [mono_ms + world.offset_ms for mono_ms, _ in world.requests]
    assert [at for at in asked if at > minute(14)] == []


def test_the_last_row_that_is_in_progress_is_left_to_the_stream() -> None:
    provider = provider_of("A", minutes=60)
    provider.open_row = True
    world = _cut(provider, 10, 14)
    world.run(minute(30))
    assert_nothing_is_minted(world)
    assert_folds_like_final_bars(world, "A")


def test_pages_are_put_together_and_a_lost_one_is_asked_for_again() -> None:
    provider = provider_of("A", "B", minutes=60)
    provider.rows_a_page = 4
    world = _cut(provider, 10, 20)
    provider.down = [(minute(20) + 30_150, minute(20) + 31_000, 500)]
    world.run(minute(21))
    assert world.side.counts["problems"] == 1
    assert minutes([bar.start_ms for bar in world.bars("A")]) == list(range(-5, 20))
    assert world.side.counts["revised"] == 0
    assert_folds_like_final_bars(world, "B")


def test_a_history_whose_pages_never_end_is_given_up_and_live_goes_on() -> None:
    provider = provider_of("A", minutes=60)
    world = _cut(provider, 10, 14)
    provider.rows_a_page = 2
    world.mapping.next_page = lambda request: request  # type: ignore[method-assign]
    world.run(minute(30))
    assert minutes([world.bars("A")[-1].start_ms]) == [28]
    assert world.side.counts["problems"] > 3
    assert_requests_within(world, 30, MINUTE)


def test_two_contents_of_one_slot_in_one_answer_are_not_taken() -> None:
    provider = provider_of("A", minutes=60)
    provider.doubled = {("A", minute(11))}
    world = _cut(provider, 10, 14)
    world.run(minute(15))
    assert 11 not in minutes([bar.start_ms for bar in world.bars("A")])
    provider.doubled = set()
    world.run(minute(17))
    assert 11 in minutes([bar.start_ms for bar in world.bars("A")])


def test_a_busted_minute_is_cancelled_after_two_answers_and_not_after_one() -> None:
    provider = provider_of("A", minutes=60)
    provider.bust("A", minute(5), minute(8))
    world = world_of(provider, cancels=True)
    world.stream(minute(60))
    world.run(minute(9) + 10 * SECOND)
    assert [event.start_ms for event in world.reports if isinstance(event, Absent)] == [minute(5)]
    assert not any(isinstance(record, Cancel) for record in world.records("A"))
    world.run(minute(14) + 10 * SECOND)
    (cancel,) = [record for record in world.records("A") if isinstance(record, Cancel)]
    assert cancel.start_ms == minute(5)
    assert_folds_like_final_bars(world, "A")


def test_a_busted_minute_stays_where_absence_is_not_to_cancel() -> None:
    provider = provider_of("A", minutes=60)
    provider.bust("A", minute(5), minute(8))
    world = world_of(provider)
    world.stream(minute(60))
    world.run(minute(30))
    assert not any(isinstance(record, Cancel) for record in world.records("A"))


def test_a_bar_that_the_history_lacks_once_stays() -> None:
    provider = provider_of("A", minutes=60)
    world = world_of(provider, cancels=True)
    world.stream(minute(60))
    provider.hidden = {("A", minute(5))}
    world.run(minute(8))
    world.hear(Notice("dirty", "A", minute(5)))
    world.run(minute(9) + 10 * SECOND)
    provider.hidden = set()
    world.run(minute(40))
    assert world.side.counts["absent"] == 1
    assert not any(isinstance(record, Cancel) for record in world.records("A"))
    assert_folds_like_final_bars(world, "A")


def test_a_restart_begins_anew_with_absences() -> None:
    provider = provider_of("A", minutes=60)
    provider.bust("A", minute(5), minute(8))
    world = world_of(provider, cancels=True)
    world.stream(minute(60))
    world.at(minute(13), world.kill)
    world.at(minute(13) + SECOND, world.reconnect)
    world.run(minute(15))
    assert not any(isinstance(record, Cancel) for record in world.records("A"))


def test_a_history_adjusted_for_a_split_is_not_published_and_its_hole_is_abandoned() -> None:
    provider = provider_of("A", "B", minutes=60)
    world = _cut(provider, 10, 14)
    world.run(minute(10))
    provider.scale = 0.25
    world.run(minute(31))
    assert not set(minutes([bar.start_ms for bar in world.bars("A")])) & {11, 12, 13}
    assert 29 in minutes([bar.start_ms for bar in world.bars("A")])
    lost = [hole for hole in world.holes().values() if hole.symbol == "A" and hole.missing]
    assert {hole.state for hole in lost} == {"abandoned"}
    assert sum(hole.missing for hole in lost) >= 3
    assert world.side.counts["barred"] == 2
    assert_nothing_is_minted(world)


def test_500_symbols_after_ten_minutes_are_live_on_time_and_the_limit_holds() -> None:
    symbols = [f"S{number}" for number in range(500)]
    provider = Provider()
    for symbol in symbols:
        for number in range(26):
            provider.publish(bar_of(symbol, minute(number)), minute(number + 1) + 400)
    world = world_of(provider, history(requests=200), silence="canary")
    world.stream(minute(27))
    world.at(minute(5) + 30 * SECOND, world.disconnect)
    world.at(minute(15) + 30 * SECOND, world.reconnect)
    world.run(minute(16) + 30 * SECOND)
    for symbol in symbols[::50]:
        assert minutes([world.bars(symbol)[-1].start_ms]) == [15]
    world.run(minute(20))
    assert [hole for hole in world.holes().values() if hole.state == "open"] == []
    assert_requests_within(world, 200, MINUTE)
    for symbol in symbols[::100]:
        assert_folds_like_final_bars(world, symbol)


def test_what_was_answered_wholly_after_an_outage_is_asked_once() -> None:
    symbols = [f"S{number}" for number in range(60)]
    provider = Provider()
    for symbol in symbols:
        for number in range(-5, 26):
            provider.publish(bar_of(symbol, minute(number)), minute(number + 1) + 400)
    past = HistoryConfig(requests=30, per_request=1, begin=history().begin)
    world = world_of(provider, past, silence="canary")
    world.stream(minute(27))
    world.at(minute(8) + 30 * SECOND, world.disconnect)
    world.at(minute(8) + 40 * SECOND, world.reconnect)
    world.run(minute(8))
    begun = len(world.requests)
    world.run(minute(26))
    assert len(world.requests) - begun == len(symbols)
    assert [hole for hole in world.holes().values() if hole.state == "open"] == []
    for symbol in symbols[::20]:
        assert_folds_like_final_bars(world, symbol)


def test_with_one_symbol_a_request_the_limit_holds_and_live_is_released_in_five_minutes() -> None:
    symbols = [f"S{number}" for number in range(60)]
    provider = Provider()
    for symbol in symbols:
        for number in range(20):
            provider.publish(bar_of(symbol, minute(number)), minute(number + 1) + 400)
    past = history()
    world = world_of(provider, HistoryConfig(requests=5, per_request=1, begin=past.begin))
    world.stream(minute(21))
    world.at(minute(5) + 30 * SECOND, world.disconnect)
    world.at(minute(7) + 30 * SECOND, world.reconnect)
    world.run(minute(13))
    for symbol in symbols:
        assert max(minutes([bar.start_ms for bar in world.bars(symbol)])) == 11
    assert_requests_within(world, 5, MINUTE)


def test_a_history_that_is_not_that_far_yet_says_nothing_of_the_last_bars() -> None:
    provider = provider_of("A", minutes=60)
    world = world_of(provider, cancels=True)
    world.stream(minute(60))
    world.run(minute(8))
    provider.lag_ms = 20 * MINUTE
    world.hear(Notice("dirty", "A", minute(5)))
    world.run(minute(20))
    assert world.side.counts["absent"] == 0


def test_a_bar_that_came_while_a_request_was_under_way_is_not_absent() -> None:
    provider = provider_of("A", minutes=60)
    late = provider.versions["A"].pop(minute(5))[0].bar
    assert late is not None
    world = world_of(provider, cancels=True)
    world.latency_ms = (3_000, 3_000)
    world.stream(minute(30))
    world.run(minute(8))
    world.hear(Notice("dirty", "A", minute(5)))
    world.run(minute(9) + SECOND)
    world.hear(Statement(late, True))
    world.run(minute(9) + 10 * SECOND)
    assert minute(5) in [bar.start_ms for bar in world.bars("A")]
    assert world.side.counts["absent"] == 0


def test_what_a_process_used_of_the_limit_a_later_one_does_not_use_again() -> None:
    symbols = [f"S{number}" for number in range(12)]
    provider = Provider()
    for symbol in symbols:
        for number in range(12):
            provider.publish(bar_of(symbol, minute(number)), minute(number + 1) + 400)
    past = HistoryConfig(requests=8, per_request=1, begin=history().begin)
    world = world_of(provider, past)
    world.stream(minute(12))
    for second in (110, 130, 155, 200):
        world.at(START + second * SECOND, world.kill)
        world.at(START + (second + 2) * SECOND, world.reconnect)
    world.run(minute(10))
    assert_requests_within(world, 8, MINUTE)
    assert len(world.requests) > 24


def test_a_feed_that_begins_reports_no_limit_that_nothing_waits_for() -> None:
    world = world_of(provider_of("A", "B", minutes=30), history(requests=60))
    world.stream(minute(30))
    world.run(minute(5))
    world.kill()
    world.connect()
    world.run(minute(10))
    assert len(world.requests) > 2
    assert [event for event in world.reports if isinstance(event, Limit)] == []


def test_processes_that_are_killed_one_after_the_other_use_one_limit() -> None:
    symbols = [f"S{number}" for number in range(12)]
    provider = Provider()
    for symbol in symbols:
        for number in range(12):
            provider.publish(bar_of(symbol, minute(number)), minute(number + 1) + 400)
    world = world_of(provider, HistoryConfig(requests=8, per_request=1, begin=history().begin))
    world.stream(minute(12))
    for second in range(101, 160, 7):
        world.at(START + second * SECOND, world.kill)
        world.at(START + (second + 2) * SECOND, world.reconnect)
    world.run(minute(8))
    assert_requests_within(world, 8, MINUTE)
    assert len(world.requests) > 20


def test_of_two_pauses_that_were_asked_for_the_longer_one_is_reported() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider, HistoryConfig(requests=600, begin=history().begin))
    world.latency_ms = (100, 100)
    waits = [600_000, 1_000]
    provider.down = [(START, minute(5), 429)]
    provider.trouble = lambda at_ms: _refusing(provider, waits, at_ms)  # type: ignore[method-assign]
    world.run(minute(2))
    assert waits == [], "both requests were on their way"
    limits = [event for event in world.reports if isinstance(event, Limit)]
    assert [event.wait_ms for event in limits] == [600_000]


def _refusing(provider: Provider, waits: list[int], at_ms: int) -> int | None:
    if not waits:
        return None
    provider.retry_after_ms = waits.pop(0)
    return 429


def test_a_process_asks_for_what_it_missed_before_it_compares_the_last_session() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider, history(begin=iso_time(START - 20 * 60 * MINUTE)))
    world.stream(minute(30))
    world.run(minute(5) + 30 * SECOND)
    world.kill()
    begun = len(world.requests)
    world.at(minute(5) + 40 * SECOND, world.connect)
    world.run(minute(8))
    midnight = START - 10 * 60 * MINUTE
    firsts = [int(url.split("/")[4]) for _, url in world.requests[begun:]]
    assert firsts[0] >= midnight
    assert min(firsts) < midnight, "the session before is compared, too"


def test_a_row_of_another_symbol_that_was_asked_before_shows_how_far_the_history_is() -> None:
    provider = provider_of("A", "B", minutes=30, without=(7, 8))
    provider.down = [(minute(7), minute(9), 500)]
    past = HistoryConfig(requests=600, per_request=1, begin=history().begin)
    world = world_of(provider, past, silence="canary")
    world.stream(minute(30))
    world.at(minute(7) + 10 * SECOND, world.disconnect)
    world.at(minute(9) + 30 * SECOND, world.reconnect)
    world.run(minute(10) + SECOND)
    (hole,) = [each for each in world.holes().values() if each.cause == "disconnect"]
    assert (hole.state, hole.missing) == ("filled", 0), "no second answer is waited for"
    assert [run.evidence for run in world.quiet("B") if run.from_ms >= minute(7)] == ["history"]


def test_a_hole_of_bars_of_a_second_waits_two_slots_for_a_row_that_shows_it() -> None:
    provider = Provider(base_ms=SECOND)
    for second in (*range(-20, 10), *range(12, 60)):
        bar = replace(bar_of("A", START + second * SECOND), interval="1s")
        provider.publish(bar, bar.start_ms + SECOND + 50)
    past = HistoryConfig(requests=600, begin=iso_time(START - 20 * SECOND))
    settings = feed_of(["A"], past, silence="canary", revises_for_ms=SECOND)
    world = World(config_of(["A"], base="1s"), settings, provider, START)
    world.connect()
    world.stream(START + 60 * SECOND)
    world.at(START + 8_500, world.disconnect)
    world.at(START + 11_200, world.connect)
    world.run(START + 16 * SECOND)
    (hole,) = [each for each in world.holes().values() if each.cause == "disconnect"]
    assert (hole.state, hole.to_ms) == ("open", START + 12 * SECOND), "two slots are quiet"
    world.run(START + 18 * SECOND)
    (hole,) = [each for each in world.holes().values() if each.cause == "disconnect"]
    assert hole.state == "filled"


def test_a_request_that_nothing_answers_is_given_up() -> None:
    provider = provider_of("A", minutes=30)
    world = _cut(provider, 4, 6)
    world.run(minute(5))
    world.latency_ms = (10**9, 10**9)
    world.run(minute(6) + 40 * SECOND)
    world.latency_ms = (20, 200)
    world.run(minute(12))
    assert sorted(minutes([bar.start_ms for bar in world.bars("A")])) == list(range(-5, 11))


def test_nothing_more_is_asked_for_a_symbol_whose_history_is_of_another_scale() -> None:
    provider = provider_of("A", "B", minutes=60)
    world = _cut(provider, 10, 14)
    world.run(minute(10))
    provider.scale = 0.25
    world.run(minute(12))
    assert world.side.counts["barred"] == 2
    asked = len(world.requests)
    world.run(minute(40))
    assert len(world.requests) - asked <= 2
