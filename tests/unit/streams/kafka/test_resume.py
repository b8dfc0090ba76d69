"""Where a publication that was cut goes on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.kafka.messages import Message
from tapeline.streams.kafka.resume import COMPARED, ResumeSearch, Tail


def message(symbol: str, value: str, time_ms: int = 0) -> Message:
    return Message("bar", symbol, 0, symbol.encode(), value.encode(), time_ms)


def tail_of(there: Sequence[Message], symbol: str) -> Tail | None:
    """What a reader of the topic finds of a symbol."""
    own = [each for each in there if each.symbol == symbol]
    if not own:
        return None
    values = tuple(each.value for each in own[-COMPARED:])
    return Tail(values, max(each.time_ms for each in own))


def left_out(sequence: Sequence[Message], there: Sequence[Message]) -> dict[str, int]:
    search = ResumeSearch()
    for each in sequence:
        if not search.knows(each.symbol):
            search.begin(each.symbol, tail_of(there, each.symbol))
        search.take(each)
    return search.already_there()


def minutes(symbol: str, text: str) -> list[Message]:
    """One message a word; a word that starts with a number has that time."""
    return [message(symbol, word, int(word.rstrip("abc"))) for word in text.split()]


CASES = {
    "nothing there": ("1 2 3", "", 0),
    "half there": ("1 2 3 4", "1 2", 2),
    "all there": ("1 2 3", "1 2 3", 3),
    "a late one is not lost": ("1 3 2 4", "1 3", 2),
    "after the late one": ("1 3 2 4", "1 3 2", 3),
    "equal rows are distinguished by what is before them": ("1 2 1 3", "1 2 1", 3),
    "a file that goes on after the topic's end": ("4 5 6", "1 2 3", 0),
    "a file that overlaps the topic": ("2b 3b 4 5", "1 2 3", 1),
    "a file that is older than the topic": ("1b 2b", "3 4", 2),
    "the last bar has changed": ("1 2 3b 4", "1 2 3", 2),
}


@pytest.mark.parametrize(("sequence", "there", "count"), CASES.values(), ids=CASES.keys())
def test_a_symbol_goes_on_after_what_is_there(sequence: str, there: str, count: int) -> None:
    found = left_out(minutes("ES", sequence), minutes("ES", there))
    assert found == {"ES": count}


def test_every_symbol_goes_on_at_its_own_position() -> None:
    sequence = [message("A", "a1", 1), message("B", "b1", 1), message("A", "a2", 2)]
    assert left_out(sequence, sequence[:2]) == {"A": 1, "B": 1}
    assert left_out(sequence, [sequence[1]]) == {"A": 0, "B": 1}


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 5)), max_size=40), st.integers(0, 40)
)
def test_nothing_is_lost_wherever_a_publication_was_cut(
    rows: list[tuple[str, int]], cut: int
) -> None:
    sequence = [message(symbol, str(value), value) for symbol, value in rows]
    found = left_out(sequence, sequence[:cut])
    for symbol in "AB":
        there = sum(each.symbol == symbol for each in sequence[:cut])
        assert found.get(symbol, 0) <= there


@given(st.integers(0, 60), st.integers(0, 60))
def test_nothing_is_repeated_when_rows_differ(count: int, cut: int) -> None:
    sequence = [message("ES", f"row {number}", number) for number in range(count)]
    assert left_out(sequence, sequence[:cut]) == ({"ES": min(count, cut)} if count else {})
