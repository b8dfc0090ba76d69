"""Lines of a file, in blocks."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.schemas.codec import RECORD_LIMIT_BYTES
from tapeline.streams.errors import InputError
from tapeline.streams.feeds import lines as module
from tapeline.streams.feeds.items import FeedBroken
from tapeline.streams.feeds.lines import BLOCK_BYTES, KEPT_OF_LONG_LINE, LineReader


def _lines(path: Path) -> list[tuple[int, bytes]]:
    """All lines with their numbers; of a line that is too long its beginning."""
    return [
        (number, line)
        for block in LineReader(str(path)).blocks()
        for number, line in enumerate(block.text.split(b"\n"), block.first)
    ]


def _numbered(content: bytes) -> list[tuple[int, bytes]]:
    return list(enumerate(content.removesuffix(b"\n").split(b"\n"), 1))


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\0", b"").replace(b"\n", b""))),
    st.booleans(),
    st.integers(1, 9),
)
def test_every_line_comes_once_with_its_number(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool, block: int
) -> None:
    content = b"first\n" + b"\n".join(lines) + (b"\n" if ended else b"")
    path = tmp_path_factory.mktemp("lines") / "book.csv"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        assert _lines(path) == _numbered(content)


@pytest.mark.parametrize("name", ["book.csv", "book.csv.gz"])
def test_lines_may_end_with_carriage_returns_alone(tmp_path: Path, name: str) -> None:
    rows = b"\r".join(b"%d,%s" % (number, b"7" * 20) for number in range(2 * BLOCK_BYTES // 25))
    content = b"\xef\xbb\xbfa,b\r" + rows + b"\r"
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    reader = LineReader(str(path))
    lines = [line for block in reader.blocks() for line in block.text.split(b"\n")]
    assert lines == [b"a,b", *rows.split(b"\r")]
    assert reader.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_block_that_ends_between_carriage_return_and_line_feed_is_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 4)
    path = tmp_path / "book.csv"
    path.write_bytes(b"a,b\r\n1,2\r\n")
    assert _lines(path) == [(1, b"a,b\r"), (2, b"1,2\r")]


LONG = b"9" * (3 * RECORD_LIMIT_BYTES)
LONG_LINES = {
    "in the middle": (b"a\n" + LONG + b"\nb\nc\n", [1, 3, 4], 2),
    "first": (LONG + b"\nb\n", [2], 1),
    "last, complete": (b"a\n" + LONG + b"\n", [1], 2),
    "last, cut": (b"a\n" + LONG, [1], 2),
    "one byte too long": (b"a\n" + LONG[: RECORD_LIMIT_BYTES + 1] + b"\nb\n", [1, 3], 2),
}


@pytest.mark.parametrize(
    ("content", "others", "number"), LONG_LINES.values(), ids=LONG_LINES.keys()
)
def test_of_a_line_beyond_the_limit_only_the_beginning_is_kept(
    tmp_path: Path, content: bytes, others: list[int], number: int
) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(content)
    blocks = list(LineReader(str(path)).blocks())
    [long] = [block for block in blocks if block.too_long]
    assert (long.first, long.text) == (number, b"9" * KEPT_OF_LONG_LINE)
    found = [at for block in blocks if not block.too_long for at, _ in _blocks_lines(block)]
    assert found == others


def _blocks_lines(block: module.Block) -> list[tuple[int, bytes]]:
    return list(enumerate(block.text.split(b"\n"), block.first))


def test_a_line_of_just_the_limit_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(b"a\n" + LONG[:RECORD_LIMIT_BYTES] + b"\nb\n")
    assert [number for number, _ in _lines(path)] == [1, 2, 3]
    assert not any(block.too_long for block in LineReader(str(path)).blocks())


@pytest.mark.parametrize("packed", [False, True])
def test_the_hash_is_that_of_the_file_as_it_lies_there(tmp_path: Path, packed: bool) -> None:
    content = b"time,open\n" * 100_000
    path = tmp_path / ("book.csv.gz" if packed else "book.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    reader = LineReader(str(path))
    assert sum(block.text.count(b"\n") + 1 for block in reader.blocks()) == 100_000
    assert reader.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert reader.bytes_read == path.stat().st_size


def test_a_file_of_several_gzip_members_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "book.csv.gz"
    path.write_bytes(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"))
    assert _lines(path) == [(1, b"a"), (2, b"bc"), (3, b"d")]


def test_a_zero_byte_far_below_does_not_make_a_file_binary(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(b"a,b\n" * 5_000 + b"\0\0\n")
    assert _lines(path)[-1] == (5_001, b"\0\0")


UNREADABLE = {
    "empty": ("book.csv", b"", "empty"),
    "binary": ("book.csv", b"\x7fELF\0\0\0", "binary"),
    "empty gzip": ("book.csv.gz", gzip.compress(b""), "empty"),
    "no gzip": ("book.csv.gz", b"time,open\n", "cannot be read"),
    "gzip of a few bytes": ("book.csv.gz", gzip.compress(b"time")[:5], "cannot be read"),
}


@pytest.mark.parametrize(("name", "content", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_is_no_text_is_refused_at_once(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        LineReader(str(path))


def test_a_file_that_breaks_on_the_way_gives_what_it_has_and_then_fails(tmp_path: Path) -> None:
    path = tmp_path / "book.csv.gz"
    path.write_bytes(gzip.compress(b"time,open\n" * 100_000)[:-8])
    reader = LineReader(str(path))
    blocks = reader.blocks()
    assert next(blocks).first == 1
    with pytest.raises(FeedBroken, match=r"book\.csv\.gz: reading failed"):
        list(blocks)
    reader.close()
