"""The status of a tape, as a table for a terminal and as plain data."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from tapeline.schemas.instants import DATE_AND_TIME, TIME, instant_text
from tapeline.streams.outputs.terminal import PlainConsole, text_table
from tapeline.streams.pipeline.status import GRACE_MS, STALE_SLOTS, Status, SymbolStatus

NUMBERS = ("age", "silent", "bars", "due", "quality %", "high", "low")


def status_data(status: Status) -> dict[str, Any]:
    """The status as plain data, for ``--json``."""
    found: dict[str, Any] = to_builtins(status)
    return {
        "as_of_ms": found.pop("as_of_ms"),
        "stale": status.stale,
        "stale_after_slots": STALE_SLOTS,
        "grace_ms": GRACE_MS,
        **found,
    }


def print_status(console: PlainConsole, status: Status, clock: str) -> None:
    """Symbols, the worst first, then what else is wrong.

    Parameters
    ----------
    clock
        Whose clock `Status.as_of_ms` is read from.
    """
    console.print(f"As of {instant_text(status.as_of_ms)} by {clock}")
    if status.symbols:
        table = text_table(None, "symbol", "state", "last bar (UTC)", "watermark")
        for name in NUMBERS:
            table.add_column(name, justify="right")
        table.add_column("notes")
        for each in status.symbols:
            table.add_row(*_cells(each))
        console.print(table)
    else:
        console.print("No symbol has a record.")
    for line in _lines(status):
        console.print(line, soft_wrap=True)


def _cells(status: SymbolStatus) -> list[str]:
    session = status.session
    numbers = ["-"] * (len(NUMBERS) - 2)
    if session is not None:
        quality = "-" if session.quality is None else f"{session.quality:.3f}"
        prices = ["-" if price is None else repr(price) for price in (session.high, session.low)]
        numbers = [str(session.bars), str(session.due), quality, *prices]
    return [
        status.symbol,
        status.state,
        _instant(status.last_bar_ms),
        _instant(status.watermark_ms),
        "-" if status.age_slots is None else str(status.age_slots),
        str(status.silent_slots),
        *numbers,
        "; ".join(_notes(status)),
    ]


def _notes(status: SymbolStatus) -> list[str]:
    notes = []
    for hole in status.holes:
        end = "" if hole.to_ms is None else f" to {instant_text(hole.to_ms, TIME)}"
        notes.append(f"hole from {instant_text(hole.from_ms, TIME)}{end} ({hole.cause})")
    for gap in status.gaps:
        notes.append(f"gap of {gap.missing} from {instant_text(gap.start_ms, TIME)}")
    if status.stale_view:
        notes.append("view waits for a rebuild")
    return notes


def _lines(status: Status) -> list[str]:
    lines = []
    if status.rejects:
        lines.append(f"Dead letters of the last hour: {_counted(status.rejects)}")
    if status.undated_rejects:
        lines.append(f"Dead letters without a time: {_counted(status.undated_rejects)}")
    if status.corrected:
        lines.append(
            f"Corrected in the last hour: {status.corrected_bars} bars; which led to"
            f" {_counted(status.corrected)}"
        )
    if status.stale_groups:
        lines.append(
            f"Stale views, which wait until their groups are run again:"
            f" {', '.join(status.stale_groups)}"
        )
    if status.stale:
        lines.append(f"Stale in session: {', '.join(status.stale)}")
    return lines


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _instant(instant_ms: int | None) -> str:
    return "-" if instant_ms is None else instant_text(instant_ms, DATE_AND_TIME)
