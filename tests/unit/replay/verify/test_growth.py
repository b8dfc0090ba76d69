"""Which later versions of a fact grew out of the earlier one, and which rewrote it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.replay.verify.growth import (
    STAMP,
    changed_fields,
    is_growth,
    is_growth_of_host,
)
from tapeline.schemas.documents.examples import event_examples
from tapeline.schemas.events import Event, Prior, Reject
from tapeline.schemas.registry import EVENTS

LATER = 60_000
CASES: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("session", {"state": "open", "bars": 1}, {"state": "closed", "bars": 1380}, True),
    ("session", {"state": "open"}, {"state": "open", "high": 7000.0}, False),
    ("session", {"state": "closed"}, {"state": "closed", "bars": 1379}, False),
    ("session", {"state": "open"}, {"state": "closed", "close_ms": 5}, False),
    ("quality", {}, {"as_of_ms": 1765227660000, "due": 391, "missing": 11}, True),
    ("quality", {}, {"interval": "5m"}, False),
    ("gap", {"state": "open"}, {"state": "open", "end_ms": 1765210860000, "missing": 11}, True),
    ("gap", {"state": "open"}, {"state": "closed"}, True),
    ("gap", {"state": "open"}, {"state": "closed", "start_ms": 5}, False),
    ("gap", {"state": "closed"}, {"missing": 11}, False),
    ("range", {}, {"state": "return", "return_ms": 1765204140000}, True),
    ("range", {}, {"expired": True}, True),
    ("range", {}, {"side": "PoC"}, False),
    ("range", {}, {"first_break_ms": None}, False),
    ("range", {}, {"poc": 6949.25}, False),
    ("range", {"expired": True}, {"state": "return"}, False),
    ("pair", {"times": {"ES": 5, "NQ": None}}, {"times": {"ES": 5, "NQ": 3}}, True),
    ("pair", {"times": {"ES": 5, "NQ": None}}, {"times": {"ES": 6, "NQ": 3}}, False),
    ("pair", {"times": {"ES": 5, "NQ": None}}, {"times": {"ES": None, "NQ": 3}}, False),
    ("pair", {"times": {"ES": 5, "NQ": 3}}, {"times": {"ES": 5, "NQ": 4}}, False),
    ("pair", {"times": {"ES": 5, "NQ": 3}}, {"leader": "ES"}, False),
    ("swing", {}, {"class_": 2, "prior": Prior(1765203720000, 6.0, 6)}, True),
    ("swing", {"class_": 2}, {"class_": 1}, False),
    ("swing", {}, {"price": 6942.5}, False),
    ("swing", {}, {"touch": None}, False),
    ("derived_bar", {}, {"close": 6936.0}, False),
    ("indicators", {}, {"values": {"rsi_14_5m": 42.5}}, False),
    ("indicators", {"id": "indicators|ES|5m"}, {"start_ms": 5, "warming": ()}, True),
    ("indicators", {"id": "indicators|ES|5m"}, {"interval": "15m"}, False),
    ("derived_bar", {}, {}, False),
    ("touch", {}, {"ambiguous": True}, False),
    ("touch", {}, {}, False),
]


def version(kind: str, **fields: Any) -> Event:
    event = event_examples()[kind]
    assert not isinstance(event, Reject)
    return replace(event, **fields)


@pytest.mark.parametrize(("kind", "before", "after", "grown"), CASES)
def test_a_later_version_may_only_add_what_was_open(
    kind: str, before: dict[str, Any], after: dict[str, Any], grown: bool
) -> None:
    old = version(kind, **before)
    new = replace(old, event_ms=old.event_ms + LATER, watermark_ms=old.event_ms + LATER, **after)
    assert is_growth(old, new) is grown


def test_what_was_decided_at_the_same_instant_does_not_grow() -> None:
    old = version("swing")
    assert not is_growth(old, replace(old, class_=2))


def test_the_second_symbol_of_a_pair_may_be_the_one_behind() -> None:
    old = version("pair", times={"ES": 1765204020000, "NQ": None}, delta_min=None, leader=None)
    assert is_growth(old, version("pair"))
    assert not is_growth(old, version("pair", event_ms=old.event_ms - LATER))


def test_the_same_content_published_again_rewrites_nothing() -> None:
    old = version("derived_bar")
    assert is_growth(old, replace(old, seq=old.seq + 1, watermark_ms=old.watermark_ms + LATER))


HOST_CASES: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("signal", {}, {"state": "expired", "closed_ms": 5, "close_reason": "expired"}, True),
    ("signal", {}, {"session": "2025-12-09", "state": "cancelled"}, True),
    ("signal", {}, {"quantity": 11}, False),
    ("signal", {}, {"inputs": ()}, False),
    ("signal", {}, {"version": "000000000000", "cause": {"1": 7}}, True),
    ("note", {}, {"position": 0}, False),
    ("decision", {}, {"approved": False}, False),
    ("order", {}, {"state": "filled", "closed_ms": 5}, True),
    ("order", {}, {"state": "cancelled", "closed_ms": 5, "reason": "flat"}, True),
    ("order", {}, {"quantity": 3}, False),
    ("fill", {}, {"price": 1.0}, False),
    ("position", {}, {"quantity": 0, "cost": 0.0, "opened_ms": None, "open": 0.0}, True),
    ("account", {}, {"cash": 1.0, "equity": 2.0, "state": "halted"}, True),
    ("account", {}, {"currency": "EUR"}, False),
    ("strategy", {}, {"state": "faulted", "error": "division by zero"}, True),
    ("strategy", {}, {"account": "other"}, False),
]


@pytest.mark.parametrize(("kind", "before", "after", "grown"), HOST_CASES)
def test_of_a_host_the_state_of_a_thing_moves_and_its_content_stays(
    kind: str, before: dict[str, Any], after: dict[str, Any], grown: bool
) -> None:
    example: Any = EVENTS.row(kind).example
    old = replace(example, **before)
    # Several records may have the host's market time.
    assert is_growth_of_host(old, replace(old, seq=old.seq + 1, **after)) is grown
    later = replace(old, event_ms=old.event_ms + LATER, **after)
    assert is_growth_of_host(old, later) is grown
    assert not is_growth_of_host(later, replace(old, **after))


def test_the_fields_that_may_grow_are_fields() -> None:
    for row in EVENTS.rows:
        assert row.grows <= set(row.struct.__struct_fields__) - STAMP


def test_changed_fields_are_named_in_the_order_of_the_wire() -> None:
    old = version("derived_bar")
    assert changed_fields(old, replace(old, close=1.0, high=2.0, seq=3)) == ["seq", "high", "close"]
