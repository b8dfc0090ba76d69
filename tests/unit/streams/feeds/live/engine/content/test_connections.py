"""Connections that come and go: what is held, what is a hole, what the history is asked for."""

from __future__ import annotations

from tapeline.schemas.config.feeds import HistoryConfig
from tapeline.schemas.feed_events import Hole, HoleCause
from tapeline.schemas.instants import iso_time
from tapeline.streams.feeds.live.engine.parts import Room
from tapeline.streams.feeds.live.engine.seam import STATEMENT_BYTES
from tapeline.streams.feeds.live.engine.signals import (
    BreakerOpened,
    Heard,
    Paused,
    RefusedSymbols,
    WentDown,
    WentLive,
)
from tapeline.streams.feeds.live.model import Alive, Notice, Statement
from tests.feeds_live import World
from tests.feeds_live_oracle import (
    assert_clocks_have_evidence,
    assert_folds_like_final_bars,
    assert_silence_is_accounted_for,
)
from tests.feeds_live_provider import (
    MINUTE,
    SECOND,
    Provider,
    bar_of,
    config_of,
    feed_of,
)
from tests.unit.streams.feeds.live.engine.content.scenes import (
    START,
    history,
    minute,
    minutes,
    provider_of,
    world_of,
)

HOUR = 60 * MINUTE


def _labels(world: World, symbol: str = "A") -> list[int]:
    return minutes([bar.start_ms for bar in world.bars(symbol)])


def _whole(world: World, cause: str) -> Hole:
    """The last state of the hole of a cause."""
    return next(
        hole
        for hole in reversed(list(world.holes().values()))
        if hole.cause == cause and hole.symbol is None
    )


def test_what_the_stream_brings_is_held_until_the_history_is_written() -> None:
    provider = provider_of("A", minutes=30)
    world = world_of(provider)
    world.latency_ms = (5_000, 5_000)
    world.stream(minute(30))
    world.at(minute(8) + 50 * SECOND, world.disconnect)
    world.at(minute(9) + 58 * SECOND, world.connect)
    provider.down = [(minute(9), minute(9) + 50 * SECOND, 500)]
    world.run(minute(10) + 2 * SECOND)
    assert _labels(world) == list(range(-5, 9))
    world.run(minute(10) + 4 * SECOND)
    assert _labels(world) == list(range(-5, 10))
    assert world.side.counts["late"] == 0


def test_an_update_while_a_request_is_under_way_wins_over_its_rows() -> None:
    provider = provider_of("A", minutes=30)
    world = world_of(provider)
    world.latency_ms = (3_000, 3_000)
    world.stream(minute(30))
    world.run(minute(10))
    world.hear(Notice("dirty", "A", minute(8)))
    world.run(minute(11) + SECOND)
    world.hear(Statement(bar_of("A", minute(8), 100.5, 777), True))
    world.run(minute(11) + 10 * SECOND)
    assert [bar.volume for bar in world.bars("A") if bar.start_ms == minute(8)] == [58, 777]
    assert world.side.counts["older"] == 1


def test_the_slot_in_progress_at_the_acknowledgement_is_asked_for_when_it_has_ended() -> None:
    provider = provider_of("A", "B", minutes=30, without=(9,))
    world = world_of(provider, silence="canary")
    world.stream(minute(30))
    world.at(minute(7) + 30 * SECOND, world.disconnect)
    world.at(minute(9) + 30 * SECOND, world.connect)
    world.run(minute(10) + 2_900)
    assert world.engine("B").watermark_ms("B") == minute(9)
    world.run(minute(10) + 4 * SECOND)
    assert world.engine("B").watermark_ms("B") == minute(10), "A's row shows it"
    assert _whole(world, "disconnect").state == "filled"
    (asked,) = [url for at, url in world.requests if at + world.offset_ms > minute(10)]
    assert asked.split("/")[3:6] == ["B,A", str(minute(9)), str(minute(9))]
    world.run(minute(11) + SECOND)
    assert_silence_is_accounted_for(world, "B")
    assert_clocks_have_evidence(world, "B")


