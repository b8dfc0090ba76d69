"""The log of a drill: sample books with every trouble that a feed can have."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from random import Random
from typing import NamedTuple

import msgspec

from tapeline.schemas.codec import encode
from tapeline.schemas.config.indicator_sets import IndicatorSet, SetPart
from tapeline.schemas.config.model import Config, InstrumentConfig, KafkaConfig, built_in_config
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.windows import WindowSpec
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.samples import sample_book, with_duplicates, with_holes, with_late_bars

FIRST_SESSION = "2025-11-24"
SESSIONS = 900
"""As many as the calendars have from there on, and more than anybody waits for."""
PIECE_BARS = 120
REMEMBERED_BARS = 3_000
POISON_EVERY = 150
NONSENSE_BYTES = 1_000_000
EXTRA_INSTRUMENT = InstrumentConfig(
    tick="0.25", calendar="24/7", ranges=("prior_session",), indicators=("common", "relative")
)
RELATIVE = IndicatorSet(parts=(SetPart(("rvol(1)",), ("5m",)),))
"""Its volumes by slot are state records of their own."""
WINDOW = WindowSpec(kind="trailing_average", field="volume", period="2d")


class Sent(NamedTuple):
    """One message for the log; `time_ms` is its CreateTime."""

    key: bytes | None
    value: bytes | None
    time_ms: int


def drill_config(kafka: KafkaConfig) -> Config:
    """What is built in, and a symbol for each partition, named after it, with events of all types.

    Its indicators and window show that a worker publishes theirs through every fault.
    """
    plain = built_in_config()
    extra = {}
    for partition in range(kafka.partitions):
        extra[_symbol_in(partition, kafka.partitions)] = EXTRA_INSTRUMENT
    instruments = {**plain.instruments, **extra}
    window = msgspec.structs.replace(WINDOW, symbols=tuple(extra))
    windows = {"avg_volume_2d": window}
    return msgspec.structs.replace(
        plain,
        kafka=kafka,
        instruments=instruments,
        windows=windows,
        indicators={**plain.indicators, "relative": RELATIVE},
    )


def drill_logs(config: Config, seed: int) -> dict[int, Iterator[Sent]]:
    """What goes into each partition; equal for equal arguments, and practically without end."""
    by_partition: dict[int, list[str]] = {}
    for symbol in config.instruments:
        partition = partition_for(config.group_of(symbol), config.kafka.partitions)
        by_partition.setdefault(partition, []).append(symbol)
    return {
        partition: _poisoned(_mixed(config, symbols, seed), config, partition, seed)
        for partition, symbols in sorted(by_partition.items())
    }


def troubled_book(symbol: str, calendar: str, seed: int) -> Iterator[LogRecord]:
    """A book with holes, late, repeated, changed and cancelled bars, and clocks."""
    random = Random(f"{symbol} {seed}")
    bars = sample_book(symbol, load_calendar(calendar), FIRST_SESSION, SESSIONS, seed)
    known: deque[Bar] = deque(maxlen=REMEMBERED_BARS)
    while piece := list(islice(bars, PIECE_BARS)):
        number = random.getrandbits(32)
        yield from with_late_bars(with_duplicates(with_holes(piece, number), number), number)
        known.extend(piece)
        earlier = random.choice(known)
        yield msgspec.structs.replace(earlier, close=earlier.low, volume=number % 10_000)
        if random.random() < 0.3:
            yield Cancel(symbol, "1m", random.choice(known).start_ms)
        if random.random() < 0.3:
            # Some go ahead of bars that come after all.
            yield Clock(symbol, piece[-1].start_ms + random.choice((1, 3)) * MINUTE_MS)


def _symbol_in(partition: int, partitions: int) -> str:
    number = 0
    while partition_for(f"DRILL{partition}-{number}", partitions) != partition:
        number += 1
    return f"DRILL{partition}-{number}"


def _mixed(config: Config, symbols: Sequence[str], seed: int) -> Iterator[LogRecord]:
    """The books of one partition, a few records of each at a time."""
    random = Random(f"{symbols} {seed}")
    books: Mapping[str, Iterator[LogRecord]] = {
        symbol: troubled_book(symbol, config.instruments[symbol].calendar, seed + number)
        for number, symbol in enumerate(symbols)
    }
    for symbol in cycle(symbols):
        found = list(islice(books[symbol], random.randint(1, 7)))
        if not found:
            return
        yield from found


def _poisoned(
    log: Iterator[LogRecord], config: Config, partition: int, seed: int
) -> Iterator[Sent]:
    random = Random(f"{partition} {seed}")
    time_ms = 0
    poison: Iterator[Sent] | None = None
    for record in log:
        time_ms = record.time_ms if isinstance(record, Clock) else record.start_ms + MINUTE_MS
        yield Sent(record.symbol.encode(), encode(record), time_ms)
        if poison is None:
            poison = _poison(config, partition, record.symbol, time_ms)
        if random.randrange(POISON_EVERY) == 0:
            yield next(poison)._replace(time_ms=time_ms)


def _poison(config: Config, partition: int, symbol: str, label: int) -> Iterator[Sent]:
    """Records that cannot be taken, again and again; the large one once."""
    key = symbol.encode()
    head = b'{"type":"bar","symbol":"%s","interval":"1m","start_ms":%d,"open":1' % (key, label)
    stranger = next(
        each
        for each in config.instruments
        if partition_for(config.group_of(each), config.kafka.partitions) != partition
    )
    yield Sent(key, b"x" * NONSENSE_BYTES, 0)
    values = (
        b"",
        b"\xff\xfe",
        b"not json",
        head + b',"high":NaN,"low":1,"close":1}',
        head + b',"high":"x","low":1,"close":1}',
        head + b',"high":1,"low":1,"close":1,"volume":-1}',
        head + b',"high":1,"low":2,"close":1}',
        b"[" * 10_000,
        encode(Clock("ES-NQ", label)),
        encode(Bar(stranger, "1m", label, 1.0, 1.0, 1.0, 1.0)),
    )
    while True:
        yield Sent(None, None, 0)
        for value in values:
            yield Sent(key, value, 0)
