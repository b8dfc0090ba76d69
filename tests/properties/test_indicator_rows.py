"""Rows of indicators that an engine publishes, against a naive second implementation."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.pipeline.planning import plan_group
from tests.oracle.book import Book
from tests.oracle.indicator_rows import bars_of
from tests.oracle.indicators.relative import rvol
from tests.oracle.indicators.rows import rows
from tests.oracle.indicators.shapes import Market
from tests.oracle.trading_days import Timeline, trading_days
from tests.properties.books import BookShape, config_for, make_book, shapes, with_clocks
from tests.properties.folding import fold
from tests.properties.test_indicators import agree

TICK = "0.25"
INTRADAY = (
    "sma(3)", "ema(3)", "rsi(3)", "macd(2, 3, 2)", "bbands(4)", "vwap", "obv", "pvt",
    "pivot_points", "adx(2)", "mfi(3)", "vwma(3)", "donchian(4)", "sma(2, of=rsi_3)", "rvol(2)",
)  # fmt: skip
DAILY = ("sma(2)", "avg_volume(2)", "gap_stats(1)", "pivot_points", "atr_daily(1)", "rvol(1)")
WEEKLY = ("sma(1)", "twap(anchor=history)")
LOOSE = ("vwap", "obv", "pvt", "mfi", "vwma", "avg_volume", "rvol")


def extra(base: str, middle: str) -> str:
    sets = {"fine": (INTRADAY, [base, middle]), "days": (DAILY, ["1d"]), "weeks": (WEEKLY, ["1w"])}
    lines = [f"[instruments.default]\nindicators = {list(sets)!r}\n"]
    for name, (texts, intervals) in sets.items():
        lines.append(f"[indicators.{name}]\nlist = {list(texts)!r}\nintervals = {intervals!r}\n")
    return "\n".join(lines).replace("'", '"')


# A book in fractions takes half a second.
@settings(max_examples=max(3, settings().max_examples // 5))
@given(
    shape=shapes(bases=("60m",), sessions=(1, 5)),
    seed=st.integers(0, 999),
    clocks=st.integers(0, 4),
)
def test_rows_are_those_of_the_naive_implementation(
    shape: BookShape, seed: int, clocks: int
) -> None:
    middle = "120m"
    config = config_for(shape, ("A",), extra(shape.base, middle))
    assert config.instrument("A") is not None
    bars = make_book("A", shape)
    if bars:
        del bars[Random(seed).randrange(1, len(bars) + 1) :]
    log = with_clocks(bars, seed, clocks, shape)
    engine = GroupEngine(plan_group(config, "A"))
    events = []
    for offset, record in enumerate(log):
        events += engine.apply(record, offset).events
    view = {key: fact for key, fact in fold(events).items() if fact["type"] == "indicators"}
    mark = engine.watermark_ms("A")
    if mark is None:
        assert view == {}
        return
    book = _book(shape, log, mark)
    found = 0
    for interval in (shape.base, middle, "1d", "1w"):
        found += compare(book, shape, interval, view)
    assert found == len(view)


def _book(shape: BookShape, log: list[LogRecord], mark: int) -> Book:
    bars = [record for record in log if isinstance(record, Bar)]
    days = trading_days(shape.calendar, min(bar.start_ms for bar in bars), mark)
    timeline = Timeline(days, parse_interval(shape.base).length_ms)
    return Book("A", TICK, timeline, bars, mark)


def compare(book: Book, shape: BookShape, interval: str, view: dict[str, dict[str, Any]]) -> int:
    """Compare the rows of an interval; how many there are."""
    texts = {"1d": DAILY, "1w": WEEKLY}.get(interval, INTRADAY)
    relative = [text for text in texts if text.startswith("rvol")]
    others = [text for text in texts if text not in relative]
    bars = bars_of(book, shape.base, interval)
    facts = [view[f"indicators|A|{interval}|{bar.start_ms}"] for bar in bars]
    begin_ms = book.bars[0].start_ms if book.bars else 0
    published = [fact["values"] for fact in facts]
    market = Market(Fraction(TICK))
    for fact, expected in zip(
        facts, rows(others, bars, market, begin_ms, interval, published), strict=True
    ):
        values = dict(expected.values)
        cold, warming = list(expected.cold), list(expected.warming)
        for text in relative:
            n = int(text.removeprefix("rvol(").removesuffix(")"))
            key = f"rvol_{n}_{interval}"
            cell, warm = rvol(book, fact["end_ms"], fact["session"], n)
            values[key] = None if cell is None else cell[0]
            cold += [key] if cell is None else []
            warming += [key] if cell is not None and not warm else []
        assert (fact["cold"], fact["warming"]) == (sorted(cold), sorted(warming))
        assert list(fact["values"]) == sorted(values)
        assert fact["event_ms"] == fact["end_ms"]
        for key, value in fact["values"].items():
            share = 1e-9 if shape.fractional and key.startswith(LOOSE) else 0.0
            assert agree(value, values[key], share), f"{key}: {value!r}, not {values[key]!r}"
    return len(facts)