def test_a_hole_has_its_cause_and_closes_with_numbers() -> None:
    causes: tuple[HoleCause, ...] = ("disconnect", "stale", "overflow")
    for cause in causes:
        provider = provider_of("A", "B", minutes=30)
        world = world_of(provider)
        world.stream(minute(30))
        world.run(minute(5) + 30 * SECOND)
        world.disconnect(cause)
        world.run(minute(5) + 50 * SECOND)
        begun = _whole(world, cause)
        assert (begun.state, begun.from_ms, begun.to_ms) == ("open", minute(5), None)
        world.run(minute(8) + 30 * SECOND)
        world.connect()
        world.run(minute(12))
        ended = _whole(world, cause)
        assert (ended.state, ended.from_ms, ended.to_ms) == ("filled", minute(5), minute(9))
        assert (ended.fetched, ended.missing) == (6, 0)
        assert ended.id == begun.id
        assert_folds_like_final_bars(world, "B")


def test_a_second_connection_that_takes_over_leaves_no_hole_and_no_repeats() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider, silence="canary")
    world.stream(minute(30))
    world.run(minute(8) + 20 * SECOND)
    first, asked = world.up, len(world.requests)
    assert first is not None
    world.connect()
    world.run(minute(9) + 10 * SECOND)
    world.signal(WentDown(first, "disconnect", world.now, world.up))
    world.run(minute(20))
    assert _labels(world) == list(range(-5, 19))
    assert [hole.cause for hole in world.holes().values()] == ["restart"]
    assert len(world.requests) == asked


def test_a_symbol_that_only_the_old_connection_had_is_a_hole() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider, silence="canary")
    world.run(minute(8) + 20 * SECOND)
    first = world.up
    assert first is not None
    world.signal(WentLive(first + 1, ("A",), world.now, True))
    world.run(minute(9) + 10 * SECOND)
    world.signal(WentDown(first, "disconnect", world.now, first + 1))
    assert world.side.states()["B"].unknown.meets(minute(9), minute(10))
    assert not world.side.states()["A"].unknown.meets(minute(9), minute(10))


def test_a_statement_before_its_acknowledgement_is_held_for_it() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider, connected=False)
    world.run(minute(0) + SECOND)
    world.signal(WentLive(1, ("A",), world.now, False))
    world.signal(Heard(1, (Statement(provider.final()["B"][minute(-1)], True),)))
    world.run(minute(0) + 5 * SECOND)
    assert world.bars("B") == []
    world.signal(WentLive(1, ("B",), world.now, True))
    world.run(minute(0) + 10 * SECOND)
    assert _labels(world, "B") == [-5, -4, -3, -2, -1]


def test_after_a_kill_there_is_a_hole_from_each_watermark() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider)
    world.stream(minute(30))
    world.run(minute(10) + 30 * SECOND)
    world.kill()
    world.run(minute(13) + 30 * SECOND)
    hole = _whole(world, "restart")
    assert (hole.state, hole.from_ms, hole.to_ms) == ("open", minute(10), None)
    world.connect()
    world.run(minute(16))
    assert _whole(world, "restart").state == "filled"
    assert _labels(world) == list(range(-5, 15))


def test_a_hole_that_was_open_when_the_feed_was_killed_is_filled_by_the_next_process() -> None:
    provider = provider_of("A", minutes=60)
    provider.down = [(minute(5), minute(20), 500)]
    world = world_of(provider, revises_for_ms=2 * MINUTE)
    world.stream(minute(60))
    world.at(minute(5) + 30 * SECOND, world.disconnect)
    world.at(minute(8) + 30 * SECOND, world.connect)
    world.run(minute(12) + 30 * SECOND)
    assert _labels(world)[-1] == 11, "live went on over the hole"
    assert 6 not in _labels(world)
    world.kill()
    world.run(minute(21))
    world.connect()
    world.run(minute(24))
    assert sorted(_labels(world)) == list(range(-5, 23))
    assert [hole for hole in world.holes().values() if hole.state == "open"] == []


def test_refused_symbols_have_no_hole_no_clock_and_no_history() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider, connected=False, silence="canary")
    world.run(minute(0) + SECOND)
    world.signal(WentLive(1, ("A",), world.now, False))
    world.signal(RefusedSymbols(1, ("B",), "no such symbol"))
    world.up, world._last = 1, world.now
    world.connected[1] = (world.time_ms, None)
    provider.versions["B"] = {}
    world.stream(minute(30))
    world.run(minute(10))
    assert world.records("B") == []
    assert [url for _, url in world.requests if "B" in url.split("/")[3].split(",")] == []
    assert [hole for hole in world.holes().values() if hole.state == "open"] == []
    assert world.side.caught_up


