"""Bars in memory and in states, packed: many small objects become one."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import Any

from msgspec.msgpack import Decoder, Encoder

Row = tuple[int, int, int, int, int, int | float | None]
"""Label, open, high, low, close (ticks) and volume of one bar."""

_ENCODER = Encoder()
_DECODER = Decoder(list[Row])


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


def packed_text(packed: bytes) -> str:
    """What `pack_rows` gave as Base64: plain data, three quarters of the rows as JSON."""
    return b2a_base64(packed, newline=False).decode("ascii")


def packed_bytes(text: str) -> bytes:
    """The bytes of a `packed_text`."""
    return a2b_base64(text)
