"""Numbers of a worker in the text form that Prometheus reads. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

Labels = Mapping[str, str]
CHUNK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
VALUE_BYTES = (512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0, 262144.0, 1048576.0)


class Histogram:
    """Counts of observations up to each of some bounds.

    Parameters
    ----------
    bounds
        Ascending, inclusive; one more bucket takes the rest.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


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


class Page:
    """Lines of the text format; every metric is begun once and has samples."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def metric(
        self, name: str, kind: str, meaning: str, samples: Iterable[tuple[Labels, float | None]]
    ) -> None:
        """Add a metric; samples of unknown value are left out."""
        full = f"tapeline_{name}"
        self._lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}"]
        self._lines += [
            f"{full}{_labels(labels)} {_number(value)}"
            for labels, value in samples
            if value is not None
        ]

    def histogram(self, name: str, meaning: str, histogram: Histogram) -> None:
        """Add a histogram."""
        full = f"tapeline_{name}"
        self._lines += [f"# HELP {full} {meaning}", f"# TYPE {full} histogram"]
        seen = 0
        for bound, count in zip(_bounds(histogram), histogram.counts, strict=True):
            seen += count
            self._lines.append(f'{full}_bucket{{le="{bound}"}} {seen}')
        self._lines.append(f"{full}_sum {_number(histogram.total)}")
        self._lines.append(f"{full}_count {seen}")

    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines) + "\n"


def counted(counter: Mapping[str, int], label: str) -> list[tuple[Labels, float]]:
    """Samples of a counter by one label, in order of its values."""
    return [({label: key}, counter[key]) for key in sorted(counter)]


def _difference(end: int | None, start: int | None) -> int | None:
    return None if end is None or start is None else max(end - start, 0)


def _bounds(histogram: Histogram) -> Iterator[str]:
    yield from (_number(bound) for bound in histogram.bounds)
    yield "+Inf"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
