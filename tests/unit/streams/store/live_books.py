"""Bars of books as a live feed writes them."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.streams.pipeline.log_writer import LogBatch, LogEntry
from tapeline.streams.store.live import LiveStore
from tests.unit.streams.store.stores import CONFIGURATION, Rows, label

CONFIG = read_config(CONFIGURATION, "test")
RECEIVED_MS = label(7, 0) + 250


def bars(symbol: str, rows: Rows) -> Iterator[Bar]:
    """The bars of a book, by label."""
    for start_ms in sorted(rows):
        cells = rows[start_ms].split(",")
        high, low = float(cells[2]), float(cells[3])
        open_, close = float(cells[1]), float(cells[4])
        yield Bar(symbol, "1m", start_ms, open_, high, low, close, int(cells[5]), "live")


def entries(*records: Bar | Cancel | Clock, recv_ms: int = RECEIVED_MS) -> tuple[LogEntry, ...]:
    """Records as they came over the stream."""
    return tuple(LogEntry(record, "stream", recv_ms) for record in records)


def write_bars(store: LiveStore, rows: Rows, symbol: str = "A") -> None:
    """Write a book of one symbol in one batch."""
    store.write("demo", LogBatch(entries(*bars(symbol, rows))))
