"""What becomes of a statement of the stream."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.feed_events import Revised
from tapeline.schemas.records import Bar, Cancel
from tapeline.streams.feeds.live.engine.signals import ClockHealth
from tapeline.streams.feeds.live.model import Notice, Statement
from tests.feeds_live import World
from tests.feeds_live_oracle import assert_folds_like_final_bars, assert_nothing_is_minted
from tests.feeds_live_provider import MINUTE, SECOND, bar_of
from tests.unit.streams.feeds.live.engine.content.scenes import (
    START,
    minute,
    minutes,
    provider_of,
    world_of,
)


def _live(minutes_: int = 30, **truth: Any) -> World:
    """A feed of one symbol, live since minute 1."""
    provider = provider_of("A", minutes=minutes_)
    world = world_of(provider, **truth)
    world.stream(minute(minutes_ + 1))
    return world


def test_a_snapshot_that_repeats_what_is_known_writes_nothing() -> None:
    world = _live()
    world.run(minute(10))
    before = len(world.log)
    for label in range(minute(-5), minute(9), MINUTE):
        world.hear(Statement(world.provider.final()["A"][label], True))
    world.run(minute(10) + 100)
    assert len(world.log) == before
    assert world.side.counts["repeat"] >= 14


def test_of_a_snapshot_with_one_changed_bar_that_bar_is_written() -> None:
    world = _live()
    world.run(minute(10))
    before = len(world.log)
    for label in range(minute(-5), minute(9), MINUTE):
        bar = world.provider.final()["A"][label]
        world.hear(Statement(replace(bar, volume=777) if label == minute(3) else bar, True))
    world.run(minute(10) + 100)
    (entry,) = world.log[before:]
    assert isinstance(entry.record, Bar)
    assert (entry.record.start_ms, entry.record.volume, entry.via) == (minute(3), 777, "stream")


def test_an_hour_of_bars_in_any_order_folds_like_the_sorted_bars() -> None:
    provider = provider_of("A", minutes=60)
    world = world_of(provider)
    labels = list(range(minute(1), minute(60), MINUTE))
    Random(7).shuffle(labels)
    for number, label in enumerate(labels):
        statement = Statement(provider.final()["A"][label], True)
        world.at(minute(61) + number * 20, partial(world.hear, statement))
    provider.down = [(START, minute(70), 500)]
    provider.down.append((minute(0), minute(70), 500))
    world.run(minute(70))
    provider.down = []
    world.run(minute(90))
    assert world.side.counts["late"] > 20
    assert_folds_like_final_bars(world, "A")
    assert_nothing_is_minted(world)


@pytest.mark.parametrize("after", [1, 20, 400])
def test_an_update_of_an_older_minute_is_a_changed_bar(after: int) -> None:
    provider = provider_of("A", minutes=30)
    bar = bar_of("A", minute(4), 99.5, 1_000)
    provider.publish(bar, minute(5 + after) + 30 * SECOND)
    world = world_of(provider)
    world.stream(minute(5 + after + 1))
    world.run(minute(5 + after + 1))
    assert [each.volume for each in world.bars("A") if each.start_ms == minute(4)] == [54, 1_000]
    assert_folds_like_final_bars(world, "A")


def test_an_update_beyond_the_horizon_is_in_the_log_all_the_same() -> None:
    world = _live()
    world.run(minute(10))
    old = bar_of("A", START - 40 * 24 * 60 * MINUTE)
    world.hear(Statement(old, True))
    world.run(minute(10) + 100)
    assert replace(world.bars("A")[-1], source=None) == old


def test_a_slot_that_changes_a_fourth_time_waits_for_the_end_of_its_session() -> None:
    world = _live()
    world.run(minute(10))
    for times in range(1, 6):
        world.hear(Statement(bar_of("A", minute(8), 100.0, 1_000 + times), True))
    world.run(minute(10) + 100)
    volumes = [bar.volume for bar in world.bars("A") if bar.start_ms == minute(8)]
    assert volumes == [58, 1_001, 1_002, 1_003]
    assert [e.times for e in world.reports if isinstance(e, Revised)] == [1, 2, 3]
    assert world.side.counts["flapping"] == 2


def test_the_history_decides_at_the_end_of_the_session_what_a_flapping_slot_is() -> None:
    provider = provider_of("A", minutes=1)
    for times in range(1, 6):
        bar = bar_of("A", minute(0), 100.0, 1_000 + times)
        provider.publish(bar, minute(2) + times * SECOND)
    world = world_of(provider)
    world.stream(minute(3))
    world.run(minute(14 * 60 + 30))
    assert world.bars("A")[-1].volume == 1_005
    assert_folds_like_final_bars(world, "A")


def test_a_bar_in_progress_is_never_written() -> None:
    world = _live(minutes_=2)
    world.run(minute(5) + 30 * SECOND)
    world.hear(Statement(bar_of("A", minute(5), 250.0), False))
    world.run(minute(20))
    assert 250.0 not in [bar.close for bar in world.bars("A")]


def test_a_bar_without_flag_is_written_three_seconds_after_its_end() -> None:
    world = _live(minutes_=2)
    world.run(minute(5) + 30 * SECOND)
    world.hear(Statement(bar_of("A", minute(5), 101.0, 7), None))
    world.run(minute(6) + 2 * SECOND)
    world.hear(Statement(bar_of("A", minute(5), 101.0, 8), None))
    world.run(minute(6) + 2_999)
    assert [bar.volume for bar in world.bars("A") if bar.start_ms == minute(5)] == []
    world.run(minute(6) + 3_100)
    assert [bar.volume for bar in world.bars("A") if bar.start_ms == minute(5)] == [8]
    world.run(minute(6) + 6_000)
    world.hear(Statement(bar_of("A", minute(5), 101.0, 9), None))
    world.run(minute(6) + 6_100)
    assert [bar.volume for bar in world.bars("A") if bar.start_ms == minute(5)] == [8, 9]


def test_a_bar_without_flag_is_written_when_its_successor_comes() -> None:
    world = _live(minutes_=2)
    world.mapping.closing = "successor"
    world.run(minute(5) + 30 * SECOND)
    world.hear(Statement(bar_of("A", minute(5), 101.0, 7), None))
    world.run(minute(6) + 30 * SECOND)
    assert minute(5) not in [bar.start_ms for bar in world.bars("A")]
    world.hear(Statement(bar_of("A", minute(6), 102.0, 1), None))
    world.run(minute(6) + 31 * SECOND)
    assert [bar.start_ms for bar in world.bars("A")][-1] == minute(5)


def test_a_bar_without_flag_is_left_to_the_history_when_its_connection_is_cut() -> None:
    world = _live(minutes_=2)
    world.provider.down = [(minute(5), minute(9), 500)]
    world.run(minute(5) + 30 * SECOND)
    world.hear(Statement(bar_of("A", minute(5), 101.0, 7), None))
    world.disconnect()
    world.run(minute(8))
    assert minute(5) not in [bar.start_ms for bar in world.bars("A")]


def test_a_bar_stamped_2030_is_a_dead_letter_and_the_watermark_stays() -> None:
    world = _live()
    world.run(minute(10) + 30 * SECOND)
    world.hear(Statement(bar_of("A", 1_893_456_000_000), True))
    world.run(minute(12) + 30 * SECOND)
    assert [(letter.code, letter.symbol) for letter in world.letters] == [("ahead_of_clock", "A")]
    assert world.letters[0].source.startswith("feed:fake:")
    assert world.engine("A").watermark_ms("A") == minute(12)
    assert_nothing_is_minted(world)


def test_a_bar_a_little_ahead_is_held_until_its_time() -> None:
    world = _live(minutes_=2)
    world.run(minute(5))
    world.hear(Statement(bar_of("A", minute(5)), True))
    world.run(minute(6) - 5_100)
    assert minute(5) not in [bar.start_ms for bar in world.bars("A")]
    world.run(minute(6) - 4_900)
    assert minute(5) in [bar.start_ms for bar in world.bars("A")]


def test_three_bars_ahead_in_a_row_stop_the_clocks_of_a_symbol() -> None:
    provider = provider_of("B", "A", minutes=30, without=tuple(range(6, 30)))
    world = world_of(provider, silence="canary")
    world.stream(minute(30))
    world.run(minute(8) + 30 * SECOND)
    assert world.engine("A").watermark_ms("A") == minute(8)
    for number in range(3):
        world.hear(Statement(bar_of("A", 1_893_456_000_000 + number * MINUTE), True))
    world.run(minute(12))
    assert world.engine("A").watermark_ms("A") == minute(8)
    assert world.engine("B").watermark_ms("B") == minute(11)


def test_while_the_provider_s_clock_is_not_healthy_no_clock_is_written() -> None:
    provider = provider_of("B", "A", minutes=30, without=tuple(range(6, 30)))
    world = world_of(provider, silence="canary")
    world.stream(minute(30))
    world.run(minute(8) + 30 * SECOND)
    world.signal(ClockHealth(False, 0))
    world.run(minute(20))
    assert world.clocks("A")[-1][0] == minute(8)
    world.signal(ClockHealth(True, 0))
    world.run(minute(20) + 10 * SECOND)
    assert world.clocks("A")[-1][0] == minute(20)


@pytest.mark.parametrize("step", [3_600_000, -3_600_000])
def test_a_step_of_our_clock_moves_no_clock_and_lets_no_bar_in(step: int) -> None:
    world = _live(silence="canary")
    world.run(minute(10) + 30 * SECOND)
    world.step_ms = step
    world.hear(Statement(bar_of("A", minute(40)), True))
    world.run(minute(12) + 30 * SECOND)
    assert [letter.code for letter in world.letters] == ["ahead_of_clock"]
    assert world.engine("A").watermark_ms("A") == minute(12)


def test_prices_off_the_tick_are_refused_once_however_often_they_come() -> None:
    world = _live()
    world.run(minute(10))
    for _ in range(3):
        world.hear(Statement(bar_of("A", minute(9) - MINUTE, 100.001), True))
    world.run(minute(10) + 100)
    assert [letter.code for letter in world.letters] == ["off_tick"]
    assert world.side.counts["rounded"] == 0


def test_prices_off_the_tick_are_rounded_and_counted_where_that_is_chosen() -> None:
    world = _live(tick="nearest")
    world.run(minute(10))
    world.hear(Statement(bar_of("A", minute(8), 100.017, 3), True))
    world.run(minute(10) + 100)
    assert (world.bars("A")[-1].close, world.bars("A")[-1].volume) == (100.02, 3)
    assert world.side.counts["rounded"] == 1
    assert world.letters == []


def test_a_bar_that_the_engine_would_refuse_does_not_reach_the_log() -> None:
    world = _live()
    world.run(minute(10))
    for bad in (
        replace(bar_of("A", minute(8)), high=1.0),
        replace(bar_of("A", minute(8)), volume=-1),
        replace(bar_of("A", minute(8)), open=float("nan")),
        replace(bar_of("A", minute(8) + 17)),
    ):
        world.hear(Statement(bad, True))
    world.run(minute(10) + 100)
    codes = [letter.code for letter in world.letters]
    assert codes == ["inconsistent_ohlc", "bad_volume", "bad_price", "misaligned_start"]
    assert_nothing_is_minted(world)


def test_a_bar_that_the_provider_removes_is_cancelled() -> None:
    world = _live(minutes_=10)
    world.run(minute(10) + 30 * SECOND)
    world.hear(Notice("removed", "A", minute(7)))
    world.run(minute(10) + 31 * SECOND)
    cancel = world.records("A")[-1]
    assert isinstance(cancel, Cancel)
    assert minutes([cancel.start_ms]) == [7]


def test_a_slot_that_the_provider_removes_is_known_to_be_empty() -> None:
    provider = provider_of("B", "A", minutes=12, without=(8,))
    world = world_of(provider, silence="marker")
    world.stream(minute(9))
    world.run(minute(9) + SECOND)
    world.hear(Notice("removed", "A", minute(8)))
    world.run(minute(9) + 10 * SECOND)
    assert world.clocks("A")[-1] == (minute(9), "marker")


def test_a_bar_that_is_removed_while_it_is_held_is_never_written() -> None:
    world = _live(minutes_=10)
    world.run(minute(10) + 30 * SECOND)
    world.disconnect()
    world.latency_ms = (20_000, 20_000)
    world.connect()
    world.hear(Statement(bar_of("A", minute(10) - MINUTE, 250.0), True))
    world.hear(Notice("removed", "A", minute(9)))
    world.run(minute(12))
    assert 250.0 not in [bar.close for bar in world.bars("A")]


def test_an_empty_candle_is_a_bar_unless_it_is_to_be_left_out() -> None:
    for skip, count in ((False, 1), (True, 0)):
        world = _live(minutes_=2, skip_empty=skip, silence="marker")
        world.run(minute(6) + SECOND)
        empty = Statement(bar_of("A", minute(5), 100.0, 0), True, empty=True)
        world.hear(Statement(bar_of("A", minute(4), 100.0, 2), True), empty)
        world.run(minute(6) + 40 * SECOND)
        found = [bar for bar in world.bars("A") if bar.start_ms == minute(5)]
        assert len(found) == count
        assert world.engine("A").watermark_ms("A") == minute(6)


def test_a_bar_without_flag_waits_when_the_provider_s_clock_turns_out_to_be_behind() -> None:
    world = _live(minutes_=2)
    world.run(minute(5) + 30 * SECOND)
    world.hear(Statement(bar_of("A", minute(5), 101.0, 7), None))
    world.signal(ClockHealth(True, -20_000))
    world.run(minute(6) + 22 * SECOND)
    assert minute(5) not in [bar.start_ms for bar in world.bars("A")]
    world.run(minute(6) + 24 * SECOND)
    assert minute(5) in [bar.start_ms for bar in world.bars("A")]


def test_a_bar_without_flag_that_is_about_to_close_is_no_silence() -> None:
    provider = provider_of("A", "B", minutes=6)
    world = world_of(provider, silence="canary")
    world.stream(minute(7))
    world.run(minute(6) + 30 * SECOND)
    world.hear(Statement(bar_of("B", minute(6), 101.0, 7), None))
    world.run(minute(7) + 500)
    world.hear(Statement(bar_of("A", minute(6)), True))
    world.run(minute(7) + 4 * SECOND)
    assert world.bars("B")[-1].start_ms == minute(6)
    assert world.clocks("B") == []
