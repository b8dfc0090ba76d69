"""Metrics in the text form that Prometheus reads."""

from __future__ import annotations

import resource
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Labels = Mapping[str, str]


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
        self.histograms(name, meaning, [({}, histogram)])

    def histograms(
        self, name: str, meaning: str, samples: Iterable[tuple[Labels, Histogram]]
    ) -> None:
        """Add histograms of one metric, each with labels of its own."""
        full = f"tapeline_{name}"
        self._lines += [f"# HELP {full} {meaning}", f"# TYPE {full} histogram"]
        for labels, histogram in samples:
            seen = 0
            for bound, count in zip(_bounds(histogram), histogram.counts, strict=True):
                seen += count
                self._lines.append(f"{full}_bucket{_labels({**labels, 'le': bound})} {seen}")
            self._lines.append(f"{full}_sum{_labels(labels)} {_number(histogram.total)}")
            self._lines.append(f"{full}_count{_labels(labels)} {seen}")

    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines) + "\n"


def counted(counter: Mapping[str, int], label: str) -> list[tuple[Labels, float]]:
    """Samples of a counter by one label, in order of its values."""
    return [({label: key}, counter[key]) for key in sorted(counter)]


def resident_bytes() -> int:
    """Memory of this process; where the system does not give it, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


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
