"""Random logs through rules that a plan adds: what holds for the shipped ones holds for them."""

from __future__ import annotations

from functools import reduce
from operator import add

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.schemas.events import DerivedBar
from tapeline.streams.core.engine import GroupEngine
from tests.contract.toys import REGISTRY, Peaks, SessionVwap, SpanHighs, Vwap
from tests.properties.corrected import CorrectedTape, stored
from tests.properties.disorder import disordered
from tests.properties.markets import GROUP, SYMBOLS, PairOfBooks, pairs_of_books

FAST = (SessionVwap, SpanHighs)
"""Rules that leave the fast path to the bars."""
SLOW = (*FAST, Peaks)


@settings(max_examples=25)
@given(
    books=pairs_of_books(),
    seed=st.integers(0, 999),
    stops=st.lists(st.integers(0, 400), max_size=3),
    slow=st.booleans(),
)
def test_any_log_folds_to_the_facts_of_its_final_bars(
    books: PairOfBooks, seed: int, stops: list[int], slow: bool
) -> None:
    tape = CorrectedTape(books.config(), GROUP, trackers=SLOW if slow else FAST, registry=REGISTRY)
    bars = [bar for symbol in SYMBOLS for bar in books.book(symbol)]
    records: dict[str, bytes] = {}
    for number, record in enumerate(disordered(bars, books.config(), seed)[:400]):
        tape.take(record)
        assert isinstance(tape.engine, GroupEngine)
        if number % 30 == 0:
            records |= stored(tape.engine.changed())
        if number in stops:
            records = records or stored(tape.engine.snapshot())
            tape.go_on_from(records)
    tape.check()
    tape.check_with_oracle()
    found = {event.id: event.price for event in tape.fold.values() if isinstance(event, Vwap)}
    assert found == pytest.approx(naive_vwaps(tape))


def naive_vwaps(tape: CorrectedTape) -> dict[str, float]:
    """The toy's rule again, from the derived bars of the view."""
    interval = tape.plan.instruments[0].intervals[0].name
    prices: dict[str, float] = {}
    for symbol in SYMBOLS:
        days: dict[str, list[DerivedBar]] = {}
        for event in tape.fold.values():
            if not isinstance(event, DerivedBar) or event.symbol != symbol:
                continue
            if event.interval == interval and event.complete and event.volume:
                days.setdefault(event.session, []).append(event)
        for day, bars in days.items():
            # One after the other, as the rule; the sum of a later Python rounds once.
            volumes = [bar.volume or 0 for bar in bars]
            amounts = [
                (bar.high + bar.low + bar.close) / 3 * volume
                for bar, volume in zip(bars, volumes, strict=True)
            ]
            prices[f"session_vwap|{symbol}|{day}"] = reduce(add, amounts) / reduce(add, volumes)
    return prices
