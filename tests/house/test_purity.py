"""The core reads no clock, no machine and no hash order, and the guard notices if it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.host.purity import impurities
from tests.house.purity import builtin_sums, true_divisions
from tests.house.source_tree import ROOT, module_name, modules

pytestmark = pytest.mark.source_tree

DRIVE = [ROOT / "streams" / "pipeline" / name for name in ("drive.py", "slots.py")]
CORE = [pytest.param(path, id=module_name(path)) for path in (*modules("streams/core"), *DRIVE)]
LOADING = {"loading.py", "sources.py"}
"""What finds the code of strategies, before anything runs."""
HOST = [
    pytest.param(path, id=module_name(path))
    for path in modules("streams/host")
    if path.name not in LOADING
]


@pytest.mark.parametrize("path", CORE)
def test_a_core_module_is_pure(path: Path) -> None:
    assert impurities(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", HOST)
def test_a_module_of_the_host_is_pure(path: Path) -> None:
    assert impurities(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", CORE)
def test_the_core_divides_in_one_module(path: Path) -> None:
    divided = true_divisions(path.read_text("utf-8"))
    assert bool(divided) == (path.name == "ratio.py"), divided


@pytest.mark.parametrize(
    "source", ["def f(a: int, b: int) -> float:\n    return a / b", "A = 1\nA /= 2"]
)
def test_a_true_division_is_noticed(source: str) -> None:
    assert [found.line for found in true_divisions(source)] == [2]


def test_a_whole_division_passes() -> None:
    assert true_divisions("HALF = 7 // 2") == []


@pytest.mark.parametrize("path", CORE)
def test_the_core_adds_one_after_the_other(path: Path) -> None:
    assert builtin_sums(path.read_text("utf-8")) == []


@pytest.mark.parametrize("line", ["TOTAL = sum(VOLUMES)", "TOTALS = map(sum, VOLUMES)"])
def test_a_sum_that_depends_on_the_version_of_python_is_noticed(line: str) -> None:
    assert [found.line for found in builtin_sums(f"import math\n{line}")] == [2]
    assert builtin_sums("TOTAL = math.fsum(VOLUMES) + book.sum") == []


def test_the_core_has_modules_to_look_at() -> None:
    assert len(CORE) > 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import time", "imports time"),
        ("import time as clock\nT = clock.time()", "uses clock.time"),
        ("from time import time", "imports time"),
        ("def f() -> None:\n    import random", "imports random"),
        ("from uuid import uuid4", "imports uuid"),
        ("import os\nHOME = os.environ['HOME']", "uses os.environ"),
        ("from os import getenv", "imports os"),
        ("from zoneinfo import ZoneInfo", "imports zoneinfo"),
        ("import asyncio", "imports asyncio"),
        ("from datetime import datetime\nT = datetime.now()", "datetime.now"),
        ("from datetime import datetime as d\nT = d.utcnow()", "d.utcnow"),
        ("import datetime\nD = datetime.date.today()", "datetime.date.today"),
        ("from datetime import datetime\nT = datetime.fromtimestamp(0)", "fromtimestamp"),
        ("def f(key: str) -> int:\n    return hash(key)", "calls hash()"),
        ("def f(bars: list[str]) -> list[str]:\n    return sorted(bars, key=hash)", "hash"),
        ("def f(bar: object) -> int:\n    return id(bar)", "calls id()"),
        ("TEXT = open('bars.csv').read()", "calls open()"),
        ("def f(bar: object) -> None:\n    print(bar)", "calls print()"),
        ("LOG = print", "uses the builtin print"),
        ("from array import array\nRAW = array('q', [1]).tobytes()", "byte order"),
        ("MODULE = __import__('time')", "calls __import__()"),
    ],
)
def test_an_impure_name_is_noticed(source: str, expected: str) -> None:
    found = impurities(source)
    assert any(expected in violation.message for violation in found)
    assert found[-1].line == len(source.splitlines())


@pytest.mark.parametrize(
    "source",
    [
        "for level in {1, 2}:\n    pass",
        "for level in set([2, 1]):\n    pass",
        "for level in frozenset((2, 1)) - {1}:\n    pass",
        "LEVELS = {level for level in (1, 2)}\nFIRST = [level for level in LEVELS]",
        "LEVELS = {1, 2}\nFIRST = list(LEVELS)",
        "LEVELS = {1, 2}\nFIRST = tuple(level + 1 for level in LEVELS)",
        "LEVELS = {1, 2}\nFIRST = next(iter(LEVELS))",
        "LEVELS = {1, 2}\nFIRST = LEVELS.pop()",
        "LEVELS = {1, 2}\nFIRST = [*LEVELS]",
        "LEVELS = {1, 2}\nlow, high = LEVELS",
        "LEVELS = {1: 2}\nfor level in LEVELS.keys() & {1}:\n    pass",
        "NAMES = {'a'}\nTEXT = ','.join(NAMES)",
        "def f(levels: set[int]) -> None:\n    for level in levels:\n        pass",
        "def f(levels: 'frozenset[int] | None') -> list[int]:\n    return list(levels or ())",
        "def f(levels: set[int]) -> list[str]:\n    return list(map(str, levels))",
        "def f() -> set[int]:\n    return {1}\n\n\nfor level in f():\n    pass",
        "def f(levels: list[int]):\n    known = set(levels)\n    yield from known",
        "class A:\n    a: set[int]\n\n    def f(self):\n        return next(iter(self.a))",
        "class A:\n    def f(self):\n        self.a = {1}\n        yield from self.a - {2}",
    ],
)
def test_iteration_over_a_set_is_noticed(source: str) -> None:
    found = impurities(source)
    assert found
    assert all("iterates over the set" in violation.message for violation in found)
    assert found[-1].line == len(source.splitlines()) - source.endswith("pass")


@pytest.mark.parametrize(
    "source",
    [
        "LEVELS = {1, 2}\nFOUND = 1 in LEVELS\nCOUNT = len(LEVELS)",
        "LEVELS = {1, 2}\nfor level in sorted(LEVELS):\n    pass",
        "LEVELS = {1, 2}\nHIGH = max(level + 1 for level in LEVELS)",
        "LEVELS = {1: 'low', 2: 'high'}\nfor level in LEVELS:\n    pass",
        "LEVELS = {1: 'low'}\nfor level, name in LEVELS.items():\n    pass",
        "def f(levels: list[int]) -> None:\n    for level in levels:\n        pass",
        "class A:\n    def f(self) -> int:\n        self.open = 2\n        return self.now",
        "def f(bar: object, open: int) -> int:\n    return open + 1",
        "from datetime import date\nDAY = date.fromordinal(1).isoformat()",
        "def f(levels: list[int]) -> int:\n    return levels.pop()",
        "def f(a: int, b: int) -> list[int]:\n    return [level for level in range(a & b)]",
    ],
)
def test_pure_code_passes(source: str) -> None:
    assert impurities(source) == []
