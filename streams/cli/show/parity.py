"""What a comparison of two runs found, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tapeline.replay.compare.events import Difference
from tapeline.replay.compare.runs import ParityReport
from tapeline.replay.compare.surroundings import LoggedRecord, LogPart, Surroundings
from tapeline.streams.cli.show.log_text import record_text
from tapeline.streams.outputs.terminal import PlainConsole, PlainTable, plain_console

COUNTS = ("a", "b", "equal", "missing", "added", "changed", "reordered", "superseded")
RARE = ("reordered", "superseded")
"""Counts that are left out where they are all 0: a terminal is 80 columns wide."""
LONGEST_VALUE = 60


def print_parity(report: ParityReport) -> None:
    """Counts by type, the differences, and the log around the first one."""
    console = plain_console(line_by_line=True)
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
        for line in _lines(difference):
            console.print(line)
    if total > shown:
        console.print(f"  ... and {total - shown} more")
    if report.around is not None:
        _print_around(console, report.around)


def _counts_table(report: ParityReport) -> PlainTable:
    table = PlainTable("Parity", pad_edge=True)
    table.add_column("type", no_wrap=True)
    results = report.types
    rare = {name for name in RARE if not any(getattr(each, name) for each in results.values())}
    shown = [name for name in COUNTS if name not in rare]
    for name in shown:
        table.add_column(name.upper() if len(name) == 1 else name, justify="right", no_wrap=True)
    for kind, result in results.items():
        table.add_row(kind, *(f"{getattr(result, name):,}" for name in shown))
    return table


def _lines(difference: Difference) -> Iterator[str]:
    """A difference in one line, and one for each field."""
    where = f"partition {difference.partition}, offset {difference.record}"
    yield f"  {difference.what:9} {difference.id} ({where})"
    for name, (before, now) in difference.fields.items():
        yield f"            {name}: {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def _print_around(console: PlainConsole, around: Surroundings) -> None:
    where = f"partition {around.partition}, offset {around.record}"
    if around.a == around.b and around.a.away is None:
        console.print(f"The log around the first difference ({where}), equal on both sides:")
        _print_records(console, around.a.records, around.record)
    else:
        for name, part in (("A", around.a), ("B", around.b)):
            _print_part(console, name, part, around, where)
    if around.parted is not None:
        first, second = around.parted
        console.print("The logs part here:")
        console.print(f"  A {'ends' if first is None else _record(first)}")
        console.print(f"  B {'ends' if second is None else _record(second)}")


def _print_part(
    console: PlainConsole, name: str, part: LogPart, around: Surroundings, where: str
) -> None:
    if part.away is not None:
        console.print(f"The log of {name} is not at hand: {part.away}")
        return
    console.print(f"The log of {name} around the first difference ({where}):")
    _print_records(console, part.records, around.record)


def _print_records(console: PlainConsole, records: Sequence[LoggedRecord], marked: int) -> None:
    for each in records:
        console.print(f"  {'>' if each.offset == marked else ' '} {_record(each)}")


def _record(logged: LoggedRecord) -> str:
    record = logged.record
    if record is None:
        return f"{logged.offset}  {logged.refused}"
    return f"{logged.offset}  {record_text(record)}"
