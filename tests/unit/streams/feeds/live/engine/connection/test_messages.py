"""Messages of an open connection: what is handed on, what is counted, what becomes a letter."""

from __future__ import annotations

import pytest

from tapeline.streams.feeds.live.engine.signals import ClockHealth, Heard, WentDown
from tapeline.streams.feeds.live.model import Connect, FeedLetter, Notice, Received, Send, Statement
from tests.unit.streams.feeds.live.engine.dialect import bar_text, text
from tests.unit.streams.feeds.live.engine.simulation import START_MS, Behaviour, Simulation

QUIET = Behaviour(every_ms=None)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"bar": "AC', id="half a message"),
        pytest.param(b"\xff\xfe\x00bar", id="no UTF-8"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\x01\x02\x03" * 100, id="binary"),
    ],
)
def test_a_message_that_cannot_be_read_is_a_letter_and_the_connection_goes_on(data: bytes) -> None:
    simulation = Simulation(QUIET)
    simulation.message(10, data)
    simulation.message(11, bar_text("ACME", START_MS))
    simulation.run(20)
    (letter,) = simulation.of(FeedLetter)
    assert (letter.code, letter.raw, letter.symbol) == ("decode_error", data, None)
    assert letter.source == f"feed:mine:{START_MS + 10_000}:1"
    assert len(simulation.of(Heard)) == 1
    assert len(simulation.of(Connect)) == 1


def test_a_hundred_thousand_unknown_messages_are_counted_and_few_become_letters() -> None:
    simulation = Simulation(QUIET).run(10)
    unknown = Received(1, text(kind="news"))
    outputs = []
    for _ in range(100_000):
        simulation.now_ms += 1
        outputs += simulation.side.handle(unknown, simulation.instant())
    assert [type(each) for each in outputs] == [FeedLetter] * 20
    assert simulation.letters.withheld == {"schema_error": 99_980}


def test_a_bar_of_a_symbol_that_was_not_asked_for_is_counted_and_dropped() -> None:
    simulation = Simulation(QUIET)
    for number, name in enumerate(["acme", "ZETA", "ACME"]):
        simulation.message(10 + number, bar_text(name, START_MS))
    simulation.run(20)
    statements = [each for heard in simulation.of(Heard) for each in heard.meanings]
    assert [each.bar.symbol for each in statements if isinstance(each, Statement)] == ["ACME"]
    assert simulation.side.unasked == 2
    assert simulation.of(FeedLetter) == []


def test_notices_about_bars_are_handed_on() -> None:
    simulation = Simulation(QUIET)
    simulation.message(10, text(notice="halt", symbol="ACME"))
    simulation.run(20)
    (heard,) = simulation.of(Heard)
    assert heard.meanings == (Notice("halt", "ACME"),)


def test_messages_of_a_connection_that_is_gone_change_nothing() -> None:
    simulation = Simulation(QUIET)
    simulation.message(10, bar_text("ACME", START_MS), connection=7)
    assert simulation.run(20).of(Heard) == []


def test_a_server_whose_clock_is_three_minutes_ahead_and_steps_back_is_not_healthy_meanwhile() -> (
    None
):
    simulation = Simulation(Behaviour(date=True))
    for second in range(700, 820):
        ahead_ms = START_MS + second * 1000 + 180_000
        simulation.message(second, bar_text("ACME", START_MS, ahead_ms, final=False))
        simulation.message(second + 0.01, text(beat=ahead_ms))
        simulation.message(second + 0.02, text(beat=ahead_ms))
        simulation.message(second + 0.03, text(beat=ahead_ms))
    simulation.run(1_000)
    changes = list(zip(simulation.times(ClockHealth), simulation.of(ClockHealth), strict=True))
    unhealthy = [at for at, health in changes if not health.healthy]
    healthy_again = [at for at, health in changes if health.healthy and at > 700]
    assert 700 < unhealthy[0] < 735
    assert 820 < healthy_again[0] < 880
    assert unhealthy[-1] < healthy_again[0]
    assert all(abs(health.offset_ms) < 2_000 for _, health in changes)


def test_our_clock_three_minutes_behind_is_seen_by_header_and_messages() -> None:
    simulation = Simulation(Behaviour(date=True), clock_ahead_ms=180_000).run(60)
    health = simulation.of(ClockHealth)[-1]
    assert abs(health.offset_ms - 180_000) < 1_000
    assert not health.healthy
    assert simulation.of(WentDown) == []


@pytest.mark.parametrize(("share", "requests"), [(50, 2), (200, 1)])
def test_many_bars_of_other_symbols_have_the_subscription_compared_once(
    share: int, requests: int
) -> None:
    simulation = Simulation(QUIET).run(10)
    sent = []
    for number in range(5_000):
        simulation.now_ms += 10
        name = "ZETA" if number % share == 0 else "ACME"
        event = Received(1, bar_text(name, START_MS))
        sent += simulation.side.handle(event, simulation.instant())
    asked = [each for each in sent if isinstance(each, Send)]
    assert len(asked) == requests - 1
    assert not [each for each in sent if isinstance(each, WentDown)]
