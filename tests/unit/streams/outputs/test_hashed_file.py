"""A file of lines with its SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tapeline.streams.outputs.hashed_file import WRITE_BYTES, HashedFile

LINE = b"x" * 99 + b"\n"


def test_the_hash_is_that_of_all_that_was_written(tmp_path: Path) -> None:
    file = HashedFile(tmp_path / "lines")
    for _ in range(2 * WRITE_BYTES // len(LINE)):
        file.write(LINE)
    sha256 = file.close()
    content = (tmp_path / "lines").read_bytes()
    assert len(content) > WRITE_BYTES
    assert sha256 == hashlib.sha256(content).hexdigest()


def test_a_disk_that_is_full_is_named_and_takes_no_rest() -> None:
    file = HashedFile(Path("/dev/full"))
    with pytest.raises(OSError, match="/dev/full"):
        file.write(LINE * (2 * WRITE_BYTES // len(LINE)))
    file.abandon()
