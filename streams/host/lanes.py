"""Symbols that records of a host are of, with the strategies that follow them."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.events import Output, Session, type_of
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.schemas.registry import EVENTS
from tapeline.streams.host.running import RunningStrategy
from tapeline.streams.host.view.rings import Ring

OF_GROUPS = frozenset(row.tag for row in EVENTS.rows if row.scope == "group")
"""Types of facts whose symbol is a group."""


class SymbolLane:
    """A symbol of a group that strategies follow.

    Attributes
    ----------
    running
        Strategies that follow the symbol itself, by name.
    of_group
        Those that follow any symbol of its group.
    rings
        Rings of base bars of its strategies.
    hearing
        Strategies that `on_bar` comes for.
    newest_ms
        Start of the newest bar that came in order.
    names_group
        Whether its group of two has the name of the symbol.
    is_warm
        Whether all of its strategies have what they need of the symbol.
    """

    __slots__ = (
        "base", "hearing", "is_warm", "names_group", "newest_ms", "of_group", "rings", "running",
        "symbol",
    )  # fmt: skip

    def __init__(self, symbol: str, base: str, names_group: bool) -> None:
        self.symbol = symbol
        self.names_group = names_group
        self.base = base
        self.running: list[RunningStrategy] = []
        self.of_group: list[RunningStrategy] = []
        self.rings: list[Ring[Bar]] = []
        self.hearing: list[RunningStrategy] = []
        self.newest_ms = FAR_PAST_MS
        self.is_warm = False

    def look(self) -> None:
        """Find what a bar meets, after strategies began."""
        views = [running.viewed[self.symbol] for running in self.running]
        self.rings = [each.base_bars for each in views if each.base_bars is not None]
        self.hearing = [running for running in self.running if running.hears_bar]
        self.is_warm = False

    def warm_up(self) -> None:
        """See which strategies have what they need by now."""
        waiting = [each for each in self.running if each.cold(self.symbol)]
        self.is_warm = not waiting


def followers(lane: SymbolLane, event: Any) -> list[RunningStrategy]:
    """Strategies that a fact of a record is for, by name."""
    if event.symbol != lane.symbol or (lane.names_group and type_of(event) in OF_GROUPS):
        return lane.of_group
    return lane.running


def closes(events: list[Output]) -> list[Session]:
    """Closes of sessions that no correction made."""
    return [
        event
        for event in events
        if isinstance(event, Session) and event.state == "closed" and event.corrects is None
    ]
