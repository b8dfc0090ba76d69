"""One order over several inputs (docs/rules.md 1.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from operator import itemgetter
from typing import Protocol

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.items import Feed, FeedBroken, Item

Head = tuple[int, str, int, Item, Iterator[Item], Feed]
"""Next row of an input: its end, symbol, position of the input, the row, rows after it, the feed.

A plain tuple: one is made for every bar, and they are compared as tuples.
"""
HeldRow = tuple[int, Feed, Item]
"""A row and the position of its input; a plain tuple, because one is made for every bar."""
MOST_HELD = 1 << 16
"""Rows of one end that are looked at together; more symbols than any partition takes."""
AFTER_BARS = "\x7f"
"""Appended to a clock's symbol: of equal times, a clock comes after the bars of its symbol."""


class BarEnds(Protocol):
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
    """One input after the other: logs, which are in order as they are."""
    for feed in feeds:
        for item in feed:
            yield feed, item


def merged(feeds: Sequence[Feed], end_of: BarEnds) -> Iterator[tuple[Feed, Item]]:
    """Rows of several tables, by the end of their bars, then symbol, then position of the input.

    Rows of one end stay as their table has them, whose symbols need not ascend. Where a bar of a
    later input would come before an earlier one's version of it therefore, the rows of that end
    come input after input. A row that cannot be read comes after the row before it, a
    clock at its time.
    """
    if len(feeds) == 1:
        yield from in_sequence(feeds)
        return
    heads: list[Head] = []
    for position, feed in enumerate(feeds):
        rows = iter(feed)
        item = next(rows, None)
        if item is not None:
            end, symbol = FAR_PAST_MS, ""
            content = item[0]
            if isinstance(content, Bar):
                end, symbol = end_of(content.symbol, content.start_ms), content.symbol
            heads.append((end, symbol, position, item, rows, feed))
    heapify(heads)
    lengths = end_of.lengths
    held: list[HeldRow] = []
    held_end = FAR_PAST_MS
    try:
        while heads:
            end, symbol, position, item, rows, feed = heads[0]
            if end != held_end or len(held) == MOST_HELD:
                yield from _by_input(held)
                held, held_end = [], end
            held.append((position, feed, item))
            following = next(rows, None)
            if following is None:
                heappop(heads)
                continue
            content = following[0]
            if type(content) is Bar:
                symbol = content.symbol
                length = lengths.get(symbol)
                if length is None:
                    end = end_of(symbol, content.start_ms)
                else:
                    end = content.start_ms + length
            elif type(content) is Clock:
                end, symbol = content.time_ms, content.symbol + AFTER_BARS
            heapreplace(heads, (end, symbol, position, following, rows, feed))
    except FeedBroken:
        # What was read before is not lost with it.
        yield from _by_input(held)
        raise
    yield from _by_input(held)


def _by_input(held: list[HeldRow]) -> Iterator[tuple[Feed, Item]]:
    """Rows of one end; input after input where a later one has come before an earlier one's bar."""
    if len(held) > 2:
        latest: dict[str, int] = {}
        for position, _, (content, _, _) in held:
            if type(content) is not Bar:
                continue
            if latest.setdefault(content.symbol, position) > position:
                held.sort(key=itemgetter(0))
                break
            latest[content.symbol] = position
    for _, feed, item in held:
        yield feed, item
