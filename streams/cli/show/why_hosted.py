"""Where an event of a strategy comes from, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tapeline.replay.explain.hosted import HostedAnswer, InputFact
from tapeline.schemas.instants import instant_text
from tapeline.streams.outputs.terminal import plain_console

COMMON = frozenset(
    {"type", "id", "op", "rev", "symbol", "session", "watermark_ms", "strategy", "account"}
)
"""Fields that the head of an event or its id shows, or that matter to programs alone."""
OWN_LINES = frozenset({"inputs", "spans", "checks", "fields", "signal"})


def print_hosted_answer(answer: HostedAnswer) -> None:
    """The event, its signal with what that came from, and what came of it."""
    console = plain_console(line_by_line=True)
    count = len(answer.versions)
    console.print(f"{answer.id}: {count} version{'s' if count > 1 else ''}")
    for version in answer.versions:
        for line in _event_lines(version, 1):
            console.print(line)
    signal = answer.signal
    if signal is None:
        console.print("No signal led to it.")
        return
    if signal["id"] != answer.id:
        console.print(f"Its signal is {signal['id']}:")
        for line in _event_lines(signal, 1):
            console.print(line)
    console.print("The signal came from:")
    for each in answer.inputs:
        console.print(_input_line(each))
    for span in answer.spans:
        console.print(
            f"  bars of {span['symbol']} {span['interval']} from"
            f" {instant_text(span['from_ms'])} to {instant_text(span['to_ms'])}"
        )
    if signal["inputs_truncated"]:
        console.print("  and more that are not listed")
    if not (answer.inputs or answer.spans):
        console.print("  nothing that is a fact")
    if answer.related:
        console.print("To it belong:")
    for event in answer.related:
        console.print(f"  {event['id']}:")
        for line in _event_lines(event, 2):
            console.print(line)


def _event_lines(event: dict[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    shown = ", ".join(
        f"{name} {_value(name, value)}"
        for name, value in event.items()
        if name not in COMMON and name not in OWN_LINES and value not in (None, {}, [])
    )
    yield f"{indent}{shown}"
    for check in event.get("checks", ()):
        result = "passed" if check["pass"] else "FAILED"
        yield f"{indent}  {check['name']}: {result}, {check['value']} against {check['limit']}"
    for each in event.get("fields", ()):
        yield f"{indent}  {each['id']} {each['field']}: {each['before']} -> {each['after']}"


def _input_line(found: InputFact) -> str:
    fact = found.fact
    if fact is None:
        return f"  {found.id}, rev {found.rev}"
    shown = ", ".join(
        f"{name} {_value(name, value)}"
        for name, value in fact.items()
        if name not in COMMON and name not in ("seq", "corrects") and value not in (None, {}, [])
    )
    return f"  {found.id}, rev {found.rev}: {shown}"


def _value(name: str, value: Any) -> str:
    if name.endswith("_ms") and isinstance(value, int):
        return instant_text(value)
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {each}" for key, each in value.items()) + ")"
    return str(value)
