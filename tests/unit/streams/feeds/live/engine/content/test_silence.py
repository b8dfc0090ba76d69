"""What shows that a slot has no bar, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.feeds import HistoryConfig, Silence
from tapeline.schemas.feed_events import Halt, Quiet
from tapeline.schemas.instants import iso_time
from tapeline.schemas.records import Clock
from tapeline.streams.feeds.live.engine.signals import ClockHealth
from tapeline.streams.feeds.live.model import Alive, Notice, Statement
from tests.feeds_live import World
from tests.feeds_live_oracle import assert_folds_like_final_bars, assert_silence_is_accounted_for
from tests.feeds_live_provider import MINUTE, SECOND, Provider, bar_of, config_of, feed_of
from tests.unit.streams.feeds.live.engine.content.scenes import (
    START,
    minute,
    minutes,
    provider_of,
    world_of,
)

HOUR = 60 * MINUTE
GONE = tuple(range(6, 30))
"""Minutes in which the second symbol has no bar."""
UNREACHABLE = [(minute(5), minute(90), 500)]


def _silent(silence: Silence, **truth: Any) -> World:
    """A trades on, B is silent from minute 6 on; the history cannot be reached by then."""
    provider = provider_of("A", "B", without=GONE)
    provider.down = list(UNREACHABLE)
    world = world_of(provider, silence=silence, **truth)
    world.stream(minute(31))
    return world


def test_a_silent_symbol_has_a_clock_a_grace_after_another_one_s_bar() -> None:
    world = _silent("canary")
    world.run(minute(10) + 1_900)
    assert world.engine("B").watermark_ms("B") == minute(9)
    world.run(minute(10) + 2_100)
    assert world.clocks("B")[-1] == (minute(10), "canary")
    assert [hole for hole in world.holes().values() if hole.state == "open"] == []
    assert_silence_is_accounted_for(world, "B")


def test_the_same_silence_of_a_dead_feed_has_no_clock_before_patience_and_an_open_hole() -> None:
    world = _silent("canary")
    world.run(minute(6) + 30 * SECOND)
    world.disconnect("stale")
    world.run(minute(17) - SECOND)
    assert world.engine("B").watermark_ms("B") == minute(6)
    (hole,) = [hole for hole in world.holes().values() if hole.state == "open"]
    assert (hole.cause, hole.from_ms, hole.to_ms) == ("stale", minute(6), None)
    world.run(minute(17) + 5 * SECOND)
    assert world.clocks("B")[-1] == (minute(7), "patience")
    (hole,) = [hole for hole in world.holes().values() if hole.state == "open"]
    assert hole.cause == "stale"


def test_a_canary_of_one_s_own_is_none() -> None:
    provider = provider_of("A", minutes=6)
    provider.down = list(UNREACHABLE)
    world = world_of(provider, silence="canary")
    world.stream(minute(7))
    world.run(minute(12))
    assert world.engine("A").watermark_ms("A") == minute(6)


def test_a_canary_on_a_connection_that_came_later_is_none() -> None:
    world = _silent("canary")
    world.run(minute(6) + 30 * SECOND)
    world.disconnect()
    world.run(minute(7) + 30 * SECOND)
    world.connect()
    world.run(minute(8) + 30 * SECOND)
    assert world.engine("B").watermark_ms("B") == minute(6)


def test_a_bar_in_progress_shows_only_what_is_before_it() -> None:
    provider = provider_of("A", "B", minutes=6)
    provider.down = list(UNREACHABLE)
    world = world_of(provider, silence="canary")
    world.stream(minute(7))
    world.run(minute(6) + 30 * SECOND)
    world.hear(Statement(bar_of("A", minute(6)), False))
    world.run(minute(7) + 10 * SECOND)
    assert world.engine("B").watermark_ms("B") == minute(7) - MINUTE
    world.hear(Statement(bar_of("A", minute(7)), False))
    world.run(minute(7) + 11 * SECOND)
    assert world.clocks("B")[-1] == (minute(7), "canary")


@pytest.mark.parametrize("silence", ["marker", "history"])
def test_a_canary_counts_only_where_so_weak_an_evidence_is_accepted(silence: Silence) -> None:
    world = _silent(silence)
    world.run(minute(12))
    assert world.engine("B").watermark_ms("B") == minute(6)


def test_a_heartbeat_after_the_grace_shows_a_silence_where_it_is_accepted() -> None:
    for silence, reached in (("heartbeat", 8), ("canary", 6)):
        provider = provider_of("B", minutes=6)
        provider.down = list(UNREACHABLE)
        world = world_of(provider, silence=silence)
        world.stream(minute(7))
        world.run(minute(8) + 1_500)
        world.hear(Alive())
        world.run(minute(8) + 30 * SECOND)
        assert world.engine("B").watermark_ms("B") == minute(6 if silence == "canary" else 7)
        world.hear(Alive())
        world.run(minute(8) + 31 * SECOND)
        assert world.engine("B").watermark_ms("B") == minute(reached)


def test_of_slots_that_only_heartbeats_show_every_twentieth_is_compared_with_the_history() -> None:
    provider = provider_of("B", minutes=6)
    world = world_of(provider, silence="heartbeat")
    world.stream(minute(7))
    world.beats(minute(0), minute(200), 10 * SECOND)
    world.run(minute(40))
    asked = len(world.requests)
    world.run(minute(110))
    assert 3 <= len(world.requests) - asked <= 4


def test_a_marker_of_a_slot_that_had_ended_before_the_acknowledgement_shows_nothing() -> None:
    world = _silent("marker")
    world.run(minute(6) + 30 * SECOND)
    world.disconnect()
    world.run(minute(7) + 30 * SECOND)
    world.connect()
    world.hear(Notice("marker", None, minute(6)))
    world.run(minute(8) + 10 * SECOND)
    assert world.engine("B").watermark_ms("B") == minute(6)


def test_where_a_marker_is_wanted_the_history_shows_no_silence_of_the_stream() -> None:
    provider = provider_of("A", "B", without=GONE)
    world = world_of(provider, silence="marker")
    world.stream(minute(31))
    world.run(minute(8))
    world.hear(Notice("dirty", "B", minute(5)))
    world.run(minute(12))
    assert world.engine("B").watermark_ms("B") == minute(6)


def test_no_clock_goes_over_a_bar_that_is_held() -> None:
    provider = provider_of("A", "B", minutes=6)
    world = world_of(provider, silence="marker")
    world.stream(minute(7))
    world.run(minute(6) + 30 * SECOND)
    world.disconnect()
    world.run(minute(6) + 50 * SECOND)
    world.latency_ms = (25_000, 25_000)
    world.connect()
    world.run(minute(7) + 500)
    world.hear(Statement(bar_of("B", minute(6)), True))
    world.hear(Notice("marker", None, minute(6)))
    world.run(minute(7) + 10 * SECOND)
    assert world.engine("B").watermark_ms("B") == minute(6)
    world.run(minute(7) + 20 * SECOND)
    assert world.bars("B")[-1].start_ms == minute(6)
    assert world.clocks("B") == []


def test_a_halt_that_was_reported_before_a_cut_shows_nothing_after_it() -> None:
    provider = provider_of("A", "B", minutes=6)
    provider.down = list(UNREACHABLE)
    world = world_of(provider, silence="canary")
    world.stream(minute(7))
    world.run(minute(6) - SECOND)
    world.hear(Notice("halt", "B", minute(6)))
    world.run(minute(7) + 30 * SECOND)
    world.disconnect()
    world.run(minute(8) + 30 * SECOND)
    world.connect()
    world.run(minute(19) + 30 * SECOND)
    assert world.engine("B").watermark_ms("B") == minute(9)
    assert {via for time_ms, via in world.clocks("B") if time_ms > minute(7)} == {"patience"}


def test_a_marker_shows_that_everything_before_it_was_sent() -> None:
    world = _silent("marker")
    world.run(minute(9) + 100)
    world.hear(Notice("marker", None, minute(7)))
    world.run(minute(9) + 10 * SECOND)
    assert world.clocks("B")[-1] == (minute(8), "marker")
    world.hear(Notice("marker", "B", minute(8)))
    world.run(minute(9) + 11 * SECOND)
    assert world.clocks("B")[-1] == (minute(9), "marker")


def test_a_halt_of_25_minutes_has_clocks_and_an_event() -> None:
    provider = provider_of("A", "B", minutes=6)
    provider.down = list(UNREACHABLE)
    world = world_of(provider, silence="canary")
    world.stream(minute(7))
    world.run(minute(6) - SECOND)
    world.hear(Notice("halt", "B", minute(6)))
    world.run(minute(31))
    world.hear(Notice("resume", "B", minute(31)))
    world.run(minute(31) + 3 * SECOND)
    assert {via for time_ms, via in world.clocks("B") if time_ms > minute(6)} == {"marker"}
    assert world.engine("B").watermark_ms("B") == minute(31)
    halts = [event for event in world.reports if isinstance(event, Halt)]
    assert [(halt.from_ms, halt.to_ms) for halt in halts] == [
        (minute(6), None),
        (minute(6), minute(31)),
    ]
    assert len({halt.id for halt in halts}) == 1


def test_when_a_whole_market_is_silent_the_history_decides() -> None:
    provider = provider_of("A", "B", minutes=6)
    world = world_of(provider, silence="canary")
    world.stream(minute(7))
    world.run(minute(20))
    for symbol in ("A", "B"):
        assert (world.engine(symbol).watermark_ms(symbol) or 0) >= minute(18)
        assert {via for time_ms, via in world.clocks(symbol) if time_ms > minute(7)} == {"history"}
        assert len(world.bars(symbol)) == 11
        assert_silence_is_accounted_for(world, symbol)


def test_without_a_connection_one_answer_without_later_bars_is_no_proof() -> None:
    provider = provider_of("A", minutes=6)
    world = world_of(provider, silence="history")
    world.stream(minute(7))
    world.run(minute(6) + 10 * SECOND)
    world.disconnect()
    world.run(minute(7) + 20 * SECOND)
    assert world.engine("A").watermark_ms("A") == minute(6)
    world.run(minute(8) + 30 * SECOND)
    assert world.engine("A").watermark_ms("A") == minute(7)


def test_clocks_in_silence_keep_their_step_but_not_at_a_close() -> None:
    world = _silent("canary", clock_every_ms=5 * MINUTE)
    world.run(minute(25))
    assert minutes([time_ms for time_ms, via in world.clocks("B") if via == "canary"]) == [
        11,
        16,
        21,
    ]


def test_a_quiet_run_is_one_event_with_its_evidence() -> None:
    provider = provider_of("A", "B", without=(8, 9, 10))
    world = world_of(provider, silence="canary")
    world.stream(minute(31))
    world.run(minute(20))
    (run,) = [run for run in world.quiet("B") if run.from_ms >= START]
    assert (run.from_ms, run.to_ms, run.evidence) == (minute(8), minute(11), "canary")


def test_a_run_ends_where_the_evidence_is_of_another_kind() -> None:
    provider = provider_of("A", "B", without=GONE)
    world = world_of(provider, silence="canary")
    world.stream(minute(31))
    world.run(minute(8) + 30 * SECOND)
    world.hear(Notice("halt", "B", minute(9)))
    world.run(minute(12) + 30 * SECOND)
    world.disconnect()
    world.run(minute(20))
    runs = [(run.evidence, run.from_ms, run.to_ms) for run in world.quiet("B")][-2:]
    assert runs == [("canary", minute(6), minute(9)), ("marker", minute(9), minute(12))]


def test_slots_of_a_hole_are_in_no_quiet_run_before_the_history_showed_them() -> None:
    provider = provider_of("B", "A", minutes=20, without=(7, 12))
    provider.down = [(minute(5), minute(14), 500)]
    world = world_of(provider, silence="canary")
    world.stream(minute(21))
    world.at(minute(6) + 30 * SECOND, world.disconnect)
    world.at(minute(8) + 30 * SECOND, world.connect)
    world.run(minute(14) + SECOND)
    assert 12 in minutes([bar.start_ms for bar in world.bars("B")])
    assert [(run.from_ms, run.evidence) for run in _runs(world)] == [(minute(12), "canary")]
    world.run(minute(18))
    assert [(run.from_ms, run.evidence) for run in _runs(world)] == [
        (minute(12), "canary"),
        (minute(7), "history"),
    ]


def _runs(world: World) -> list[Quiet]:
    return [run for symbol in "AB" for run in world.quiet(symbol) if run.from_ms >= minute(5)]


def test_a_quiet_slot_that_the_history_shows_after_later_bars_has_its_event() -> None:
    provider = provider_of("A", "B", without=(0,))
    provider.down = [(minute(1), minute(2) + 10 * SECOND, 500)]
    world = world_of(provider, silence="canary")
    world.stream(minute(31))
    world.run(minute(2) + 5 * SECOND)
    assert world.engine("B").watermark_ms("B") == minute(2), "the next bar came by the stream"
    assert world.quiet("B") == []
    world.run(minute(6))
    (run,) = world.quiet("B")
    assert (run.from_ms, run.to_ms, run.evidence) == (minute(0), minute(1), "history")
    assert {hole.state for hole in world.holes().values()} == {"filled"}


def test_slots_that_a_bar_shows_are_named_by_what_proved_them() -> None:
    provider = provider_of("A", "B", without=(6, 8, 9))
    provider.down = list(UNREACHABLE)
    world = world_of(provider, silence="marker")
    world.stream(minute(31))
    world.run(minute(6) + 30 * SECOND)
    world.signal(ClockHealth(False, 0))
    world.run(minute(7) + 100)
    world.hear(Notice("marker", None, minute(6)))
    world.run(minute(8) + 30 * SECOND)
    world.hear(Notice("halt", "B", minute(9)))
    world.run(minute(11) + SECOND)
    runs = [(run.evidence, run.from_ms, run.to_ms) for run in world.quiet("B")]
    assert runs == [
        ("marker", minute(6), minute(7)),
        ("canary", minute(8), minute(9)),
        ("marker", minute(9), minute(10)),
    ]


def test_a_marker_shows_the_slot_in_which_the_connection_began() -> None:
    provider = provider_of("A", "B", without=GONE)
    config, settings = config_of(["A", "B"]), feed_of(["A", "B"], None, silence="marker")
    world = World(config, settings, provider, START)
    world.connect()
    world.stream(minute(31))
    world.at(minute(7) + 30 * SECOND, world.disconnect)
    world.at(minute(8) + 30 * SECOND, world.connect)
    world.at(minute(9) + 600, lambda: world.hear(Notice("marker", None, minute(8))))
    world.run(minute(9) + 2_500)
    whole = [hole for hole in world.holes().values() if hole.symbol is None]
    assert [(hole.state, hole.missing) for hole in whole if hole.cause == "disconnect"] == [
        ("abandoned", 3)
    ]


def test_an_empty_candle_that_is_left_out_shows_its_slot_of_a_hole_at_once() -> None:
    provider = provider_of("A", "B", minutes=9, without=(7,))
    provider.down = [(minute(7) + 50 * SECOND, minute(90), 500)]
    world = world_of(provider, silence="marker", skip_empty=True)
    world.stream(minute(9))
    world.at(minute(7) + 30 * SECOND, world.disconnect)
    world.at(minute(7) + 40 * SECOND, world.connect)
    world.run(minute(8) + 500)
    world.hear(Statement(bar_of("B", minute(7), volume=0), True, empty=True))
    world.run(minute(8) + SECOND)
    (hole,) = [hole for hole in world.holes().values() if hole.cause == "disconnect"]
    assert (hole.state, hole.missing) == ("filled", 0)


def test_silence_none_waits_for_patience_only() -> None:
    provider = provider_of("A", "B", without=GONE)
    world = world_of(provider, silence="none")
    world.stream(minute(31))
    world.run(minute(16))
    assert world.engine("B").watermark_ms("B") == minute(6)
    world.run(minute(18))
    assert {via for time_ms, via in world.clocks("B") if time_ms > minute(6)} == {"patience"}
    assert [hole.cause for hole in world.holes().values() if hole.state == "open"][-1] == "history"
    assert_silence_is_accounted_for(world, "B")


def test_before_a_bar_that_shows_silent_slots_goes_a_clock_at_its_label() -> None:
    provider = provider_of("A", "B", minutes=12, without=(6, 7))
    world = world_of(provider, silence="none")
    world.stream(minute(13))
    world.run(minute(10))
    records = world.records("B")
    at = [getattr(record, "start_ms", None) for record in records].index(minute(8))
    assert records[at - 1] == Clock("B", minute(8))
    assert world.clocks("B")[-1] == (minute(8), "bar")


def test_the_first_bar_after_an_outage_longer_than_the_engine_jumps_is_not_refused() -> None:
    provider = provider_of("A", minutes=10)
    world = world_of(provider)
    world.stream(minute(11))
    world.run(minute(11))
    world.kill()
    late = minute(11) + 40 * 24 * HOUR
    provider.down = [(minute(11), late + HOUR, 500)]
    provider.publish(bar_of("A", late), late + MINUTE)
    world.mono_ms = late - world.offset_ms + SECOND
    world.connect()
    world.stream(late + HOUR)
    world.run(late + 2 * MINUTE)
    assert world.bars("A")[-1].start_ms == late
    assert world.engine("A").watermark_ms("A") == late + MINUTE


def test_after_a_long_outage_the_history_comes_before_any_patience() -> None:
    provider = provider_of("A", minutes=60)
    world = world_of(provider)
    world.stream(minute(60))
    world.run(minute(5) + 30 * SECOND)
    world.kill()
    world.mono_ms += 30 * MINUTE
    world.run(minute(36))
    world.connect()
    world.run(minute(40))
    assert {via for _, via in world.clocks("A")} <= {"bar", "history", "canary"}
    assert sorted(bar.start_ms for bar in world.bars("A")) == list(
        range(minute(-5), minute(39), MINUTE)
    )


def _session(day_ms: int, opened: int, closed: int, **truth: Any) -> World:
    """Two symbols of New York; the second stops to trade half an hour before the close."""
    provider = Provider()
    for symbol, until in (("A", closed), ("B", closed - 30)):
        for number in range(opened, until):
            label = day_ms + number * MINUTE
            provider.publish(bar_of(symbol, label), label + MINUTE + 400)
    start = day_ms + (closed - 60) * MINUTE + 20 * SECOND
    past = HistoryConfig(begin=iso_time(day_ms + opened * MINUTE), requests=600, per_request=100)
    settings = feed_of(("A", "B"), past, **{"silence": "canary", **truth})
    world = World(config_of(("A", "B"), "XNYS"), settings, provider, start)
    world.connect()
    world.stream(day_ms + (closed + 5) * MINUTE)
    return world


@pytest.mark.parametrize(
    ("day", "opened", "closed"),
    [
        # The day after Thanksgiving ends at 13:00 in New York.
        (1_764_288_000_000, 870, 1080),
        # Before and after New York goes to summer time, and back.
        (1_772_755_200_000, 870, 1260),
        (1_773_014_400_000, 810, 1200),
        (1_761_868_800_000, 810, 1200),
        (1_762_128_000_000, 870, 1260),
    ],
)
def test_a_session_is_closed_a_minute_after_its_end_on_any_day(
    day: int, opened: int, closed: int
) -> None:
    world = _session(day, opened, closed)
    close = day + closed * MINUTE
    world.run(close + 59 * SECOND)
    assert world.engine("B").watermark_ms("B") == close - MINUTE
    world.run(close + 62 * SECOND)
    assert world.clocks("B")[-1] == (close, "canary")
    world.run(close + 3 * HOUR)
    assert world.clocks("B")[-1] == (close, "canary"), "nothing is due outside sessions"
    assert_folds_like_final_bars(world, "B")


def test_the_close_has_a_clock_however_rare_clocks_are() -> None:
    day, opened, closed = 1_764_288_000_000, 870, 1080
    world = _session(day, opened, closed, clock_every_ms=HOUR)
    close = day + closed * MINUTE
    world.run(close + 62 * SECOND)
    assert world.clocks("B")[-1] == (close, "canary")
    assert len([clock for clock in world.clocks("B") if clock[1] == "canary"]) == 1


def test_evidence_of_the_whole_session_closes_it_no_sooner_than_a_minute_after() -> None:
    day, opened, closed = 1_764_288_000_000, 870, 1080
    world = _session(day, opened, closed, silence="history")
    close = day + closed * MINUTE
    world.provider.down = [(close - 20 * MINUTE, close + 5 * SECOND, 0)]
    world.run(close + 59 * SECOND)
    assert world.engine("B").watermark_ms("B") == close - MINUTE
    world.run(close + 62 * SECOND)
    assert world.engine("B").watermark_ms("B") == close
