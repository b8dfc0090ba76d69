"""How a replay goes, on one line of a terminal; nothing anywhere else."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tapeline.replay.pace.control import ControlState
from tapeline.schemas.instants import instant_text
from tapeline.streams.outputs.terminal import plain_console

WINDOW_S = 5.0
_REFRESHES_PER_SECOND = 8
_BAR_WIDTHS = (8, 30)
_LINE_WIDTH = 72


class MeasuredPace(Struct, frozen=True):
    """Measured over the last seconds.

    Attributes
    ----------
    share
        Part of the way that is done, 0 to 1; None where the end is not known.
    bars_per_s
        Records a second.
    factor
        Event time in real time; None before two records came.
    eta_s
        Seconds to the end at this pace; None while paused or unknown.
    """

    share: float | None
    bars_per_s: float
    factor: float | None
    eta_s: float | None


class _Sample(NamedTuple):
    at_s: float
    records: int
    event_ms: int


class Meter:
    """The pace of a replay, from its states at some times. Pure.

    Parameters
    ----------
    end_ms
        Event time at which it ends, if that is known.
    total
        Number of records up to its end, if that is known; used where `end_ms` is not.
    """

    def __init__(self, end_ms: int | None = None, total: int | None = None) -> None:
        self._end_ms = end_ms
        self._total = total
        self._begin_ms: int | None = None
        self._samples: deque[_Sample] = deque()

    def look(self, state: ControlState, now_s: float) -> MeasuredPace:
        """The pace at a time; times never go back."""
        samples = self._samples
        if state.event_ms is not None:
            if self._begin_ms is None:
                self._begin_ms = state.event_ms
            if state.paused:
                samples.clear()
            # Only times at which something came: one bar a minute has a pace, too.
            if not samples or samples[-1].records != state.records:
                samples.append(_Sample(now_s, state.records, state.event_ms))
        while len(samples) > 2 and samples[1].at_s <= now_s - WINDOW_S:
            samples.popleft()
        rate, factor = self._rate(now_s), self._factor()
        if len(samples) < 3 and state.speed is not None and state.toward is None:
            # Too little was seen to measure it.
            factor = state.speed
        eta = None if state.paused else self._eta_s(state, rate, factor)
        return MeasuredPace(self._share(state), rate, factor, eta)

    def _rate(self, now_s: float) -> float:
        if not self._samples:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        return (last.records - first.records) / max(now_s - first.at_s, 1e-9)

    def _factor(self) -> float | None:
        if len(self._samples) < 2:
            return None
        first, last = self._samples[0], self._samples[-1]
        return (last.event_ms - first.event_ms) / 1_000 / max(last.at_s - first.at_s, 1e-9)

    def _share(self, state: ControlState) -> float | None:
        if self._end_ms is not None and self._begin_ms is not None and state.event_ms is not None:
            way = self._end_ms - self._begin_ms
            share = (state.event_ms - self._begin_ms) / way if way > 0 else 1.0
        elif self._total:
            share = state.records / self._total
        else:
            return None
        return min(max(share, 0.0), 1.0)

    def _eta_s(self, state: ControlState, rate: float, factor: float | None) -> float | None:
        if self._end_ms is not None:
            if state.event_ms is None or not factor or factor < 0:
                return None
            return max(self._end_ms - state.event_ms, 0) / 1_000 / factor
        if self._total is None or not rate:
            return None
        return max(self._total - state.records, 0) / rate


def progress_line(state: ControlState, pace: MeasuredPace) -> str:
    """Event time, bars/s, speed factor and ETA, as text."""
    parts = ["-" if state.event_ms is None else instant_text(state.event_ms)]
    if state.paused and state.toward is None:
        parts.append("paused")
    elif state.toward is not None:
        parts.append(f"to the next {state.toward}" if state.toward != "time" else "jumping")
    parts.append(f"{pace.bars_per_s:,.0f} bars/s")
    wanted = "max" if state.speed is None else f"{state.speed:,g}"
    parts.append(f"x{wanted}" if pace.factor is None else f"x{_factor(pace.factor)} of {wanted}")
    if pace.eta_s is not None:
        parts.append(f"{timedelta(seconds=round(pace.eta_s))} left")
    return "  ".join(parts)


class ReplayBar:
    """Shows a replay on a terminal while the block runs; nothing when stderr is not a terminal.

    It looks by itself, from a thread of its own, so a replay at full speed pays nothing for it.

    Parameters
    ----------
    look
        The state, such as ``lambda: control.state``; called from another thread.
    end_ms, total
        As in `Meter`.
    hint
        A second line: what the keys do.
    """

    def __init__(
        self,
        look: Callable[[], ControlState],
        end_ms: int | None = None,
        total: int | None = None,
        hint: str | None = None,
        console: Console | None = None,
    ) -> None:
        self._look = look
        self._meter = Meter(end_ms, total)
        self._hint = hint
        console = plain_console(stderr=True) if console is None else console
        self._width = console.width
        self._live = (
            Live(
                get_renderable=self._rendered,
                console=console,
                transient=True,
                refresh_per_second=_REFRESHES_PER_SECOND,
            )
            if console.is_terminal
            else None
        )

    def __enter__(self) -> ReplayBar:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _rendered(self) -> RenderableType:
        state = self._look()
        pace = self._meter.look(state, time.monotonic())
        line = Text(progress_line(state, pace), no_wrap=True, overflow="ellipsis")
        row = Table.grid(padding=(0, 1))
        if pace.share is None:
            row.add_row(line)
        else:
            shortest, longest = _BAR_WIDTHS
            width = min(max(self._width - _LINE_WIDTH, shortest), longest)
            row.add_row(ProgressBar(total=1.0, completed=pace.share, width=width), line)
        if self._hint is None:
            return row
        return Group(row, Text(self._hint, style="dim", no_wrap=True, overflow="ellipsis"))


def _factor(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2g}"
