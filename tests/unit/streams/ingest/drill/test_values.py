"""What is written at a path is what is found there."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.feed_mapping import TimeField, TimeForm, Wanted
from tapeline.schemas.config.feed_paths import parse_path
from tapeline.streams.feeds.live.mapping.lookups import elements, is_wanted, lookup
from tapeline.streams.feeds.live.mapping.numbers import instant_reader
from tapeline.streams.ingest.drill.values import (
    instant_of_text,
    other_value,
    put,
    time_value,
    wanted_value,
    wrap,
)

INSTANT_MS = 1_796_049_060_000


@pytest.mark.parametrize("text", ["o", "k.t", "[3]", "a[2].b", "[1][0]", '"1. open".x'])
def test_a_value_is_found_where_it_was_written(text: str) -> None:
    path = parse_path(text)
    assert lookup(path)(put(None, path.steps, 7)) == 7


def test_values_beside_each_other_stay() -> None:
    tree: Any = None
    for text, value in (("k.t", 1), ("k.o", 2), ("list[1]", 3), ("list[0]", 4)):
        tree = put(tree, parse_path(text).steps, value)
    assert tree == {"k": {"t": 1, "o": 2}, "list": [4, 3]}


@pytest.mark.parametrize(
    "text", ["[*]", "data[*]", "a.b[*]", "bars.{symbol}[*]", "{symbol}[*]", "result.{any}[*]"]
)
def test_elements_are_found_where_they_were_wrapped(text: str) -> None:
    path = parse_path(text)
    members = [("ACME", {"n": 1}), ("ACME", {"n": 2}), ("BOLT", {"n": 3})]
    found = [element["n"] for element, _ in elements(path)(wrap(path.steps, members))]
    assert found == [1, 2, 3]


@pytest.mark.parametrize("wanted", [("402", "409"), (True,), (False,), ("b",), ("1",)])
def test_a_wanted_value_is_wanted_and_another_is_not(wanted: Wanted) -> None:
    test = is_wanted(wanted)
    assert test(wanted_value(wanted))
    assert not test(other_value(wanted))


@pytest.mark.parametrize("unit", ["ms", "s", "us", "ns", "rfc3339", "local"])
@pytest.mark.parametrize("instant_ms", [INSTANT_MS, INSTANT_MS + 59_999])
def test_a_time_is_read_as_it_was_written(unit: TimeForm, instant_ms: int) -> None:
    zone = "America/New_York" if unit == "local" else ""
    field = TimeField(path="t", unit=unit, zone=zone)
    assert instant_reader(field)(time_value(field, instant_ms)) == instant_ms


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("ms", "1796049060000"),
        ("s", "1796049060"),
        ("us", "1796049060000000"),
        ("ns", "1796049060000000000"),
        ("rfc3339", "2026-11-30T14:31:00Z"),
    ],
)
def test_a_time_of_an_address_is_an_instant(form: str, text: str) -> None:
    assert instant_of_text(form, text) == INSTANT_MS
