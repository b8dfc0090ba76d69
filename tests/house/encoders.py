"""Guard: events become JSON in `schemas.codec`, their headers are made in `outputs.messages`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.source_tree import Violation

CODEC = "schemas/codec.py"
MESSAGES = "streams/outputs/messages.py"
HEADERS = frozenset({"seq", "rev", "group"})
LETTER = ("type", b"reject")
"""Other messages have a header of that name, too: those of snapshots."""


def encoder_faults(source: str, path: str) -> list[Violation]:
    """Encoders and headers of events that a module has of its own, in line order.

    Parameters
    ----------
    path
        Of the module, from the root of the repository.
    """
    return sorted(_faults(ast.parse(source), path), key=lambda found: found.line)


def _faults(tree: ast.Module, path: str) -> Iterator[Violation]:
    for node in ast.walk(tree):
        if path != CODEC and _is_json_encoder(node):
            line = getattr(node, "lineno", 0)
            yield Violation(line, "an event becomes JSON by schemas.codec: encode, encode_lines")
        elif path != MESSAGES and isinstance(node, ast.Tuple) and _is_header(node):
            yield Violation(node.lineno, "headers of events are made in streams.outputs.messages")


def _is_json_encoder(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "msgspec.json" and any(each.name == "Encoder" for each in node.names)
    if not isinstance(node, ast.Attribute) or node.attr != "Encoder":
        return False
    return ast.unparse(node.value) in {"json", "msgspec.json"}


def _is_header(node: ast.Tuple) -> bool:
    """Whether it is a header's name and its value in bytes."""
    if len(node.elts) != 2:
        return False
    name, value = node.elts
    if not isinstance(name, ast.Constant):
        return False
    if isinstance(value, ast.Constant):
        header = name.value, value.value
        return header == LETTER or (name.value in HEADERS and isinstance(value.value, bytes))
    if name.value not in HEADERS:
        return False
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr == "encode"
