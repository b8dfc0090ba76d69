"""What a store reports, as tables for a terminal and as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tapeline.schemas.feed_events import LENGTHS
from tapeline.schemas.instants import DATE_AND_TIME, TIME, instant_text
from tapeline.streams.outputs.terminal import PlainConsole, PlainTable, number_table, text_table
from tapeline.streams.store.counts import StoreCounts
from tapeline.streams.store.first_look import TooManyRefusedError
from tapeline.streams.store.from_log import MadeAgain
from tapeline.streams.store.run import StoreResult

FACT_COLUMNS = ("new", "changed", "recalculated", "retracted")
COMMON = frozenset(
    {
        "id",
        "op",
        "seq",
        "rev",
        "type",
        "symbol",
        "session",
        "event_ms",
        "at_ms",
        "watermark_ms",
        "corrects",
    }
)
WITHOUT_ZONE = "%Y-%m-%dT%H:%M:%S"
TIMES = ("event_ms", "at_ms", "watermark_ms")
"""Fields with the time of an event, the first that it has."""
LETTER_COLUMNS = ("code", "source", "reason")


def store_summary(result: StoreResult) -> dict[str, Any]:
    """The summary of a run as plain data."""
    counts = result.counts
    return {
        "store": str(result.folder),
        "repaired": result.repaired,
        "resumed": result.resumed,
        "recovered": counts.recovered,
        **_found(counts, result.rows, result.symbols),
        "refused": result.report.plain(),
        "ignored_columns": {path: list(names) for path, names in result.ignored_columns.items()},
    }


def made_again_summary(result: MadeAgain) -> dict[str, Any]:
    """The summary of a store that was made again from its log, as plain data."""
    found = _found(result.counts, result.records, result.symbols)
    found["rows"]["appended"] = result.appended
    return {"store": str(result.folder), "torn": result.torn, **found}


def _found(counts: StoreCounts, rows: int, symbols: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What became of rows, or records, and what they did to the view."""
    facts = counts.facts
    ranges = facts["range"]
    return {
        "rebuilt": counts.rebuilt,
        "rebuilt_for_settings": counts.for_settings,
        "rows": {
            "total": rows,
            "appended": counts.appended,
            **counts.rows,
            "off_session": counts.off_session,
        },
        "ranges": {
            "created": ranges["new"],
            "recalculated": ranges["recalculated"],
            "retracted": ranges["retracted"],
            "open": sum(found["open_ranges"] for found in symbols.values()),
        },
        "facts": facts,
        "symbols": {
            symbol: {
                "last_ms": found["last_ms"],
                "last": _last(found["last_ms"]),
                "open_ranges": found["open_ranges"],
            }
            for symbol, found in symbols.items()
        },
        "rejects": {code: found.plain() for code, found in sorted(counts.rejects.items())},
        # Only where strategies run.
        **({"hosted": counts.hosted} if counts.hosted else {}),
    }


def refused_delivery(folder: Path, error: TooManyRefusedError) -> dict[str, Any]:
    """What is known of a delivery that was not taken, as plain data."""
    return {
        "store": str(folder),
        "written": False,
        "rejects": {code: found.plain() for code, found in sorted(error.rejects.items())},
        "refused": error.report.plain(),
        "ignored_columns": {path: list(names) for path, names in error.ignored_columns.items()},
    }


def print_refused_delivery(console: PlainConsole, folder: Path, error: TooManyRefusedError) -> None:
    """Dead letters of a delivery that was not taken."""
    found = refused_delivery(folder, error)
    console.print(_rejects_table(found["rejects"]))
    for path, columns in found["ignored_columns"].items():
        console.print(f"{path}: ignored columns {', '.join(columns)}", soft_wrap=True)
    console.print(f"Store: {folder}, not changed", soft_wrap=True)


def print_store_summary(console: PlainConsole, result: StoreResult) -> None:
    """Rows, facts, symbols, dead letters, and what else happened."""
    summary = store_summary(result)
    _print_found(console, summary, "rows")
    for path, columns in result.ignored_columns.items():
        console.print(f"{path}: ignored columns {', '.join(columns)}", soft_wrap=True)
    for path in result.report.empty:
        console.print(f"{path}: has no rows", soft_wrap=True)
    for line in _remarks(summary):
        console.print(line, soft_wrap=True)
    console.print(f"Store: {result.folder}", soft_wrap=True)


def print_made_again(console: PlainConsole, result: MadeAgain) -> None:
    """The same of a store that was made again from its log."""
    summary = made_again_summary(result)
    _print_found(console, summary, "records of the log")
    if result.torn:
        console.print("Its last line was not whole, as a kill leaves it, and was cut.")
    if result.appended:
        console.print(f"Added to it: {result.appended} clocks, one for each group run again.")
    console.print(f"Store: {result.folder}, made again from its log", soft_wrap=True)


