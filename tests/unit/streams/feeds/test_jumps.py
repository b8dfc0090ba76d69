"""One row years too early: what is reported of it, and of the rows that it makes too late."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.streams.embedded.books import row, write
from tests.unit.streams.pipeline.test_refusals import command


@pytest.mark.parametrize("option", ["--out", "--store"])
def test_a_row_years_too_early_is_named_beside_the_first_row_it_makes_too_late(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    years = 6 * 364 * 1_440
    rows = [row(minute) for minute in range(5)]
    path = write(tmp_path / "a.csv", [*rows[:3], row(-years), *rows[3:]])
    arguments = ("--bars", f"ACME={path}", option, str(tmp_path / "R"))
    assert command(tmp_path, *arguments) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "tapeline: 5 of 6 rows (83.3 %) are refused, more than 50% (--max-rejects); 5 of them"
        f" ahead_of_time: rows are taken in the order of their times, and {path}:2 was the first"
        f" too far after {path}:5, of ACME, which ends at 2019-07-10T13:31:00Z; if that one is"
        " wrong mend its time; if no rows came for so long raise `max_ahead` of the"
        " instrument"
    )


def test_a_jump_after_another_symbols_row_names_the_time_to_look_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    years = 6 * 364 * 1_440
    path = write(tmp_path / "a.csv", [row(-years), row(0), row(1), row(2)])
    other = write(tmp_path / "b.csv", [row(-1_440)])
    tables = ("--bars", f"ACME={path}", "--bars", f"OTHER={other}", "--out", str(tmp_path / "R"))
    assert command(tmp_path, *tables) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"{path}:3 was the first too far after a row of ACME that ends at 2019-07-10" in last
