"""Plain data: what JSON gives back as it was, and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from tapeline.streams.host.errors import MemoryRefusedError
from tapeline.streams.host.plain_data import from_text, plain_text


class Text(str):
    """A text that is more than one."""


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"z": 1, "a": [True, None, -1.5, "é", {"nested": []}]},
        {"whole": 1.0, "zero": -0.0, "large": 1e300, "counted": 2**63 - 1},
    ],
)
def test_plain_data_come_back_with_their_types_and_order(value: dict[str, Any]) -> None:
    back = from_text(plain_text(value, 1000, "memory"))
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 2), "memory is a tuple"),
        ({"a": {1}}, r"memory\['a'\] is a set"),
        ({"a": [b"x"]}, r"memory\['a'\]\[0\] is a bytes"),
        ({1: "x"}, "memory has the key 1; keys are text"),
        ({"a": float("inf")}, r"memory\['a'\] is inf, which JSON does not have"),
        ({"a": float("nan")}, "is nan"),
        ({"a": 2**64}, "more than 64 bits"),
        ({"a": "\ud800"}, "lone surrogate"),
        (OrderedDict(a=1), "memory is a OrderedDict"),
        ({"a": Text("x")}, "is a Text"),
        ({"a": object()}, "is a object"),
        ({"a": "x" * 1000}, "memory has 1008 bytes as JSON, at most 1000"),
    ],
)
def test_what_json_does_not_give_back_is_refused_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(MemoryRefusedError, match=message):
        plain_text(value, 1000, "memory")


def test_what_holds_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(MemoryRefusedError, match="nested more than 64 deep"):
        plain_text(ring, 1000, "memory")
