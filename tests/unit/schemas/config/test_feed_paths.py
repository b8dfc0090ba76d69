"""Paths into messages and texts with variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.config.feed_paths import (
    PathStep,
    Variable,
    address_parts,
    message_parts,
    parse_path,
    secret_names,
)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", ()),
        ("o", (PathStep("name", "o"),)),
        ("k.t", (PathStep("name", "k"), PathStep("name", "t"))),
        ("[*]", (PathStep("each"),)),
        ("[0]", (PathStep("place", place=0),)),
        ("data[*]", (PathStep("name", "data"), PathStep("each"))),
        ("result.{any}[*]", (PathStep("name", "result"), PathStep("any"), PathStep("each"))),
        ("bars.{symbol}[*]", (PathStep("name", "bars"), PathStep("symbol"), PathStep("each"))),
        ('"1. open"', (PathStep("name", "1. open"),)),
        ("a[2].b", (PathStep("name", "a"), PathStep("place", place=2), PathStep("name", "b"))),
    ],
)
def test_a_path_is_names_places_and_keys(text: str, steps: tuple[PathStep, ...]) -> None:
    found = parse_path(text)
    assert found.steps == steps
    assert not found.of_message


@pytest.mark.parametrize(("text", "count"), [("$.type", 1), ("$", 0), ("$[0]", 1), ("$.a.b", 2)])
def test_a_dollar_in_front_leads_from_the_message(text: str, count: int) -> None:
    found = parse_path(text)
    assert found.of_message
    assert len(found.steps) == count


@pytest.mark.parametrize(
    "text",
    [".a", "a.", "a..b", "a[b]", "a[-1]", "a{symbol}", "{other}", "a[*][*]", "a[0", "a]", "$a"],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path|twice"):
        parse_path(text)


@given(st.text(alphabet='ab.[]*{}0"$', max_size=12))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        found = parse_path(text)
    except ValueError:
        return
    assert found.text == text


def test_a_message_has_variables_after_a_dollar_alone() -> None:
    text = '{"key":"${FEED_KEY}","on":${symbols},"list":"${topics:,}"}'
    assert message_parts(text) == (
        '{"key":"',
        Variable("FEED_KEY"),
        '","on":',
        Variable("symbols"),
        ',"list":"',
        Variable("topics", ","),
        '"}',
    )
    assert secret_names(text) == ("FEED_KEY",)


def test_an_address_has_variables_with_and_without_a_dollar() -> None:
    assert address_parts("x/{symbol:lower}@${interval}") == (
        "x/",
        Variable("symbol", "lower"),
        "@",
        Variable("interval"),
    )
