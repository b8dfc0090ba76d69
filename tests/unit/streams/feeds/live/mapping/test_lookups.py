"""Paths, as functions over plain data."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.feed_paths import parse_path
from tapeline.streams.feeds.live.mapping.lookups import (
    condition,
    elements,
    field,
    field_around,
    is_wanted,
    root_elements,
)

MESSAGE: Any = {"type": "candles", "k": {"t": 5, "x": True}, "data": [{"o": "1", "type": "c"}, 7]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("k.t", 5),
        ("k.y", None),
        ("k.t.z", None),
        ("data[0].o", "1"),
        ("data[1]", 7),
        ("data[2]", None),
        ("[0]", None),
        ("type[0]", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_none(path: str, found: Any) -> None:
    assert field(path)(MESSAGE, MESSAGE) == found


def test_a_field_is_of_the_element_and_around_it_of_the_message() -> None:
    element = MESSAGE["data"][0]
    assert field("k.t")(element, MESSAGE) is None
    assert field_around("k.t")(element, MESSAGE) == 5
    assert field_around("type")(element, MESSAGE) == "c"
    assert field("$.type")(element, MESSAGE) == "candles"


@pytest.mark.parametrize(
    ("path", "message", "found"),
    [
        ("", {"a": 1}, [({"a": 1}, None)]),
        ("[*]", [1, 2], [(1, None), (2, None)]),
        ("[*]", {"a": 1}, []),
        ("bars.{symbol}[*]", {"bars": {"A": [1], "B": [2, 3]}}, [(1, "A"), (2, "B"), (3, "B")]),
        ("result.{any}[*]", {"result": {"X": [1], "last": 5}}, [(1, None)]),
        ("data", {"data": {"a": 1}}, [({"a": 1}, None)]),
        ("data", {"data": None}, []),
        ("a[*].b", {"a": [{"b": 1}, {}, {"b": 2}]}, [(1, None), (2, None)]),
    ],
)
def test_elements_have_the_symbol_of_their_key(path: str, message: Any, found: Any) -> None:
    assert list(elements(parse_path(path))(message)) == found


@pytest.mark.parametrize(
    ("wanted", "value", "expected"),
    [
        (("402",), 402, True),
        (("402",), "402", True),
        ((True,), True, True),
        ((True,), "true", False),
        ((True,), 1, False),
        (("1",), True, False),
        (("a", "b"), "b", True),
        (("a",), None, False),
        (("a",), ["a"], False),
    ],
)
def test_numbers_equal_their_text_and_truth_values_themselves(
    wanted: Any, value: Any, expected: bool
) -> None:
    assert is_wanted(wanted)(value) is expected


def test_all_paths_of_a_condition_hold() -> None:
    holds = condition((("type", ("candles",)), ("k.x", (True,))))
    assert holds(MESSAGE, MESSAGE)
    assert not holds({"type": "candles"}, {"type": "candles"})
    assert condition(())({}, {})


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"a": 1}, [{"a": 1}]),
        ([{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 2}]),
        ([["ACME", 1], ["BOLT", 2]], [["ACME", 1], ["BOLT", 2]]),
        (["halt", "ACME"], [["halt", "ACME"]]),
        ([42, {"a": 1}, "ohlc-1"], [[42, {"a": 1}, "ohlc-1"]]),
        ([], []),
    ],
)
def test_a_list_that_begins_with_a_name_is_one_thing(message: Any, found: list[Any]) -> None:
    assert root_elements(message) == found
