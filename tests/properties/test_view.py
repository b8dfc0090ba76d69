"""The events fold to the view that a naive second implementation computes from the whole book."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.pipeline.planning import plan_group
from tests.oracle import Plan, view
from tests.properties.books import BookShape, config_for, make_book, shapes, with_clocks
from tests.properties.folding import fold


def _assert_view_is_the_oracles(config: Config, group: str, log: list[LogRecord]) -> None:
    engine = GroupEngine(plan_group(config, group))
    events = []
    bars: dict[str, list[Bar]] = {symbol: [] for symbol in config.members(group)}
    for offset, record in enumerate(log):
        events += engine.apply(record, offset).events
        if isinstance(record, Bar):
            bars[record.symbol].append(record)
    marks = {symbol: engine.watermark_ms(symbol) for symbol in bars}
    known = {symbol: mark for symbol, mark in marks.items() if mark is not None}
    expected = view(Plan(config, group), bars, known)
    found = fold(events)
    for identity in found.keys() | expected.keys():
        assert _text(found.get(identity)) == _text(expected.get(identity))


def _text(fact: dict[str, Any] | None) -> str:
    """As JSON, so that 1, 1.0 and true differ."""
    return json.dumps(fact, sort_keys=True)


@given(shape=shapes(sessions=(1, 4)), seed=st.integers(0, 999), clocks=st.integers(0, 6))
def test_two_symbols_fold_to_the_oracles_view(shape: BookShape, seed: int, clocks: int) -> None:
    config = config_for(shape, ("A", "B"))
    bars = make_book("A", shape) + make_book("B", shape)
    bars.sort(key=lambda bar: (bar.start_ms, bar.symbol))
    _assert_view_is_the_oracles(config, "TWO", with_clocks(bars, seed, clocks, shape))


@given(shape=shapes(sessions=(1, 3)), seed=st.integers(0, 999))
def test_any_prefix_folds_to_the_oracles_view(shape: BookShape, seed: int) -> None:
    config = config_for(shape, ("A",))
    book = make_book("A", shape)
    if book:
        del book[Random(seed).randrange(1, len(book) + 1) :]
    _assert_view_is_the_oracles(config, "A", with_clocks(book, seed, 3, shape))


@given(
    shape=shapes(bases=("5m",), sessions=(1, 2)),
    intervals=st.lists(
        st.sampled_from(("10m", "15m", "25m", "35m", "60m", "90m", "1d", "1w")), unique=True
    ),
)
def test_intervals_of_any_length_fold_to_the_oracles_view(
    shape: BookShape, intervals: list[str]
) -> None:
    listed = json.dumps(intervals)
    config = config_for(shape, ("A",), f'\n[derived]\nintervals = {listed}\nincomplete = "skip"\n')
    book = make_book("A", shape)
    _assert_view_is_the_oracles(config, "A", list(book))


EXACT = ("sma(3)", "wma(2)", "bbands(3)", "donchian(3)", "stochastic(3)", "mom(2)", "cci(3)")
OF_VOLUMES = ("vwap", "obv(anchor=history)", "mfi(2)", "volume_sma(3)")


# A book in fractions takes long.
@settings(max_examples=max(3, settings().max_examples // 5))
@given(
    shape=shapes(bases=("60m", "240m"), sessions=(1, 2)),
    seed=st.integers(0, 999),
    publish=st.sampled_from(("rows", "latest")),
    on_incomplete=st.sampled_from(("use", "skip")),
)
def test_exact_indicators_fold_to_the_oracles_view(
    shape: BookShape, seed: int, publish: str, on_incomplete: str
) -> None:
    # Volumes that are no whole numbers are added as doubles.
    listed = EXACT if shape.fractional else EXACT + OF_VOLUMES
    extra = (
        f"[indicators.fine]\nlist = {json.dumps(listed)}\n"
        f'intervals = ["{shape.base}", "480m"]\n'
        f'publish = "{publish}"\non_incomplete = "{on_incomplete}"\n'
        '[indicators.days]\nlist = ["sma(2)", "pivot_points"]\nintervals = ["1d"]\n'
        '[instruments.default]\nindicators = ["fine", "days"]\n'
    )
    config = config_for(shape, ("A",), extra)
    _assert_view_is_the_oracles(config, "A", with_clocks(make_book("A", shape), seed, 3, shape))
