"""What a worker counts and measures. Pure."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from tapeline.streams.monitoring.page import Histogram

CHUNK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
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


class PartitionGauges(Struct, frozen=True):
    """The position of one partition; None where it is not known yet.

    Attributes
    ----------
    log_end
        Offset up to which it can be read; where no transaction is open, that of the next record.
    high_watermark
        Offset up to which it is written.
    """

    partition: int
    log_end: int | None
    handed_out: int | None
    committed: int | None
    watermarks_ms: dict[str, int]
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


def _difference(end: int | None, start: int | None) -> int | None:
    return None if end is None or start is None else max(end - start, 0)
