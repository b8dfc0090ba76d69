"""The cost of a symbol that is not configured: memory, and bytes of the changelog.

    python benchmarks/symbols.py [--symbols 2000] [--bars 1 60 1440]

Bars of made-up symbols are folded as a worker does, one engine for each, on the built-in default
instrument. Printed are, for each symbol, resident bytes, bytes of its state records (what the
changelog keeps after compaction, and what a restart reads), and bytes written to the changelog.
"""

from __future__ import annotations

import argparse
import gc
import os

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.records import Bar
from tapeline.schemas.topics import input_log
from tapeline.streams.kafka.raw_records import Chunk, RawRecord
from tapeline.streams.worker.fold import Counts, PartitionFold
from tapeline.streams.worker.state.records import StoredPartition, batches

FIRST_MS = 1_751_328_000_000
MINUTE_MS = 60_000
CHUNK = 500
LIMIT = 15 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")


class Record:
    """A record as the broker gives it."""

    __slots__ = ("offset", "timestamp", "value")

    def __init__(self, offset: int, value: bytes) -> None:
        self.offset = offset
        self.timestamp = FIRST_MS
        self.value: bytes | None = value


def resident() -> int:
    """Bytes of this process that lie in memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


def bar(number: int, minute: int) -> bytes:
    """A bar of a made-up symbol."""
    price = 100 + (minute * 7 + number) % 13 / 100
    prices = (price, price + 0.02, price - 0.02, price)
    return encode(Bar(f"X{number}", "1m", FIRST_MS + minute * MINUTE_MS, *prices, 100))


def measure(symbols: int, bars: int) -> tuple[float, float, float]:
    """Memory, state and changelog bytes of one symbol after so many bars."""
    before = resident()
    fold = PartitionFold(built_in_config(), input_log(), 0, 1, StoredPartition(), Counts())
    state: dict[bytes, int] = {}
    written = offset = 0
    chunk: list[RawRecord] = []
    for minute in range(bars):
        for number in range(symbols):
            chunk.append(Record(offset, bar(number, minute)))
            offset += 1
            if len(chunk) == CHUNK or (minute, number) == (bars - 1, symbols - 1):
                step = fold.fold(Chunk(chunk[0].offset, offset, chunk))
                chunk = []
                for batch in batches(step.state.changes(), step.checkpoint(), LIMIT):
                    for key, value in batch:
                        state[key] = len(key) + len(value)
                        written += state[key]
    # What is kept here of the state is no part of the worker.
    kept = sum(state.values())
    state.clear()
    return (resident() - before) / symbols, kept / symbols, written / symbols


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=2_000)
    parser.add_argument("--bars", type=int, nargs="*", default=[1, 60, 1_440])
    given = parser.parse_args()
    print("| bars | resident bytes | state bytes | changelog bytes |\n|---|---|---|---|")
    for bars in given.bars:
        found = measure(given.symbols, bars)
        print(f"| {bars:,} | {found[0]:,.0f} | {found[1]:,.0f} | {found[2]:,.0f} |")


if __name__ == "__main__":
    main()
