"""Guard: what the core may not even do where it is pure: divide, and sum, in one way of many."""

from __future__ import annotations

import ast

from tests.house.source_tree import Violation


def true_divisions(source: str) -> list[Violation]:
    """Every `/` of a module's text: the compiler divides integers beyond 53 bits as doubles."""
    return [
        Violation(node.lineno, f"divides: {ast.unparse(node)}")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div)
    ]


def builtin_sums(source: str) -> list[Violation]:
    """Every `sum()` of a module's text: of doubles it rounds otherwise from Python 3.12 on."""
    return [
        Violation(node.lineno, f"sums: {ast.unparse(node)}")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and node.id == "sum"
    ]
