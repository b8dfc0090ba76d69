"""Why bars are missing: gaps of a view, joined with what feeds reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeline.schemas.config.model import Config
from tapeline.schemas.intervals import parse_interval
from tapeline.streams.calendars import load_calendar
from tapeline.streams.pipeline.operations import MissingPart, Operations

Explain = Callable[[dict[str, Any]], list[MissingPart]]
"""From a gap as plain data to its parts, in order of time."""


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
