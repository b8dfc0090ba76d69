"""Cuts that are announced: the second connection comes first, and nothing is lost."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.feeds import SessionConfig
from tapeline.streams.feeds.live.engine.signals import Heard, WentDown, WentLive
from tapeline.streams.feeds.live.model import Close, Connect
from tests.unit.streams.feeds.live.engine.dialect import text
from tests.unit.streams.feeds.live.engine.simulation import Behaviour, Simulation

TWO = SessionConfig(two_connections=True)
ANNOUNCED = Behaviour(says=((100_000, text(notice="shutdown")),), cut_after_ms=160_000)


def test_the_first_connection_is_closed_once_the_second_has_data() -> None:
    simulation = Simulation(ANNOUNCED, Behaviour(), session=TWO).run(300)
    assert simulation.times(Connect) == [0, pytest.approx(100, abs=0.1)]
    (down,) = simulation.of(WentDown)
    assert (down.connection, down.replaced_by) == (1, 2)
    assert simulation.of(Close) == [Close(1, abort=False)]
    heard = simulation.of(Heard)
    first_of_second = next(
        at for at, each in simulation.outputs if isinstance(each, Heard) and each.connection == 2
    )
    assert simulation.times(WentDown) == [first_of_second]
    assert {each.connection for each in heard} == {1, 2}


def test_a_known_life_is_never_lived_to_its_end() -> None:
    session = SessionConfig(two_connections=True, life_ms=600_000)
    simulation = Simulation(Behaviour(cut_after_ms=600_000), session=session).run(1_500)
    assert [down.replaced_by for down in simulation.of(WentDown)] == [2, 3]
    assert simulation.times(WentDown) == [pytest.approx(545, abs=1), pytest.approx(1_085, abs=1)]


@pytest.mark.parametrize(
    ("session", "announcement"),
    [
        pytest.param(SessionConfig(), ANNOUNCED, id="the plan has one connection"),
        pytest.param(TWO, Behaviour(cut_after_ms=160_000, code=1012), id="nothing announced it"),
        pytest.param(SessionConfig(life_ms=600_000), ANNOUNCED, id="one, with a known life"),
    ],
)
def test_without_two_connections_or_an_announcement_a_cut_is_an_ordinary_one(
    session: SessionConfig, announcement: Behaviour
) -> None:
    simulation = Simulation(announcement, Behaviour(), session=session).run(300)
    (down,) = simulation.of(WentDown)
    assert down.replaced_by is None
    assert simulation.times(Connect)[1] >= 160


def test_a_second_connection_that_is_refused_is_tried_again_while_the_first_goes_on() -> None:
    behaviours = (ANNOUNCED, Behaviour(status=503), Behaviour())
    simulation = Simulation(*behaviours, session=TWO).run(300)
    (down,) = simulation.of(WentDown)
    assert (down.connection, down.replaced_by) == (1, 3)


def test_a_first_connection_that_ends_before_the_second_has_data_leaves_a_hole() -> None:
    late = Behaviour(every_ms=None, says=((200_000, text(beat=None)),))
    hasty = Behaviour(says=((100_000, text(notice="shutdown")),), cut_after_ms=101_000)
    simulation = Simulation(hasty, Behaviour(welcomes=None), late, session=TWO).run(400)
    down = simulation.of(WentDown)[0]
    assert (down.connection, down.replaced_by) == (1, None)
    assert len([at for at in simulation.times(Connect) if at < 110]) == 2


def test_a_second_connection_that_waits_for_a_symbol_replaces_none_yet() -> None:
    slow = Behaviour(leaves_out=(("BOLT", 2),))
    simulation = Simulation(ANNOUNCED, slow, symbols=("ACME", "BOLT"), session=TWO).run(150)
    (closed,) = simulation.times(WentDown)
    (first, second) = [live for live in simulation.of(WentLive) if live.connection == 2]
    assert (first.symbols, second.symbols) == (("ACME",), ("BOLT",))
    assert closed >= (second.since.mono_ms - 5_000_000) / 1000
