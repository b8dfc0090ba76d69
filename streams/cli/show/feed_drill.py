"""A drill of a feed, for people and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import to_builtins

from tapeline.streams.ingest.drill.drill import FeedDrill, ScriptResult

_NAME = 14


def result_lines(result: ScriptResult) -> Iterator[str]:
    """A line for a script, and one for each thing that does not hold."""
    skipped = f" ({result.why[0]})" if result.outcome == "skipped" else ""
    yield f"{result.outcome:7}  {result.name:{_NAME}} {result.does}{skipped}"
    if result.outcome == "failed":
        yield from (f"           {line}" for line in result.why)


def verdict_line(report: FeedDrill) -> str:
    """How many scripts held."""
    counts = Counter(each.outcome for each in report.results)
    shown = [f"{counts[each]} {each}" for each in ("held", "failed", "skipped") if counts[each]]
    return f"{report.feed} ({', '.join(report.symbols)}): {', '.join(shown)}"


def drill_data(report: FeedDrill) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "feed": report.feed,
        "symbols": list(report.symbols),
        "holds": report.holds,
        "scripts": [to_builtins(each) for each in report.results],
    }
