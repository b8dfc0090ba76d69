"""What an engine is built from: plain values of one instrument and one group."""

from __future__ import annotations

from collections.abc import Callable

from tapeline.schemas.event_types import Registry
from tapeline.schemas.indicators.specification import Specification
from tapeline.schemas.intervals import Interval
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.templates import RangeKind
from tapeline.schemas.windows import WindowSpec
from tapeline.streams.core.calendar import Calendar, ZoneTable
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.core.tracker import Tracker


class PlannedKind:
    """A range kind of an instrument, with its zone and its position among the instrument's kinds.

    Attributes
    ----------
    index
        Position over all templates of the instrument: part of a range's identity in the state.
    rank
        Order of preference of touch links, lower first (docs/rules.md 12.6).
    """

    def __init__(self, kind: RangeKind, zone: ZoneTable, index: int, rank: int) -> None:
        self.kind = kind
        self.zone = zone
        self.index = index
        self.rank = rank


class PlannedIndicators:
    """Indicators of an instrument in one interval: together they are one row a bar.

    Attributes
    ----------
    interval
        Of the bars; the base interval, or a derived one.
    specifications
        What they are, each once; one that is made of another one comes after it.
    latest
        Whether the row of the latest bar is a fact that grows, instead of one for each bar.
    complete_only
        Whether bars with missing members are passed over.
    """

    def __init__(
        self,
        interval: Interval,
        specifications: tuple[Specification, ...],
        latest: bool,
        complete_only: bool,
    ) -> None:
        self.interval = interval
        self.specifications = specifications
        self.latest = latest
        self.complete_only = complete_only


class InstrumentPlan:
    """Settings of one symbol, resolved: lengths in milliseconds, calendar and kinds as objects.

    Attributes
    ----------
    intervals
        Derived intervals, ascending by length; every one coarser than the base.
    computed
        Derived intervals that indicators alone ask for: they are computed and not published.
    indicators
        By interval, ascending by length.
    publish_incomplete
        Whether derived bars with missing members are published.
    horizon_sessions
        Corrections reach back this many sessions before the session of the watermark.
    max_ahead_ms
        Greatest jump of the watermark by one record; 0: no limit.
    earliest_ms, latest_ms
        Instants that a record may have: earliest <= instant < latest.
    windows
        Historical windows by name.
    """

    def __init__(
        self,
        symbol: str,
        calendar: Calendar,
        base: Interval,
        scale: TickScale,
        intervals: list[Interval],
        kinds: list[PlannedKind],
        publish_incomplete: bool,
        swings: bool,
        structural_class: int,
        quality: bool,
        horizon_sessions: int,
        max_ahead_ms: int,
        earliest_ms: int,
        latest_ms: int,
        computed: list[Interval],
        indicators: list[PlannedIndicators],
        windows: tuple[tuple[str, WindowSpec], ...] = (),
    ) -> None:
        self.symbol = symbol
        self.calendar = calendar
        self.base = base.name
        self.base_ms = base.length_ms
        self.scale = scale
        self.intervals = intervals
        self.kinds = kinds
        self.publish_incomplete = publish_incomplete
        self.swings = swings
        self.structural_class = structural_class
        self.quality = quality
        self.horizon_sessions = horizon_sessions
        self.max_ahead_ms = max_ahead_ms
        self.earliest_ms = earliest_ms
        self.latest_ms = latest_ms
        self.computed = computed
        self.indicators = indicators
        self.windows = windows


TrackerFactory = Callable[[InstrumentPlan], Tracker]
"""Makes the tracker of one symbol; equal plans must give equal trackers."""


class GroupPlan:
    """One group: its id and the plans of its one or two symbols, in order of the configuration.

    Attributes
    ----------
    registry
        The types of events that its rules publish.
    trackers
        Rules beside the shipped ones, in order of publication: after gaps, before ranges.
    """

    def __init__(
        self,
        group: str,
        instruments: list[InstrumentPlan],
        registry: Registry = EVENTS,
        trackers: tuple[TrackerFactory, ...] = (),
    ) -> None:
        if not 1 <= len(instruments) <= 2:
            raise ValueError(f"group {group} has {len(instruments)} symbols, not one or two")
        self.group = group
        self.instruments = instruments
        self.registry = registry
        self.trackers = trackers
