"""A log of one equity as raw records, and a configuration that knows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tapeline.schemas.codec import encode
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tapeline.streams.calendars import load_calendar
from tapeline.streams.feeds.samples import sample_book
from tapeline.streams.kafka.raw_records import Chunk

SYMBOL = "ACME"
OTHER = "EMCA"
CONFIG: Config = read_config(
    "".join(
        f'[instruments.{symbol}]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["prior_session"]\n'
        for symbol in (SYMBOL, OTHER)
    ),
    "test",
)


class Raw(NamedTuple):
    """A record as it comes from the broker."""

    offset: int
    timestamp: int
    value: bytes | None


def raw_records(records: Iterable[LogRecord | bytes], first: int = 0) -> list[Raw]:
    """Records one after the other from an offset on."""
    return [
        Raw(offset, 1_000, each if isinstance(each, bytes) else encode(each))
        for offset, each in enumerate(records, first)
    ]


def chunk(records: Sequence[Raw]) -> Chunk:
    """Records without a gap as a chunk."""
    return Chunk(records[0].offset, records[-1].offset + 1, records)


def equity_log(sessions: int, first: str = "2025-11-24", symbol: str = SYMBOL) -> list[LogRecord]:
    """Complete sessions of an equity."""
    return list(sample_book(symbol, load_calendar("XNYS"), first, sessions, 3, 12_500, 0.01))
