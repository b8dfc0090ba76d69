"""Connections that end, go silent or are refused, and what a feed makes of it."""

from __future__ import annotations

import pickle

import pytest

from tapeline.schemas.config.feeds import SessionConfig
from tapeline.schemas.feed_events import Connection, Limit
from tapeline.streams.feeds.live.engine.signals import (
    BreakerOpened,
    Heard,
    Paused,
    WentDown,
    WentLive,
)
from tapeline.streams.feeds.live.model import (
    Answered,
    Close,
    Connect,
    ConnectionClosed,
    Leave,
    Send,
    StopAsked,
)
from tests.unit.streams.feeds.live.engine.dialect import KEY, SHOWN, bar_text, text
from tests.unit.streams.feeds.live.engine.simulation import START_MS, Behaviour, Simulation

HOUR_S = 3_600
MUTE = Behaviour(every_ms=None)


def shown(simulation: Simulation) -> str:
    """Everything that leaves the feed but what goes to the provider."""
    return repr([each for _, each in simulation.outputs if not isinstance(each, Connect | Send)])


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 1012])
def test_a_connection_that_ends_without_our_asking_is_opened_again(code: int | None) -> None:
    simulation = Simulation(Behaviour(cut_after_ms=90_000, code=code), Behaviour()).run(200)
    (down,) = simulation.of(WentDown)
    assert (down.connection, down.cause, down.replaced_by) == (1, "disconnect", None)
    assert simulation.times(WentDown)[0] - 5.1 <= down.last_heard.mono_ms / 1000 - 5_000 <= 90.02
    assert simulation.times(Connect) == [0, pytest.approx(90.27, abs=0.26)]
    assert [live.connection for live in simulation.of(WentLive)] == [1, 2]
    assert simulation.of(Heard)[-1].connection == 2


def test_waits_after_the_same_fault_differ_from_feed_to_feed() -> None:
    cut = Behaviour(cut_after_ms=90_000)
    waits = {
        Simulation(cut, Behaviour(), seed=seed).run(200).times(Connect)[1] for seed in range(9)
    }
    assert len(waits) == 9


def test_a_connection_that_is_open_and_silent_is_aborted_at_its_deadline() -> None:
    """No close frame comes, and pongs are no events: they do not count."""
    simulation = Simulation(Behaviour(until_ms=100_000), Behaviour()).run(400)
    last = next(
        at
        for at, each in reversed(simulation.outputs)
        if isinstance(each, Heard) and each.connection == 1
    )
    (down,) = simulation.of(WentDown)
    assert down.cause == "stale"
    assert simulation.times(WentDown) == [pytest.approx(last + 180, abs=0.001)]
    assert simulation.of(Close) == [Close(1, abort=True)]
    assert simulation.times(Connect)[1] <= last + 181


def test_data_of_other_symbols_keep_a_connection() -> None:
    simulation = Simulation(symbols=("ACME", "BOLT")).run(2 * HOUR_S)
    assert len(simulation.of(Connect)) == 1
    assert simulation.of(WentDown) == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(text(beat=None), id="heartbeats"),
        pytest.param(bar_text("ZETA", START_MS), id="bars of a symbol that was not asked for"),
        pytest.param(text(notice="halt", symbol="ACME"), id="halts"),
    ],
)
def test_other_application_data_keep_a_connection(data: bytes) -> None:
    messages = tuple((number * 60_000, data) for number in range(1, 60))
    simulation = Simulation(Behaviour(every_ms=None, says=messages)).run(HOUR_S)
    assert len(simulation.of(Connect)) == 1


def test_a_connection_that_never_gave_data_names_address_and_symbols() -> None:
    simulation = Simulation(MUTE, Behaviour(), symbols=("ACME", "BOLT")).run(200)
    assert simulation.times(WentDown) == [pytest.approx(122, abs=0.1)]
    (lost,) = [each for each in simulation.events(Connection) if each.state == "lost"]
    assert lost.reason == f"{SHOWN}: no data within 122 s of the subscription to ACME, BOLT"


def test_messages_that_are_no_data_do_not_keep_a_connection() -> None:
    noise = tuple((number * 10_000, text(noise=number)) for number in range(1, 60))
    simulation = Simulation(Behaviour(every_ms=None, says=noise)).run(200)
    assert simulation.times(WentDown) == [pytest.approx(122, abs=0.1)]


