"""Which row brought a symbol so far back that the rows after it are too far ahead."""

from __future__ import annotations

from tapeline.schemas.records import Bar
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.pipeline.refusals import Jump
from tapeline.streams.pipeline.routing import Router

Row = tuple[Feed, Item]


def jump_of(router: Router, row: Row, before: Row | None) -> Jump | None:
    """Where a row that is `ahead_of_time` was met.

    Parameters
    ----------
    row
        The first such row.
    before
        The row before it; it is named if it is the one that the watermark is of.

    Returns
    -------
    Jump | None
        None when its symbol has no watermark.
    """
    feed, (content, _, line) = row
    symbol = content.symbol
    engine = None if symbol is None else router.held(symbol)
    if symbol is None or engine is None:
        return None
    watermark_ms = engine.watermark_ms(symbol)
    if watermark_ms is None:
        return None
    after = None
    if before is not None:
        feed_before, (bar, _, line_before) = before
        end_ms = None
        if isinstance(bar, Bar) and bar.symbol == symbol:
            end_ms = engine.slot_end_ms(symbol, bar.start_ms)
        if end_ms == watermark_ms:
            after = f"{feed_before.path}:{line_before}"
    return Jump(symbol, f"{feed.path}:{line}", watermark_ms, after)
