"""A delivery of which too much is refused changes nothing of a store, however it comes."""

from __future__ import annotations

import json
import os
import pickle
import threading
from pathlib import Path

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar
from tapeline.streams.cli import main as cli
from tapeline.streams.pipeline.refusals import CURES, RejectLimit
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.store.first_look import TooManyRefusedError
from tests.unit.streams.store.stores import (
    CONFIGURATION,
    HEADER,
    label,
    load,
    log_lines,
    row,
    view,
    walk,
    write,
)


def content(folder: Path) -> dict[str, bytes]:
    """All files of a store."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def off_tick(day: int, first: int, last: int) -> dict[int, str]:
    """Bars between two ticks."""
    price = "10.123456"
    return {
        label(day, at): f"{label(day, at)},{price},{price},{price},{price},5"
        for at in range(first, last)
    }


def test_a_store_is_as_it_was_to_the_byte(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0, minutes=60))))
    before = content(tmp_path / "S")
    wrong = write(tmp_path / "b.csv", walk(1, minutes=9), off_tick(1, 9, 20))
    with pytest.raises(TooManyRefusedError) as caught:
        load(tmp_path / "S", ("A", wrong))
    assert content(tmp_path / "S") == before
    assert str(caught.value) == (
        "11 of 20 rows (55.0 %) are refused, more than 50% (--max-rejects); the store is as it was;"
        f" 11 of them off_tick: {CURES['off_tick']}"
    )
    assert caught.value.rejects["off_tick"][:2] == (11, f"{wrong}:11")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.report) == (str(caught.value), caught.value.report)


def test_a_new_store_is_not_even_made(tmp_path: Path) -> None:
    wrong = write(tmp_path / "a.csv", off_tick(0, 0, 1))
    with pytest.raises(TooManyRefusedError):
        load(tmp_path / "S", ("A", wrong), max_rejects=RejectLimit.parse("100%"))
    assert not (tmp_path / "S").exists()


def test_within_the_limit_the_rest_is_taken(tmp_path: Path) -> None:
    mixed = write(tmp_path / "a.csv", walk(0, minutes=5), off_tick(0, 5, 15))
    result = load(tmp_path / "S", ("A", mixed), max_rejects=RejectLimit.parse("10"))
    assert (result.counts.rows["new"], result.counts.rows["rejected"]) == (5, 10)
    assert not result.report.exceeded
    assert load(tmp_path / "S", ("A", mixed), max_rejects=RejectLimit.parse("10")).report == (
        result.report
    )


def test_rows_that_no_refusal_concerns_count_as_rows(tmp_path: Path) -> None:
    """A daily file of duplicates, what ``--from`` leaves out, what the next row replaces."""
    book = write(tmp_path / "a.csv", walk(0, minutes=30))
    load(tmp_path / "S", ("A", book))
    assert load(tmp_path / "S", ("A", book), from_ms=label(0, 1)).report.refused == 0
    early = write(tmp_path / "b.csv", off_tick(0, 0, 20), walk(1, minutes=1))
    result = load(tmp_path / "S", ("A", early), from_ms=label(1, 0))
    assert (result.report.refused, result.counts.rows["skipped"]) == (0, 20)
    # Of two files the later one wins, so what the earlier one has of the slot is not looked at.
    wrong = write(tmp_path / "c.csv", off_tick(2, 0, 1))
    right = write(tmp_path / "d.csv", walk(2, minutes=1))
    result = load(tmp_path / "S", ("A", wrong), ("A", right))
    assert (result.report.refused, result.counts.rows["superseded"]) == (0, 1)


def two_symbols(path: Path, *rows: tuple[str, str]) -> Path:
    """A table with a column of symbols, rows as they are given."""
    path.write_text(
        "\n".join([f"symbol,{HEADER}", *(f"{name},{text}" for name, text in rows)]) + "\n"
    )
    return path


@pytest.mark.parametrize("prices", [(20, 30), (20, 20, 30), (20, 30, 20)])
def test_versions_of_a_bar_with_another_symbol_between_them_change_it_once(
    tmp_path: Path, prices: tuple[float, ...]
) -> None:
    versions = [("A", row(label(0, 0), price)) for price in prices]
    other = ("B", row(label(0, 0), 15))
    book = two_symbols(tmp_path / "a.csv", versions[0], other, *versions[1:])
    load(tmp_path / "S", ("", book))
    taken = log_lines(tmp_path / "S")
    assert [line["open"] for line in taken if line["symbol"] == "A"] == [prices[-1]]
    # Under another name it is another run, not the one that was finished.
    again = load(tmp_path / "S", ("", book.rename(tmp_path / "b.csv"))).counts.rows
    assert (again["new"], again["changed"]) == (0, 0)
    assert log_lines(tmp_path / "S") == taken


def test_the_later_file_counts_though_symbols_of_the_earlier_do_not_ascend(tmp_path: Path) -> None:
    bars = {name: row(label(0, 0), price) for name, price in (("B", 15), ("A", 20))}
    book = two_symbols(tmp_path / "a.csv", *bars.items())
    right = ("A", write(tmp_path / "b.csv", {label(0, 0): row(label(0, 0), 30)}))
    rows = load(tmp_path / "S", ("", book), right).counts.rows
    assert (rows["new"], rows["superseded"]) == (2, 1)
    opens = {line["symbol"]: line["open"] for line in log_lines(tmp_path / "S")}
    assert opens == {"A": 30, "B": 15}


def test_what_only_the_state_refuses_is_reported_after_the_work(tmp_path: Path) -> None:
    """Whether a bar is too far ahead is known once those before it were taken."""
    toml = CONFIGURATION.replace("[instruments.A]", '[instruments.A]\nmax_ahead = "4d"', 1)
    far = {label(day, 0): row(label(day, 0), 10) for day in (0, 4, 5)}
    path = write(tmp_path / "a.csv", far)
    result = load(tmp_path / "S", ("A", path), toml=toml)
    assert (result.counts.rows["new"], result.report.refused) == (1, 2)
    assert (result.report.exceeded, result.report.code) == (True, "ahead_of_time")


def test_a_command_prints_on_its_last_line_why_it_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    write(tmp_path / "a.csv", off_tick(0, 0, 3), walk(1, minutes=1))
    command = ["run", "--bars", "A=a.csv", "--store", "S"]
    assert cli.main(command) == 1
    shown = capsys.readouterr()
    assert "off_tick" in shown.out
    assert "Store: S, not changed" in shown.out
    last = shown.err.splitlines()[-1]
    assert last.startswith("tapeline: 3 of 4 rows (75.0 %) are refused, more than 50% (--max-rej")
    assert cli.main([*command, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["written"], found["refused"]["code"]) == (False, "off_tick")
    assert found["rejects"]["off_tick"]["count"] == 3
    assert not (tmp_path / "S").exists()
    assert cli.main([*command, "--max-rejects", "80%"]) == 0
    assert (tmp_path / "S" / "log.jsonl").exists()


def test_a_pipe_is_read_once_and_looked_at_first(tmp_path: Path) -> None:
    """What cannot be read again is copied before."""
    parts = {"wrong": (off_tick(0, 0, 3),), "right": (walk(0, minutes=30),)}
    for name, rows in parts.items():
        text = write(tmp_path / f"{name}.csv", *rows).read_bytes()
        pipe = tmp_path / f"pipe-{name}.csv"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(text,), daemon=True)
        writer.start()
        if name == "wrong":
            with pytest.raises(TooManyRefusedError, match="3 of 3 rows"):
                load(tmp_path / "S", ("A", pipe))
            assert not (tmp_path / "S").exists()
        else:
            assert load(tmp_path / "S", ("A", pipe)).counts.rows["new"] == 30
        writer.join()
    load(tmp_path / "T", ("A", tmp_path / "right.csv"))
    assert view(tmp_path / "S") == view(tmp_path / "T")


def test_one_engine_checks_all_that_are_not_configured() -> None:
    router = Router(read_config(CONFIGURATION, "test"))
    for number in range(1_000):
        router.check(Bar(f"S{number}", "1m", label(0, 0), 1.0, 1.0, 1.0, 1.0, 1))
    assert len(router.engines) == 0
    assert len(router.met()) == 1_000
