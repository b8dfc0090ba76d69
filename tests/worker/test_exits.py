"""Whoever slept too long does not write."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streams.worker.exits import ZombieError, ZombieGuard


def test_a_chunk_older_than_half_a_session_is_not_written() -> None:
    now = 100.0
    guard = ZombieGuard(5.0, lambda: now)
    guard.check(95.0)
    with pytest.raises(ZombieError, match=r"waited 5\.1 s, more than half the session"):
        guard.check(94.9)


def test_a_hard_exit_says_why_and_ends_the_process_with_70_before_any_clean_up() -> None:
    program = (
        "import logging, sys\n"
        "from streams.worker.exits import hard_exit\n"
        "logging.basicConfig()\n"
        "try:\n    hard_exit(ValueError('the log ends'))\n"
        "finally:\n    print('cleaned up')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 70
    assert b"ValueError: the log ends" in done.stderr
    assert done.stdout == b""
