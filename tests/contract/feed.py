"""What every feed keeps: a class that the tests of a feed inherit."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path

from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.items import Feed
from tapeline.streams.feeds.merge import in_sequence, merged
from tapeline.streams.pipeline.refusals import Refusal
from tests.unit.streams.embedded.books import MINUTE_MS, OPEN_MS

MINUTES = (0, 1, 2, 5)
"""Of the bars after the open, one after the other; between the last two lies a hole."""
UNREADABLE = 2
"""How many bars come before a row that is none."""


class MinuteEnds:
    """Every bar is one minute long."""

    def __init__(self) -> None:
        self.lengths: dict[str, int] = {}

    def __call__(self, symbol: str, start_ms: int) -> int:
        return start_ms + MINUTE_MS


class FeedContract(ABC):
    """Inherited by ``Test...`` classes, one a feed."""

    @abstractmethod
    def write(self, path: Path, minutes: tuple[int, ...], unreadable: int | None) -> Path:
        """A file with a bar of ACME a minute; a row that is no bar before that of an index."""

    @abstractmethod
    def open(self, path: Path) -> Feed:
        """A feed of such a file."""

    def file(self, folder: Path, name: str = "book") -> Path:
        return self.write(folder / name, MINUTES, UNREADABLE)

    def test_every_row_is_handed_over_in_the_order_of_the_file(self, tmp_path: Path) -> None:
        with closing(self.open(self.file(tmp_path))) as feed:
            items = list(feed)
        rows = [item for item in items if not isinstance(item[0], Clock)]
        assert [content.start_ms for content, _, _ in rows if isinstance(content, Bar)] == [
            OPEN_MS + minute * MINUTE_MS for minute in MINUTES
        ]
        assert [isinstance(content, Refusal) for content, _, _ in rows].index(True) == UNREADABLE
        numbers = [number for _, _, number in rows]
        assert numbers == sorted(set(numbers))

    def test_a_row_that_is_no_bar_has_a_code_and_its_bytes(self, tmp_path: Path) -> None:
        with closing(self.open(self.file(tmp_path))) as feed:
            [(refusal, row)] = [(each, row) for each, row, _ in feed if isinstance(each, Refusal)]
            assert refusal.code
            assert refusal.reason
            assert feed.raw(row)

    def test_the_count_of_rows_is_that_of_the_file(self, tmp_path: Path) -> None:
        with closing(self.open(self.file(tmp_path))) as feed:
            list(feed)
            assert feed.rows == len(MINUTES) + 1
            assert feed.bytes_read > 0

    def test_a_file_without_rows_gives_none(self, tmp_path: Path) -> None:
        with closing(self.open(self.write(tmp_path / "empty", (), None))) as feed:
            assert list(feed) == []
            assert feed.rows == 0

    def test_the_checksum_is_that_of_the_file(self, tmp_path: Path) -> None:
        path = self.file(tmp_path)
        with closing(self.open(path)) as feed:
            list(feed)
            assert feed.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
            assert feed.path == str(path)

    def test_a_feed_that_is_left_on_the_way_can_be_closed(self, tmp_path: Path) -> None:
        feed = self.open(self.file(tmp_path))
        next(iter(feed))
        feed.close()

    def test_two_feeds_are_merged_without_losing_a_row_or_an_order(self, tmp_path: Path) -> None:
        def feeds() -> list[Feed]:
            return [self.open(self.file(tmp_path, name)) for name in ("one", "two")]

        apart, together = feeds(), feeds()
        expected = [list(map(str, feed)) for feed in apart]
        found: dict[str, list[str]] = {feed.path: [] for feed in together}
        ends = []
        for feed, item in merged(together, MinuteEnds()):
            found[feed.path].append(str(item))
            if isinstance(item[0], Bar):
                ends.append(item[0].start_ms)
        assert list(found.values()) == expected
        assert ends == sorted(ends)
        for feed in (*apart, *together):
            feed.close()

    def test_feeds_in_sequence_come_one_after_the_other(self, tmp_path: Path) -> None:
        feeds = [self.open(self.file(tmp_path, name)) for name in ("one", "two")]
        origins = [feed for feed, _ in in_sequence(feeds)]
        assert origins == sorted(origins, key=feeds.index)
        assert set(origins) == set(feeds)
        for feed in feeds:
            feed.close()