def test_outside_sessions_no_silence_is_too_long() -> None:
    evening_ms = START_MS + 10 * HOUR_S * 1000
    simulation = Simulation(MUTE, start_ms=evening_ms).run(12 * HOUR_S)
    assert len(simulation.of(Connect)) == 1


def test_an_attempt_that_gets_no_answer_ends_and_is_repeated() -> None:
    simulation = Simulation(Behaviour(opens=False), Behaviour()).run(60)
    assert simulation.of(Close) == [Close(1, abort=True)]
    assert simulation.times(Connect)[1] == pytest.approx(30.25, abs=0.25)
    assert simulation.states()[-1] == (2, "live")


def test_a_key_that_is_never_answered_has_a_deadline_and_is_tried_again() -> None:
    simulation = Simulation(Behaviour(welcomes=None), Behaviour()).run(60)
    (waiting,) = [each for each in simulation.events(Connection) if each.state == "waiting"]
    assert waiting.reason == "no answer to step 1 within 10 s"
    assert simulation.states()[-1] == (2, "live")


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(welcomes=text(denied="no such key")), id="by the answer"),
        pytest.param(Behaviour(status=401), id="at the upgrade"),
        pytest.param(Behaviour(status=403), id="at the upgrade, otherwise"),
        pytest.param(Behaviour(cut_after_ms=90_000, code=401), id="by a later poll"),
        pytest.param(
            Behaviour(welcomes=None, says=((100, text(notice="fatal", text="no such key")),)),
            id="by a message",
        ),
    ],
)
def test_refused_credentials_end_the_feed_after_one_attempt(behaviour: Behaviour) -> None:
    simulation = Simulation(behaviour).run(HOUR_S)
    assert len(simulation.of(Connect)) == 1
    (leave,) = simulation.of(Leave)
    assert leave.exit_code == 2
    assert leave.message.startswith(f"feed mine: {SHOWN}: ")
    assert KEY not in shown(simulation)
    assert simulation.states()[-1] == (1, "refused")


def test_three_policy_closings_before_any_answer_are_a_refusal() -> None:
    cut = Behaviour(welcomes=None, cut_after_ms=50, code=1008)
    simulation = Simulation(cut).run(HOUR_S)
    assert len(simulation.of(Connect)) == 3
    assert simulation.of(Leave)[0].exit_code == 2
    interrupted = Simulation(cut, cut, Behaviour(cut_after_ms=90_000), cut, cut, Behaviour())
    assert interrupted.run(HOUR_S).of(Leave) == []


@pytest.mark.parametrize(
    ("first", "least", "most", "status"),
    [
        pytest.param(Behaviour(cut_after_ms=90_000, code=1008), 60, 61, 1008, id="policy"),
        pytest.param(Behaviour(status=429, retry_after_ms=17_000), 17, 18, 429, id="as asked for"),
        pytest.param(Behaviour(status=429), 60, 61, 429, id="nothing was asked for"),
        pytest.param(
            Behaviour(cut_after_ms=90_000, code=429, retry_after_ms=25_000),
            25,
            26,
            429,
            id="a poll, as asked for",
        ),
        pytest.param(Behaviour(status=406), 30, 31, 406, id="too many connections"),
        pytest.param(Behaviour(status=418, retry_after_ms=300_000), 300, 301, 418, id="banned"),
        pytest.param(Behaviour(status=503, retry_after_ms=40_000), 40, 41, 503, id="overloaded"),
        pytest.param(
            Behaviour(says=((90_000, text(notice="refused", text="logged in elsewhere")),)),
            30,
            31,
            406,
            id="logged in elsewhere",
        ),
        pytest.param(
            Behaviour(says=((90_000, text(notice="refused", wait=45_000)),)), 45, 46, 406, id="wait"
        ),
    ],
)
def test_a_pause_that_the_provider_wants_is_kept_and_reported(
    first: Behaviour, least: float, most: float, status: int
) -> None:
    for seed in range(5):
        simulation = Simulation(first, Behaviour(), seed=seed).run(400)
        (limit,) = simulation.events(Limit)
        ended = simulation.times(Connect)[0] + 0.02 + (90 if first.status is None else 0)
        assert least <= simulation.times(Connect)[1] - ended <= most
        assert (limit.status, limit.wait_ms) == (status, least * 1000)


