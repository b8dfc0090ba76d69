"""Records of a log that came in lately, by their provenance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.store import recent
from tapeline.streams.store.recent import RecentRecords


def write(folder: Path, *times: int | None, mode: str = "wb") -> None:
    lines = [b"null" if each is None else b'["A","demo","stream",%d]' % each for each in times]
    with (folder / "provenance.jsonl").open(mode) as file:
        file.write(b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize("block", [7, 30, 1 << 20])
def test_the_newest_records_are_numbered_by_their_lines(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "BLOCK_BYTES", block)
    write(tmp_path, None, 50, 100, None, 110, 120)
    records = RecentRecords(tmp_path)
    assert records.since(6, 100) == [(2, 100), (4, 110), (5, 120)]
    assert records.since(6, 0) == [(1, 50), (2, 100), (4, 110), (5, 120)]
    assert records.since(6, 121) == []
    write(tmp_path, 130, mode="ab")
    assert records.since(7, 120) == [(5, 120), (6, 130)]
    # What a killed process had not committed does not count.
    assert records.since(5, 110) == [(4, 110)]


def test_a_torn_last_line_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, 100)
    with (tmp_path / "provenance.jsonl").open("ab") as file:
        file.write(b'["A","de')
    records = RecentRecords(tmp_path)
    assert records.since(9, 0) == [(0, 100)]
    write(tmp_path, 100, 110)
    assert records.since(9, 0) == [(0, 100), (1, 110)]


def test_a_file_that_was_cut_is_counted_anew(tmp_path: Path) -> None:
    write(tmp_path, 100, 110, 120)
    records = RecentRecords(tmp_path)
    assert len(records.since(9, 0)) == 3
    write(tmp_path, 100)
    assert records.since(9, 0) == [(0, 100)]


def test_a_store_of_files_has_none(tmp_path: Path) -> None:
    assert RecentRecords(tmp_path).since(9, 0) == []
    write(tmp_path, None, None)
    assert RecentRecords(tmp_path).since(9, 0) == []
