"""Sample books: deterministic walks of prices, complete, and some with the usual faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from tapeline.schemas.codec import encode
from tapeline.schemas.instants import MINUTE_MS, day_of
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.errors import InputError

FIRST_SESSION = "2025-11-20"
SESSIONS = 10
SEED = 7
CSV_HEADER = "start_ms,open,high,low,close,volume"
BOOK_FILES = (
    "es.csv",
    "nq.csv",
    "acme.csv",
    "es-holes.csv",
    "es-duplicates.csv",
    "es-late.jsonl",
    "es-corrections.jsonl",
)
CONFIGURATION_FILE = "tapeline.toml"

CONFIGURATION = """\
# The equity of the sample books; ES and NQ are built in.
[instruments.ACME]
tick = 0.01
calendar = "XNYS"
ranges = ["prior_session"]
"""


def sample_book(
    symbol: str,
    calendar: Calendar,
    first_session: str,
    sessions: int,
    seed: int,
    first_ticks: int = 24_000,
    tick: float = 0.25,
) -> Iterator[Bar]:
    """A complete book of 1m bars that walks in ticks.

    Parameters
    ----------
    first_session
        ISO date; the book starts with the first session at or after it.
    seed
        Books of equal arguments are equal on every machine.
    first_ticks
        First price in ticks.
    tick
        Length of a tick in quote currency.

    Yields
    ------
    Bar
        In order of start.
    """
    bits = Random(seed).getrandbits
    index = _first_index(calendar, first_session)
    price = first_ticks
    for session in range(index, index + sessions):
        for label in range(calendar.open_ms(session), calendar.close_ms(session), MINUTE_MS):
            noise = bits(32)
            open_ = price + (noise & 1) - (noise >> 31)
            # Two small uniform numbers make a hump; the walk is drawn back from low prices.
            close = open_ + ((noise >> 2) & 7) + ((noise >> 5) & 7) - 7
            if close < first_ticks // 2:
                close += 8
            high = (open_ if open_ > close else close) + ((noise >> 8) & 3)
            low = (open_ if open_ < close else close) - ((noise >> 10) & 3)
            volume = 100 + ((noise >> 12) & 4095)
            yield Bar(
                symbol,
                "1m",
                label,
                round(open_ * tick, 10),
                round(high * tick, 10),
                round(low * tick, 10),
                round(close * tick, 10),
                volume,
                "file",
            )
            price = close


def _first_index(calendar: Calendar, first_session: str) -> int:
    day = day_of(first_session)
    while calendar.index_of_day(day) < 0:
        day += 1
    return calendar.index_of_day(day)


def write_samples(folder: Path, sessions: int = SESSIONS, seed: int = SEED) -> list[Path]:
    """Write the sample books; returns the files.

    ``es.csv``, ``nq.csv`` and ``acme.csv`` are complete. The others are ``es.csv`` with one fault
    each: holes and repeated rows as tables; late bars and later corrections as logs, because rows
    of a table have no order of arrival.

    Raises
    ------
    InputError
        When the folder holds files of these names that are no samples.
    """
    _check_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    futures, equities = load_calendar("CME_EQUITY"), load_calendar("XNYS")
    es = list(sample_book("ES", futures, FIRST_SESSION, sessions, seed))
    nq = sample_book("NQ", futures, FIRST_SESSION, sessions, seed + 1, first_ticks=96_000)
    acme = sample_book("ACME", equities, FIRST_SESSION, sessions, seed + 2, 12_500, 0.01)
    books: tuple[Iterable[Bar], ...] = (
        es,
        nq,
        acme,
        with_holes(es, seed),
        with_duplicates(es, seed),
        with_late_bars(es, seed),
        corrections(es, seed),
    )
    files = []
    for name, bars in zip(BOOK_FILES, books, strict=True):
        path = folder / name
        # Whole or not at all: a feed may be reading the file of before.
        fresh = path.with_name(f"{name}.new")
        fresh.write_text(_text_of(name, bars), encoding="ascii")
        files.append(fresh.replace(path))
    configuration = folder / CONFIGURATION_FILE
    configuration.write_text(CONFIGURATION, encoding="ascii")
    return [*files, configuration]


def _check_free(folder: Path) -> None:
    """Samples may be written over samples, which their configuration shows, and nothing else."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    configuration = folder / CONFIGURATION_FILE
    if configuration.exists() and configuration.read_bytes() == CONFIGURATION.encode("ascii"):
        return
    for name in (CONFIGURATION_FILE, *BOOK_FILES):
        if (folder / name).exists():
            raise InputError(f"{folder}: holds a {name} that is no sample; name another folder")


def _text_of(name: str, bars: Iterable[Bar]) -> str:
    """A file of bars, a table or a log by its name."""
    if name.endswith(".jsonl"):
        lines = [encode(bar).decode() for bar in bars]
    else:
        lines = [CSV_HEADER, *map(_row, bars)]
    return "\n".join(lines) + "\n"


def _row(bar: Bar) -> str:
    return f"{bar.start_ms},{bar.open},{bar.high},{bar.low},{bar.close},{bar.volume}"


def with_holes(bars: list[Bar], seed: int) -> list[Bar]:
    """The bars without some minutes, and without some runs of minutes."""
    random = Random(seed)
    kept = []
    left_out = 0
    for bar in bars:
        if left_out == 0 and random.random() < 0.002:
            left_out = 1 + random.getrandbits(5)
        if left_out:
            left_out -= 1
        else:
            kept.append(bar)
    return kept


def with_duplicates(bars: list[Bar], seed: int) -> list[Bar]:
    """The bars, some of them sent again a little later."""
    random = Random(seed)
    sent: list[Bar] = []
    for bar in bars:
        sent.append(bar)
        if random.random() < 0.02:
            sent.append(sent[-1 - random.getrandbits(4) % len(sent)])
    return sent


def with_late_bars(bars: list[Bar], seed: int) -> list[Bar]:
    """The bars, some of them up to ten minutes late."""
    random = Random(seed)
    sent = []
    for number, bar in enumerate(bars):
        late = random.random() < 0.01
        delay = 1 + random.getrandbits(3) if late else 0
        sent.append((number + delay, late, number, bar))
    return [row[3] for row in sorted(sent, key=lambda row: row[:3])]


def corrections(bars: list[Bar], seed: int) -> list[Bar]:
    """Changed versions of some bars of the last session, with another close and volume."""
    random = Random(seed)
    changed = []
    for bar in bars[-1200:]:
        if random.random() < 0.01:
            changed.append(
                Bar(
                    bar.symbol,
                    bar.interval,
                    bar.start_ms,
                    bar.open,
                    bar.high,
                    bar.low,
                    bar.low,
                    (bar.volume or 0) + 1,
                    bar.source,
                )
            )
    return changed
