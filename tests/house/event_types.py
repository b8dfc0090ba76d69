"""Guard: lists of event types are derived from the registry, ids are made in one module."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tapeline.schemas.ids import SEPARATOR, ids_of
from tapeline.schemas.registry import EVENTS
from tests.house.source_tree import Violation

MOST_TYPES = 2
"""Event types that one literal may name; more are a list that a new type is forgotten in."""
OF_TYPES = {
    "schemas.events": "the structs with their static union",
}
"""Modules that list types of events, and why."""
OF_IDS = {
    "schemas.ids": "ids and other keys that hold names",
    "schemas.documents.indicators_page": "cells of Markdown tables",
    "schemas.documents.page": "cells of Markdown tables",
    "streams.feeds.live.adapters.databento": "lines of the provider's own session",
}
"""Modules that write or split at the separator of ids, and why."""

# Those of feeds share words with states and reasons, and no list of them can miss a fact.
_TYPES = frozenset(EVENTS.folded)
_TAG_OF = {row.struct.__name__: row.tag for row in EVENTS.rows if row.tag in _TYPES}
_BEGINNINGS = frozenset(ids_of(tag) for tag in EVENTS.types)
_TAKING_APART = frozenset({"split", "rsplit", "partition", "rpartition", "join"})


def listed_types(source: str) -> list[Violation]:
    """Literals and unions that name more than `MOST_TYPES` types of events."""
    found = []
    for node in ast.walk(ast.parse(source)):
        named = sorted({tag for each in _members(node) if (tag := _tag(each)) is not None})
        if isinstance(node, ast.expr) and len(named) > MOST_TYPES:
            found.append(Violation(node.lineno, f"lists types of events: {', '.join(named)}"))
    return found


def _members(node: ast.AST) -> Iterator[ast.expr]:
    """Elements of a literal, or of a union written with `|`."""
    if isinstance(node, ast.List | ast.Set | ast.Tuple):
        yield from node.elts
    elif isinstance(node, ast.Dict):
        yield from (key for key in node.keys if key is not None)
        yield from node.values
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        for side in (node.left, node.right):
            yield side
            yield from _members(side)


def _tag(node: ast.expr) -> str | None:
    """The type that a member names, by its struct or by its tag."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value if node.value in _TYPES else None
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return _TAG_OF.get(name) if isinstance(name, str) else None


def handmade_ids(source: str) -> list[Violation]:
    """Where keys are joined or taken apart at the separator of ids."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            if any(SEPARATOR in str(text) for text in texts):
                found.append(Violation(node.lineno, f"makes an id: {ast.unparse(node)}"))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _TAKING_APART and any(
                _is_separator(each) for each in (node.func.value, *node.args)
            ):
                found.append(Violation(node.lineno, f"takes an id apart: {ast.unparse(node)}"))
        elif isinstance(node, ast.Constant) and node.value in _BEGINNINGS:
            found.append(Violation(node.lineno, f"spells an id: {node.value!r}"))
    return found


def _is_separator(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (SEPARATOR, SEPARATOR.encode())
