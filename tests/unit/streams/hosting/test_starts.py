"""A record at which strategies hang ends hosts twice, and the third one before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.hosting.starts import HangingRecordError, LogPosition, Starts

BOOK = "tape book-0"
FIRST = LogPosition(1, 70)


def test_the_third_start_at_one_step_that_none_came_back_from_is_refused(tmp_path: Path) -> None:
    for _ in range(2):
        Starts(tmp_path).begin(BOOK, 7, {"fade": "v1"}, FIRST)
    with pytest.raises(HangingRecordError, match="2 starts at step 7") as error:
        Starts(tmp_path).begin(BOOK, 7, {"fade": "v1"}, FIRST)
    assert "at partition 1 offset 70 of the log" in str(error.value)
    assert "enabled = false" in str(error.value)
    assert error.value.exit_code == 70
    with pytest.raises(HangingRecordError):
        Starts(tmp_path).begin(BOOK, 7, {"fade": "v1"}, FIRST)


def test_the_record_at_which_it_hung_is_named(tmp_path: Path) -> None:
    for _ in range(2):
        starts = Starts(tmp_path)
        starts.begin(BOOK, 7, {"fade": "v1"}, FIRST)
        starts.hung(BOOK, LogPosition(1, 75))
    with pytest.raises(HangingRecordError, match="at partition 1 offset 75 of the log"):
        Starts(tmp_path).begin(BOOK, 7, {"fade": "v1"}, FIRST)


def test_a_start_that_came_back_does_not_count(tmp_path: Path) -> None:
    for _ in range(5):
        starts = Starts(tmp_path)
        starts.begin(BOOK, 7, {"fade": "v1"}, FIRST)
        starts.returned(BOOK)


def test_another_step_another_version_or_one_strategy_less_begins_anew(tmp_path: Path) -> None:
    for step, versions in (
        (7, {"fade": "v1"}),
        (8, {"fade": "v1"}),
        (8, {"fade": "v2"}),
        (8, {"other": "v1"}),
    ):
        for _ in range(2):
            Starts(tmp_path).begin(BOOK, step, versions, FIRST)


def test_books_are_counted_apart_and_a_broken_file_counts_nothing(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    for _ in range(2):
        starts.begin(BOOK, 7, {}, FIRST)
        starts.begin("tape book-1", 7, {}, FIRST)
    starts.returned("tape book-1")
    with pytest.raises(HangingRecordError):
        starts.begin(BOOK, 7, {}, FIRST)
    starts.begin("tape book-1", 7, {}, FIRST)
    (tmp_path / "starts.json").write_bytes(b"{")
    starts.begin(BOOK, 7, {}, FIRST)
