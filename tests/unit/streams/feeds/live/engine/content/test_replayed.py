"""A connection that begins with what was missed: its marks prove what it replayed."""

from __future__ import annotations

from tapeline.schemas.feed_events import Hole
from tapeline.streams.feeds.live.model import Alive, Notice, Statement
from tests.feeds_live import World
from tests.feeds_live_oracle import assert_folds_like_final_bars, assert_silence_is_accounted_for
from tests.feeds_live_provider import SECOND, config_of, feed_of
from tests.unit.streams.feeds.live.engine.content.scenes import (
    START,
    minute,
    minutes,
    provider_of,
)


def _world(without: tuple[int, ...] = ()) -> World:
    """A trades on, B not in some minutes; every minute ends with a mark, and nothing is asked."""
    provider = provider_of("A", "B", without=without)
    settings = feed_of(["A", "B"], None, silence="marker")
    world = World(config_of(["A", "B"]), settings, provider, START)
    world.mapping.replays = True
    world.stream(minute(31))
    world.connect()
    return world


def _replay(world: World, begin: int, end: int) -> None:
    """Everything of some minutes, and the mark of the last one."""
    final = world.provider.final()
    for number in range(begin, end):
        for symbol in ("A", "B"):
            bar = final[symbol].get(minute(number))
            if bar is not None:
                world.hear(Statement(bar, True))
    world.hear(Notice("marker", None, minute(end - 1), from_ms=minute(begin)))


def _cut(begin: int, end: int, without: tuple[int, ...] = ()) -> World:
    """A feed that is cut in the middle of one minute and connected in the middle of another."""
    world = _world(without)
    world.run(minute(0) + 2 * SECOND)
    _replay(world, -5, 0)
    world.run(minute(begin) + 30 * SECOND)
    world.disconnect()
    world.run(minute(end) + 30 * SECOND)
    world.connect()
    return world


def _hole(world: World, cause: str = "disconnect") -> Hole:
    return next(hole for hole in world.holes().values() if hole.cause == cause and not hole.symbol)


def test_what_a_connection_replays_fills_the_hole_and_proves_its_silences() -> None:
    world = _cut(7, 9, without=(8,))
    assert _hole(world).state == "open"
    world.run(minute(9) + 31 * SECOND)
    _replay(world, 7, 9)
    assert _hole(world).state == "open", "the minute in which it began is not over"
    world.run(minute(10) + 500)
    world.hear(Notice("marker", None, minute(9), from_ms=minute(7)))
    world.run(minute(10) + SECOND)
    hole = _hole(world)
    assert (hole.state, hole.fetched, hole.missing) == ("filled", 5, 0)
    (run,) = [run for run in world.quiet("B") if run.from_ms >= minute(7)]
    assert (run.from_ms, run.to_ms, run.evidence) == (minute(8), minute(9), "marker")
    for symbol in ("A", "B"):
        assert_folds_like_final_bars(world, symbol)
        assert_silence_is_accounted_for(world, symbol)


def test_the_last_minutes_of_a_replay_without_a_bar_have_a_clock_by_its_mark() -> None:
    world = _cut(7, 9, without=(7, 8, 9, 10))
    world.run(minute(9) + 31 * SECOND)
    _replay(world, 7, 9)
    world.run(minute(9) + 40 * SECOND)
    assert world.clocks("B")[-1] == (minute(9), "marker")


def test_what_the_replay_does_not_reach_is_abandoned_with_its_number() -> None:
    world = _cut(5, 9)
    world.run(minute(9) + 31 * SECOND)
    _replay(world, 7, 9)
    world.run(minute(10) + 500)
    world.hear(Notice("marker", None, minute(9), from_ms=minute(7)))
    world.run(minute(10) + SECOND)
    hole = _hole(world)
    assert (hole.state, hole.missing) == ("abandoned", 4)
    assert not {5, 6} & set(minutes([bar.start_ms for bar in world.bars("A")]))


def test_without_the_end_of_a_replay_nothing_is_proven_and_the_rest_is_abandoned_later() -> None:
    world = _cut(7, 9, without=(8,))
    for bar in (world.provider.final()["A"][minute(number)] for number in (7, 8)):
        world.hear(Statement(bar, True))
    world.hear(Notice("marker", None, minute(8)))
    world.run(minute(24))
    assert _hole(world).state == "open"
    world.run(minute(25))
    hole = _hole(world)
    assert (hole.state, hole.missing) == ("abandoned", 2)


def test_a_later_connection_has_its_own_time_to_replay() -> None:
    world = _cut(7, 9)
    world.run(minute(20) + 30 * SECOND)
    world.disconnect()
    world.run(minute(22) + 30 * SECOND)
    world.connect()
    world.run(minute(26))
    assert {hole.state for hole in world.holes().values() if hole.cause == "disconnect"} == {"open"}
    _replay(world, 7, 25)
    world.run(minute(27))
    assert _hole(world).state == "filled"
    assert_folds_like_final_bars(world, "B")


def test_no_clock_goes_over_what_is_replayed_after_a_long_outage() -> None:
    world = _cut(5, 13)
    late = world.side.counts["late"]
    world.loss = 1.0
    world.run(minute(16) + 10 * SECOND)
    world.loss = 0.0
    world.hear(Alive())
    world.run(minute(16) + 30 * SECOND)
    assert [via for _, via in world.clocks("A") if via == "patience"] == []
    _replay(world, 5, 16)
    assert world.side.counts["late"] == late
    world.run(minute(17) + 500)
    assert _hole(world).state == "filled"
    assert_folds_like_final_bars(world, "A")
