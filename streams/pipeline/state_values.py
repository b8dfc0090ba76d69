"""The one codec of states: plain data as JSON, whole numbers of any size included.

What a changelog, a table of the worker, a snapshot and a store keep of a state is made and read
here.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import orjson


def encoded(content: object) -> bytes:
    """Compact JSON of plain data."""
    try:
        return orjson.dumps(content)
    except TypeError:
        # Sums of volumes, and prices in ticks, may be whole numbers beyond 64 bits.
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def decoded(value: bytes | memoryview) -> Any:
    """The content of `encoded`; whole numbers of any size stay what they are."""
    return msgspec.json.decode(value)


def pack(*items: object) -> bytes:
    """The JSON list of `items`."""
    return encoded(items)


def unpack(value: bytes) -> list[Any]:
    """The items of a packed list."""
    items: list[Any] = decoded(value)
    return items