def test_a_refused_symbol_that_the_next_connection_has_is_filled_from_where_it_was() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider)
    world.stream(minute(30))
    world.run(minute(5) + 30 * SECOND)
    world.disconnect()
    world.run(minute(6))
    world.signal(WentLive(7, ("A",), world.now, False))
    world.signal(RefusedSymbols(7, ("B",), "not now"))
    world.run(minute(8))
    world.signal(WentDown(7, "disconnect", world.now))
    world.run(minute(9))
    world.connect()
    world.run(minute(12))
    assert _labels(world, "B") == list(range(-5, 11))


def test_what_lies_beyond_the_reach_is_abandoned_with_its_number() -> None:
    provider = provider_of("A", minutes=90)
    provider.down = [(minute(5), minute(60), 500)]
    world = world_of(provider, history(reach_ms=30 * MINUTE))
    world.stream(minute(90))
    world.at(minute(5) + 30 * SECOND, world.kill)
    world.at(minute(60) + 30 * SECOND, world.connect)
    world.run(minute(70))
    assert sorted(_labels(world)) == [*range(-5, 5), *range(30, 69)]
    hole = _whole(world, "restart")
    assert (hole.state, hole.missing) == ("abandoned", 25)
    assert_silence_is_accounted_for(world, "A")


def test_a_hole_behind_the_reach_is_abandoned_and_a_later_one_is_not() -> None:
    provider = provider_of("A", minutes=90)
    provider.down = [(minute(5), minute(60), 500)]
    world = world_of(provider, history(reach_ms=30 * MINUTE))
    world.stream(minute(90))
    world.at(minute(5) + 30 * SECOND, world.disconnect)
    world.at(minute(38) + 30 * SECOND, world.connect)
    world.at(minute(38) + 40 * SECOND, world.disconnect)
    world.at(minute(40) + 30 * SECOND, world.connect)
    world.run(minute(70))
    assert sorted(_labels(world)) == [*range(-5, 5), *range(29, 69)]
    holes = [event for event in world.reports if isinstance(event, Hole)]
    assert [hole for hole in holes if hole.to_ms is not None and hole.to_ms < hole.from_ms] == []
    assert min(hole.missing for hole in holes) == 0


def test_without_a_history_a_hole_is_abandoned_as_soon_as_it_ends() -> None:
    provider = provider_of("A", minutes=30)
    config, settings = config_of(["A"]), feed_of(["A"], None)
    world = World(config, settings, provider, START)
    world.connect()
    world.stream(minute(30))
    world.at(minute(5) + 30 * SECOND, world.disconnect)
    world.at(minute(8) + 30 * SECOND, world.connect)
    world.run(minute(12))
    assert _labels(world) == [*range(-1, 5), *range(8, 11)]
    hole = _whole(world, "disconnect")
    assert (hole.state, hole.fetched) == ("abandoned", 0)
    assert hole.missing == 3
    assert world.requests == []


def test_what_is_still_missing_when_the_session_ended_is_abandoned_symbol_by_symbol() -> None:
    provider = provider_of("A", "B", minutes=30, without=tuple(range(6, 9)))
    world = world_of(provider, silence="none")
    world.stream(minute(30))
    world.at(minute(5) + 30 * SECOND, world.disconnect)
    world.at(minute(9) + 30 * SECOND, world.connect)
    world.run(minute(60))
    assert _whole(world, "disconnect").state == "open"
    world.run(START + 15 * HOUR)
    hole = _whole(world, "disconnect")
    assert (hole.state, hole.missing) == ("abandoned", 3)
    (own,) = [
        each for each in world.holes().values() if each.symbol == "B" and each.cause == "disconnect"
    ]
    assert (own.state, own.missing) == ("abandoned", 3)
    assert own.id.startswith(hole.id)


