"""Guard: lengths and ends of time, and texts of instants, are in `schemas.instants` alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.source_tree import Violation

HOME = "schemas/instants.py"
LENGTHS = frozenset({60_000, 3_600_000, 86_400_000, 604_800_000})
_OUTPUTS_PER_RECORD = 1_000_000
_END_OF_TIME_BITS = 62

# Ends of ticks and of keys are no instants.
_ENDS = frozenset(
    {
        "streams/core/history/book.py",
        "streams/core/ranges/levels.py",
        "streams/core/swings/sides.py",
        "streams/core/tracker.py",
    }
)
# Dates of calendar libraries and of TOML, and cells of a table as they are.
_TEXTS = frozenset(
    {
        "schemas/config/values.py",
        "streams/calendars/artefacts.py",
        "streams/calendars/build.py",
        "streams/feeds/parquet_feed.py",
    }
)


def instant_faults(source: str, path: str) -> list[Violation]:
    """Numbers and texts that the module of instants has.

    Parameters
    ----------
    path
        Of the module, from the root of the repository.
    """
    return [] if path == HOME else list(_faults(source, path))


def _faults(source: str, path: str) -> Iterator[Violation]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in LENGTHS:
            yield Violation(node.lineno, f"{node.value}: a length of time has a name")
        elif isinstance(node, ast.BinOp):
            right = node.right.value if isinstance(node.right, ast.Constant) else None
            if right == _OUTPUTS_PER_RECORD:
                yield Violation(node.lineno, "an offset and a seq differ by OUTPUTS_PER_RECORD")
            shifted = isinstance(node.op, ast.LShift) and right == _END_OF_TIME_BITS
            if shifted and path not in _ENDS:
                yield Violation(node.lineno, "an end of time is FAR_PAST_MS or FAR_FUTURE_MS")
        elif (
            isinstance(node, ast.Attribute)
            and node.attr in {"isoformat", "strftime"}
            and path not in _TEXTS
        ):
            yield Violation(node.lineno, f"{node.attr}: an instant is written in {HOME}")
