"""The events of a log do not depend on where an engine stopped and another went on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.records import LogRecord
from tests.properties.books import BookShape, config_for, make_book, shapes, with_clocks
from tests.properties.folding import encoded, run, run_in_pieces


@given(shape=shapes(sessions=(1, 3)), seed=st.integers(0, 999), pieces=st.integers(1, 25))
def test_any_split_of_a_log_gives_the_same_bytes(shape: BookShape, seed: int, pieces: int) -> None:
    config = config_for(shape, ("A", "B"))
    bars = make_book("A", shape) + make_book("B", shape)
    bars.sort(key=lambda bar: (bar.start_ms, bar.symbol))
    log = with_clocks(bars, seed, 5, shape)
    cuts = {seed * 31 * piece % (len(log) + 1) for piece in range(pieces)}
    assert encoded(run_in_pieces(config, "TWO", log, cuts)) == encoded(run(config, "TWO", log))


@given(shape=shapes(bases=("1m",), sessions=(1, 1)), start=st.integers(0, 1300))
def test_a_restart_before_every_record_gives_the_same_bytes(shape: BookShape, start: int) -> None:
    config = config_for(shape, ("A", "B"))
    bars = make_book("A", shape) + make_book("B", shape)
    bars.sort(key=lambda bar: (bar.start_ms, bar.symbol))
    log: list[LogRecord] = list(bars)
    cuts = set(range(start, start + 40))
    assert encoded(run_in_pieces(config, "TWO", log, cuts)) == encoded(run(config, "TWO", log))
