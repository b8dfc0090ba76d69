"""One example of each record and event, for AsyncAPI and docs/events.md; see the registry."""

from __future__ import annotations

from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Reject, Retract
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.schemas.registry import EVENTS


def record_examples() -> dict[str, LogRecord]:
    """Records by type: a minute of ES, its cancellation, and a clock at its end."""
    return {
        "bar": Bar("ES", "1m", 1765204020000, 6944.0, 6944.25, 6943.0, 6943.5, 1312, "live"),
        "cancel": Cancel("ES", "1m", 1765204020000),
        "clock": Clock("ES", 1765204080000),
    }


def event_examples(registry: Registry = EVENTS) -> dict[str, Event | Reject]:
    """Events by type, most of them of the session of 2025-12-08."""
    return {row.tag: row.example for row in registry.rows}


def retract_example() -> Retract:
    """A gap that a late bar filled."""
    return Retract(
        type="gap",
        id="gap|ACME|1m|1765210200000",
        op="retract",
        seq=742000001,
        rev=1,
        symbol="ACME",
        session="2025-12-08",
        event_ms=1765210860000,
        watermark_ms=1765213200000,
        corrects=1765210200000,
    )
