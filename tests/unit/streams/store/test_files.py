"""Append-only files: cut to what counts, and the tail that a killed run left in the log."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from tapeline.streams.store.files import BLOCK_BYTES, AppendFile, LogFile, check_file
from tapeline.streams.store.layout import StoreDamagedError


def _log(tmp_path: Path, content: bytes, length: int) -> LogFile:
    (tmp_path / "log").write_bytes(content)
    return LogFile(tmp_path / "log", length, crc32(content[:length]), "way out")


def _content(tmp_path: Path, log: LogFile) -> bytes:
    log.sync()
    log.close()
    return (tmp_path / "log").read_bytes()


def test_what_lies_beyond_the_checkpoint_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "topic"
    path.write_bytes(b"one\ntwo\nthr")
    file = AppendFile(path, 4, crc32(b"one\n"), "way out")
    file.append(b"2\n")
    file.sync()
    file.close()
    assert file.cut
    assert path.read_bytes() == b"one\n2\n"
    assert (file.length, file.crc) == (6, crc32(b"one\n2\n"))


def test_a_file_without_lines_is_not_made(tmp_path: Path) -> None:
    AppendFile(tmp_path / "topic", 0, 0, "way out").close()
    assert not (tmp_path / "topic").exists()


def test_a_file_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "topic").write_bytes(b"one")
    with pytest.raises(StoreDamagedError, match="1 bytes are missing at its end; way out"):
        AppendFile(tmp_path / "topic", 4, 0, "way out")


def test_a_torn_line_of_the_log_is_cut_and_whole_ones_are_kept(tmp_path: Path) -> None:
    log = _log(tmp_path, b"a\nb\nc\nd", 2)
    assert (list(log.lines()), log.tail, log.length, log.cut) == ([b"b", b"c"], 4, 2, True)
    assert _content(tmp_path, log) == b"a\nb\nc\n"


APPENDED = {
    "the same again": ([b"b\nc\n"], b"a\nb\nc\n", b""),
    "the same and more": ([b"b\nc\nd\n"], b"a\nb\nc\nd\n", b""),
    "a part of it": ([b"b\n"], b"a\nb\nc\n", b"c\n"),
    "in two parts": ([b"b\n", b"c\nd\n"], b"a\nb\nc\nd\n", b""),
    "something else": ([b"x\n"], b"a\nx\n", b""),
    "something else later": ([b"b\n", b"x\n"], b"a\nb\nx\n", b""),
}


@pytest.mark.parametrize(("parts", "content", "tail"), APPENDED.values(), ids=APPENDED.keys())
def test_lines_that_are_there_already_are_not_written_twice(
    tmp_path: Path, parts: list[bytes], content: bytes, tail: bytes
) -> None:
    log = _log(tmp_path, b"a\nb\nc\n", 2)
    for part in parts:
        log.append(part)
    assert log.tail == len(tail)
    assert b"".join(line + b"\n" for line in log.lines()) == tail
    assert log.length == 2 + sum(len(part) for part in parts)
    assert log.crc == crc32(content[: log.length])
    assert _content(tmp_path, log) == content


@pytest.mark.parametrize("length", [0, 3, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_the_last_whole_line_is_found_however_long_the_torn_one_is(
    tmp_path: Path, length: int
) -> None:
    log = _log(tmp_path, b"a\nb\n" + b"c" * length, 2)
    assert (list(log.lines()), log.cut) == ([b"b"], length > 0)
    log = _log(tmp_path, b"a\n" + b"c" * length, 2)
    assert (list(log.lines()), log.tail, log.cut) == ([], 0, length > 0)


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"one\ntwo\nmore", None),
        (b"one\ntwo\n", None),
        (b"one\ntwo", "1 bytes are missing"),
        (b"one\ntwi\n", "is damaged"),
        (None, "8 bytes are missing"),
    ],
)
def test_a_file_is_compared_with_what_was_written(
    tmp_path: Path, content: bytes | None, finding: str | None
) -> None:
    path = tmp_path / "topic"
    if content is not None:
        path.write_bytes(content)
    expected = (path, 8, crc32(b"one\ntwo\n"), "way out")
    if finding is None:
        check_file(*expected)
        return
    with pytest.raises(StoreDamagedError, match=f"topic: {finding}.*way out"):
        check_file(*expected)
