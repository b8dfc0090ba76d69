"""Signals as they are published: what is refused, what stays, how long they are valid."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.schemas.config.strategies import StrategyConfig
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.host.emission import Issue, TradedSymbol, end_of_slots, issued
from tapeline.streams.host.errors import SignalError
from tapeline.streams.host.strategy import Signal
from tests.unit.streams.core.scenario import HOUR_MS, MINUTE_MS, at
from tests.unit.streams.host.scene import ACME, CLOSE, OPEN, HostScene, at_calls, loaded, scripted

XNYS = load_calendar("XNYS")
TRADED = TradedSymbol(TickScale("0.25", False), XNYS, MINUTE_MS)
ISSUE = Issue(
    signal_id="signal|one|ACME|1|0",
    strategy="one",
    account="default",
    version="0" * 12,
    now_ms=OPEN + 10 * MINUTE_MS,
    watermark_ms=OPEN + 5 * MINUTE_MS,
    session="2025-07-02",
    muted=None,
    replaces=None,
    inputs=(),
    spans=(),
    truncated=False,
)
BUY = Signal("ACME", "buy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": "short"}, "action = 'short' is not allowed; allowed: one of buy, sell, close"),
        ({"order": "iceberg"}, "order = 'iceberg'"),
        ({"quantity": 0}, "quantity = 0 is not allowed; allowed: a whole number above 0, or None"),
        ({"quantity": 1.0}, "quantity = 1.0"),
        ({"quantity": True}, "quantity = True"),
        ({"price": 100.0}, "price = 100.0 is not allowed; allowed: None without a limit or stop"),
        ({"order": "limit"}, "price = None is not allowed; allowed: the price of the order"),
        ({"order": "stop", "price": 100.1}, "a price on the tick: price 100.1 is not a multiple"),
        ({"stop": float("nan")}, "stop = nan"),
        ({"stop": -1.0}, "stop = -1.0"),
        ({"stop": "90"}, "stop = '90'"),
        ({"stop": 100.0, "target": 100.0}, "allowed: stop < price < target of a buy"),
        ({"stop": 101.0, "target": 100.0}, "allowed: stop < price < target of a buy"),
        ({"order": "limit", "price": 100.0, "stop": 100.0}, "stop < price < target"),
        ({"order": "limit", "price": 100.0, "target": 99.0}, "stop < price < target"),
        ({"action": "sell", "stop": 99.0, "target": 100.0}, "target < price < stop of a sell"),
        ({"action": "close", "stop": 99.0}, "stop = 99.0 is not allowed; allowed: None with close"),
        ({"confidence": 1.5}, "confidence = 1.5"),
        ({"confidence": float("nan")}, "confidence = nan"),
        ({"confidence": True}, "confidence = True"),
        ({"reason": "x" * 201}, "text of at most 200 characters"),
        ({"reason": "\ud800"}, "reason"),
        ({"interval": 5}, "interval = 5"),
        ({"bar_ms": 1.5}, "bar_ms = 1.5"),
        ({"metadata": {"a": {1, 2}}}, r"metadata\['a'\] is a set"),
        ({"metadata": {"a": "x" * 4096}}, "metadata has 4104 bytes as JSON, at most 4096"),
        ({"metadata": []}, "metadata = "),
        ({"valid_bars": 0}, "valid_bars = 0"),
        ({"valid_minutes": 0.5}, "valid_minutes = 0.5"),
        ({"valid_until_ms": OPEN + 5 * MINUTE_MS}, "an instant after the watermark"),
        ({"valid_bars": 1, "valid_minutes": 1}, "valid_bars and valid_minutes are given"),
    ],
)
def test_what_is_no_signal_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SignalError, match=message):
        issued(replace(BUY, **changes), ISSUE, TRADED)


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "limit", "price": 100, "stop": 99.75, "target": 100.25},
        {"action": "sell", "order": "stop", "price": 100.0, "stop": 100.25, "target": 99.75},
        {"stop": 99.0},
        {"target": 101.0},
        {"action": "close"},
        {"action": "hold", "confidence": 0},
        {"quantity": 3, "confidence": 1, "reason": "x" * 200, "group": "g", "interval": "5m"},
        {"metadata": {"a": [1, 2.5, None, {"b": "c"}]}},
    ],
)
def test_a_signal_says_what_was_asked_for(changes: dict[str, Any]) -> None:
    signal = replace(BUY, **changes)
    found = issued(signal, ISSUE, TRADED)
    for name in ("action", "order", "quantity", "price", "stop", "target", "confidence",
                 "interval", "bar_ms", "reason", "metadata", "group"):  # fmt: skip
        assert getattr(found, name) == getattr(signal, name)
    assert type(found.confidence) is float
    assert found.price is None or type(found.price) is float


def test_metadata_is_a_copy() -> None:
    given = {"list": [1]}
    found = issued(replace(BUY, metadata=given), ISSUE, TRADED)
    given["list"].append(2)
    assert found.metadata == {"list": [1]}


@pytest.mark.parametrize(
    ("changes", "watermark_ms", "expected"),
    [
        ({}, OPEN + MINUTE_MS, CLOSE),
        ({}, CLOSE, at("2025-07-03 13:00")),
        ({}, at("2025-07-05 12:00"), at("2025-07-07 16:00")),
        ({"valid_bars": 1}, OPEN, OPEN + MINUTE_MS),
        ({"valid_bars": 3}, OPEN + 30_000, OPEN + 4 * MINUTE_MS),
        ({"valid_bars": 2}, CLOSE - MINUTE_MS, at("2025-07-03 09:31")),
        ({"valid_bars": 390 + 210}, OPEN, at("2025-07-03 13:00")),
        ({"valid_minutes": 90}, OPEN, OPEN + 10 * MINUTE_MS + 90 * MINUTE_MS),
        ({"valid_until_ms": CLOSE + HOUR_MS}, OPEN, CLOSE + HOUR_MS),
        ({"valid_bars": 100_000}, at("2030-12-30 10:00"), XNYS.last_ms),
    ],
)
def test_a_signal_is_valid_until_a_close_an_instant_or_the_end_of_slots(
    changes: dict[str, Any], watermark_ms: int, expected: int
) -> None:
    issue = replace(ISSUE, watermark_ms=watermark_ms)
    assert issued(replace(BUY, **changes), issue, TRADED).valid_until_ms == expected


def test_slots_of_the_calendar_count_whether_they_have_bars_or_not() -> None:
    assert end_of_slots(XNYS, MINUTE_MS, OPEN, 390) == CLOSE
    assert end_of_slots(XNYS, MINUTE_MS, OPEN - HOUR_MS, 1) == OPEN + MINUTE_MS


@pytest.mark.parametrize(
    ("muted", "expected"),
    [
        (False, None),
        (True, "config"),
        (OPEN + 2 * MINUTE_MS, None),
        (OPEN + 3 * MINUTE_MS, "config"),
    ],
)
def test_a_strategy_is_muted_while_market_time_lies_before_the_instant(
    muted: bool | int, expected: str | None
) -> None:
    made = scripted(at_calls({("bar", 1): lambda now: now.emit(BUY)}))
    scene = HostScene(ACME, lambda config: loaded(made, config, muted=muted))
    scene.bars(2)
    [signal] = scene.of("signal")
    [decision] = scene.of("decision")
    assert signal.muted == expected
    assert decision.code == (None if expected is None else "muted")
    assert StrategyConfig(module="x", symbols=("ACME",), muted=muted).is_muted(
        OPEN + 2 * MINUTE_MS
    ) == bool(expected)


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_rejected_and_filled_signals_expire_once_too(confidence: float) -> None:
    signal = Signal("ACME", "buy", confidence=confidence, valid_bars=3)
    scene = HostScene(ACME, scripted(at_calls({("bar", 0): lambda now: now.emit(signal)})))
    scene.bars(8)
    scene.clock(OPEN + HOUR_MS)
    states = [(each.state, each.closed_ms) for each in scene.of("signal")]
    assert states == [("issued", None), ("expired", OPEN + 4 * MINUTE_MS)]
    first, last = scene.of("signal")
    content = {"state": "issued", "closed_ms": None, "close_reason": None, "seq": first.seq,
               "cause": first.cause, "event_ms": first.event_ms,
               "watermark_ms": first.watermark_ms}  # fmt: skip
    assert replace(last, **content) == first
