"""A worker that slept too long does not write."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tapeline.streams.worker.exits import (
    StandstillClock,
    ZombieError,
    ZombieGuard,
    leaving_on_signals,
)


def test_a_chunk_older_than_half_a_session_is_not_written() -> None:
    now = 100.0
    guard = ZombieGuard(5.0, lambda: now)
    guard.check(95.0)
    with pytest.raises(
        ZombieError, match=r"waited 5\.1 s without a heartbeat, more than half the session"
    ):
        guard.check(94.9)


def test_a_hard_exit_logs_why_and_ends_the_process_with_70_before_any_clean_up() -> None:
    program = (
        "import logging, sys\n"
        "from tapeline.streams.worker.exits import hard_exit\n"
        "logging.basicConfig()\n"
        "try:\n    hard_exit(ValueError('the log ends'))\n"
        "finally:\n    print('cleaned up')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 70
    assert b"ValueError: the log ends" in done.stderr
    assert done.stdout == b""


def test_signals_are_who_had_them_before_when_nothing_is_loaded_any_more() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with leaving_on_signals():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_what_moves_now_and_then_does_not_get_stuck() -> None:
    clock = StandstillClock(10.0)
    assert not clock.is_stuck((1, 5), 0.0)
    assert not clock.is_stuck((1, 5), 10.0)
    assert not clock.is_stuck((1, 6), 11.0)
    assert not clock.is_stuck((1, 6), 21.0)
    assert clock.is_stuck((1, 6), 21.1)


def test_what_need_not_move_may_rest() -> None:
    clock = StandstillClock(10.0)
    assert not any(clock.is_stuck(None, float(now)) for now in range(0, 100, 9))
    assert not clock.is_stuck((1, 5), 200.0)
