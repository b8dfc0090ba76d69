"""Volume of a session so far, in proportion to that of the calendar sessions before it."""

from __future__ import annotations

from fractions import Fraction

from tests.oracle.book import Book, Day, SlotBar
from tests.oracle.indicators.shapes import Cell


def rvol(book: Book, end_ms: int, session: str, n: int) -> tuple[Cell, bool]:
    """Value of the bar of a session that ends then, and whether history's beginning is gone."""
    days = book.days
    here = [day.session for day in days].index(session)
    first = next(i for i, day in enumerate(days) if day.bars)
    warm = here - first > n
    if first == here:
        return None, warm
    today = days[here]
    elapsed_ms = end_ms - today.trading_day.open_ms
    earlier = []
    for day in days[max(here - n, 0) : here]:
        known = any(bar.volume is not None for bar in day.bars.values())
        length_ms = day.trading_day.close_ms - day.trading_day.open_ms
        if known and length_ms >= elapsed_ms:
            earlier.append(_until(day, day.trading_day.open_ms + elapsed_ms))
    if not earlier:
        return (None,), warm
    mean = sum(earlier, Fraction(0)) / len(earlier)
    so_far = _until(today, end_ms)
    return (float(so_far / mean) if mean else 1.0,), warm


def _until(day: Day, end_ms: int) -> Fraction:
    bars: list[SlotBar] = [bar for bar in day.bars.values() if bar.end_ms <= end_ms]
    return sum((Fraction(bar.volume or 0) for bar in bars), Fraction(0))
