"""From configuration and calendar data to the plans the core is built from."""

from __future__ import annotations

from functools import lru_cache

from tapeline.schemas.config.indicator_sets import IntervalIndicators
from tapeline.schemas.config.model import Config, InstrumentConfig
from tapeline.schemas.event_types import Registry
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.registry import EVENTS
from tapeline.streams.calendars import load_calendar, load_zone
from tapeline.streams.core.calendar import ZoneTable
from tapeline.streams.core.plan import (
    GroupPlan,
    InstrumentPlan,
    PlannedIndicators,
    PlannedKind,
    TrackerFactory,
)
from tapeline.streams.core.ticks import TickScale

LINK_ORDER = ("Yearly", "Monthly", "Weekly", "Major", "Minor")
"""Kinds in order of preference of touch links; own kinds follow in the order of the templates."""


def plan_group(
    config: Config,
    group: str,
    registry: Registry = EVENTS,
    trackers: tuple[TrackerFactory, ...] | None = None,
) -> GroupPlan:
    """Plan of one group of a configuration.

    Parameters
    ----------
    registry
        The types of events.
    trackers
        Rules beside the shipped ones that publish some of them; None: those that rows bring.

    Raises
    ------
    LookupError
        When a member is no symbol of the configuration.
    """
    plans = []
    for symbol in config.members(group):
        instrument = config.instrument(symbol)
        if instrument is None:
            raise LookupError(f"symbol {symbol} is not configured")
        plans.append(plan_instrument(config, symbol, instrument))
    if trackers is None:
        trackers = registry.trackers()
    return GroupPlan(group, plans, registry, trackers)


def plan_instrument(config: Config, symbol: str, instrument: InstrumentConfig) -> InstrumentPlan:
    """Plan of one symbol with the settings of an instrument."""
    return InstrumentPlan(
        symbol=symbol,
        calendar=load_calendar(instrument.calendar),
        base=parse_interval(instrument.base),
        scale=TickScale(instrument.tick, instrument.negative_prices),
        intervals=list(config.intervals_for(instrument.base)),
        kinds=planned_kinds(config, instrument),
        publish_incomplete=config.derived.incomplete == "publish",
        swings=instrument.swings,
        structural_class=instrument.swing_structural_class,
        quality=instrument.quality,
        horizon_sessions=instrument.horizon_sessions,
        max_ahead_ms=instrument.max_ahead_ms,
        earliest_ms=config.time.earliest_ms,
        latest_ms=config.time.latest_ms,
        computed=list(config.computed_for(instrument)),
        indicators=[_planned(each) for each in config.indicators_for(instrument)],
        windows=tuple(config.windows_of(symbol).items()),
    )


def _planned(found: IntervalIndicators) -> PlannedIndicators:
    return PlannedIndicators(
        parse_interval(found.interval),
        found.specifications,
        latest=found.publish == "latest",
        complete_only=found.on_incomplete == "skip",
    )


def planned_kinds(config: Config, instrument: InstrumentConfig) -> list[PlannedKind]:
    """All range kinds of an instrument, in the order of its templates, with their link ranks."""
    own: list[str] = []
    planned: list[PlannedKind] = []
    for name in instrument.ranges:
        template = config.templates[name]
        zone = _zone(template.zone)
        for kind in template.kinds:
            if kind.kind not in LINK_ORDER and kind.kind not in own:
                own.append(kind.kind)
            order = [*LINK_ORDER, *own]
            planned.append(PlannedKind(kind, zone, len(planned), order.index(kind.kind)))
    return planned


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneTable:
    return load_zone(name)