def test_the_running_session_is_asked_for_before_older_ones() -> None:
    friday, monday = 1_764_288_000_000, 1_764_547_200_000
    opened = monday + 14 * HOUR + 30 * MINUTE
    provider = Provider()
    for label in range(friday + 16 * HOUR, friday + 18 * HOUR, MINUTE):
        provider.publish(bar_of("A", label), label + MINUTE + 400)
    for label in range(opened, opened + HOUR, MINUTE):
        provider.publish(bar_of("A", label), label + MINUTE + 400)
    past = HistoryConfig(begin=iso_time(friday), requests=600)
    settings = feed_of(["A"], past)
    world = World(config_of(["A"], "XNYS"), settings, provider, friday + 17 * HOUR)
    world.connect()
    world.stream(friday + 17 * HOUR + 10 * MINUTE)
    world.run(friday + 17 * HOUR + 9 * MINUTE)
    world.kill()
    world.requests.clear()
    world.mono_ms = opened + 30 * MINUTE - world.offset_ms
    world.connect()
    world.run(opened + 31 * MINUTE)
    assert int(world.requests[0][1].split("/")[4]) == opened
    fetched = [bar.start_ms for bar in world.bars("A")]
    assert sorted(set(fetched)) == [
        *range(friday + 16 * HOUR, friday + 18 * HOUR, MINUTE),
        *range(opened, opened + 30 * MINUTE, MINUTE),
    ]
    assert_silence_is_accounted_for(world, "A")


def test_while_no_connection_is_tried_the_history_is_polled() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider, silence="history")
    world.stream(minute(30))
    world.run(minute(5) + 30 * SECOND)
    world.disconnect()
    world.signal(BreakerOpened(world.mono_ms + 5 * MINUTE))
    world.run(minute(10) + 20 * SECOND)
    assert _labels(world) == list(range(-5, 10))
    assert _whole(world, "disconnect").state == "open"
    assert_clocks_have_evidence(world, "A")


def test_a_pause_of_the_whole_provider_holds_every_request_back() -> None:
    provider = provider_of("A", minutes=30)
    world = world_of(provider)
    world.stream(minute(30))
    world.run(minute(5) + 30 * SECOND)
    world.disconnect()
    world.signal(Paused(world.mono_ms + 5 * MINUTE, 418))
    asked = len(world.requests)
    world.run(minute(10) + 29 * SECOND)
    assert len(world.requests) == asked
    world.run(minute(11))
    assert len(world.requests) > asked


def test_what_comes_while_the_destination_is_too_slow_is_a_hole_that_is_filled() -> None:
    provider = provider_of("A", "B", minutes=60)
    config, settings = config_of(["A", "B"]), feed_of(["A", "B"], history(), silence="canary")
    world = World(config, settings, provider, START, room=Room(records=12))
    world.connect()
    world.stream(minute(60))
    world.run(minute(5) + 30 * SECOND)
    world.ack_ms = (900_000, 900_000)
    world.run(minute(20))
    assert _whole(world, "overflow").state == "open"
    world.ack_ms = (1, 50)
    world.run(minute(30))
    assert _whole(world, "overflow").state == "filled"
    for symbol in ("A", "B"):
        assert sorted(_labels(world, symbol)) == list(range(-5, 29))
        assert_folds_like_final_bars(world, symbol)
        assert_silence_is_accounted_for(world, symbol)


def test_what_is_held_beyond_the_limit_goes_on_without_the_history_and_nothing_is_lost() -> None:
    provider = provider_of("A", "B", minutes=30)
    provider.down = [(minute(9), minute(9) + 39 * SECOND, 500)]
    world = world_of(provider, room=Room(held_bytes=STATEMENT_BYTES))
    world.stream(minute(30))
    world.at(minute(8) + 50 * SECOND, world.disconnect)
    world.run(minute(9) + 40 * SECOND)
    world.latency_ms = (25 * SECOND, 25 * SECOND)
    world.connect()
    world.run(minute(10) + SECOND)
    assert (_labels(world)[-1], _labels(world, "B")[-1]) == (9, 7), "the oldest is released"
    world.run(minute(10) + 6 * SECOND)
    assert _labels(world, "B")[-1] == 9
    world.run(minute(13))
    assert _whole(world, "disconnect").state == "filled"
    assert world.side.counts["late"] > 0, "what the history brought was a correction"
    for symbol in ("A", "B"):
        assert_folds_like_final_bars(world, symbol)


