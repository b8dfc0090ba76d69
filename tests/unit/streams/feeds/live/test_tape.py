"""Tapes are lines of JSON with the time of receipt; any other line is a message itself."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.tape import TapeMessage, tape_line, tape_messages


@pytest.mark.parametrize("name", ["tape.jsonl", "tape.jsonl.gz"])
def test_what_was_recorded_is_read_back(tmp_path: Path, name: str) -> None:
    lines = [
        tape_line(b'{"a":1}', 5),
        tape_line(b"\xff\x00", 6),
        tape_line(b"[]", 7, "history", ("A", "B"), "https://api.example/bars?key=${KEY}"),
    ]
    path = tmp_path / name
    data = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert list(tape_messages(str(path))) == [
        TapeMessage(1, b'{"a":1}', 5),
        TapeMessage(2, b"\xff\x00", 6),
        TapeMessage(3, b"[]", 7, "history", ("A", "B"), "https://api.example/bars?key=${KEY}"),
    ]


@pytest.mark.parametrize(
    "line",
    [b'{"T":"b"}', b"[1]", b"no json", b'{"recv_ms":1}', b'{"raw":"x","more":1}', b'{"b64":"?"}'],
)
def test_another_line_is_a_message_of_an_unknown_time(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_bytes(b"\n" + line + b"\r\n\n")
    assert list(tape_messages(str(path))) == [TapeMessage(2, line)]


def test_a_tape_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        list(tape_messages(str(tmp_path / "absent.jsonl")))
