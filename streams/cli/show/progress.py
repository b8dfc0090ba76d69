"""A progress bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from tapeline.streams.feeds.opening import Progress as RunProgress
from tapeline.streams.feeds.opening import Source
from tapeline.streams.outputs.terminal import progress_bar


class ProgressBar:
    """Share of the inputs read, bars per second and the time that remains."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._started = time.monotonic()
        self._shown = sys.stderr.isatty()
        self._total = sum(_size(source.path) for source in sources)
        self._bar = progress_bar(shown=self._shown)
        self._task = self._bar.add_task("reading", total=self._total or None)

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._bar.stop()

    @property
    def reporter(self) -> Callable[[RunProgress], None] | None:
        """What a run calls now and then; None where it is not shown."""
        return self._update if self._shown else None

    def _update(self, progress: RunProgress) -> None:
        seconds = time.monotonic() - self._started
        rate = int(progress.rows / seconds) if seconds > 0 else 0
        self._bar.update(
            self._task,
            completed=progress.bytes_read,
            description=f"{progress.rows:,} rows, {rate:,} bars/s",
        )


def _size(path: str) -> int:
    """Bytes of a file; of one that cannot be looked at none, since the run will report it."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
