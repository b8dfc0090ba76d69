"""Guard: records reach an engine through the drive alone, events become a view in one module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source_tree import module_name, modules

pytestmark = pytest.mark.source_tree

# What gives a record to an engine, and why.
APPLIES = {
    "streams.pipeline.drive": "the loop",
    "streams.drill.oracle": "compares workers with a loop of its own: the drive is what it tests",
}
# What keeps something by the ids of events and is no view.
NO_VIEW = {
    "replay.compare.events": "events that wait for their like on the other side",
    "streams.core.correct.rebuild": "the last versions of a run without corrections, in the core",
    "streams.feeds.live.engine.holes": "holes that are not closed, each with what is missing",
    "streams.pipeline.summary": "the facts that may still change, and the first gaps",
    "streams.store.rebuild": "revisions, which outlive their facts",
    "streams.store.step": "what is to be written of the stored view, deletions among it",
}
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


def kept_by_id(source: str) -> list[int]:
    """Lines that put something under the id of an event, or take away what is there."""
    found: set[int] = set()
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        nodes = list(ast.walk(function))
        ids = {
            ast.unparse(target)
            for node in nodes
            if isinstance(node, ast.Assign) and _is_of_id(node.value, set())
            for target in node.targets
        }
        for node in nodes:
            keys: list[ast.expr] = []
            if isinstance(node, ast.Assign | ast.Delete):
                keys = [each.slice for each in node.targets if isinstance(each, ast.Subscript)]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".pop"):
                keys = node.args[:1]
            found.update(each.lineno for each in keys if _is_of_id(each, ids))
    return sorted(found)


def _is_of_id(node: ast.expr, names: set[str]) -> bool:
    """Whether a key is made of an `id`, or is a variable that was."""
    return any(
        (isinstance(each, ast.Attribute) and each.attr == "id")
        or (isinstance(each, ast.Constant) and each.value == "id")
        or (isinstance(each, ast.Name) and each.id in names)
        for each in ast.walk(node)
    )


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
    found = applied(path.read_text("utf-8"))
    assert (found != []) == (module_name(path) in APPLIES), found


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


@pytest.mark.parametrize("path", MODULES)
def test_events_become_a_view_in_one_module(path: Path) -> None:
    kept = kept_by_id(path.read_text("utf-8"))
    assert (kept != []) == (module_name(path) in NO_VIEW), kept


@pytest.mark.parametrize(
    "line",
    [
        "facts[event.id] = event",
        "facts.pop(event['id'], None)",
        "del self.facts[event.id]",
        "facts[view_key(event.id)] = line",
        "found[event.symbol, event.id] = 1",
    ],
)
def test_a_fold_of_its_own_is_noticed(line: str) -> None:
    assert kept_by_id(f"def took(event):\n    {line}") == [2]
    assert kept_by_id(f"def took(event):\n    {line.replace('id', 'symbol')}") == []


def test_a_fold_of_its_own_is_noticed_where_its_key_has_a_name() -> None:
    assert kept_by_id("def took(event):\n    key = view_key(event.id)\n    facts[key] = 1") == [3]


@pytest.mark.parametrize("code", ["wrong_partition", "unknown_symbol"])
def test_the_router_alone_refuses_for_where_a_record_belongs(code: str) -> None:
    found = {
        module_name(path): count
        for path in modules("streams/pipeline", "streams/worker", "streams/drill", "replay")
        if (count := refusals_of(path.read_text("utf-8"), code))
    }
    assert found == {"streams.pipeline.routing": 1}
