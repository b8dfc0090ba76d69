"""Volumes: summed exactly, written briefly."""

from __future__ import annotations

import json

import pytest

from streams.core.volume import Volume, add_volume, written_volume

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
    "greatest integer of a message": ((1 << 63) - 1, "9223372036854775807"),
    "one more": (1 << 63, "9.223372036854776e+18"),
    "double without a fraction by its size": (1e300, "1e+300"),
}


@pytest.mark.parametrize(("volume", "text"), WRITTEN.values(), ids=WRITTEN.keys())
def test_whole_volumes_have_no_fraction(volume: Volume, text: str) -> None:
    assert json.dumps(written_volume(volume)) == text
