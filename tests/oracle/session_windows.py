"""Historical windows, from the sessions of the history one by one, with fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from tapeline.schemas.windows import WindowSpec
from tests.oracle.book import Book, Day, Fact, Number, whole
from tests.oracle.trading_days import TradingDay

Value = int | float | None


def windows(book: Book, specs: dict[str, WindowSpec]) -> list[Fact]:
    """For each session that follows a closed one of the history, a fact for each window."""
    history = {day.session: day for day in book.days}
    days = book.timeline.days
    facts = []
    for before, trading_day in pairwise(days):
        if before.session in history and before.close_ms <= book.watermark_ms:
            for name, spec in specs.items():
                facts.append(_fact(book, history, name, spec, before, trading_day))
    return facts


def _fact(
    book: Book,
    history: dict[str, Day],
    name: str,
    spec: WindowSpec,
    before: TradingDay,
    trading_day: TradingDay,
) -> Fact:
    needed = _needed(book.timeline.days, spec, trading_day)
    had = [history[each.session] for each in needed if _is_had(book, history, each)]
    if spec.field == "volume":
        had = [day for day in had if _of_day(day, "volume") is not None]
    need = int(spec.period[:-1]) if spec.period.endswith("d") else len(needed)
    value: Value | list[Value] = None
    if spec.granularity == "daily":
        value = _value(book, spec, [_of_day(day, spec.field) for day in had])
    elif needed:
        value = [
            _value(book, spec, [_of_slot(day, slot, spec.field) for day in had])
            for slot in range(_full_slots(book, trading_day))
        ]
    return book.fact(
        "window",
        f"{name}|{trading_day.session}",
        trading_day.open_ms,
        before.close_ms,
        kind=spec.kind,
        field=spec.field,
        granularity=spec.granularity,
        period=spec.period,
        value=value,
        **{"from": needed[0].session if needed else None},
        to=needed[-1].session if needed else None,
        have=len(had),
        need=need,
        complete=need > 0 and len(had) == need,
    )


def _needed(
    days: Sequence[TradingDay], spec: WindowSpec, trading_day: TradingDay
) -> list[TradingDay]:
    """The sessions of a window, oldest first."""
    earlier = [day for day in days if day.session < trading_day.session]
    if spec.skip_early_close:
        earlier = [day for day in earlier if not day.early_close]
    count, unit = int(spec.period[:-1]), spec.period[-1]
    if unit == "d":
        return earlier[-count:]
    first = _shifted(trading_day.day, count, unit).isoformat()
    return [day for day in earlier if day.session >= first]


def _shifted(day: date, count: int, unit: str) -> date:
    """The date so many weeks, months or years before: if there is none, the last before it."""
    if unit == "w":
        return day - timedelta(weeks=count)
    year, month = day.year, day.month
    for _ in range(count * (12 if unit == "y" else 1)):
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    number = day.day
    while True:
        try:
            return date(year, month, number)
        except ValueError:
            number -= 1


def _is_had(book: Book, history: dict[str, Day], trading_day: TradingDay) -> bool:
    """Whether a session has bars; that in which the history begins, from its first slot on."""
    day = history.get(trading_day.session)
    if day is None or not day.bars:
        return False
    return day is not book.days[0] or day.slots[0].start_ms in day.bars


def _of_day(day: Day, name: str) -> Number | None:
    bars = day.present(day.slots)
    if name == "volume":
        volumes = [bar.volume for bar in bars if bar.volume is not None]
        total: Number | None = None
        for volume in volumes:
            total = volume if total is None else total + volume
        return None if total is None else whole(total)
    high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
    values = {
        "open": bars[0].open, "high": high, "low": low, "close": bars[-1].close, "range": high - low
    }  # fmt: skip
    return values[name]


def _of_slot(day: Day, slot: int, name: str) -> Number | None:
    if slot >= len(day.slots) or day.slots[slot].start_ms not in day.bars:
        return None
    bar = day.bars[day.slots[slot].start_ms]
    if name == "range":
        return bar.high - bar.low
    value: Number | None = getattr(bar, name)
    return value


def _full_slots(book: Book, trading_day: TradingDay) -> int:
    """Slots of the first full session on or after one."""
    later = [each for each in book.timeline.days if each.session >= trading_day.session]
    full = [each for each in later if each.full]
    return len((full or later)[0].slots(book.timeline.base_ms))


def _value(book: Book, spec: WindowSpec, found: list[Number | None]) -> Value:
    values = [value for value in found if value is not None]
    if not values:
        return None
    is_volume = spec.field == "volume"
    tick = Fraction(1) if is_volume else book.tick
    if spec.kind in ("trailing_max", "trailing_min"):
        extreme = max(values) if spec.kind == "trailing_max" else min(values)
        return extreme if is_volume else float(extreme * tick)
    if any(isinstance(value, float) for value in values):
        return _of_doubles(spec, values)
    total = sum(int(value) for value in values)
    count = len(values)
    if spec.kind == "sum":
        return total if is_volume else float(total * tick)
    if spec.kind == "trailing_average":
        return float(Fraction(total, count) * tick)
    root = math.sqrt(count * sum(int(value) ** 2 for value in values) - total**2)
    return root * tick.numerator / (count * tick.denominator)


def _of_doubles(spec: WindowSpec, values: list[Number]) -> Value:
    """Volumes that are no whole numbers: oldest first."""
    total = 0.0
    for value in values:
        total += value
    if spec.kind == "sum":
        return whole(total)
    mean = total / len(values)
    if spec.kind == "trailing_average":
        return mean
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return math.sqrt(squares / len(values))
