"""What a run reports, as tables for a terminal."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.instants import TIME, instant_text
from tapeline.streams.cli.show.hosted import print_hosted
from tapeline.streams.outputs.terminal import PlainConsole, PlainTable, number_table, text_table
from tapeline.streams.pipeline.summary import RunResult

STATES = {
    "unbroken": "unbroken",
    "first_break": "1st",
    "return": "return",
    "second_break_same": "same",
    "second_break_opposite": "opp.",
    "untouched": "untouched",
    "touched": "touched",
    "resolved": "resolved",
    "expired": "expired",
    "incomplete": "incompl.",
}
"""States of ranges in the order of their lives, with the heads of their columns."""
CLASSES = range(1, 7)
ROWS = {
    "accepted": "bars accepted",
    "off_session": "off session",
    "late": "late",
    "changed": "changed",
    "cancelled": "cancelled",
    "duplicates": "duplicates",
    "clocks": "clocks",
    "idle": "without effect",
    "superseded": "superseded",
}


def print_summary(console: PlainConsole, result: RunResult) -> None:
    """Counts per symbol, first gaps, dead letters, ignored columns, and where the results lie."""
    counters = result.manifest["counters"]
    data = summary_data(result)
    symbols = data["symbols"]
    console.print(_symbols_table(symbols))
    console.print(_structure_table(symbols))
    if any(totals["ranges"] for totals in symbols.values()):
        console.print(_ranges_table(symbols))
    for symbol, totals in symbols.items():
        if totals["indicators"]:
            rows = ", ".join(f"{name} {count}" for name, count in totals["indicators"].items())
            console.print(f"Rows of indicators of {symbol}: {rows}", soft_wrap=True)
    for symbol, totals in symbols.items():
        if totals["running"] is not None:
            console.print(_running_line(symbol, totals["running"]), soft_wrap=True)
    for group, rows in data["pairs"].items():
        console.print(f"Pairs of {group}: {rows} rows")
    for kind, events in data["others"].items():
        console.print(f"{kind}: {events} events")
    if result.hosted is not None:
        print_hosted(console, result.hosted.totals())
    if result.summary.first_gaps:
        console.print(_gaps_table(result))
    if result.summary.rejects:
        console.print(_rejects_table(result))
    for path, columns in result.ignored_columns.items():
        console.print(f"{path}: ignored columns {', '.join(columns)}", soft_wrap=True)
    if result.report is not None:
        for path in result.report.empty:
            console.print(f"{path}: has no rows", soft_wrap=True)
    if counters["ids_changed"]:
        console.print(_changes_table(counters["ids_changed"]))
    if counters["rebuilds"]:
        console.print(
            f"{counters['rebuilds']} corrections changed the view:"
            f" {counters['bars_again']} bars run again."
        )
    console.print(_rows_line(counters))
    if result.kept is not None:
        console.print(
            f"Results: {result.folder} (events a topic in *.jsonl, manifest.json)", soft_wrap=True
        )


def _running_line(symbol: str, session: dict[str, Any]) -> str:
    """The session that is not over, as of the last record."""
    prices = ""
    if session["bars"]:
        prices = f", high {session['high']!r}, low {session['low']!r}"
    return (
        f"{symbol}: session {session['session']} is open: {session['bars']} of {session['due']}"
        f" bars until {instant_text(session['as_of_ms'])}{prices}"
    )


def _rows_line(counters: dict[str, Any]) -> str:
    """What became of the rows; what did not occur is left out, but for the dead letters."""
    named = ", ".join(f"{counters[kind]} {text}" for kind, text in ROWS.items() if counters[kind])
    return f"{counters['rows']} rows: {named or 'none'}, {_letters(counters)} dead letters."


def _letters(counters: dict[str, Any]) -> int:
    return sum(counters["rejects"].values())


def _changes_table(changes: dict[str, Any]) -> PlainTable:
    table = number_table("Changed by corrections", "type", "new", "changed", "retracted")
    for kind, counts in changes.items():
        table.add_row(kind, *(str(counts[name]) for name in ("new", "changed", "retracted")))
    return table


def _symbols_table(symbols: dict[str, Any]) -> PlainTable:
    table = number_table(
        "Bars, sessions, quality",
        "symbol",
        "bars",
        "sessions",
        "quality %",
        "worst %",
        "gaps",
        "missing",
        "derived",
    )
    for symbol, totals in symbols.items():
        table.add_row(
            symbol,
            str(totals["bars"]),
            str(totals["sessions"]),
            _percent(totals["quality_mean"]),
            _percent(totals["quality_worst"]),
            str(totals["gaps"]),
            str(totals["missing_slots"]),
            str(sum(totals["derived_bars"].values())),
        )
    return table


def _structure_table(symbols: dict[str, Any]) -> PlainTable:
    heads = [f"class {number}" for number in CLASSES]
    table = number_table("Touches, swings by class", "symbol", "touches", *heads)
    for symbol, totals in symbols.items():
        swings = totals["swings"]
        counts = ["-" if swings is None else str(swings.get(str(each), 0)) for each in CLASSES]
        table.add_row(symbol, str(totals["touches"]), *counts)
    return table


def _ranges_table(symbols: dict[str, Any]) -> PlainTable:
    states = [
        state for state in STATES if any(state in totals["ranges"] for totals in symbols.values())
    ]
    table = number_table("Ranges by state", "symbol", *(STATES[state] for state in states))
    for symbol, totals in symbols.items():
        if totals["ranges"]:
            table.add_row(symbol, *(str(totals["ranges"].get(state, 0)) for state in states))
    return table


def _gaps_table(result: RunResult) -> PlainTable:
    table = text_table("First gaps", "symbol", "session", "from (UTC)", "to", "missing", "state")
    for gap in result.summary.first_gaps.values():
        table.add_row(
            gap.symbol,
            gap.session,
            instant_text(gap.start_ms, "%m-%d %H:%M:%S"),
            instant_text(gap.end_ms, TIME),
            f"{gap.missing} x {gap.interval}",
            gap.state,
        )
    return table


def _rejects_table(result: RunResult) -> PlainTable:
    table = PlainTable("Dead letters")
    table.add_column("code")
    table.add_column("count", justify="right")
    table.add_column("first")
    table.add_column("reason")
    for code, count in sorted(result.summary.rejects.items()):
        first = result.summary.first_reject[code]
        table.add_row(code, str(count), first.source, first.reason)
    return table


def summary_data(result: RunResult) -> dict[str, Any]:
    """The summary as plain data, for ``--json``."""
    counters = result.manifest["counters"]
    symbols: dict[str, Any] = {}
    for symbol, found in counters["symbols"].items():
        totals = result.summary.totals(symbol)
        symbols[symbol] = {"bars": found["accepted"], **found, **totals}
    return {
        "folder": None if result.kept is None else str(result.kept),
        "rows": counters["rows"],
        "rebuilds": counters["rebuilds"],
        "bars_again": counters["bars_again"],
        "ids_changed": counters["ids_changed"],
        "symbols": symbols,
        "pairs": dict(sorted(result.summary.pairs.items())),
        "others": dict(sorted(result.summary.others.items())),
        "first_gaps": [
            {
                "symbol": gap.symbol,
                "session": gap.session,
                "start_ms": gap.start_ms,
                "end_ms": gap.end_ms,
                "missing": gap.missing,
                "state": gap.state,
            }
            for gap in result.summary.first_gaps.values()
        ],
        "rejects": {
            code: {
                "count": count,
                "first": result.summary.first_reject[code].source,
                "reason": result.summary.first_reject[code].reason,
            }
            for code, count in sorted(result.summary.rejects.items())
        },
        "refused": None if result.report is None else result.report.plain(),
        "ignored_columns": {path: list(names) for path, names in result.ignored_columns.items()},
        "topics": result.manifest["topics"],
        **({} if result.hosted is None else result.hosted.totals()),
    }


def _percent(quality: float | None) -> str:
    return "-" if quality is None else f"{quality:.3f}"
