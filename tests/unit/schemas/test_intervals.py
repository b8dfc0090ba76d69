"""Interval names and their normal form."""

from __future__ import annotations

import pytest

from tapeline.schemas.intervals import BASE_INTERVALS, DEFAULT_INTERVALS, parse_interval

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "name", "length_ms"),
    [
        ("1s", "1s", 1_000),
        ("59s", "59s", 59_000),
        ("60s", "1m", 60_000),
        ("90s", "90s", 90_000),
        ("120s", "2m", 120_000),
        ("5m", "5m", 300_000),
        ("1h", "60m", 3_600_000),
        ("4h", "240m", 14_400_000),
        ("3600s", "60m", 3_600_000),
        ("24h", "1440m", DAY_MS),
        ("1d", "1d", DAY_MS),
        ("1w", "1w", 7 * DAY_MS),
    ],
)
def test_equal_lengths_have_one_name(text: str, name: str, length_ms: int) -> None:
    interval = parse_interval(text)
    assert (interval.name, interval.length_ms) == (name, length_ms)


@pytest.mark.parametrize(
    "text",
    ["", "0m", "05m", "5", "m", "5M", "-5m", "5 m", "1.5h", "2d", "2w", "1y", "5m\n", "\u0665m"],
)
def test_a_text_that_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"interval|one at a time"):
        parse_interval(text)


@pytest.mark.parametrize("name", [*BASE_INTERVALS, *DEFAULT_INTERVALS])
def test_the_built_in_lists_are_in_normal_form(name: str) -> None:
    assert parse_interval(name).name == name


def test_a_session_and_a_week_are_not_counted_inside_a_segment() -> None:
    intraday = {name: parse_interval(name).is_intraday for name in ("1s", "1440m", "1d", "1w")}
    assert intraday == {"1s": True, "1440m": True, "1d": False, "1w": False}
