"""Symbols that end at times of their own, in files that go into a store."""

from __future__ import annotations

from pathlib import Path

from tests.unit.streams.store.stores import label, load, view, walk, write


def test_a_symbol_that_ends_at_a_time_leaves_later_rows_out(tmp_path: Path) -> None:
    books = ("A", write(tmp_path / "a.csv", walk(0))), ("B", write(tmp_path / "b.csv", walk(0)))
    end_ms = label(0, 100)
    result = load(tmp_path / "S", *books, until_by_symbol={"A": end_ms}, until_ms=label(0, 400))
    assert result.counts.rows["skipped"] == 290
    assert [result.symbols[each]["last_ms"] for each in "AB"] == [end_ms, label(0, 400)]
    load(tmp_path / "S", *books, until_ms=label(0, 400))
    load(tmp_path / "fresh", *books, until_ms=label(0, 400))
    assert view(tmp_path / "S") == view(tmp_path / "fresh")


def test_rows_after_the_end_of_a_symbol_are_not_looked_at(tmp_path: Path) -> None:
    bad = {label(0, minute): f"{label(0, minute)},-1,1,1,1,1" for minute in range(100, 390)}
    book = write(tmp_path / "a.csv", walk(0, minutes=100), bad)
    result = load(tmp_path / "S", ("A", book), until_by_symbol={"A": label(0, 100)})
    assert (result.counts.rows["new"], result.counts.rows["rejected"]) == (100, 0)


def test_replace_ends_where_a_symbol_ends(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0))))
    ends = {start: walk(0)[start] for start in (label(0, 0), label(0, 9), label(0, 389))}
    book = write(tmp_path / "ends.csv", ends)
    ends_at = {"A": label(0, 10)}
    result = load(tmp_path / "S", ("A", book), replace=True, until_by_symbol=ends_at)
    assert result.counts.rows["cancelled"] == 8
