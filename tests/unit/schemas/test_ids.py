"""Ids as the contracts write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tapeline.schemas import ids


@pytest.mark.parametrize(
    ("make", "parts", "expected"),
    [
        (ids.derived_bar_id, ("ES", "5m", 1765148400000), "derived_bar|ES|5m|1765148400000"),
        (ids.session_id, ("ES", "2025-12-08"), "session|ES|2025-12-08"),
        (ids.quality_id, ("ES", "1m", "2025-12-08"), "quality|ES|1m|2025-12-08"),
        (ids.gap_id, ("ES", "1m", 1765148400000), "gap|ES|1m|1765148400000"),
        (ids.range_id, ("ES", "Major|Asia 2025-12-08"), "range|ES|Major|Asia 2025-12-08"),
        (
            ids.touch_id,
            ("ES", "Major|Asia 2025-12-08", "first_break"),
            "touch|ES|Major|Asia 2025-12-08|first_break",
        ),
        (
            ids.pair_id,
            ("ES-NQ", "Major|Asia 2025-12-08", "PoC", "first_break"),
            "pair|ES-NQ|Major|Asia 2025-12-08|PoC|first_break",
        ),
        (ids.indicators_id, ("ES", "5m", 1765148400000), "indicators|ES|5m|1765148400000"),
        (ids.indicators_id, ("ES", "5m"), "indicators|ES|5m"),
        (
            ids.window_id,
            ("AAPL", "avg_volume_10d", "2025-07-03"),
            "window|AAPL|avg_volume_10d|2025-07-03",
        ),
        (ids.swing_id, ("ES", 1765148400000, "high"), "swing|ES|1765148400000|high"),
        (ids.reject_id, ("tape.bars.v1/3/812",), "reject|tape.bars.v1/3/812"),
    ],
)
def test_an_id_names_kind_and_fact(
    make: Callable[..., str], parts: tuple[object, ...], expected: str
) -> None:
    assert make(*parts) == expected


def test_an_id_is_taken_apart_into_type_symbol_and_what_distinguishes_facts() -> None:
    touch = ids.parsed_id("touch|ES|Major|Asia 2025-12-08|first_break")
    assert touch == ids.FactId("touch", "ES", ("Major", "Asia 2025-12-08", "first_break"))
    assert touch.label == ids.range_label("Major", "Asia 2025-12-08") == "Major|Asia 2025-12-08"
    assert ids.parsed_id("session|ES|2025-12-08").rest == ("2025-12-08",)


@pytest.mark.parametrize("text", ["", "touch", "touch|ES"])
def test_what_names_no_fact_of_a_symbol_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="is no id"):
        ids.parsed_id(text)


def test_the_beginning_of_ids_ends_where_the_next_part_begins() -> None:
    assert ids.ids_of("gap") == "gap|"
    assert ids.ids_of("gap", "ES") == "gap|ES|"
    assert ids.ids_of("derived_bar", "ES", "5m") + "60000" == ids.derived_bar_id("ES", "5m", 60000)
    swing = f"{ids.ids_of('swing', 'ES')}60000{ids.last_part('low')}"
    assert swing == ids.swing_id("ES", 60000, "low")
