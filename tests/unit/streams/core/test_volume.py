"""Volumes: summed exactly, written briefly."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.core.volume import Volume, add_volume, refusal_of_volume, written_volume

SUMS: dict[str, tuple[Volume, Volume, Volume]] = {
    "none and none": (None, None, None),
    "none and zero": (None, 0, 0),
    "zero and none": (0, None, 0),
    "whole": (2, 3, 5),
    "fractions": (0.1, 0.2, 0.30000000000000004),
    "whole and fraction": (1, 0.5, 1.5),
}


@pytest.mark.parametrize(("one", "other", "total"), SUMS.values(), ids=SUMS.keys())
def test_no_volume_is_not_zero(one: Volume, other: Volume, total: Volume) -> None:
    assert add_volume(one, other) == total


WRITTEN: dict[str, tuple[Volume, str]] = {
    "none": (None, "null"),
    "whole": (5, "5"),
    "whole double": (5.0, "5"),
    "zero": (0.0, "0"),
    "fraction": (0.25, "0.25"),
    "double of sixteen digits": (9.1e15, "9100000000000000"),
    "last double that would end in .0": (9_999_999_999_999_998.0, "9999999999999998"),
    "first double with an exponent": (1e16, "1e+16"),
    "greatest integer of a message": ((1 << 63) - 1, "9223372036854775807"),
    "one more": (1 << 63, "9.223372036854776e+18"),
    "double without a fraction by its size": (1e300, "1e+300"),
}


@pytest.mark.parametrize(("volume", "text"), WRITTEN.values(), ids=WRITTEN.keys())
def test_whole_volumes_have_no_fraction(volume: Volume, text: str) -> None:
    assert json.dumps(written_volume(volume)) == text


@given(st.floats(0, 1e20) | st.integers(2**53, 10**16).map(float))
def test_a_written_volume_is_the_same_number_and_never_ends_in_a_zero_fraction(
    volume: float,
) -> None:
    written = written_volume(volume)
    assert written == volume
    assert not msgspec.json.encode(written).endswith(b".0")


REFUSED: dict[str, tuple[int | float, str]] = {
    "negative": (-1, "negative or not finite"),
    "negative and large": (-1e301, "negative or not finite"),
    "no number": (float("nan"), "negative or not finite"),
    "infinite": (float("inf"), "negative or not finite"),
    "too large": (1e300, "volume 1e+300 is too large; it must be below 1e+300"),
}


@pytest.mark.parametrize(("volume", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_volume_names_the_reason(volume: int | float, reason: str) -> None:
    assert reason in refusal_of_volume(volume)
