"""Sample books: equal everywhere, complete or faulty as their names mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.streams.calendars import load_calendar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.samples import (
    CONFIGURATION,
    corrections,
    sample_book,
    with_duplicates,
    with_holes,
    with_late_bars,
    write_samples,
)

SPRING = ("2025-03-07", 2)
"""Two sessions around the change to summer time."""
THANKSGIVING = ("2025-11-26", 3)


@pytest.mark.parametrize("calendar_id", ["CME_EQUITY", "XNYS", "24/7"])
@pytest.mark.parametrize(("first", "sessions"), [SPRING, THANKSGIVING])
def test_a_book_has_every_minute_of_its_sessions(
    calendar_id: str, first: str, sessions: int
) -> None:
    calendar = load_calendar(calendar_id)
    bars = list(sample_book("X", calendar, first, sessions, seed=1))
    index = calendar.session_of(bars[0].start_ms)
    expected = [
        label
        for session in range(index, index + sessions)
        for label in range(calendar.open_ms(session), calendar.close_ms(session), 60_000)
    ]
    assert [bar.start_ms for bar in bars] == expected
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close)
        assert max(bar.open, bar.close) <= bar.high
        assert (bar.open / 0.25).is_integer()


def test_equal_arguments_give_equal_books_and_other_seeds_others() -> None:
    calendar = load_calendar("XNYS")
    books = [list(sample_book("X", calendar, "2025-11-20", 1, seed)) for seed in (1, 1, 2)]
    assert books[0] == books[1] != books[2]


def test_the_faults_are_what_their_files_name() -> None:
    bars = list(sample_book("X", load_calendar("CME_EQUITY"), "2025-11-20", 3, 7))
    holes, twice, late = with_holes(bars, 7), with_duplicates(bars, 7), with_late_bars(bars, 7)
    changed = corrections(bars, 7)
    assert len(holes) < len(bars)
    assert set(map(id, holes)) < set(map(id, bars))
    assert len(twice) > len(bars)
    assert {bar.start_ms for bar in twice} == {bar.start_ms for bar in bars}
    assert late != bars
    assert sorted(late, key=lambda bar: bar.start_ms) == bars
    of_start = {bar.start_ms: bar for bar in bars}
    assert changed
    assert all(of_start[bar.start_ms] != bar for bar in changed)


def test_samples_may_be_written_over_samples(tmp_path: Path) -> None:
    files = write_samples(tmp_path, sessions=1)
    before = {path: path.read_bytes() for path in files}
    assert write_samples(tmp_path, sessions=1) == files
    assert {path: path.read_bytes() for path in files} == before
    write_samples(tmp_path, sessions=2)
    assert len((tmp_path / "es.csv").read_bytes()) > len(before[tmp_path / "es.csv"])


@pytest.mark.parametrize("name", ["es.csv", "acme.csv", "tapeline.toml"])
def test_files_that_are_no_samples_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name} that is no sample"):
        write_samples(tmp_path, sessions=1)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_is_no_folder_for_samples(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(CONFIGURATION)
    with pytest.raises(InputError, match="not a folder"):
        write_samples(tmp_path / "file")