def _print_found(console: PlainConsole, summary: dict[str, Any], what: str) -> None:
    rows, facts = summary["rows"], summary["facts"]
    names = [name for name in rows if name not in ("total", "appended", "off_session")]
    shown = ", ".join(f"{rows[name]} {name}" for name in names)
    console.print(f"{rows['total']} {what}: {shown}.", soft_wrap=True)
    ranges = summary["ranges"]
    console.print(
        f"Ranges: {ranges['created']} created, {ranges['recalculated']} recalculated,"
        f" {ranges['open']} still open."
    )
    table = number_table("Facts", "type", *FACT_COLUMNS)
    for kind, found in facts.items():
        table.add_row(kind, *(str(found[name]) for name in FACT_COLUMNS))
    console.print(table)
    table = number_table("Symbols", "symbol", "open ranges", "last time (UTC)")
    for symbol, found in summary["symbols"].items():
        table.add_row(symbol, str(found["open_ranges"]), found["last"] or "-")
    console.print(table)
    if summary.get("hosted"):
        table = number_table("Strategies", "type", "events")
        for kind, count in summary["hosted"].items():
            table.add_row(kind, str(count))
        console.print(table)
    if summary["rejects"]:
        console.print(_rejects_table(summary["rejects"]))


def _last(instant_ms: int | None) -> str | None:
    return None if instant_ms is None else instant_text(instant_ms, DATE_AND_TIME)


def _remarks(summary: dict[str, Any]) -> Iterable[str]:
    if summary["resumed"]:
        yield "Resumed: this run goes on where it was killed."
    elif summary["repaired"]:
        yield (
            f"Repaired: a run was killed here; {summary['recovered']} records of its log"
            " were applied."
        )
    for group in summary["rebuilt_for_settings"]:
        yield (
            f"Rebuilt: indicators changed: {group} was run again from its stored bars, for other"
            " indicators, windows or derived intervals than it was made with."
        )
    for group in _for_bars(summary):
        yield (
            f"Rebuilt: {group} was run again from its stored bars, for changes beyond the"
            " correction horizon or very many."
        )


def _for_bars(summary: dict[str, Any]) -> list[str]:
    """Groups that were run again for their bars: a group may have been so twice."""
    groups = list(summary["rebuilt"])
    for group in summary["rebuilt_for_settings"]:
        groups.remove(group)
    return groups


def _rejects_table(rejects: dict[str, Any]) -> PlainTable:
    table = text_table("Dead letters", "code", "count", "first", "reason")
    for code, found in rejects.items():
        table.add_row(code, str(found["count"]), found["first"], found["reason"])
    return table


class EventRows:
    """Events as rows that are printed as they come, under one head."""

    def __init__(self, console: PlainConsole, title: str) -> None:
        self._console = console
        self._title = title
        self._headed = False

    def print(self, line: bytes) -> None:
        """The next event."""
        if not self._headed:
            self._headed = True
            self._console.print(f"{self._title}: time (UTC), op, id, content")
        row = event_row(orjson.loads(line))
        self._console.print(f"{row.time:<19}  {row.op:<7}  {row.id}  {row.words}", soft_wrap=True)


class EventRow(NamedTuple):
    """An event as columns of text; `words` has what else it holds. Dead letters have no time."""

    time: str
    op: str
    id: str
    words: str


def event_row(event: dict[str, Any]) -> EventRow:
    """The columns of an event."""
    if event["type"] == "reject":
        words = [f"{name}={event[name]}" for name in LETTER_COLUMNS]
        return EventRow("", "", event["id"], " ".join(words))
    words = [
        f"{name}={_shown(name, value)}"
        for name, value in event.items()
        if name not in COMMON and value is not None
    ]
    # A retraction of a topic has no time of its own; what a feed wrote has no op.
    [time_ms, *_] = (event[name] for name in TIMES if name in event)
    time = instant_text(time_ms, DATE_AND_TIME)
    return EventRow(time, event.get("op", ""), event["id"], " ".join(words))


def print_events(console: PlainConsole, lines: Iterable[bytes], title: str) -> None:
    """Events as a table: seq and time in columns, what else they hold as text."""
    table = text_table(title, "time (UTC)", "op", "id", "content")
    for line in lines:
        table.add_row(*event_row(orjson.loads(line)))
    console.print(table)


def print_gaps(console: PlainConsole, sessions: Iterable[dict[str, Any]], total: int) -> None:
    """Sessions that miss bars, a line a hole."""
    table = number_table("Missing bars", "symbol", "session", "expected", "present", "missing")
    for name in ("hole from (UTC)", "to", "slots", "state", "reason"):
        table.add_column(name)
    incomplete = 0
    for found in sessions:
        incomplete += 1
        head = [found["symbol"], found["session"]]
        counts = (found[name] for name in ("expected", "present", "missing"))
        head += ["-" if count is None else str(count) for count in counts]
        for hole in found["holes"]:
            table.add_row(
                *head,
                instant_text(hole["start_ms"], DATE_AND_TIME),
                instant_text(hole["end_ms"], TIME),
                str(hole["missing"]),
                hole["state"],
                reasons_text(hole["reasons"]),
            )
            head = [""] * len(head)
    if incomplete:
        console.print(table)
    console.print(f"{incomplete} of {total} sessions miss bars.")


def reasons_text(parts: list[dict[str, Any]]) -> str:
    """Why slots are missing, with their numbers where there are several reasons."""
    found: dict[str, int] = {}
    for part in parts:
        detail = f" ({part['detail']})" if part["detail"] else ""
        text = f"{part['reason']}{detail}"
        found[text] = found.get(text, 0) + part["missing"]
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{count} {text}" for text, count in found.items())


def _shown(name: str, value: Any) -> str:
    if isinstance(value, int) and name.endswith("_ms") and name not in LENGTHS:
        return instant_text(value, WITHOUT_ZONE)
    if isinstance(value, dict):
        return ",".join(f"{key}:{_shown(key, each)}" for key, each in value.items())
    return str(value)
