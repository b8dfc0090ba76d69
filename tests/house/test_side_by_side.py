"""Two commands beside each other: both run, and one that fails is a failure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.source_tree import ROOT

pytestmark = pytest.mark.source_tree


def beside(first: str, second: str) -> subprocess.CompletedProcess[str]:
    python = [sys.executable, "-c"]
    command = [sys.executable, "tests/side_by_side.py", *python, first, "--", *python, second]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("first", "second", "code"), [(0, 0, 0), (3, 0, 3), (0, 4, 4), (3, 4, 3)])
def test_what_fails_decides_the_exit_code(first: int, second: int, code: int) -> None:
    assert beside(f"raise SystemExit({first})", f"raise SystemExit({second})").returncode == code


def test_the_output_of_the_second_follows_that_of_the_first() -> None:
    done = beside("print('one')", "import sys; print('two'); print('three', file=sys.stderr)")
    assert done.stdout.splitlines()[:3] == ["one", "two", "three"]
