"""What a call read."""

from __future__ import annotations

from typing import NamedTuple

from tapeline.schemas.host_events import InputRef, Span
from tapeline.streams.host.view.reads import MOST_INPUTS, Reads


class Argument(NamedTuple):
    id: str
    rev: int


def test_the_argument_is_first_and_everything_is_listed_once_in_order() -> None:
    reads = Reads()
    reads.begin(Argument("a", 1))
    for fact_id, rev in (("b", 0), ("a", 1), ("c", 2), ("b", 0)):
        reads.add_fact(fact_id, rev)
    assert reads.inputs() == ((InputRef("a", 1), InputRef("b", 0), InputRef("c", 2)), False)
    reads.begin(None)
    assert reads.inputs() == ((), False)


def test_at_most_256_are_listed() -> None:
    reads = Reads()
    reads.begin(Argument("a", 0))
    for number in range(MOST_INPUTS - 1):
        reads.add_fact(str(number), 0)
    assert len(reads.inputs()[0]) == MOST_INPUTS
    assert not reads.inputs()[1]
    reads.add_fact("one more", 0)
    assert len(reads.inputs()[0]) == MOST_INPUTS
    assert reads.inputs()[1]


def test_bars_of_a_symbol_and_interval_are_one_span_the_union_of_all() -> None:
    reads = Reads()
    reads.begin(None, ("A", "1m", 50, 60))
    reads.add_bars("A", "5m", 0, 100)
    reads.add_bars("A", "1m", 10, 30)
    reads.add_bars("A", "1m", 20, 40)
    assert reads.spans() == (Span("A", "1m", 10, 60), Span("A", "5m", 0, 100))
    reads.begin(None)
    assert reads.spans() == ()
