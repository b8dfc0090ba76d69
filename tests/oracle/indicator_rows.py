"""Rows of indicators as they are published, from the bars of the history.

Of indicators that are exact alone: of others there is no one text of a value. Theirs are compared
with what was published, by `tests/properties/test_indicator_rows.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tapeline.schemas.config.indicator_sets import IntervalIndicators
from tapeline.schemas.indicators.specification import Specification
from tapeline.schemas.intervals import parse_interval
from tests.oracle.book import Book, Fact
from tests.oracle.by_session import derived_bars
from tests.oracle.indicators.rows import rows
from tests.oracle.indicators.shapes import Market, Near, PlainBar


def indicator_rows(book: Book, planned: Sequence[IntervalIndicators], base: str) -> list[Fact]:
    """A row for each bar of each interval; of what is published as one fact, the last one."""
    facts = []
    for each in planned:
        found = _rows(book, each, base)
        facts += found[-1:] if each.publish == "latest" else found
    return facts


def bars_of(book: Book, base: str, interval: str, complete: bool = False) -> list[PlainBar]:
    """Bars of an interval in ticks.

    Parameters
    ----------
    complete
        Only those without a missing member.
    """
    return [bar for bar, _ in _bars(book, base, interval, complete)]


def _bars(book: Book, base: str, interval: str, complete: bool) -> list[tuple[PlainBar, int]]:
    """Bars and their ends."""
    if interval == base:
        return [
            (
                PlainBar(
                    bar.start_ms,
                    book.timeline.session_at(bar.start_ms),
                    bar.open,
                    bar.high,
                    bar.low,
                    bar.close,
                    bar.volume,
                ),
                bar.end_ms,
            )
            for bar in book.bars
        ]
    facts: list[dict[str, Any]] = derived_bars(book, (parse_interval(interval),), complete, True)
    return [
        (
            PlainBar(
                fact["start_ms"],
                fact["session"],
                _ticks(book, fact["open"]),
                _ticks(book, fact["high"]),
                _ticks(book, fact["low"]),
                _ticks(book, fact["close"]),
                fact["volume"],
            ),
            fact["end_ms"],
        )
        for fact in facts
    ]


def _ticks(book: Book, price: float) -> int:
    return int(Fraction(repr(price)) / book.tick)


def _rows(book: Book, planned: IntervalIndicators, base: str) -> list[Fact]:
    interval = planned.interval
    found = _bars(book, base, interval, planned.on_incomplete == "skip")
    bars = [bar for bar, _ in found]
    texts = [each.written for each in planned.specifications]
    begin_ms = book.bars[0].start_ms if book.bars else 0
    made = rows(texts, bars, Market(book.tick), begin_ms, interval)
    facts = []
    for at, ((bar, end_ms), row) in enumerate(zip(found, made, strict=True)):
        near = [key for key, value in row.values.items() if isinstance(value, Near)]
        assert not near, f"{near[0]} is near at best"
        key = interval if planned.publish == "latest" else f"{interval}|{bar.start_ms}"
        fact = book.fact(
            "indicators",
            key,
            bar.start_ms,
            end_ms,
            interval=interval,
            start_ms=bar.start_ms,
            end_ms=end_ms,
            values=row.values,
            cold=row.cold,
            warming=row.warming,
            null_volumes=_null_volumes(planned.specifications, bars[: at + 1]),
        )
        facts.append({**fact, "session": bar.session})
    return facts


def _null_volumes(specifications: Sequence[Specification], bars: list[PlainBar]) -> int | None:
    """Bars without a volume in the longest look-back, of those up to the last one."""
    reaches = []
    for each in specifications:
        if each.kind.volume == "window":
            reaches.append(bars[-each.whole("n") :])
        elif "history" in each.arguments:
            reaches.append(bars)
        elif each.kind.volume == "anchored":
            reaches.append([bar for bar in bars if bar.session == bars[-1].session])
    if not reaches:
        return None
    return max(sum(1 for bar in reach if bar.volume is None) for reach in reaches)
