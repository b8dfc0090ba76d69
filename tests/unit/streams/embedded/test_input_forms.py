"""Files in every form they come in: usable, damaged, or not what they should be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.items import FeedBroken
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.times import TimeUnit
from tapeline.streams.pipeline.summary import RunResult
from tests.unit.streams.embedded.books import (
    HEADER,
    MINUTE_MS,
    OPEN_MS,
    acme,
    codes,
    lines,
    log_line,
    row,
    run,
    write,
)

UNUSABLE = {
    "empty file": (b"", "empty"),
    "binary": (b"PK\x03\x04\x00\x00\x01", "binary"),
    "no time column": (b"open,high,low,close\n1,1,1,1\n", "no time column"),
    "no close column": (b"time,open,high,low\n", "close is missing"),
    "doubled column": (b"time,open,open,high,low,close\n", "twice"),
    "time without offset": (
        b"time,open,high,low,close\n2025-07-02T09:30:00,1,1,1,1\n",
        "--tz",
    ),
    "only blank lines": (b"\n\n", "no header"),
    "seconds": (
        b"time,open,high,low,close\n1751463000,1,1,1,1\n",
        r"book.csv:2: time 1751463000 is 1970-01-21T06:31:03Z .*: give --time-unit s",
    ),
    "digits of a date": (b"time,open,high,low,close\n20250702133000,1,1,1,1\n", "digits of a date"),
    "half a stamp": (
        b"Time,open,high,low,close\n093000,1,1,1,1\n",
        "column Time holds times of day",
    ),
}


@pytest.mark.parametrize(("content", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_file_is_refused_before_anything_is_written(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        run(tmp_path, acme(path))
    assert not (tmp_path / "out").exists()


def test_missing_inputs_directories_and_mixtures_are_refused(tmp_path: Path) -> None:
    book = write(tmp_path / "book.csv", [row(0)])
    log = tmp_path / "log.jsonl"
    log.write_text(log_line(0) + "\n")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    cases: list[tuple[tuple[Source, ...], str]] = [
        ((), "no input"),
        ((acme(tmp_path / "nowhere.csv"),), "No such file"),
        ((acme(folder),), "directory"),
        ((acme(book), Source(str(log))), "cannot be mixed"),
        ((Source(str(log), "ACME"),), "without --bars"),
        ((Source(str(book)),), "--bars SYMBOL="),
        ((Source(str(tmp_path / "book.xls"), "ACME"),), "must end in"),
    ]
    for sources, message in cases:
        with pytest.raises(InputError, match=message):
            run(tmp_path, *sources)


def test_a_broken_gzip_stops_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "book.csv.gz"
    rows = "\n".join([HEADER, *(row(m, f"{10 + m % 7}.{m % 90 + 10}") for m in range(90_000))])
    whole = gzip.compress(rows.encode(), 1)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeedBroken, match="reading failed"):
        run(tmp_path, acme(path))
    assert sorted(found.name for found in tmp_path.iterdir()) == ["book.csv.gz"]
    path.write_bytes(b"no gzip at all")
    with pytest.raises(InputError, match="cannot be read"):
        run(tmp_path, acme(path))


def _content(result: RunResult) -> dict[str, str]:
    hashes: dict[str, str] = result.manifest["output_sha256"]
    return hashes


@pytest.mark.parametrize("form", ["plain", "bom", "crlf", "cr", "cut", "blank", "gzip", "quotes"])
def test_a_book_means_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    text = "\n".join([HEADER, *(row(minute) for minute in range(20))]) + "\n"
    expected = _content(run(tmp_path, acme(write(tmp_path / "plain.csv", text.splitlines()[1:]))))
    forms = {
        "plain": text.encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "crlf": text.replace("\n", "\r\n").encode(),
        "cr": text.replace("\n", "\r").encode(),
        "cut": text[:-1].encode(),
        "blank": text.replace("\n", "\n\n").encode(),
        "gzip": gzip.compress(text.encode()),
        "quotes": text.replace("10.00", '"10.00"').encode(),
    }
    path = tmp_path / ("book.csv.gz" if form == "gzip" else "book.csv")
    path.write_bytes(forms[form])
    assert _content(run(tmp_path, acme(path))) == expected


def test_a_header_alone_is_an_empty_book(tmp_path: Path) -> None:
    result = run(tmp_path, acme(write(tmp_path / "book.csv", [])))
    assert result.manifest["counters"]["rows"] == 0
    assert result.manifest["inputs"][0]["rows"] == 0


def test_a_file_cut_in_mid_line_loses_only_that_line(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("\n".join([HEADER, row(0), row(1)[:20]]))
    result = run(tmp_path, acme(path))
    assert codes(result) == {"schema_error": 1}
    assert result.manifest["counters"]["accepted"] == 1


def test_a_line_of_ten_megabytes_is_one_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text("\n".join([HEADER, row(0), "9" * 10_000_000, row(1)]) + "\n")
    result = run(tmp_path, acme(path))
    assert codes(result) == {"decode_error": 1}
    assert (result.folder / "tape.rejects.v1.jsonl").stat().st_size < 200_000
    assert result.manifest["counters"]["accepted"] == 2


def test_bytes_that_are_no_text_are_dead_letters(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(f"{HEADER}\n{row(0)}\n".encode() + b"\xff\xfe,1,1,1,1,1\n")
    assert codes(run(tmp_path, acme(path))) == {"decode_error": 1}


def test_parquet_holds_the_same_book(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [row(minute, f"{10 + minute / 100:.2f}").split(",") for minute in range(20)]
    expected = _content(run(tmp_path, acme(write(tmp_path / "b.csv", map(",".join, rows)))))
    columns = list(zip(*rows, strict=True))
    table = pyarrow.table(
        {
            "start_ms": pyarrow.array([int(cell) for cell in columns[0]], pyarrow.int64()),
            **{
                name: pyarrow.array([float(cell) for cell in columns[at]])
                for at, name in enumerate(("open", "high", "low", "close"), 1)
            },
            "volume": pyarrow.array([int(cell) for cell in columns[5]]),
        }
    )
    path = tmp_path / "book.parquet"
    parquet.write_table(table, path)
    assert _content(run(tmp_path, acme(path))) == expected
    stamped = table.set_column(0, "time", table["start_ms"].cast(pyarrow.timestamp("ms", "UTC")))
    parquet.write_table(stamped, path)
    assert _content(run(tmp_path, acme(path))) == expected


UNITS: dict[TimeUnit, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@pytest.mark.parametrize(("unit", "factor"), UNITS.items())
def test_a_book_means_the_same_in_every_unit(tmp_path: Path, unit: TimeUnit, factor: int) -> None:
    expected = _content(run(tmp_path, acme(write(tmp_path / "a.csv", map(row, range(20))))))
    rows = [
        f"{(OPEN_MS + minute * MINUTE_MS) // 1_000 * factor}{row(minute)[len(str(OPEN_MS)) :]}"
        for minute in range(20)
    ]
    result = run(tmp_path, acme(write(tmp_path / "b.csv", rows)), time_unit=unit)
    assert _content(result) == expected
    assert result.manifest["options"]["time_unit"] == unit


def test_a_book_means_the_same_with_a_day_and_a_time_of_day(tmp_path: Path) -> None:
    expected = _content(run(tmp_path, acme(write(tmp_path / "a.csv", map(row, range(20))))))
    rows = [f"20250702,{93_000 + minute * 100},10,10,10,10,5" for minute in range(20)]
    book = write(tmp_path / "b.csv", rows, "Date,Time,open,high,low,close,volume")
    assert _content(run(tmp_path, acme(book), zone="America/New_York")) == expected


CHANGE_MS = 1_730_613_600_000
"""2024-11-03 06:00 UTC: 01:59 daylight time in New York is followed by 01:00 standard time."""


def _night(first: int, last: int) -> list[str]:
    """Local minutes of New York, by their distance from the change."""
    return [
        f"2024-11-03 {(6 * 60 + each - (240 if each < 0 else 300)) // 60:02d}:{each % 60:02d}:00"
        ",10,10,10,10,5"
        for each in range(first, last)
    ]


def test_the_hour_that_comes_twice_is_what_it_is_with_offsets(tmp_path: Path) -> None:
    toml = '[instruments.ACME]\ntick = 0.01\ncalendar = "24/7"\n'
    stamps = [f"{CHANGE_MS + each * MINUTE_MS},10,10,10,10,5" for each in range(-90, 90)]
    expected = _content(run(tmp_path, acme(write(tmp_path / "a.csv", stamps)), toml=toml))
    header = "time,open,high,low,close,volume"
    book = write(tmp_path / "b.csv", _night(-90, 90), header)
    result = run(tmp_path, acme(book), toml=toml, zone="America/New_York")
    assert (result.manifest["counters"]["accepted"], codes(result)) == (180, {})
    assert _content(result) == expected
    once = write(tmp_path / "once.csv", _night(-90, 0), header)
    result = run(tmp_path, acme(once), toml=toml, zone="America/New_York")
    assert codes(result) == {"ambiguous_time": 60}
    assert lines(result, "rejects")[0]["source"] == f"{once}:32"
