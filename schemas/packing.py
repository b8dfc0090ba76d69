"""Bars in memory, packed: many small objects become one."""

from __future__ import annotations

from typing import Any

from msgspec.msgpack import Decoder, Encoder

Row = tuple[int, int, int, int, int, int | float | None]
"""Label, open, high, low, close (ticks) and volume of one bar."""

_ENCODER = Encoder()
_DECODER = Decoder(list[Row])
_LISTS = Decoder(list[list[Any]])


def pack_rows(rows: list[Any]) -> bytes:
    """Rows as MessagePack, about a tenth of their size.

    Raises
    ------
    OverflowError
        When a number has more than 64 bits.
    """
    return _ENCODER.encode(rows)


def unpack_rows(packed: bytes) -> list[Any]:
    """The rows of `pack_rows`, equal in value and type."""
    return list(_DECODER.decode(packed))


def unpack_lists(packed: bytes) -> list[Any]:
    """The rows of `pack_rows` as lists: plain data as it is stored."""
    return list(_LISTS.decode(packed))
