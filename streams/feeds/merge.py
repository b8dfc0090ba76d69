"""One order over several inputs (contracts section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heapreplace

from streams.feeds.items import Feed, Item, Refusal

Key = tuple[int, str, int]
BEFORE_ALL = -(1 << 62)


def in_sequence(feeds: Sequence[Feed]) -> Iterator[tuple[Feed, Item]]:
    """One input after the other: logs, which are in order as they stand."""
    for feed in feeds:
        for item in feed:
            yield feed, item


def merged(feeds: Sequence[Feed], end_of: Callable[[str, int], int]) -> Iterator[tuple[Feed, Item]]:
    """Rows of several tables, by the end of their bars, then symbol, then position of the input.

    Only the heads are compared, so a row out of order stays where its file has it. A row that
    cannot be read takes the place after the row before it.

    Parameters
    ----------
    end_of
        End of the bar of a symbol with a label.
    """
    if len(feeds) == 1:
        yield from in_sequence(feeds)
        return
    heads: list[tuple[Key, Item, Iterator[Item]]] = []
    for position, feed in enumerate(feeds):
        rows = iter(feed)
        item = next(rows, None)
        if item is not None:
            heads.append((_key(item, (BEFORE_ALL, "", position), end_of), item, rows))
    heapify(heads)
    while heads:
        key, item, rows = heads[0]
        yield feeds[key[2]], item
        following = next(rows, None)
        if following is None:
            heappop(heads)
        else:
            heapreplace(heads, (_key(following, key, end_of), following, rows))


def _key(item: Item, before: Key, end_of: Callable[[str, int], int]) -> Key:
    content = item.content
    if isinstance(content, Refusal):
        return before
    start_ms: int = content.start_ms  # type: ignore[union-attr]
    return end_of(content.symbol, start_ms), content.symbol, before[2]
