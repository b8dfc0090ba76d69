"""Inputs that end sooner than their files: of a symbol the rows up to a time of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tapeline.schemas.records import Clock, LogRecord
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.pipeline.refusals import Refusal


class SymbolCuts:
    """Times of symbols after which their rows are left out.

    Parameters
    ----------
    times
        By symbol, UTC ms. A bar that ends at its time is the last one; a clock at it is kept.
    slot_end_ms
        End of the bar of a symbol with a label.
    """

    def __init__(self, times: Mapping[str, int], slot_end_ms: Callable[[str, int], int]) -> None:
        self._times = times
        self._slot_end_ms = slot_end_ms

    def leaves_out(self, content: LogRecord | Refusal) -> bool:
        """Whether a row lies after the time of its symbol; what cannot be read does not."""
        if isinstance(content, Refusal):
            return False
        time_ms = self._times.get(content.symbol)
        if time_ms is None:
            return False
        if isinstance(content, Clock):
            return content.time_ms > time_ms
        # Where a bar of any year would end is asked only of those around the time.
        return (
            content.start_ms >= time_ms
            or self._slot_end_ms(content.symbol, content.start_ms) > time_ms
        )

    def kept(self, rows: Iterator[tuple[Feed, Item]]) -> Iterator[tuple[Feed, Item]]:
        """The rows that are not left out."""
        return (row for row in rows if not self.leaves_out(row[1][0])) if self._times else rows
