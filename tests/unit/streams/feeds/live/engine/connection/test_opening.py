"""What a feed asks for when a connection opens, and what it makes of the answers."""

from __future__ import annotations

from tapeline.schemas.config.feeds import KeepaliveConfig, SessionConfig
from tapeline.schemas.feed_events import Subscribed
from tapeline.streams.feeds.live.engine.signals import ClockHealth, Heard, RefusedSymbols, WentLive
from tapeline.streams.feeds.live.model import Leave, Send
from tests.unit.streams.feeds.live.engine.dialect import Dialect, bar_text, text
from tests.unit.streams.feeds.live.engine.simulation import START_MS, Behaviour, Simulation

NAMES = tuple(f"S{number:02d}" for number in range(32))


def test_each_acknowledgement_makes_its_symbols_live() -> None:
    simulation = Simulation(symbols=NAMES, dialect=Dialect(NAMES, chunk=20, pace_ms=500)).run(5)
    first, second = simulation.of(WentLive)
    assert (first.symbols, first.complete) == (NAMES[:20], False)
    assert (second.symbols, second.complete) == (NAMES[20:], True)
    assert second.since.mono_ms - first.since.mono_ms == 500
    (event,) = simulation.events(Subscribed)
    assert (event.wanted, event.missing) == (32, ())


def test_bars_that_come_before_the_last_acknowledgement_are_handed_on() -> None:
    simulation = Simulation(symbols=NAMES, dialect=Dialect(NAMES, chunk=20, pace_ms=5_000))
    simulation.message(3, bar_text(NAMES[0], START_MS))
    simulation.run(4)
    (heard,) = [each for each in simulation.of(Heard) if len(each.meanings) == 1][:1]
    assert heard.connection == 1


def test_a_bar_before_the_first_acknowledgement_is_not_handed_on() -> None:
    simulation = Simulation(Behaviour(welcomes=None))
    simulation.message(1, bar_text("ACME", START_MS))
    assert simulation.run(2).of(Heard) == []


def test_one_symbol_that_is_left_out_is_asked_for_again_and_then_refused_alone() -> None:
    behaviour = Behaviour(leaves_out=(("S31", 0),))
    simulation = Simulation(behaviour, symbols=NAMES).run(60)
    requests = [each.text for each in simulation.of(Send) if "subscribe" in each.text]
    assert requests[1:] == ['{"subscribe": ["S31"]}']
    assert simulation.of(RefusedSymbols) == [RefusedSymbols(1, ("S31",), "not acknowledged")]
    assert [live.symbols for live in simulation.of(WentLive)] == [NAMES[:31], ()]
    assert simulation.of(WentLive)[-1].complete
    assert simulation.events(Subscribed)[-1].missing == ("S31",)
    assert simulation.of(Leave) == []


def test_a_symbol_that_is_left_out_once_is_live_after_the_second_request() -> None:
    simulation = Simulation(Behaviour(leaves_out=(("S31", 2),)), symbols=NAMES).run(60)
    assert [live.symbols for live in simulation.of(WentLive)] == [NAMES[:31], ("S31",)]
    assert simulation.of(RefusedSymbols) == []


def test_a_refused_symbol_is_asked_for_again_on_the_next_connection() -> None:
    refusing = Behaviour(leaves_out=(("S31", 0),), cut_after_ms=90_000)
    simulation = Simulation(refusing, Behaviour(), symbols=NAMES).run(120)
    assert simulation.of(WentLive)[-1].symbols == NAMES


def test_a_notice_about_a_symbol_refuses_it_alone() -> None:
    notice = text(notice="refused", symbol="S03", text="not in your plan")
    simulation = Simulation(Behaviour(says=((30_000, notice),)), symbols=NAMES).run(60)
    assert simulation.of(RefusedSymbols) == [RefusedSymbols(1, ("S03",), "not in your plan")]
    assert simulation.events(Subscribed)[-1].missing == ("S03",)


def test_a_feed_without_a_symbol_left_ends() -> None:
    simulation = Simulation(Behaviour(leaves_out=(("ACME", 0),))).run(60)
    (leave,) = simulation.of(Leave)
    assert leave.exit_code == 2
    assert "no symbol is left" in leave.message


def test_symbols_that_the_address_asks_for_are_live_with_the_connection() -> None:
    simulation = Simulation(dialect=Dialect(("ACME",), by_address=True)).run(1)
    (live,) = simulation.of(WentLive)
    assert (live.symbols, live.complete) == (("ACME",), True)


def test_the_state_of_the_clock_is_known_before_the_first_symbol_is_live() -> None:
    simulation = Simulation().run(1)
    kinds = [type(each) for _, each in simulation.outputs]
    assert kinds.index(ClockHealth) < kinds.index(WentLive)


def test_a_message_that_keeps_the_connection_goes_out_at_its_pace() -> None:
    session = SessionConfig(keepalive=KeepaliveConfig(send="[]", every_ms=2_500))
    simulation = Simulation(session=session).run(60)
    sent = [at for at, each in simulation.outputs if each == Send(1, "[]")]
    assert sent == [0.02 + 2.5 * number for number in range(1, 24)]
