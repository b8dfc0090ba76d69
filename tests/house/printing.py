"""Guard: all output goes through `streams.outputs.terminal` and `streams.outputs.escaping`."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

from tests.house.source_tree import Violation

THE_WAY_OUT = frozenset(
    {
        # The way itself; the formats of logs; constant text before anything else is imported; a
        # tool of developers.
        "streams/outputs/terminal.py",
        "streams/outputs/escaping.py",
        "streams/worker/log.py",
        "tapeline/__main__.py",
        "streams/calendars/build.py",
    }
)
SHOWS = {"replay/pace/progress.py": frozenset({"rich"})}
"""Modules that draw what they count themselves, on a console of `streams.outputs.terminal`."""
CALLS = frozenset(
    {
        "print",
        "typer.echo",
        "typer.secho",
        "typer.confirm",
        "typer.prompt",
        "click.echo",
        "sys.stdout.write",
        "sys.stderr.write",
        "sys.stdout.buffer.write",
        "sys.stderr.buffer.write",
        "traceback.print_exc",
        "traceback.print_exception",
        "traceback.print_stack",
        "logging.StreamHandler",
        "logging.Formatter",
        "logging.basicConfig",
        "warnings.warn",
    }
)
NAMES = frozenset({"sys.stdout.buffer", "sys.stderr.buffer", "sys.__stdout__", "sys.__stderr__"})


def printing_faults(source: str, path: PurePosixPath) -> list[Violation]:
    """What a module prints past the one way out.

    Parameters
    ----------
    path
        Of the module, from the root of the repository.
    """
    if str(path) in THE_WAY_OUT:
        return []
    allowed = SHOWS.get(str(path), frozenset())
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _dotted(node.func) in CALLS:
            found.append(Violation(node.lineno, f"calls {_dotted(node.func)}"))
        elif isinstance(node, ast.Attribute) and _dotted(node) in NAMES:
            found.append(Violation(node.lineno, f"uses {_dotted(node)}"))
        for module in _imported(node):
            if module.partition(".")[0] == "rich" and "rich" not in allowed:
                found.append(Violation(node.lineno, f"imports {module}"))  # type: ignore[attr-defined]
    return found


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
