"""What the line below a replay shows."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from tapeline.replay.pace.control import ControlState
from tapeline.replay.pace.progress import MeasuredPace, Meter, ReplayBar, progress_line

OPEN_MS = 1_765_204_200_000  # 2025-12-08 14:30 UTC
MINUTE_MS = 60_000
RUNS = ControlState(
    paused=False, stopped=False, speed=600.0, event_ms=OPEN_MS, records=0, toward=None
)


def at(minute: int, **changes: object) -> ControlState:
    return replace(RUNS, event_ms=OPEN_MS + minute * MINUTE_MS, records=minute, **changes)


def looked(meter: Meter, *looks: tuple[float, ControlState]) -> MeasuredPace:
    pace = None
    for now_s, state in looks:
        pace = meter.look(state, now_s)
    assert pace is not None
    return pace


def test_pace_and_time_left_follow_from_what_was_seen() -> None:
    meter = Meter(end_ms=OPEN_MS + 60 * MINUTE_MS)
    pace = looked(meter, *((second, at(10 * second)) for second in range(4)))
    assert pace == MeasuredPace(share=0.5, bars_per_s=10.0, factor=600.0, eta_s=3.0)


def test_only_the_last_seconds_count() -> None:
    meter = Meter(end_ms=OPEN_MS + 6_000 * MINUTE_MS)
    slow = [(float(second), at(second)) for second in range(100)]
    fast = [(99.0 + second, at(99 + 10 * second)) for second in range(1, 11)]
    pace = looked(meter, *slow, *fast)
    assert pace.bars_per_s == pytest.approx(10)
    assert pace.factor == pytest.approx(600)


def test_one_bar_a_minute_has_a_pace_too() -> None:
    looks = [(float(second), at(second // 60, speed=1.0)) for second in range(200)]
    pace = looked(Meter(end_ms=OPEN_MS + 10 * MINUTE_MS), *looks)
    assert pace.factor == pytest.approx(1)
    assert pace.eta_s == pytest.approx(7 * 60)


def test_before_there_is_anything_to_measure_the_speed_that_was_asked_for_counts() -> None:
    pace = looked(Meter(end_ms=OPEN_MS + 60 * MINUTE_MS), (0.0, at(0)))
    assert (pace.factor, pace.eta_s) == (600, 6)


def test_without_a_record_nothing_is_known() -> None:
    nothing = replace(RUNS, event_ms=None, speed=None)
    pace = looked(Meter(OPEN_MS), (0.0, nothing))
    assert pace == MeasuredPace(share=None, bars_per_s=0, factor=None, eta_s=None)


def test_where_only_the_number_of_records_is_known_that_shows_what_is_left() -> None:
    looks = [(float(second), at(10 * second, speed=None)) for second in range(4)]
    pace = looked(Meter(total=120), *looks)
    assert (pace.share, pace.eta_s) == (0.25, 9)


def test_a_pause_has_no_end_and_does_not_count_afterwards() -> None:
    meter = Meter(end_ms=OPEN_MS + 60 * MINUTE_MS)
    running = [(float(second), at(10 * second)) for second in range(4)]
    pace = looked(meter, *running, *((second, at(30, paused=True)) for second in range(4, 100)))
    assert pace.eta_s is None
    pace = looked(meter, *((99.0 + second, at(30 + 10 * second)) for second in range(3)))
    assert pace.factor == pytest.approx(600)


@pytest.mark.parametrize(
    ("state", "pace", "line"),
    [
        (
            at(1),
            MeasuredPace(0.5, 10.0, 600.0, 3.0),
            "2025-12-08 14:31:00Z  10 bars/s  x600 of 600  0:00:03 left",
        ),
        (
            at(1, speed=None),
            MeasuredPace(0.5, 123_456.7, 7_407_402.0, 3_723.0),
            "2025-12-08 14:31:00Z  123,457 bars/s  x7,407,402 of max  1:02:03 left",
        ),
        (
            at(1, paused=True),
            MeasuredPace(0.5, 0.0, None, None),
            "2025-12-08 14:31:00Z  paused  0 bars/s  x600",
        ),
        (
            at(1, toward="gap"),
            MeasuredPace(0.5, 5.0, 0.5, None),
            "2025-12-08 14:31:00Z  to the next gap  5 bars/s  x0.5 of 600",
        ),
        (replace(RUNS, event_ms=None), MeasuredPace(None, 0.0, None, None), "-  0 bars/s  x600"),
    ],
)
def test_the_line_shows_where_it_is_how_fast_and_how_long_still(
    state: ControlState, pace: MeasuredPace, line: str
) -> None:
    assert progress_line(state, pace) == line


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_shows_the_whole_line_and_what_the_keys_do(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width)
    with ReplayBar(lambda: at(1), end_ms=OPEN_MS + 2 * MINUTE_MS, hint="q stop", console=console):
        pass
    assert "2025-12-08 14:31:00Z" in out.getvalue()
    assert "0:00:00 left" in out.getvalue()
    assert "q stop" in out.getvalue()


def test_a_pipe_sees_nothing() -> None:
    out = io.StringIO()
    with ReplayBar(lambda: at(1), console=Console(file=out)):
        pass
    assert out.getvalue() == ""
