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
        (ids.range_id, ("ES", "Major", "Asia 2025-12-08"), "range|ES|Major|Asia 2025-12-08"),
        (
            ids.touch_id,
            ("ES", "Major", "Asia 2025-12-08", "first_break"),
            "touch|ES|Major|Asia 2025-12-08|first_break",
        ),
        (
            ids.pair_id,
            ("ES-NQ", "Major", "Asia 2025-12-08", "PoC", "first_break"),
            "pair|ES-NQ|Major|Asia 2025-12-08|PoC|first_break",
        ),
        (ids.swing_id, ("ES", 1765148400000, "high"), "swing|ES|1765148400000|high"),
        (ids.reject_id, ("tape.bars.v1/3/812",), "reject|tape.bars.v1/3/812"),
    ],
)
def test_an_id_names_kind_and_fact(
    make: Callable[..., str], parts: tuple[object, ...], expected: str
) -> None:
    assert make(*parts) == expected
