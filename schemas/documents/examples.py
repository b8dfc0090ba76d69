"""One example of each record and event, for AsyncAPI and docs/events.md."""

from __future__ import annotations

from tapeline.schemas.events import (
    DerivedBar,
    Event,
    Gap,
    Pair,
    Prior,
    Quality,
    Range,
    Reject,
    Retract,
    Session,
    Swing,
    Touch,
    TouchLink,
)
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord


def record_examples() -> dict[str, LogRecord]:
    """Records by type: a minute of ES, its cancellation, and a clock at its end."""
    return {
        "bar": Bar("ES", "1m", 1765204020000, 6944.0, 6944.25, 6943.0, 6943.5, 1312, "live"),
        "cancel": Cancel("ES", "1m", 1765204020000),
        "clock": Clock("ES", 1765204080000),
    }


def event_examples() -> dict[str, Event | Reject]:
    """Events by type, most of them of the session of 2025-12-08."""
    events: tuple[Event | Reject, ...] = (
        _derived_bar(),
        _session(),
        _quality(),
        _gap(),
        _range(),
        _touch(),
        _pair(),
        _swing(),
        _reject(),
    )
    return {type(event).__struct_config__.tag: event for event in events}  # type: ignore[misc]


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


def _derived_bar() -> DerivedBar:
    return DerivedBar(
        id="derived_bar|ES|15m|1765148400000",
        op="upsert",
        seq=28000002,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765149300000,
        watermark_ms=1765149300000,
        corrects=None,
        interval="15m",
        start_ms=1765148400000,
        end_ms=1765149300000,
        open=6940.25,
        high=6943.5,
        low=6934.5,
        close=6935.75,
        volume=None,
        have=15,
        need=15,
        complete=True,
        truncated=False,
        quality=100.0,
    )


def _session() -> Session:
    return Session(
        id="session|ES|2025-12-08",
        op="upsert",
        seq=2758000000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765231200000,
        watermark_ms=1765231200000,
        corrects=None,
        state="closed",
        open_ms=1765148400000,
        close_ms=1765231200000,
        early_close=False,
        bars=1380,
        expected=1380,
        volume=None,
        high=6951.0,
        low=6892.5,
    )


def _quality() -> Quality:
    return Quality(
        id="quality|ACME|1m|2025-12-08",
        op="upsert",
        seq=380000003,
        rev=0,
        symbol="ACME",
        session="2025-12-08",
        event_ms=1765227600000,
        watermark_ms=1765227600000,
        corrects=None,
        interval="1m",
        as_of_ms=1765227600000,
        due=390,
        actual=380,
        missing=10,
        quality=97.43589743589743,
    )


def _gap() -> Gap:
    return Gap(
        id="gap|ACME|1m|1765210200000",
        op="upsert",
        seq=100000001,
        rev=0,
        symbol="ACME",
        session="2025-12-08",
        event_ms=1765210860000,
        watermark_ms=1765210860000,
        corrects=None,
        interval="1m",
        start_ms=1765210200000,
        end_ms=1765210800000,
        missing=10,
        state="closed",
    )


def _range() -> Range:
    return Range(
        id="range|ES|Minor|m0900 2025-12-08",
        op="upsert",
        seq=1854000000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204080000,
        watermark_ms=1765204080000,
        corrects=None,
        kind="Minor",
        name="m0900 2025-12-08",
        start_ms=1765202400000,
        to_ms=1765203720000,
        expires_ms=1765290120000,
        state="first_break",
        expired=False,
        high=6949.0,
        low=6945.5,
        true_open=6946.25,
        poc=6949.0,
        rpp=6943.5,
        have=23,
        need=23,
        reason=None,
        side="RPP",
        resolution=None,
        first_break_ms=1765204020000,
        return_ms=None,
        second_break_ms=None,
        resolved_ms=None,
    )


def _touch() -> Touch:
    return Touch(
        id="touch|ES|Minor|m0900 2025-12-08|first_break",
        op="upsert",
        seq=1854000001,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204080000,
        watermark_ms=1765204080000,
        corrects=None,
        range="range|ES|Minor|m0900 2025-12-08",
        kind="Minor",
        name="m0900 2025-12-08",
        event="first_break",
        level="RPP",
        price=6943.5,
        bar_ms=1765204020000,
        ambiguous=False,
    )


def _pair() -> Pair:
    return Pair(
        id="pair|ES-NQ|Minor|m0900 2025-12-08|RPP|first_break",
        op="upsert",
        seq=1854000002,
        rev=0,
        symbol="ES-NQ",
        session="2025-12-08",
        event_ms=1765204080000,
        watermark_ms=1765204080000,
        corrects=None,
        group="ES-NQ",
        kind="Minor",
        name="m0900 2025-12-08",
        level="RPP",
        event="first_break",
        times={"ES": 1765204020000, "NQ": 1765203900000},
        delta_min=2,
        leader="NQ",
    )


def _swing() -> Swing:
    return Swing(
        id="swing|ES|1765204080000|low",
        op="upsert",
        seq=1858000000,
        rev=0,
        symbol="ES",
        session="2025-12-08",
        event_ms=1765204200000,
        watermark_ms=1765204200000,
        corrects=None,
        start_ms=1765204080000,
        side="low",
        price=6942.75,
        class_=1,
        prior=Prior(start_ms=1765203780000, points=5.0, bars=5),
        touch=TouchLink(
            id="touch|ES|Minor|m0900 2025-12-08|first_break",
            minutes=1,
            bars=1,
        ),
    )


def _reject() -> Reject:
    return Reject(
        id="reject|tape.bars.v1/3/812",
        code="off_tick",
        reason="open 6944.1 is no multiple of the tick 0.25",
        source="tape.bars.v1/3/812",
        raw="eyJ0eXBlIjoiYmFyIiwic3ltYm9sIjoiRVMifQ==",
        symbol="ES",
    )
