"""A function of more than seven parameters takes options in one struct."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.source_tree import PACKAGES, ROOT, modules

pytestmark = pytest.mark.source_tree

MOST = 7
# Options of a command are the parameters of its function: Typer knows no other way.
COMMANDS = frozenset(
    {
        "streams/cli/compare.py: parity_command",
        "streams/cli/compare.py: why_command",
        "streams/cli/drill.py: drill",
        "streams/cli/feeds.py: feed_reconcile",
        "streams/cli/host.py: host",
        "streams/cli/ingest.py: ingest",
        "streams/cli/main.py: run",
        "streams/cli/main.py: worker",
        "streams/cli/replay.py: replay",
        "streams/cli/replay_options.py: _declared",
        "streams/cli/status.py: status",
        "streams/cli/store.py: tail",
        "streams/cli/topics.py: publish",
    }
)
# What programs call by the names of parameters.
LONG = frozenset(
    {
        "streams/consuming/subscription.py: __init__",
        "streams/embedded.py: run_files",
    }
)
# Compiled: a struct of options is one more object where few are made.
CORE = "streams/core/"


def long_lists(source: str) -> Iterator[str]:
    """Functions with more parameters than `MOST`; what a method is bound to is none."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if len([each for each in given if each.arg not in {"self", "cls"}]) > MOST:
                yield node.name


def test_no_other_function_has_more_than_seven_parameters() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in modules(*PACKAGES)
        for name in long_lists(path.read_text("utf-8"))
        if not path.relative_to(ROOT).as_posix().startswith(CORE)
    }
    assert found == COMMANDS | LONG


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(a, b, c, d, e, f, g): ...", []),
        ("def f(a, b, c, d, e, f, *, g, h): ...", ["f"]),
        ("class A:\n    async def f(self, a, b, c, d, e, f, g): ...", []),
        ("class A:\n    async def f(self, a, b, c, d, e, f, g, h): ...", ["f"]),
    ],
)
def test_a_long_list_is_noticed(source: str, expected: list[str]) -> None:
    assert list(long_lists(source)) == expected
