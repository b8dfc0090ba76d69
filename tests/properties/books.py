"""Random books: bars of one symbol on a calendar, with everything that happens to real ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from random import Random

from hypothesis import strategies as st

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import Calendar

EPOCH = date(1970, 1, 1).toordinal()

MOST_SLOTS = 1500
"""Of a session of seconds only the first are there; the rest is one long gap."""

STARTS = {
    "CME_EQUITY": (
        "2024-03-08",  # spring change of the clocks on the Sunday after
        "2024-11-01",  # autumn change
        "2024-11-27",  # Thanksgiving: 12:00, then 12:15
        "2024-03-28",  # before Good Friday
        "2025-01-08",  # before the close at 08:30
        "2025-07-02",  # two early closes in a row
        "2025-08-29",  # before Labor Day
        "2025-11-26",
        "2026-04-02",
    ),
    "XNYS": ("2024-03-08", "2024-07-02", "2024-11-27", "2025-01-08", "2025-11-26", "2025-12-23"),
    "24/7": ("2024-03-09", "2024-11-02", "2025-12-30"),
}


WINDOWS = """
[windows.volume_3d]
kind = "trailing_average"
field = "volume"
period = "3d"

[windows.volume]
kind = "sum"
field = "volume"
period = "1w"
symbols = ["A"]

[windows.high_full_2d]
kind = "trailing_max"
field = "high"
period = "2d"
skip_early_close = true

[windows.close_1m]
kind = "stddev"
field = "close"
period = "1m"
"""
"""Windows over few sessions, and over more than a book has."""
SLOT_WINDOWS = """
[windows.volume_2d_minute]
kind = "trailing_average"
field = "volume"
granularity = "minute"
period = "2d"

