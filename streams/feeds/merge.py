"""One order over several inputs (contracts section 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Protocol

from schemas.records import Bar, Clock
from streams.feeds.items import Feed, Item

Head = tuple[int, str, int, Item, Iterator[Item], Feed]
BEFORE_ALL = -(1 << 62)
AFTER_BARS = "\x7f"
"""Appended to a clock's symbol: of equal times, a clock comes after the bars of its symbol."""


class SlotEnds(Protocol):
    """Ends of bars.

    Attributes
    ----------
    lengths
        By symbol, for those whose bars all have one length; filled as symbols are asked for.
    """

    lengths: dict[str, int]

    def __call__(self, symbol: str, start_ms: int) -> int:
        """End of the bar of a symbol with a label."""
        ...


def in_sequence(feeds: Sequence[Feed]) -> Iterator[tuple[Feed, Item]]:
    """One input after the other: logs, which are in order as they stand."""
    for feed in feeds:
        for item in feed:
            yield feed, item


def merged(feeds: Sequence[Feed], end_of: SlotEnds) -> Iterator[tuple[Feed, Item]]:
    """Rows of several tables, by the end of their bars, then symbol, then position of the input.

    Only the heads are compared, so a row out of order stays where its file has it. A row that
    cannot be read takes the place after the row before it, a clock that of its time.
    """
    if len(feeds) == 1:
        yield from in_sequence(feeds)
        return
    heads: list[Head] = []
    for position, feed in enumerate(feeds):
        rows = iter(feed)
        item = next(rows, None)
        if item is not None:
            end, symbol = BEFORE_ALL, ""
            content = item[0]
            if isinstance(content, Bar):
                end, symbol = end_of(content.symbol, content.start_ms), content.symbol
            heads.append((end, symbol, position, item, rows, feed))
    heapify(heads)
    lengths = end_of.lengths
    while heads:
        end, symbol, position, item, rows, feed = heads[0]
        yield feed, item
        following = next(rows, None)
        if following is None:
            heappop(heads)
            continue
        content = following[0]
        if type(content) is Bar:
            symbol = content.symbol
            length = lengths.get(symbol)
            end = end_of(symbol, content.start_ms) if length is None else content.start_ms + length
        elif type(content) is Clock:
            end, symbol = content.time_ms, content.symbol + AFTER_BARS
        heapreplace(heads, (end, symbol, position, following, rows, feed))
