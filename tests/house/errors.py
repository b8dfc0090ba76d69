"""Guard: one family of errors, and no lists of its classes by hand."""

from __future__ import annotations

import ast
from collections.abc import Collection

from tests.house.source_tree import Violation

MOST_NAMED = 2
"""Classes of ours that one module may name together; more of them need a kind in common."""
_WITHOUT_CODE = frozenset({"BaseException", "Exception", "RuntimeError"})


def error_classes(source: str) -> list[str]:
    """Names of the classes of a module that inherit from something called an error."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and any(_is_error(_name(base)) for base in node.bases)
    ]


def error_faults(source: str, own: Collection[str]) -> list[Violation]:
    """Lists of error classes, and raised errors that name no kind to who catches them.

    Parameters
    ----------
    own
        Names of the product's error classes.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        named = [name for name in _listed(node) if name in own]
        if len(named) > MOST_NAMED:
            found.append(Violation(_line(node), f"a list of classes: {', '.join(named)}"))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            raised = _name(node.exc.func)
            if raised in _WITHOUT_CODE:
                found.append(Violation(node.lineno, f"raises {raised}: it has no exit code"))
    return found


def _listed(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [_name(each) for each in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*(_listed(node.left) or [_name(node.left)]), _name(node.right)]
    return []


def _line(node: ast.AST) -> int:
    assert isinstance(node, ast.expr)
    return node.lineno


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_error(name: str) -> bool:
    return name.endswith(("Error", "Exception", "Broken", "Rejected"))
