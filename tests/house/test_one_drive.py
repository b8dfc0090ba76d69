"""Guard: records reach an engine through the drive alone, and what it refuses has one text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, module_name, modules

pytestmark = pytest.mark.source_tree

DRIVE = "streams.pipeline.drive"
# The drill compares workers with a loop of its own: the drive is what it tests.
APART = {DRIVE, "streams.drill.oracle"}
MODULES = [pytest.param(path, id=module_name(path)) for path in modules("streams", "replay")]


def applied(source: str) -> list[int]:
    """Lines that give a record to something else than a drive."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr == "apply"
        and not ast.unparse(node.value).endswith("drive")
    ]


def refusals_of(source: str, code: str) -> int:
    """How often a module raises `RecordRejected` with a code."""
    return sum(
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == "RecordRejected"
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == code
        for node in ast.walk(ast.parse(source))
    )


@pytest.mark.parametrize("path", MODULES)
def test_a_module_gives_records_to_a_drive_alone(path: Path) -> None:
    if module_name(path) not in APART:
        assert applied(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "for offset, record in log:\n    engine.apply(record, offset)",
        "for offset, record in log:\n    self.slot.engine.apply(record, offset)",
        "def f(engine):\n    apply = engine.apply",
    ],
)
def test_a_loop_of_its_own_is_noticed(source: str) -> None:
    assert applied(source) == [2]


@pytest.mark.parametrize("name", ["drive", "self._drive", "keeper.drive"])
def test_a_drive_passes(name: str) -> None:
    assert applied(f"outcome = {name}.apply(record, offset)") == []


@pytest.mark.parametrize("code", ["wrong_partition", "unknown_symbol"])
def test_the_router_alone_refuses_for_where_a_record_belongs(code: str) -> None:
    found = {
        module_name(path): count
        for path in modules("streams/pipeline", "streams/worker", "streams/drill", "replay")
        if (count := refusals_of(path.read_text("utf-8"), code))
    }
    assert found == {"streams.pipeline.routing": 1}


def test_the_drive_has_the_loop() -> None:
    assert applied((ROOT / "streams" / "pipeline" / "drive.py").read_text("utf-8")) != []
