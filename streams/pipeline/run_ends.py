"""How far the symbols of a run came: what operators ask of it when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, ValidationError, convert, to_builtins

from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.pipeline.status import SessionSoFar, session_index, session_so_far

ENDS = "ends"
"""In a manifest."""


class SymbolEnd(Struct, frozen=True):
    """What a run leaves of a symbol; None where it has none.

    Attributes
    ----------
    last_bar_ms
        Label of the last bar, as far as the engine keeps bars.
    session
        That of the watermark, as of it.
    """

    watermark_ms: int | None
    last_bar_ms: int | None
    session: SessionSoFar | None


def ends_of(symbols: Iterable[str], engines: Iterable[GroupEngine]) -> dict[str, Any]:
    """How far symbols came, as plain data.

    Parameters
    ----------
    symbols
        Others of the engines are left out.
    """
    chosen = set(symbols)
    found = {
        plan.symbol: to_builtins(_end(plan, engine))
        for engine in engines
        for plan in engine.plan.instruments
        if plan.symbol in chosen
    }
    return dict(sorted(found.items()))


def ends_in(manifest: Mapping[str, Any]) -> dict[str, SymbolEnd] | None:
    """The ends that a manifest names; None where it has none that can be read."""
    try:
        return convert(manifest.get(ENDS), dict[str, SymbolEnd])
    except ValidationError:
        return None


def _end(plan: InstrumentPlan, engine: GroupEngine) -> SymbolEnd:
    symbol = plan.symbol
    watermark_ms = engine.watermark_ms(symbol)
    if watermark_ms is None:
        return SymbolEnd(None, None, None)
    index = session_index(plan.calendar, watermark_ms)
    if index is None:
        return SymbolEnd(watermark_ms, None, None)
    open_ms = plan.calendar.open_ms(index)
    bars = engine.bars_from(symbol, open_ms)
    latest = bars or engine.bars_from(symbol, plan.calendar.first_ms)
    session = session_so_far(plan.calendar, plan.base_ms, watermark_ms, bars)
    return SymbolEnd(watermark_ms, latest[-1][0] if latest else None, session)
