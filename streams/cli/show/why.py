"""Where an event comes from, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tapeline.replay.explain.chain import Cause, LoggedBar
from tapeline.replay.explain.why import Answer, Version
from tapeline.schemas.codec import plain
from tapeline.schemas.instants import instant_text
from tapeline.streams.cli.show.log_text import record_text
from tapeline.streams.outputs.terminal import plain_console

SHOWN_BARS = 8
IDENTITY = frozenset({"type", "id", "op", "seq", "symbol", "session"})
"""Fields that identify the fact: shown once, in its head."""


def print_answer(answer: Answer) -> None:
    """Every version with its record; the chain of the last one in the view."""
    console = plain_console(line_by_line=True)
    count = len(answer.versions)
    console.print(f"{answer.id}: {count} version{'s' if count > 1 else ''} in group {answer.group}")
    for version in answer.versions:
        for line in _version_lines(version):
            console.print(line)
    console.print("It came from:")
    for cause in answer.last.causes:
        for line in _cause_lines(cause, 1):
            console.print(line)


def _version_lines(version: Version) -> Iterator[str]:
    where = f"partition {version.partition}, offset {version.offset}"
    yield f"  rev {version.rev}, seq {version.seq}, by the record of {where}:"
    yield f"    {record_text(plain(version.record))}"
    corrected = version.corrected
    if corrected is not None:
        yield (
            f"    which corrects the bar of {instant_text(corrected.start_ms)}:"
            f" {_bar_text(corrected.before)} -> {_bar_text(corrected.after)}"
        )
    yield from _change_lines(version.before, version.after)
    for symbol, before in version.state_before.items():
        after = version.state_after.get(symbol, {})
        yield from _state_lines(symbol, before, after)


def _change_lines(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Iterator[str]:
    if after is None:
        yield "    taken back"
    elif before is None:
        shown = (
            f"{name} {_value(name, value)}"
            for name, value in after.items()
            if name not in IDENTITY and value is not None
        )
        yield f"    new: {', '.join(shown)}"
    else:
        changed = (
            f"{name} {_value(name, before[name])} -> {_value(name, value)}"
            for name, value in after.items()
            if name not in IDENTITY and before[name] != value
        )
        yield f"    changed: {', '.join(changed)}"


def _state_lines(symbol: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What the engine knew, before and after: only what the record changed."""
    for name, value in after.items():
        if before.get(name) != value:
            yield f"    {symbol} {name}: {_value(name, before.get(name))} -> {_value(name, value)}"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_value(key, each)}" for key, each in value.items()) + ")"
    if name.endswith("_ms") and isinstance(value, int):
        return instant_text(value)
    return str(value)


def _cause_lines(cause: Cause, depth: int) -> Iterator[str]:
    indent = "  " * depth
    named = "" if cause.fact is None else f" {cause.fact['id']}"
    counted = f" ({len(cause.bars)} bars)" if len(cause.bars) > 1 else ""
    yield f"{indent}{cause.role}:{named}{counted}"
    labels: dict[int, list[str]] = {}
    for name, label in cause.gives.items():
        labels.setdefault(label, []).append(name)
    shown = cause.bars
    if len(shown) > SHOWN_BARS:
        half = SHOWN_BARS // 2
        shown = [
            each
            for at, each in enumerate(cause.bars)
            if at < half or at >= len(cause.bars) - half or each.bar.start_ms in labels
        ]
    for each in shown:
        gives = labels.get(each.bar.start_ms, [])
        yield f"{indent}  {_logged_text(each)}" + (f"  <- {', '.join(gives)}" if gives else "")
    if len(shown) < len(cause.bars):
        yield f"{indent}  ... and {len(cause.bars) - len(shown)} more (--json has all)"
    for slots in cause.missing:
        yield (
            f"{indent}  no bar {instant_text(slots.start_ms)} to {instant_text(slots.end_ms)}:"
            f" {slots.missing} slots"
        )
    for behind in cause.causes:
        yield from _cause_lines(behind, depth + 1)


def _logged_text(each: LoggedBar) -> str:
    return f"offset {each.offset}  {record_text(plain(each.bar))}"


def _bar_text(bar: Any) -> str:
    if bar is None:
        return "none"
    return f"{bar.open} {bar.high} {bar.low} {bar.close}"
