"""The compiled core rounds as Python does: the build hands the compiler what that takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT

pytestmark = pytest.mark.source_tree


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
def test_every_module_is_compiled_without_fused_products(tmp_path: Path) -> None:
    core = tmp_path / "tapeline" / "streams" / "core"
    core.mkdir(parents=True)
    for folder in (core.parent.parent, core.parent, core):
        (folder / "__init__.py").write_text("", "utf-8")
    (core / "average.py").write_text(
        "def step(a: float, b: float, c: float) -> float:\n    return a * b + c\n", "utf-8"
    )
    shutil.copy(ROOT / "setup.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "setup.py", "--verbose", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**os.environ, "TAPELINE_COMPILE": "1", "CC": "cc"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    compiled = [line for line in done.stdout.splitlines() if " -c " in line and ".c " in line]
    assert compiled
    assert [line for line in compiled if "-ffp-contract=off" not in line] == []
