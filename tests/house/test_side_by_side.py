"""Commands beside each other: all run, and one that fails is a failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT

pytestmark = pytest.mark.source_tree


def beside(*programs: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tests/side_by_side.py"]
    for number, program in enumerate(programs):
        command += ["--"] if number else []
        command += [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([0, 0], 0), ([3, 0], 3), ([0, 4], 4), ([3, 4], 3), ([0, 0, 5], 5), ([0, 4, 5], 4), ([6], 6)],
)
def test_what_fails_decides_the_exit_code(codes: list[int], expected: int) -> None:
    assert beside(*(f"raise SystemExit({code})" for code in codes)).returncode == expected


def test_the_output_of_the_others_follows_that_of_the_first_in_their_order() -> None:
    done = beside(
        "print('one')",
        "import sys; print('two', flush=True); print('three', file=sys.stderr)",
        "print('four')",
    )
    assert done.stdout.splitlines()[:4] == ["one", "two", "three", "four"]


def test_all_run_at_the_same_time(tmp_path: Path) -> None:
    # Each ends when the other has come: one after the other, the first would wait for ever.
    programs = [
        f"import time; from pathlib import Path; here = Path({str(tmp_path)!r})\n"
        f"(here / '{mine}').touch()\n"
        f"while not (here / '{other}').exists(): time.sleep(0.01)\n"
        for mine, other in ("ab", "ba")
    ]
    assert beside(*programs).returncode == 0


def test_the_end_shows_what_each_took() -> None:
    *_, first, second = beside("print('one')", "raise SystemExit(3)").stdout.splitlines()
    assert first.endswith("print('one'): exit code 0, 0 s")
    assert second.endswith("raise SystemExit(3): exit code 3, 0 s")