def test_a_ban_holds_for_the_whole_provider_and_survives_a_restart() -> None:
    simulation = Simulation(Behaviour(status=418, retry_after_ms=300_000), Behaviour()).run(100)
    (paused,) = simulation.of(Paused)
    assert paused.until_ms == 5_000_000 + 300_020
    (limit,) = simulation.events(Limit)
    again = Simulation(limit=limit, start_ms=START_MS + 100_000).run(400)
    assert again.times(Connect) == [pytest.approx(200, abs=0.03)]
    late = Simulation(limit=limit, start_ms=START_MS + 900_000).run(1)
    assert late.times(Connect) == [0]


def test_a_ban_by_the_history_postpones_the_next_connection_and_ends_none() -> None:
    simulation = Simulation(Behaviour(cut_after_ms=90_000), Behaviour())
    simulation.at(80, Answered(1, 418, b"", retry_after_ms=200_000))
    simulation.run(400)
    assert simulation.times(Paused) == [80]
    assert simulation.times(WentDown) == [pytest.approx(90, abs=0.1)]
    assert simulation.times(Connect)[1] >= 280


def test_a_frame_above_the_limit_names_the_setting() -> None:
    simulation = Simulation(Behaviour(cut_after_ms=90_000, code=1009)).run(95)
    (lost,) = [each for each in simulation.events(Connection) if each.state == "lost"]
    assert lost.reason == "closed with 1009 (session.max_frame is 16777216 bytes)"


def test_messages_that_were_dropped_are_an_overflow_and_no_mere_disconnection() -> None:
    slow = text(notice="slow", text="slow client")
    provider = Simulation(Behaviour(says=((70_000, slow),), cut_after_ms=75_000), Behaviour())
    assert [down.cause for down in provider.run(100).of(WentDown)] == ["overflow"]
    ours = Simulation(Behaviour(), Behaviour())
    ours.at(70, ConnectionClosed(1, None, "inbox full", overflow=True))
    assert [down.cause for down in ours.run(100).of(WentDown)] == ["overflow"]


def test_an_hour_of_refusals_opens_the_breaker_and_keeps_attempts_few() -> None:
    simulation = Simulation(Behaviour(status=503)).run(HOUR_S)
    attempts = simulation.times(Connect)
    assert 30 < len(attempts) <= 10 * (HOUR_S / 300)
    opened = simulation.times(BreakerOpened)
    assert len(opened) >= 3
    for at in opened:
        assert not [each for each in attempts if at < each < at + 300]


def test_a_storm_of_cuts_meets_growing_waits_and_no_growing_memory() -> None:
    storm = Behaviour(cut_after_ms=50, every_ms=None)
    simulation = Simulation(storm)
    seconds = 0
    sizes = []
    for count in (100, 1_000):
        while len(simulation.of(Connect)) < count:
            seconds += HOUR_S
            simulation.run(seconds)
        sizes.append(len(pickle.dumps(simulation.side)))
    assert abs(sizes[1] - sizes[0]) < 100
    attempts = simulation.times(Connect)
    assert all(later - at > 300 for at, later in zip(attempts, attempts[10:], strict=False))
    assert len(simulation.of(BreakerOpened)) > 50


def test_a_connection_that_gave_data_for_less_than_a_minute_has_failed() -> None:
    short = Simulation(Behaviour(cut_after_ms=10_000)).run(HOUR_S)
    assert len(short.of(BreakerOpened)) >= 1
    long = Simulation(Behaviour(cut_after_ms=65_000)).run(HOUR_S)
    assert long.of(BreakerOpened) == []
    assert len(long.of(Connect)) > 35


def test_a_stop_closes_the_connection_and_opens_none() -> None:
    simulation = Simulation()
    simulation.at(60, StopAsked())
    simulation.run(HOUR_S)
    assert simulation.of(Close) == [Close(1, abort=False)]
    assert len(simulation.of(Connect)) == 1
    assert simulation.of(WentDown) == []
    assert simulation.states()[-1] == (1, "closed")


def test_a_stop_before_the_first_attempt_is_one_for_good() -> None:
    simulation = Simulation()
    simulation.side.handle(StopAsked(), simulation.instant())
    assert simulation.run(60).outputs == []


def test_steps_of_our_wall_clock_move_no_timer() -> None:
    def times(step_ms: int) -> list[float]:
        simulation = Simulation(
            Behaviour(date=True, until_ms=100_000),
            Behaviour(date=True, cut_after_ms=70_000),
            Behaviour(),
            session=SessionConfig(stale_after_ms=60_000),
        )
        simulation.run(50)
        simulation.wall_step_ms = step_ms
        simulation.run(700)
        return simulation.times(Connect) + simulation.times(WentDown)

    assert times(0) == times(3_600_000) == times(-3_600_000)
