"""Why bars are missing: gaps of a view, joined with what feeds reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import to_builtins

from tapeline.schemas.config.model import Config
from tapeline.schemas.intervals import parse_interval
from tapeline.streams.calendars import load_calendar
from tapeline.streams.pipeline.operations import MissingPart, Operations

Explain = Callable[[dict[str, Any]], list[MissingPart]]
"""From a gap as plain data to its parts, in order of time."""


def sessions_with_gaps(
    gaps: Iterable[dict[str, Any]],
    sessions: Iterable[dict[str, Any]],
    explain: Explain,
    bars_between: Callable[[str, int, int], int] | None = None,
) -> Iterator[dict[str, Any]]:
    """Sessions that miss bars, in the order of `sessions`.

    Fields: ``symbol``, ``session``, ``state``, ``expected``, ``present``, ``missing`` (slots),
    ``holes``: each with ``start_ms``, ``end_ms`` (exclusive), ``missing``, ``state``, ``reasons``.

    Parameters
    ----------
    gaps, sessions
        Of a view, as plain data.
    explain
        Gives the reasons of a gap.
    bars_between
        Number of bars of a symbol with from <= label < to. Of a session that is not over, the slots
        count that are over; None: their number is not known, ``expected`` and ``present`` are null.
    """
    holes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for gap in gaps:
        hole = {name: gap[name] for name in ("start_ms", "end_ms", "missing", "state")}
        hole["reasons"] = [to_builtins(part) for part in explain(gap)]
        holes.setdefault((gap["symbol"], gap["session"]), []).append(hole)
    for session in sessions:
        session_key = (session["symbol"], session["session"])
        if session_key not in holes:
            continue
        found = sorted(holes[session_key], key=lambda hole: hole["start_ms"])
        missing = 0
        for hole in found:
            missing += hole["missing"]
        expected, present = session["expected"], session["bars"]
        if session["state"] == "open":
            expected = present = None
            if bars_between is not None:
                present = bars_between(session_key[0], session["open_ms"], session["close_ms"])
                expected = present + missing
        yield {
            "symbol": session_key[0],
            "session": session_key[1],
            "state": session["state"],
            "expected": expected,
            "present": present,
            "missing": missing,
            "holes": found,
        }


def feed_members(config: Config) -> dict[str, list[str]]:
    """Symbols of each feed of a configuration."""
    return {name: list(feed.symbols) for name, feed in config.feeds.items()}


def unexplained(gap: dict[str, Any]) -> list[MissingPart]:
    """A gap of which no feed reported anything, as those of files are."""
    return [MissingPart("unknown", "", None, gap["start_ms"], gap["end_ms"], gap["missing"])]


def explained_by(config: Config, operations: Operations) -> Explain:
    """Parts of gaps by what feeds reported.

    Parameters
    ----------
    config
        The one that the gaps were made with: slots are those of its calendars.
    """

    def explain(gap: dict[str, Any]) -> list[MissingPart]:
        symbol = gap["symbol"]
        instrument = config.instrument(symbol)
        if instrument is None or not operations.feeds(symbol):
            return unexplained(gap)
        calendar = load_calendar(instrument.calendar)
        base_ms = parse_interval(instrument.base).length_ms
        return operations.explain(
            symbol,
            gap["start_ms"],
            gap["end_ms"],
            lambda first, end: calendar.count_slots(first, end, base_ms),
        )

    return explain
