"""Whatever fails and whenever a feed is killed: its log folds like the provider's final bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.feeds import HistoryConfig, Silence
from tapeline.schemas.instants import iso_time
from tests.feeds_live import World
from tests.feeds_live_oracle import (
    assert_clocks_have_evidence,
    assert_folds_like_final_bars,
    assert_nothing_is_minted,
    assert_requests_within,
    assert_silence_is_accounted_for,
)
from tests.feeds_live_provider import MINUTE, SECOND, Provider, bar_of, config_of, feed_of

MIDNIGHT = 1_764_547_200_000
BEGIN = MIDNIGHT - 20 * MINUTE
"""The provider's first bar."""
START = MIDNIGHT - 16 * MINUTE
CALM = MIDNIGHT
"""Nothing fails any more from here on."""
COMPARED = MIDNIGHT + 15 * MINUTE
"""A feed compares the session that closed with the history."""
END = MIDNIGHT + 40 * MINUTE
REQUESTS = 40


@dataclass(frozen=True)
class Faults:
    """What fails in a session: instants in seconds after the start."""

    seed: int
    symbols: int
    quiet: float
    revised: float
    busts: bool
    silence: Silence
    beats: bool
    in_progress: bool
    cuts: tuple[tuple[int, int], ...]
    kills: tuple[int, ...]
    down: tuple[tuple[int, int, int], ...]
    lag_ms: int
    lost: float
    late: float
    rows_a_page: int
    per_request: int
    unflagged: bool = False
    step: tuple[int, int, int] | None = None
    """Our clock steps: at a second, for so many of them, by so many minutes."""
    overlaps: tuple[int, ...] = ()
    """When a second connection takes over before the first one is closed."""


_SECONDS = st.integers(0, (CALM - START) // SECOND - 1)
_RUNNING = _SECONDS.filter(bool)
"""Not the first one: a process that starts with a wrong clock learns of it from its connection."""
_FAULTS = st.builds(
    Faults,
    seed=st.integers(0, 1_000_000),
    symbols=st.integers(1, 3),
    quiet=st.sampled_from((0.0, 0.2, 0.7)),
    revised=st.sampled_from((0.0, 0.2, 0.6)),
    busts=st.booleans(),
    silence=st.sampled_from(("marker", "history", "canary", "heartbeat", "none")),
    beats=st.booleans(),
    in_progress=st.booleans(),
    cuts=st.lists(st.tuples(_SECONDS, st.integers(1, 400)), max_size=4).map(tuple),
    kills=st.lists(_SECONDS, max_size=3).map(tuple),
    down=st.lists(
        st.tuples(_SECONDS, st.integers(1, 300), st.sampled_from((0, 429, 500, 418))), max_size=3
    ).map(tuple),
    lag_ms=st.sampled_from((0, 2_000, 3_000, 20_000)),
    lost=st.sampled_from((0.0, 0.1)),
    late=st.sampled_from((0.0, 0.2)),
    rows_a_page=st.sampled_from((3, 7, 10_000)),
    per_request=st.sampled_from((1, 2, 100)),
    unflagged=st.booleans(),
    step=st.none() | st.tuples(_RUNNING, st.integers(1, 590), st.sampled_from((-60, 3, 60))),
    overlaps=st.lists(_SECONDS, max_size=2).map(tuple),
)


def _provider(faults: Faults, random: Random) -> Provider:
    provider = Provider(
        lag_ms=faults.lag_ms,
        rows_a_page=faults.rows_a_page,
        down=[
            (START + at * SECOND, START + (at + length) * SECOND, status)
            for at, length, status in faults.down
        ],
        retry_after_ms=20 * SECOND,
    )
    for symbol in "ABC"[: faults.symbols]:
        provider.versions[symbol] = {}
        for label in range(BEGIN, END, MINUTE):
            calm = label >= CALM
            if random.random() < faults.quiet and not calm:
                continue
            at = label + MINUTE + random.randint(10, 1_500)
            if random.random() < faults.late and not calm:
                at += random.randint(5, 100) * SECOND
            price = 100 + random.randint(-50, 50) / 100
            provider.publish(bar_of(symbol, label, price, random.randint(1, 99)), at)
            while random.random() < faults.revised and not calm:
                at += random.randint(1, 240) * SECOND
                if at > COMPARED - MINUTE:
                    break
                volume = random.randint(100, 999)
                provider.publish(bar_of(symbol, label, price, volume), at)
            if faults.busts and random.random() < 0.05 and not calm:
                provider.bust(symbol, label, at + 30 * SECOND)
    return provider


def _world(faults: Faults) -> World:
    random = Random(faults.seed)
    provider = _provider(faults, random)
    symbols = list("ABC"[: faults.symbols])
    settings = feed_of(
        symbols,
        HistoryConfig(
            begin=iso_time(BEGIN), requests=REQUESTS, per_request=faults.per_request, lag_ms=3_000
        ),
        silence=faults.silence,
        cancels=faults.busts,
        revises_for_ms=5 * MINUTE,
        outage_patience_ms=4 * MINUTE,
    )
    world = World(config_of(symbols), settings, provider, START, random)
    world.loss, world.calm_ms = faults.lost, CALM
    world.unflagged = faults.unflagged
    world.stream(END, in_progress=faults.in_progress)
    if faults.beats:
        world.beats(START, END, 5 * SECOND)
    world.at(START + 200, world.connect)
    for at, length in faults.cuts:
        world.at(START + at * SECOND, world.disconnect)
        world.at(START + (at + length) * SECOND, world.reconnect)
    for at in faults.kills:
        world.at(START + at * SECOND, world.kill)
        world.at(START + at * SECOND + random.randint(100, 30_000), world.reconnect)
    for at in faults.overlaps:
        world.at(START + at * SECOND, partial(world.take_over, 20 * SECOND))
    if faults.step is not None and not faults.kills:
        at, length, by = faults.step
        world.at(START + at * SECOND, partial(world.step_clock, by * MINUTE))
        world.at(START + (at + length) * SECOND, partial(world.step_clock, 0))
    world.at(CALM + 400 * SECOND, world.reconnect)
    return world


@given(faults=_FAULTS)
def test_a_log_made_under_any_faults_folds_like_the_final_bars(faults: Faults) -> None:
    world = _world(faults)
    world.run(END)
    assert_nothing_is_minted(world)
    assert_requests_within(world, REQUESTS, MINUTE)
    for symbol in world.settings.symbols:
        assert_folds_like_final_bars(world, symbol)
        assert_silence_is_accounted_for(world, symbol)
        assert_clocks_have_evidence(world, symbol)
