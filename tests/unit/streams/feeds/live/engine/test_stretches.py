"""Sets of stretches of time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.feeds.live.engine.stretches import Stretches

_STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 30)), max_size=12)


@given(steps=_STEPS)
def test_stretches_are_the_set_of_their_instants(
    steps: list[tuple[bool, int, int]],
) -> None:
    stretches, instants = Stretches(), set[int]()
    for added, begin, end in steps:
        if added:
            stretches.add(begin, end)
            instants |= set(range(begin, end))
        else:
            stretches.remove(begin, end)
            instants -= set(range(begin, end))
    assert {each for begin, end in stretches for each in range(begin, end)} == instants
    assert stretches.first_ms == min(instants, default=None)
    assert bool(stretches) == bool(instants)
    edges = [edge for stretch in stretches for edge in stretch]
    assert edges == sorted(set(edges)), "stretches that touch are one"
    for instant in range(31):
        assert stretches.meets(instant, instant + 1) == (instant in instants)
        reached = instant
        while reached in instants:
            reached += 1
        assert stretches.end_from(instant) == reached


def test_the_part_within_a_stretch_is_cut_at_its_edges() -> None:
    stretches = Stretches()
    stretches.add(0, 10)
    stretches.add(20, 30)
    assert stretches.within(5, 25) == [(5, 10), (20, 25)]
    assert stretches.within(10, 20) == []
    assert stretches.within(8, 3) == []
    assert not stretches.meets(8, 3)