[windows.range_1w_minute]
kind = "trailing_min"
field = "range"
granularity = "minute"
period = "1w"
skip_early_close = true
"""


@dataclass(frozen=True)
class BookShape:
    """What a book is made from; equal shapes give equal books."""

    calendar: str
    base: str
    start: str
    sessions: int
    seed: int
    step: int
    missing: float
    holes: int
    lost_sessions: int
    off_session: int
    fractional: bool
    windows: bool = False


@st.composite
def shapes(
    draw: st.DrawFn,
    calendars: tuple[str, ...] = ("CME_EQUITY", "XNYS", "24/7"),
    bases: tuple[str, ...] = ("1s", "1m", "5m", "15m", "30m", "60m", "240m"),
    sessions: tuple[int, int] = (1, 4),
) -> BookShape:
    """Shapes around the days on which calendars go wrong."""
    calendar = draw(st.sampled_from(calendars))
    base = draw(st.sampled_from(bases))
    many = parse_interval(base).length_ms >= 3_600_000
    return BookShape(
        calendar=calendar,
        base=base,
        start=draw(st.sampled_from(STARTS[calendar])),
        sessions=draw(st.integers(*sessions)) * (20 if many else 1),
        seed=draw(st.integers(0, 2**16)),
        step=draw(st.sampled_from((0, 1, 3, 12))),
        missing=draw(st.sampled_from((0.0, 0.01, 0.3))),
        holes=draw(st.integers(0, 3)),
        lost_sessions=draw(st.integers(0, 1)),
        off_session=draw(st.sampled_from((0, 0, 5))),
        fractional=draw(st.booleans()),
        windows=draw(st.booleans()),
    )


def first_session(calendar: Calendar, start: str) -> int:
    """Index of the first session at or after an ISO date."""
    day = date.fromisoformat(start).toordinal() - EPOCH
    while calendar.index_of_day(day) < 0:
        day += 1
    return calendar.index_of_day(day)


def make_book(symbol: str, shape: BookShape) -> list[Bar]:
    """The bars of a shape, in order of start; prices walk in ticks of 0.25, or stay."""
    calendar = load_calendar(shape.calendar)
    random = Random(f"{symbol}{shape.seed}")
    base_ms = parse_interval(shape.base).length_ms
    first = first_session(calendar, shape.start)
    lost = {first + random.randrange(shape.sessions) for _ in range(shape.lost_sessions)}
    bars: list[Bar] = []
    price = 20_000
    for index in range(first, first + shape.sessions):
        if index in lost:
            continue
        labels = [
            calendar.slot_start(index, slot, base_ms)
            for slot in range(min(calendar.slot_count(index, base_ms), MOST_SLOTS))
        ]
        for _ in range(shape.holes):
            at = random.randrange(len(labels) + 1)
            del labels[at : at + random.choice((1, 7, 40))]
        labels = [label for label in labels if random.random() >= shape.missing]
        for label in labels:
            bars.append(_bar(symbol, shape, label, price, random))
            price = round(bars[-1].close * 4)
    bars += _off_session(symbol, shape, calendar, bars, random)
    return sorted({bar.start_ms: bar for bar in bars}.values(), key=lambda bar: bar.start_ms)


def _bar(symbol: str, shape: BookShape, label: int, price: int, random: Random) -> Bar:
    step = shape.step
    open_ = price + random.randint(-1, 1) * (step > 0)
    close = open_ + random.randint(-step, step)
    high = max(open_, close) + random.randint(0, step)
    low = min(open_, close) - random.randint(0, step)
    volume: int | float | None = random.choice((None, 0, random.randint(1, 900)))
    if shape.fractional and volume:
        volume = volume / 7
    return Bar(symbol, shape.base, label, open_ / 4, high / 4, low / 4, close / 4, volume)


def _off_session(
    symbol: str, shape: BookShape, calendar: Calendar, bars: list[Bar], random: Random
) -> list[Bar]:
    """Bars between sessions, on whole minutes."""
    if not bars or shape.calendar == "24/7":
        return []
    found = []
    for _ in range(shape.off_session):
        after = calendar.session_of(random.choice(bars).start_ms)
        gap = calendar.open_ms(after + 1) - calendar.close_ms(after)
        label = calendar.close_ms(after) + random.randrange(gap // 60_000) * 60_000
        found.append(_bar(symbol, shape, label, 20_000, random))
    return found


def with_clocks(records: list[Bar], seed: int, count: int, shape: BookShape) -> list[LogRecord]:
    """The records with clock records between them, some that skip ahead of a pause."""
    random = Random(seed)
    calendar = load_calendar(shape.calendar)
    base_ms = parse_interval(shape.base).length_ms
    log: list[LogRecord] = list(records)
    for _ in range(count):
        if not records:
            break
        at = random.randrange(len(log))
        record = log[at]
        if not isinstance(record, Bar):
            continue
        end = calendar.slot_end(record.start_ms, base_ms)
        later = next(
            (
                following.start_ms
                for following in log[at + 1 :]
                if isinstance(following, Bar) and following.symbol == record.symbol
            ),
            end + 3_600_000,
        )
        time_ms = random.choice((end, end + 30_000, later, (end + later) // 2))
        log.insert(at + 1, Clock(record.symbol, min(time_ms, max(later, end))))
    return log


def config_for(shape: BookShape, symbols: tuple[str, ...], extra: str = "") -> Config:
    """Configuration with these symbols on the calendar and base of a shape, one group if two."""
    if shape.calendar == "CME_EQUITY" or shape.base == "1m":
        ranges = ["cme_index"] if shape.base == "1m" else ["cme_long"]
    else:
        ranges = []
    ranges.append("prior_session")
    lines = []
    for symbol in symbols:
        lines.append(
            f'[instruments.{symbol}]\ntick = 0.25\ncalendar = "{shape.calendar}"\n'
            f'base = "{shape.base}"\nranges = {ranges!r}\nmax_ahead = 0\n'
        )
    if len(symbols) == 2:
        lines.append(f"[groups]\nTWO = {list(symbols)!r}\n")
    if shape.windows:
        lines.append(WINDOWS if shape.base == "1s" else WINDOWS + SLOT_WINDOWS)
    return read_config("\n".join(lines).replace("'", '"') + extra, "random book")
