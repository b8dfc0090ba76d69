"""What a worker counts and measures. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from tapeline.schemas.instants import WEEK_MS
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.monitoring.page import Histogram
from tapeline.streams.pipeline.status import is_stale, silent_slots

CHUNK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
NAMED = 10
"""Stale symbols that are named."""
VALUE_BYTES = (512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0, 262144.0, 1048576.0)


class WorkerMetrics:
    """What the committer and the application count, since the process began.

    Attributes
    ----------
    started_s
        When that was, in seconds since 1970.
    """

    def __init__(self) -> None:
        self.started_s = 0.0
        self.chunk_seconds = Histogram(CHUNK_SECONDS)
        self.state_bytes = Histogram(VALUE_BYTES)
        self.records = 0
        self.messages: Counter[str] = Counter()
        self.batches: Counter[str] = Counter()
        self.send_errors = 0
        self.rebalances = 0
        self.recoveries = 0
        self.recovery_seconds = 0.0
        self.stale_states = 0
        self.zombie_exits = 0


class SymbolGauge(Struct, frozen=True):
    """How fresh a symbol is by the clock of the machine.

    Attributes
    ----------
    silent_slots
        Slots of its calendar that are over, and have neither bar nor clock; at most those of the
        last seven days.
    stale
        Whether it is in session and has too many of them; see `streams.pipeline.status`.
    """

    symbol: str
    group: str
    watermark_ms: int
    silent_slots: int
    stale: bool


class PartitionGauges(Struct, frozen=True):
    """The position of one partition; None where it is not known yet.

    Attributes
    ----------
    log_end
        Offset up to which it can be read; where no transaction is open, that of the next record.
    high_watermark
        Offset up to which it is written.
    symbols
        Those that have a bar or a clock; none where they were not asked for.
    """

    partition: int
    log_end: int | None
    handed_out: int | None
    committed: int | None
    symbols: Sequence[SymbolGauge] = ()
    high_watermark: int | None = None

    @property
    def input_lag(self) -> int | None:
        """Records of the log that were not handed out yet."""
        return _difference(self.log_end, self.handed_out)

    @property
    def committed_lag(self) -> int | None:
        """Records of the log whose results are not committed yet."""
        return _difference(self.log_end, self.committed)

    @property
    def undecided(self) -> int | None:
        """Offsets of the log from the first of an open transaction on: not to be read yet."""
        return _difference(self.high_watermark, self.log_end)


def symbol_gauges(engines: Mapping[str, GroupEngine], now_ms: int) -> list[SymbolGauge]:
    """How fresh the symbols of some groups are, by symbol.

    Parameters
    ----------
    engines
        By group.
    now_ms
        By the clock of the machine.
    """
    found = []
    for group, engine in engines.items():
        for plan in engine.plan.instruments:
            watermark_ms = engine.watermark_ms(plan.symbol)
            if watermark_ms is None:
                continue
            # A book of years ago is stale whatever came before.
            known_ms = max(watermark_ms, now_ms - WEEK_MS)
            silent = silent_slots(plan.calendar, plan.base_ms, known_ms, now_ms)
            stale = is_stale(plan.calendar, plan.base_ms, known_ms, now_ms)
            found.append(SymbolGauge(plan.symbol, group, watermark_ms, silent, stale))
    return sorted(found, key=lambda each: each.symbol)


def without_data(gauges: Iterable[PartitionGauges]) -> str | None:
    """Names what is stale in session; None when nothing is."""
    stale = [each.symbol for partition in gauges for each in partition.symbols if each.stale]
    if not stale:
        return None
    more = f" and {len(stale) - NAMED} more" if len(stale) > NAMED else ""
    return f"stale in session: {', '.join(stale[:NAMED])}{more}"


def _difference(end: int | None, start: int | None) -> int | None:
    return None if end is None or start is None else max(end - start, 0)
