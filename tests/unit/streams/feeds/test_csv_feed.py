"""Rows of a CSV file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.records import Bar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds import lines
from tapeline.streams.feeds.csv_feed import CsvFeed
from tapeline.streams.pipeline.refusals import Refusal
from tests.unit.streams.feeds.any_time import ANY_TIME

HEADER = b"time,open,high,low,close,volume\n"


def _feed(folder: Path, content: bytes, symbol: str | None = "X") -> CsvFeed:
    path = folder / "book.csv"
    path.write_bytes(content)
    return CsvFeed(str(path), symbol, lambda _: "1m", ANY_TIME)


def _row(number: int) -> bytes:
    return b"%d,1,1,1,1,%d\n" % (number * 60_000, number)


def _shown(feed: CsvFeed) -> list[tuple[int, int | str, bytes]]:
    """Line, volume of the bar or code of the refusal, and bytes of every row."""
    found: list[tuple[int, int | str, bytes]] = []
    for content, row, line in feed:
        if isinstance(content, Refusal):
            found.append((line, content.code, feed.raw(row)))
        else:
            assert isinstance(content, Bar)
            assert isinstance(content.volume, int)
            found.append((line, content.volume, feed.raw(row)))
    return found


ROWS = {
    "plain": (_row(1) + _row(2), [(2, 1), (3, 2)]),
    "quoted": (b'"60000",1,1,1,1,"1"\n' + _row(2), [(2, 1), (3, 2)]),
    "blank lines": (b"\n\n" + _row(1) + b"  \r\n" + _row(2) + b"\n", [(4, 1), (6, 2)]),
    "no last line end": (_row(1) + _row(2)[:-1], [(2, 1), (3, 2)]),
    "carriage returns": ((_row(1) + _row(2)).replace(b"\n", b"\r\n"), [(2, 1), (3, 2)]),
    "a quote that stays open": (b'"60000,1,1,1,1,1\n' + _row(2), [(2, "decode_error"), (3, 2)]),
    "no UTF-8": (b"\xff\xfe,1,1,1,1,1\n" + _row(2), [(2, "decode_error"), (3, 2)]),
    "letters beyond ASCII": (
        "m\u00e4rz,1,1,1,1,1\n".encode() + _row(2),
        [(2, "schema_error"), (3, 2)],
    ),
    "underscores": (b"60_000,1,1,1,1,1\n" + _row(2), [(2, "schema_error"), (3, 2)]),
    "separators alone": (b",,,,,\n" + _row(2), [(2, "schema_error"), (3, 2)]),
}


@pytest.mark.parametrize(("rows", "expected"), ROWS.values(), ids=ROWS.keys())
def test_every_row_is_a_bar_or_a_refusal_with_its_line(
    tmp_path: Path, rows: bytes, expected: list[tuple[int, int | str]]
) -> None:
    feed = _feed(tmp_path, HEADER + rows)
    found = _shown(feed)
    assert [entry[:2] for entry in found] == expected
    assert feed.rows == len(expected)
    by_line = (HEADER + rows).splitlines()
    assert [entry[2] for entry in found] == [by_line[line - 1] for line, _, _ in found]


@pytest.mark.parametrize("size", [1, 7, 40, 41, 1_000])
def test_blocks_of_any_size_give_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    rows = [_row(number) for number in range(20)]
    rows[3:3] = [b"\n", b"\xff\n", b'"1\n', b"1_0,1,1,1,1,1\n", b"\n"]
    content = b"\n" + HEADER + b"\n" + b"".join(rows)
    expected = _shown(_feed(tmp_path, content))
    monkeypatch.setattr(lines, "BLOCK_BYTES", size)
    assert _shown(_feed(tmp_path, content)) == expected
    assert len(expected) == 23


def test_a_line_beyond_the_limit_is_one_refusal_of_its_beginning(tmp_path: Path) -> None:
    feed = _feed(tmp_path, HEADER + _row(1) + b"9" * 10_000_000 + b"\n" + _row(3))
    found = _shown(feed)
    assert [entry[:2] for entry in found] == [(2, 1), (3, "decode_error"), (4, 3)]
    assert found[1][2] == b"9" * lines.KEPT_OF_LONG_LINE


def test_the_first_row_may_come_blocks_after_the_header(tmp_path: Path) -> None:
    blank = b"\n" * (2 * lines.BLOCK_BYTES)
    feed = _feed(tmp_path, HEADER + blank + _row(1))
    assert [entry[1] for entry in _shown(feed)] == [1]
    with pytest.raises(InputError, match="--tz ZONE"):
        _feed(tmp_path, HEADER + blank + b"2025-07-02T09:30:00,1,1,1,1,1\n")


def test_a_row_without_offset_further_down_is_a_refusal_of_its_own(tmp_path: Path) -> None:
    feed = _feed(tmp_path, HEADER + _row(1) + b"2025-07-02T09:30:00,1,1,1,1,1\n" + _row(3))
    assert [entry[1] for entry in _shown(feed)] == [1, "schema_error", 3]


def test_symbols_beyond_ascii_are_symbols(tmp_path: Path) -> None:
    content = "symbol,time,open,high,low,close\nM\u00dcV,60000,1,1,1,1\n".encode()
    [(bar, _, _)] = _feed(tmp_path, content, symbol=None)
    assert isinstance(bar, Bar)
    assert bar.symbol == "M\u00dcV"


HEADERS = {
    "blank lines alone": (b"\n \n", "the file has no header"),
    "no UTF-8": (b"\xff\xfe\n", "the header is not text"),
    "a quote that stays open": (b'"time,open\n', "the header is not text"),
    "a row instead": (_row(1), "no time column"),
    "two ends of lines": (
        b"time,open,high,low,close\r60000,1,1,1,1\r120000,1,1,1,1\n",
        "end all of them with a line feed",
    ),
}


@pytest.mark.parametrize(("content", "message"), HEADERS.values(), ids=HEADERS.keys())
def test_a_file_without_a_usable_header_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _feed(tmp_path, content)