def test_what_the_provider_takes_back_is_held_no_more_and_makes_room() -> None:
    provider = provider_of("A", "B", minutes=9)
    world = world_of(provider, room=Room(held_bytes=2 * STATEMENT_BYTES))
    world.stream(minute(9))
    world.at(minute(8) + 50 * SECOND, world.disconnect)
    world.run(minute(9) + 40 * SECOND)
    world.latency_ms = (25 * SECOND, 25 * SECOND)
    world.connect()
    world.run(minute(10) + SECOND)
    for volume in (1, 2, 3):
        world.hear(Statement(bar_of("A", minute(9), volume=volume), True))
        world.hear(Notice("removed", "A", minute(9)))
    world.hear(Statement(bar_of("B", minute(9)), True))
    world.hear(Statement(bar_of("A", minute(9), volume=4), True))
    world.run(minute(10) + 2 * SECOND)
    assert 9 not in _labels(world) + _labels(world, "B"), "two statements are held"
    world.run(minute(10) + 6 * SECOND)
    assert [bar.volume for bar in world.bars("A") if bar.start_ms == minute(9)] == [4]


def test_sessions_before_the_last_one_are_filled_as_far_as_the_reach_goes() -> None:
    wednesday, friday, monday = 1_764_115_200_000, 1_764_288_000_000, 1_764_547_200_000
    provider = Provider()
    for day, opened, closed in ((wednesday, 1080, 1260), (friday, 870, 1080), (monday, 870, 930)):
        for number in range(opened, closed):
            label = day + number * MINUTE
            provider.publish(bar_of("A", label), label + MINUTE + 400)
    past = HistoryConfig(begin=iso_time(wednesday), requests=600, reach_ms=20 * 24 * HOUR)
    begun = wednesday + 1100 * MINUTE
    world = World(config_of(["A"], "XNYS"), feed_of(["A"], past), provider, begun)
    world.connect()
    world.stream(begun + 10 * MINUTE)
    world.run(begun + 9 * MINUTE)
    world.kill()
    world.mono_ms = monday + 900 * MINUTE - world.offset_ms
    world.connect()
    world.run(monday + 901 * MINUTE)
    assert sorted(bar.start_ms for bar in world.bars("A")) == [
        label for label in provider.versions["A"] if label < monday + 900 * MINUTE
    ]


def test_what_neither_stream_nor_history_had_at_the_acknowledgement_comes_with_the_tail() -> None:
    provider = provider_of("A", minutes=60)
    world = world_of(provider, silence="none")
    world.stream(minute(60))
    world.at(minute(8) + 50 * SECOND, world.disconnect)
    world.at(minute(9) + SECOND, world.connect)
    world.run(minute(10) + 2_900)
    assert 8 not in _labels(world)
    world.run(minute(10) + 3_500)
    assert 8 in _labels(world)


def test_what_the_provider_finishes_late_comes_with_a_later_answer() -> None:
    provider = provider_of("A", minutes=60)
    provider.hidden = {("A", minute(8))}
    world = world_of(provider, silence="none")
    world.stream(minute(60))
    world.at(minute(7) + 50 * SECOND, world.disconnect)
    world.at(minute(9) + SECOND, world.connect)
    world.run(minute(11))
    provider.hidden = set()
    assert 8 not in _labels(world)
    world.run(minute(12) + 4 * SECOND)
    assert 8 in _labels(world)


def test_a_bar_that_was_due_and_had_not_come_at_the_cut_lies_in_the_hole() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider)
    world.stream(minute(30))
    world.run(minute(6) + 200)
    world.hear(Alive())
    world.disconnect()
    world.run(minute(6) + SECOND)
    assert _whole(world, "disconnect").from_ms == minute(5)


def test_the_connection_that_takes_over_has_the_symbol_since_the_old_one_had_it() -> None:
    provider = provider_of("A", "B", without=tuple(range(6, 30)))
    provider.down = [(minute(5), minute(60), 500)]
    world = world_of(provider, silence="canary")
    world.stream(minute(30))
    world.run(minute(8) + 20 * SECOND)
    first = world.up
    assert first is not None
    world.connect()
    world.run(minute(8) + 50 * SECOND)
    world.signal(WentDown(first, "disconnect", world.now, world.up))
    world.run(minute(9) + 3 * SECOND)
    assert world.clocks("B")[-1] == (minute(9), "canary")


def test_a_connection_that_came_after_the_other_fell_silent_leaves_a_hole() -> None:
    provider = provider_of("A", "B", minutes=30)
    world = world_of(provider)
    world.stream(minute(7) + SECOND)
    world.run(minute(7) + SECOND)
    first, heard = world.up, world.now
    assert first is not None
    world.run(minute(8) + 20 * SECOND)
    world.connect()
    world.signal(WentDown(first, "stale", heard))
    world.run(minute(8) + 30 * SECOND)
    assert _whole(world, "stale").from_ms == minute(7)
