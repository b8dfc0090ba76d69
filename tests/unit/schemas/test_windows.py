"""Periods of historical windows."""

from __future__ import annotations

import pytest

from tapeline.schemas.windows import Period, WindowSpec, parse_period


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("10d", Period(10, "d")),
        ("2w", Period(2, "w")),
        ("3m", Period(3, "m")),
        ("1y", Period(1, "y")),
        ("52w", Period(52, "w")),
        ("5000d", Period(5_000, "d")),
        ("20y", Period(20, "y")),
    ],
)
def test_a_period_is_a_count_and_a_unit(text: str, period: Period) -> None:
    assert parse_period(text) == period


@pytest.mark.parametrize(
    "text",
    ["", "d", "10", "0d", "-1d", "01d", "1.5d", "10D", "1h", "10 d", "5001d", "21y", "241m", "1q"],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"period|long"):
        parse_period(text)


def test_a_window_is_of_all_symbols_or_of_those_that_it_names() -> None:
    spec = WindowSpec(kind="sum", field="volume", period="1d")
    assert spec.is_of("ES")
    named = WindowSpec(kind="sum", field="volume", period="1d", symbols=("NQ",))
    assert (named.is_of("ES"), named.is_of("NQ")) == (False, True)
