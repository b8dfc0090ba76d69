"""One order over several inputs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tapeline.schemas.records import Bar
from tapeline.streams.feeds.items import Feed, FeedBroken, Item
from tapeline.streams.feeds.merge import in_sequence, merged
from tapeline.streams.pipeline.refusals import Refusal

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class ListedFeed:
    """A feed of a list: a number is the minute of a bar, None a row that cannot be read.

    The letters of `symbols` are the symbols of the first rows; then they begin again.
    """

    def __init__(self, path: str, symbols: str, minutes: list[int | None]) -> None:
        self.path = path
        self.rows = 0
        self.ignored: tuple[str, ...] = ()
        self.bytes_read = 0
        self._symbols = symbols
        self._minutes = minutes

    def close(self) -> None:
        """Nothing is open."""

    def __iter__(self) -> Iterator[Item]:
        for line, minute in enumerate(self._minutes, 1):
            if minute is None:
                yield Refusal("schema_error", "odd", None), b"", line
            else:
                symbol = self._symbols[(line - 1) % len(self._symbols)]
                bar = Bar(symbol, "1m", minute * MINUTE_MS, 1.0, 1.0, 1.0, 1.0)
                yield bar, b"", line

    def raw(self, row: bytes) -> bytes:
        """The row itself."""
        return row

    def sha256(self) -> str:
        """Of nothing."""
        return ""


class Ends:
    """Bars of Z end with their hour, all others last a minute."""

    def __init__(self) -> None:
        self.lengths: dict[str, int] = {}

    def __call__(self, symbol: str, start_ms: int) -> int:
        if symbol == "Z":
            return start_ms + HOUR_MS - start_ms % HOUR_MS
        self.lengths[symbol] = MINUTE_MS
        return start_ms + MINUTE_MS


def _order(*feeds: Feed) -> list[str]:
    return [f"{feed.path}{item[2]}" for feed, item in merged(feeds, Ends())]


CASES = {
    "by end": ([("a", "X", [1, 3]), ("b", "Y", [2, 4])], "a1 b1 a2 b2"),
    "then by symbol": ([("a", "Y", [1, 2]), ("b", "X", [1, 2])], "b1 a1 b2 a2"),
    "then by position": ([("a", "X", [1, 2]), ("b", "X", [1, 2])], "a1 b1 a2 b2"),
    "heads alone are compared": ([("a", "X", [5, 1]), ("b", "Y", [2, 6])], "b1 a1 a2 b2"),
    "unreadable after its predecessor": (
        [("a", "X", [1, None, 3]), ("b", "Y", [1, 2])],
        "a1 a2 b1 b2 a3",
    ),
    "unreadable first": ([("a", "X", [2]), ("b", "Y", [None, 1])], "b1 b2 a1"),
    "by end where lengths differ": (
        [("a", "X", [58, 59, 60]), ("b", "Z", [30, 61])],
        "a1 a2 b1 a3 b2",
    ),
    "empty": ([("a", "X", []), ("b", "Y", [1])], "b1"),
    "the later input's version comes later": ([("a", "YX", [1, 1]), ("b", "X", [1])], "a1 a2 b1"),
    "also with what cannot be read": (
        [("a", "YXY", [1, 1, None, 2]), ("b", "X", [1, None, 2])],
        "a1 a2 a3 b1 b2 b3 a4",
    ),
    "no version is alike": ([("a", "YX", [1, 1]), ("b", "WZ", [1])], "b1 a1 a2"),
    "one input keeps its order": ([("a", "X", [3, 1, None, 2])], "a1 a2 a3 a4"),
}


@pytest.mark.parametrize(("feeds", "order"), CASES.values(), ids=CASES.keys())
def test_rows_are_merged(feeds: list[tuple[str, str, list[int | None]]], order: str) -> None:
    assert _order(*(ListedFeed(*feed) for feed in feeds)) == order.split()


def test_logs_follow_each_other() -> None:
    feeds = [ListedFeed("a", "X", [5, 6]), ListedFeed("b", "X", [1])]
    found = [f"{feed.path}{item[2]}" for feed, item in in_sequence(feeds)]
    assert found == ["a1", "a2", "b1"]


class BrokenFeed(ListedFeed):
    """A feed whose reading fails behind its rows."""

    def __iter__(self) -> Iterator[Item]:
        yield from super().__iter__()
        raise FeedBroken("gone")


def test_what_was_read_before_a_feed_broke_is_handed_over() -> None:
    rows = merged([BrokenFeed("a", "X", [1]), ListedFeed("b", "Y", [1])], Ends())
    assert next(rows)[0].path == "a"
    with pytest.raises(FeedBroken):
        next(rows)
