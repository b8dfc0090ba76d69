"""What a comparison of two runs found, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from replay.comparison import ParityReport
from replay.parity import Difference
from replay.surroundings import LoggedRecord, LogPart, Surroundings
from streams.log_text import record_text

COUNTS = ("a", "b", "equal", "missing", "added", "changed", "reordered", "superseded")
RARE = ("reordered", "superseded")
"""Counts that are left out where they are all 0: a terminal is 80 columns wide."""
LONGEST_VALUE = 60


def print_parity(report: ParityReport) -> None:
    """Counts by type, the differences, and the log around the first one."""
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    console.print(_counts_table(report))
    for note in report.notes:
        console.print(note)
    if report.equal:
        console.print(f"Equal: {report.a} and {report.b}.")
        return
    shown = len(report.differences)
    total = sum(
        each.missing + each.added + each.changed + each.reordered for each in report.types.values()
    )
    console.print(f"{report.a} (A) and {report.b} (B) differ in {total} events:")
    for difference in report.differences:
        console.print(_line(difference))
    if total > shown:
        console.print(f"  ... and {total - shown} more")
    if report.around is not None:
        _print_around(console, report.around)


def _counts_table(report: ParityReport) -> Table:
    table = Table(title="Parity", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("type", no_wrap=True)
    results = report.types
    rare = {name for name in RARE if not any(getattr(each, name) for each in results.values())}
    shown = [name for name in COUNTS if name not in rare]
    for name in shown:
        table.add_column(name.upper() if len(name) == 1 else name, justify="right", no_wrap=True)
    for kind, result in results.items():
        table.add_row(kind, *(f"{getattr(result, name):,}" for name in shown))
    return table


def _line(difference: Difference) -> str:
    """A difference in one line, and one for each field."""
    place = f"partition {difference.partition}, offset {difference.record}"
    head = f"  {difference.what:9} {difference.id} ({place})"
    lines = [head]
    for name, (before, now) in difference.fields.items():
        lines.append(f"            {name}: {_short(before)} -> {_short(now)}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def _print_around(console: Console, around: Surroundings) -> None:
    place = f"partition {around.partition}, offset {around.record}"
    if around.a == around.b and around.a.away is None:
        console.print(f"The log around the first difference ({place}), equal on both sides:")
        _print_records(console, around.a.records, around.record)
    else:
        for name, part in (("A", around.a), ("B", around.b)):
            _print_part(console, name, part, around, place)
    if around.parted is not None:
        first, second = around.parted
        console.print("The logs part here:")
        console.print(f"  A {'ends' if first is None else _record(first)}")
        console.print(f"  B {'ends' if second is None else _record(second)}")


def _print_part(
    console: Console, name: str, part: LogPart, around: Surroundings, place: str
) -> None:
    if part.away is not None:
        console.print(f"The log of {name} is not at hand: {part.away}")
        return
    console.print(f"The log of {name} around the first difference ({place}):")
    _print_records(console, part.records, around.record)


def _print_records(console: Console, records: Sequence[LoggedRecord], marked: int) -> None:
    for each in records:
        console.print(f"  {'>' if each.offset == marked else ' '} {_record(each)}")


def _record(logged: LoggedRecord) -> str:
    record = logged.record
    if record is None:
        return f"{logged.offset}  {logged.refused}"
    return f"{logged.offset}  {record_text(record)}"
