"""Plain data of a state as bytes: JSON lists, whole numbers of any size included."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson


def pack(*items: object) -> bytes:
    """The JSON list of `items`."""
    try:
        return orjson.dumps(items)
    except TypeError:
        # Sums of volumes may be whole numbers beyond 64 bits.
        return json.dumps(items, separators=(",", ":"), ensure_ascii=False).encode()


def unpack(value: bytes) -> list[Any]:
    """The items of a packed list; whole numbers of any size stay what they are."""
    items: list[Any] = msgspec.json.decode(value)
    return items
