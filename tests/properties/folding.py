"""Running a log through an engine, and folding what it publishes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Output, Retract
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.pipeline.planning import plan_group

DELIVERY = ("seq", "rev", "corrects", "watermark_ms")
"""Fields that depend on how the log brought the bars, and are not part of the view."""


def run(config: Config, group: str, log: Iterable[LogRecord]) -> list[Output]:
    """All events of a log by one engine."""
    engine = GroupEngine(plan_group(config, group))
    events: list[Output] = []
    for offset, record in enumerate(log):
        events += engine.apply(record, offset).events
    return events


def run_in_pieces(config: Config, group: str, log: list[LogRecord], cuts: set[int]) -> list[Output]:
    """All events of a log by engines that hand their state on, as JSON, at each cut."""
    plan = plan_group(config, group)
    engine = GroupEngine(plan)
    events: list[Output] = []
    for offset, record in enumerate(log):
        if offset in cuts:
            engine = GroupEngine.restore(plan, json.loads(json.dumps(engine.snapshot())))
        events += engine.apply(record, offset).events
    return events


def encoded(events: Iterable[Output]) -> bytes:
    """The bytes of the events, a line each."""
    return msgspec.json.Encoder().encode_lines(list(events))


def fold(events: Iterable[Output]) -> dict[str, dict[str, Any]]:
    """The view that a stream of events leaves, without the fields of delivery."""
    view: dict[str, dict[str, Any]] = {}
    for event in events:
        if isinstance(event, Retract):
            del view[event.id]
            continue
        content = json.loads(msgspec.json.encode(event))
        for name in DELIVERY:
            del content[name]
        view[event.id] = content
    return view
