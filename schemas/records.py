"""Records of the input log (`tape.bars.v1`): everything that can change a result."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import astuple

BarSource = Literal["live", "file", "fill"]
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
Int64 = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
"""The JSON library gives integers of any size; the contracts and every store have 64 bits."""


class Bar(Struct, frozen=True, gc=False, tag_field="type", tag="bar", forbid_unknown_fields=True):
    """One base bar of one symbol.

    Attributes
    ----------
    symbol
        Instrument the bar belongs to.
    interval
        Base interval of the instrument, such as ``1m``.
    start_ms
        Label of the bar: its start, inclusive, UTC epoch milliseconds; usable only at its end.
    open, high, low, close
        Prices in quote currency, as decimals; the core converts them to integer ticks.
    volume
        Traded volume, or None where the feed has none (None and 0 are different contents).
    source
        Where the bar came from. It is not content: two bars that differ in it alone are duplicates.
    """

    symbol: str
    interval: str
    start_ms: Int64
    open: float
    high: float
    low: float
    close: float
    volume: Int64 | float | None = None
    source: BarSource | None = None


class Cancel(
    Struct, frozen=True, gc=False, tag_field="type", tag="cancel", forbid_unknown_fields=True
):
    """The bar of one slot is taken back."""

    symbol: str
    interval: str
    start_ms: Int64


class Clock(
    Struct, frozen=True, gc=False, tag_field="type", tag="clock", forbid_unknown_fields=True
):
    """All bars of `symbol` that end at or before `time_ms` (UTC) are in, or missing."""

    symbol: str
    time_ms: Int64


LogRecord = Bar | Cancel | Clock

field_values = astuple
"""The fields of a record as a tuple, in their order: one call instead of one look-up a field."""
