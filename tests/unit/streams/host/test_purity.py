"""What a strategy may import and call; the core's guard has the tables of what is impure."""

from __future__ import annotations

import pytest

import tapeline.purity
from tapeline.streams.host.purity import foreign_imports, impurities


@pytest.mark.parametrize(
    "source",
    [
        "import math, json, re, statistics\nfrom decimal import Decimal",
        "from collections.abc import Mapping\nfrom typing import Any",
        "from tapeline import Signal, Strategy",
        "from . import levels\nfrom .levels import low",
        "import levels.low",
    ],
)
def test_a_strategy_imports_what_is_pure_tapeline_and_its_own_folder(source: str) -> None:
    assert foreign_imports(source, ["levels"]) == []


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("import numpy as np", "imports numpy"),
        ("from pathlib import Path", "imports pathlib"),
        ("def f():\n    import requests", "imports requests"),
        ("import tapelines", "imports tapelines"),
        ("import jsonschema", "imports jsonschema"),
    ],
)
def test_any_other_import_is_named_with_its_line(source: str, named: str) -> None:
    [found] = foreign_imports(source, ["levels"])
    assert (found.line, found.message) == (len(source.splitlines()), named)


def test_a_module_that_is_allowed_may_be_used() -> None:
    source = "import numpy.random\nimport random\nDRAW = random.Random(7).random()"
    assert foreign_imports(source, ["numpy", "random"]) == []
    assert impurities(source, ["random"]) == []
    assert impurities(source) != []


def test_a_strategy_may_print_and_the_core_may_not() -> None:
    assert impurities("print(1)", printing=True) == []
    assert "calls print()" in [each.message for each in impurities("print(1)")]
    assert impurities("open('a')", printing=True) != []


def test_the_check_is_public() -> None:
    assert tapeline.purity.impurities is impurities
    assert tapeline.purity.foreign_imports is foreign_imports
