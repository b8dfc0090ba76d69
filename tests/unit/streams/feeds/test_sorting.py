"""Tables out of order, sorted in memory and beyond it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import resource
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pyarrow
import pytest
from pyarrow.parquet import write_table

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar
from tapeline.streams.feeds import lines
from tapeline.streams.feeds.csv_feed import CsvFeed
from tapeline.streams.feeds.items import Feed, FeedBroken
from tapeline.streams.feeds.parquet_feed import ParquetFeed
from tapeline.streams.feeds.sorting import (
    MEMORY_BYTES,
    SortedFeed,
    SortMemory,
    Table,
    open_in_order,
)
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router, SlotEnds
from tests.unit.streams.feeds.any_time import ANY_TIME

MINUTE_MS = 60_000
COLUMNS = ("time", "open", "high", "low", "close", "volume", "symbol")
HEADER = ",".join(COLUMNS)
HOURLY = """\
[instruments.HOUR]
tick = 1
calendar = "24/7"
base = "60m"
"""
MEMORIES = {"in memory": MEMORY_BYTES, "in runs": 60_000, "in runs of one row": 0}


def ends() -> SlotEnds:
    return SlotEnds(Router(read_config(HOURLY, "tapeline.toml")))


def row(minute: int, number: int, symbol: str = "X") -> str:
    return f"{minute * MINUTE_MS},1,1,1,1,{number},{symbol}"


def book(rows: int, seed: int) -> list[str]:
    """Rows in no order: slots that come twice, two lengths of bars, rows that cannot be read."""
    random = Random(seed)
    found = []
    for number in range(rows):
        draw = random.random()
        if draw < 0.1:
            found.append(f"soon,1,1,1,1,{number},X")
        elif draw < 0.2:
            found.append(row(60 * random.randrange(rows // 60 + 1), number, "HOUR"))
        else:
            found.append(row(random.randrange(rows), number, random.choice("XY")))
    return found


def sorted_stably(rows: list[str]) -> list[str]:
    """The rules once more: by end, unreadable rows after the row before them."""
    keys: list[int] = []
    for text in rows:
        time, symbol = text.split(",")[0], text.rsplit(",", 1)[1]
        if time.isdecimal():
            keys.append(int(time) + (60 * MINUTE_MS if symbol == "HOUR" else MINUTE_MS))
        else:
            keys.append(keys[-1] if keys else -1)
    return [rows[at] for at in sorted(range(len(rows)), key=lambda at: keys[at])]


def base_of(symbol: str) -> str:
    return "60m" if symbol == "HOUR" else "1m"


def csv(path: Path, rows: list[str]) -> Callable[[], Table]:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return lambda: CsvFeed(str(path), None, base_of, ANY_TIME)


def packed(path: Path, rows: list[str]) -> Callable[[], Table]:
    stored = path.with_name("book.csv.gz")
    stored.write_bytes(gzip.compress("\n".join([HEADER, *rows]).encode()))
    return lambda: CsvFeed(str(stored), None, base_of, ANY_TIME)


def parquet(path: Path, rows: list[str]) -> Callable[[], Table]:
    cells = zip(*(text.split(",") for text in rows), strict=True)
    table = {name: list(column) for name, column in zip(COLUMNS, cells, strict=True)}
    stored = path.with_name("book.parquet")
    write_table(pyarrow.table(table), stored, row_group_size=100)
    return lambda: ParquetFeed(str(stored), None, base_of, ANY_TIME)


KINDS = {"CSV": csv, "gzip": packed, "Parquet": parquet}


def volumes(feed: Feed) -> list[str]:
    """Number of each row, in the order in which they come, as its bytes have it."""
    found = []
    for content, text, _ in feed:
        raw = feed.raw(text).decode()
        if raw.startswith("{"):
            found.append(json.loads(raw)["volume"])
        else:
            found.append(raw.split(",")[5])
        if isinstance(content, Bar):
            assert str(content.volume) == found[-1]
        else:
            assert isinstance(content, Refusal)
            assert "soon" in raw
    return found


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES.keys())
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("seed", range(3))
def test_rows_come_by_the_end_of_their_bars_and_equal_ones_as_they_lie(
    tmp_path: Path, kind: Callable[[Path, list[str]], Callable[[], Table]], memory: int, seed: int
) -> None:
    rows = book(700, seed)
    make = kind(tmp_path / "book.csv", rows)
    feed = open_in_order(make, True, ends(), SortMemory(1, memory))
    assert volumes(feed) == [text.split(",")[5] for text in sorted_stably(rows)]
    assert isinstance(feed, SortedFeed)
    assert feed.rows == len(rows)
    assert feed.sha256() == hashlib.sha256(Path(feed.path).read_bytes()).hexdigest()
    assert feed.bytes_read == os.stat(feed.path).st_size
    feed.close()


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES.keys())
def test_a_row_keeps_its_line_and_its_bytes(tmp_path: Path, memory: int) -> None:
    rows = [row(3, 0), '"9,1', "m\u00e4rz,1,1,1,1,1,X", row(1, 3), f'"{row(2, 4)}']
    feed = open_in_order(csv(tmp_path / "b.csv", rows), True, ends(), SortMemory(1, memory))
    found = [(line, feed.raw(text).decode()) for _, text, line in feed]
    assert found == [(line, rows[line - 2]) for line in (5, 6, 2, 3, 4)]
    feed.close()


IN_ORDER = {
    "none": [],
    "one": [row(1, 0)],
    "ascending": [row(minute, minute) for minute in range(100)],
    "the same slot again": [row(1, 0), row(1, 1), row(2, 2)],
    "unreadable rows between": [row(2, 0), "soon,1,1,1,1,1,X", "1", row(3, 3)],
    "blank lines between": [row(2, 0), "", "  ", row(3, 3)],
    "times of other lengths": [row(1, 0), row(1_000, 1)],
    "bars of two lengths by their ends": [row(59, 0), row(0, 1, "HOUR"), row(60, 2)],
}


@pytest.mark.parametrize("block", [1, 50, lines.BLOCK_BYTES])
@pytest.mark.parametrize("rows", IN_ORDER.values(), ids=IN_ORDER.keys())
def test_a_table_in_order_is_read_as_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], block: int
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    make = csv(tmp_path / "book.csv", rows)
    feed = open_in_order(make, True, ends(), SortMemory(1))
    assert isinstance(feed, CsvFeed)
    plain = make()
    assert list(feed) == list(plain)
    assert (feed.sha256(), feed.rows) == (plain.sha256(), plain.rows)


OUT_OF_ORDER = {
    "newest first": [row(minute, minute) for minute in reversed(range(100))],
    "the last row": [*(row(minute, minute) for minute in range(1, 100)), row(0, 0)],
    "bars of two lengths by their starts": [row(0, 0, "HOUR"), row(1, 1)],
    "behind an unreadable row": [row(2, 0), "soon,1,1,1,1,1,X", row(1, 2)],
    "another symbol": [row(2, 0, "X"), row(1, 1, "Y")],
}


@pytest.mark.parametrize("block", [1, 50, lines.BLOCK_BYTES])
@pytest.mark.parametrize("rows", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER.keys())
def test_one_row_out_of_order_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], block: int
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    feed = open_in_order(csv(tmp_path / "book.csv", rows), True, ends(), SortMemory(1))
    assert volumes(feed) == [text.split(",")[5] for text in sorted_stably(rows)]
    assert isinstance(feed, SortedFeed)
    feed.close()


def test_rows_that_are_appended_meanwhile_belong_to_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    rows = [row(minute, minute) for minute in range(20_000)]
    feed = open_in_order(csv(path, rows), True, ends(), SortMemory(1))
    with path.open("a") as file:
        file.write(row(0, 20_000) + "\n")
    assert len(volumes(feed)) == 20_000


def test_a_named_pipe_is_read_once_and_sorted(tmp_path: Path) -> None:
    rows = [row(2, 0), row(1, 1), row(3, 2)]
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("\n".join([HEADER, *rows]),))
    writer.start()
    feed = open_in_order(
        lambda: CsvFeed(str(pipe), None, base_of, ANY_TIME), False, ends(), SortMemory(1)
    )
    writer.join(60)
    assert volumes(feed) == ["1", "0", "2"]
    feed.close()


def test_a_file_in_order_that_breaks_off_gives_its_rows_first(tmp_path: Path) -> None:
    rows = [row(minute, minute) for minute in range(100_000)]
    make = packed(tmp_path / "book.csv", rows)
    path = tmp_path / "book.csv.gz"
    path.write_bytes(path.read_bytes()[:-1_000])
    feed = open_in_order(make, True, ends(), SortMemory(1))
    assert next(iter(feed))[2] == 2
    with pytest.raises(FeedBroken, match=r"book\.csv\.gz"):
        list(feed)
    feed.close()


def test_a_file_out_of_order_that_breaks_off_is_known_before_anything_is_taken(
    tmp_path: Path,
) -> None:
    rows = [row(minute, minute) for minute in reversed(range(100_000))]
    make = packed(tmp_path / "book.csv", rows)
    path = tmp_path / "book.csv.gz"
    path.write_bytes(path.read_bytes()[:-1_000])
    with pytest.raises(FeedBroken, match=r"book\.csv\.gz"):
        open_in_order(make, True, ends(), SortMemory(1, 100_000))


def test_the_temporary_file_has_no_name_that_could_be_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    make = csv(tmp_path / "book.csv", book(500, 1))
    before = open_files()
    feed = open_in_order(make, True, ends(), SortMemory(1, 10_000))
    rows = iter(feed)
    next(rows)
    assert any(name.startswith(str(folder)) for name in open_files() - before)
    assert list(folder.iterdir()) == []
    feed.close()
    assert open_files() <= before


def open_files() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.add(os.readlink(descriptor))
        except OSError:
            # That of the listing itself.
            continue
    return found


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Writing beyond it fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_the_temporary_file_is_an_error_that_names_the_way_out(tmp_path: Path) -> None:
    make = csv(tmp_path / "book.csv", book(2_000, 1))
    before = open_files()
    with (
        no_file_longer_than(10_000),
        pytest.raises(FeedBroken, match=r"book\.csv: .* needs room in .*; .* TMPDIR"),
    ):
        open_in_order(make, True, ends(), SortMemory(1, 10_000))
    assert open_files() <= before


def test_no_folder_for_the_temporary_file_is_an_error_that_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    make = csv(tmp_path / "book.csv", book(500, 1))
    with pytest.raises(FeedBroken, match=r"nowhere: No such file or directory; .* TMPDIR"):
        open_in_order(make, True, ends(), SortMemory(1, 10_000))


def test_tables_share_the_memory_of_one_run() -> None:
    one, many = SortMemory(1, 1_000), SortMemory(10, 1_000)
    assert one.run_bytes + one.share_bytes == 1_000
    assert many.run_bytes + 10 * many.share_bytes == 1_000
