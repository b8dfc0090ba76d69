"""The status of a tape, as a table for a terminal and as plain data."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from tapeline.schemas.instants import DATE_AND_TIME, TIME, instant_text
from tapeline.streams.outputs.terminal import PlainConsole, text_table
from tapeline.streams.pipeline.status import (
    GRACE_MS,
    STALE_SLOTS,
    HostedStrategy,
    Status,
    SymbolStatus,
)
from tapeline.streams.pipeline.warm_up import IndicatorHistory, KeyHistory

BESIDE = 29
"""Columns of a terminal that the time of a row takes, with the space around the columns."""
LEAST_WIDTH, MOST_WIDTH = 30, 80
INDICATORS = "indicators"
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
        _print_indicators(console, status)
        _print_windows(console, status)
    else:
        console.print("No symbol has a record.")
    for line in _lines(status):
        console.print(line, soft_wrap=True)


def _print_indicators(console: PlainConsole, status: Status) -> None:
    """Of each interval the last row, and what is cold or warming; nothing where none is asked."""
    found = {
        f"{symbol.symbol} {each.interval}": each
        for symbol in status.symbols
        for each in symbol.indicators
    }
    if not found:
        return
    table = text_table(None, INDICATORS, "last row until", "cold and warming")
    left = console.width - BESIDE - max(map(len, (INDICATORS, *found)))
    width = min(max(left, LEAST_WIDTH), MOST_WIDTH)
    for name, each in found.items():
        shown = _filled(_histories(each), width)
        table.add_row(name, _instant(each.end_ms), shown[0])
        for line in shown[1:]:
            table.add_row("", "", line)
    console.print(table)


def _histories(found: IndicatorHistory) -> list[str]:
    """Texts that belong together."""
    if found.end_ms is None and not found.cold:
        return ["no row found"]
    parts = []
    for name, keys in (("cold", found.cold), ("warming", found.warming)):
        texts = [_history(each) for each in keys]
        if texts:
            texts[0] = f"{name}: {texts[0]}"
            parts += [*(f"{text}," for text in texts[:-1]), texts[-1]]
    return parts or [f"all {found.indicators} warm"]


def _history(key: KeyHistory) -> str:
    if key.need is None:
        return key.key
    if key.have is None:
        return f"{key.key} (needs {key.need})"
    return f"{key.key} {key.have} of {key.need}"


def _filled(texts: list[str], width: int) -> list[str]:
    """Lines of texts, none of which is broken."""
    lines = [texts[0]]
    for text in texts[1:]:
        begins = text.startswith(("cold: ", "warming: "))
        if begins or len(lines[-1]) + 1 + len(text) > width:
            lines.append(text)
        else:
            lines[-1] += f" {text}"
    return lines


def _print_windows(console: PlainConsole, status: Status) -> None:
    """The latest value of each window; nothing where there are none."""
    table = text_table(None, "window", "for session")
    table.add_column("have", justify="right")
    table.add_column("need", justify="right")
    for symbol in status.symbols:
        for each in symbol.windows:
            counts = ["-" if count is None else str(count) for count in (each.have, each.need)]
            table.add_row(f"{symbol.symbol} {each.name}", each.session or "-", *counts)
    if table.row_count:
        console.print(table)


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
    if status.strategies:
        lines.append(f"Strategies: {'; '.join(map(_strategy, status.strategies))}")
    if status.rebuilt_at:
        offsets = ", ".join(map(str, status.rebuilt_at))
        lines.append(f"What strategies published is no replay's: rebuilt at offset {offsets}")
    if status.stale:
        lines.append(f"Stale in session: {', '.join(status.stale)}")
    return lines


def _strategy(each: HostedStrategy) -> str:
    error = "" if each.error is None else f", {each.error}"
    return f"{each.name} {each.state} (version {each.version}{error})"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _instant(instant_ms: int | None) -> str:
    return "-" if instant_ms is None else instant_text(instant_ms, DATE_AND_TIME)
