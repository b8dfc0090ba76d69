"""The embedded run: what becomes of every row, in what order, and what is left behind."""

from __future__ import annotations

import base64
import errno
import gzip
import json
from pathlib import Path

import pytest

from streams.embedded import RunResult, Source
from streams.feeds.items import FeedBroken, InputError
from streams.run_directory import ForeignFolderError, TopicFile
from tests.embedded.books import (
    HEADER,
    MINUTE_MS,
    OPEN_MS,
    acme,
    codes,
    lines,
    row,
    run,
    write,
)

TOPICS = [
    "bars.derived",
    "gaps",
    "pairs",
    "quality",
    "ranges",
    "rejects",
    "sessions",
    "swings",
    "touches",
]

BAD_ROWS = {
    "off the minute": (f"{OPEN_MS + 1},10,10,10,10,5", "misaligned_start"),
    "before the calendar": ("0,10,10,10,10,5", "outside_calendar"),
    "zero": (row(1, "0"), "bad_price"),
    "negative": (row(1, "-1"), "bad_price"),
    "not a number": (row(1, "nan"), "bad_price"),
    "infinite": (row(1, "inf"), "bad_price"),
    "off tick": (row(1, "10.005"), "off_tick"),
    "high below low": (f"{OPEN_MS + MINUTE_MS},10,9,11,10,5", "inconsistent_ohlc"),
    "negative volume": (row(1, volume="-1"), "bad_volume"),
    "infinite volume": (row(1, volume="inf"), "bad_volume"),
    "far ahead": (row(36 * 1440), "ahead_of_time"),
    "text for a price": (row(1, "ten"), "schema_error"),
    "empty price": (row(1, ""), "schema_error"),
    "underscores": (row(1, "1_0"), "schema_error"),
    "text for a time": ("soon,10,10,10,10,5", "schema_error"),
    "too few columns": (f"{OPEN_MS},10,10", "schema_error"),
    "too many columns": (row(1) + ",1", "schema_error"),
    "open quote": (f'"{OPEN_MS},10,10,10,10,5', "decode_error"),
}


@pytest.mark.parametrize(("bad", "code"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_one_dead_letter_and_the_rest_goes_on(
    tmp_path: Path, bad: str, code: str
) -> None:
    path = write(tmp_path / "book.csv", [row(0), bad, row(1), row(2)])
    result = run(tmp_path, acme(path))
    assert codes(result) == {code: 1}
    [letter] = lines(result, "rejects")
    assert base64.b64decode(letter["raw"]).decode() == bad
    assert letter["source"] == f"{path}:3"
    assert letter["id"] == f"reject|{path}:3"
    assert letter["reason"]
    assert result.manifest["counters"]["accepted"] == 3
    assert result.manifest["counters"]["rejects"] == {code: 1}


def test_repeated_changed_and_late_rows_are_told_apart(tmp_path: Path) -> None:
    rows = [row(0), row(1), row(0), row(1, "10.01"), row(4), row(3)]
    result = run(tmp_path, acme(write(tmp_path / "book.csv", rows)))
    assert codes(result) == {"changed_bar": 1, "late_bar": 1}
    assert result.manifest["counters"]["duplicates"] == 1


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [row(-60), row(0), "", row(0), row(1, "x"), row(2)]
    result = run(tmp_path, acme(write(tmp_path / "book.csv", rows)))
    counters = result.manifest["counters"]
    assert counters["rows"] == 5
    found = counters["accepted"] + counters["duplicates"] + counters["off_session"]
    assert found + sum(counters["rejects"].values()) == counters["rows"]
    assert (counters["accepted"], counters["off_session"]) == (2, 1)


def test_seq_counts_every_data_row_from_zero(tmp_path: Path) -> None:
    rows = [row(0, "bad"), "", row(0), row(1)]
    result = run(tmp_path, acme(write(tmp_path / "book.csv", rows)))
    [opened] = [event for event in lines(result, "sessions") if event["state"] == "open"]
    assert opened["seq"] == 1_000_000


def test_the_folder_holds_nine_topics_and_the_manifest(tmp_path: Path) -> None:
    result = run(tmp_path, acme(write(tmp_path / "book.csv", [row(0)])))
    names = sorted(path.name for path in result.folder.iterdir())
    assert names == sorted(["manifest.json", *(f"tape.{topic}.v1.jsonl" for topic in TOPICS)])
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest == result.manifest
    assert manifest["topics"]["tape.sessions.v1"] == len(lines(result, "sessions"))


def test_a_run_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    run(tmp_path, acme(write(tmp_path / "book.csv", [row(0, "bad")])))
    result = run(tmp_path, acme(write(tmp_path / "book.csv", [row(0)])))
    assert lines(result, "rejects") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.csv", "out"]


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(ForeignFolderError, match=r"thesis\.tex"):
        run(tmp_path, acme(write(tmp_path / "book.csv", [row(0)])))
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_a_full_disk_leaves_the_earlier_run_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = write(tmp_path / "book.csv", [row(minute) for minute in range(30)])
    before = run(tmp_path, acme(book))
    kept = (before.folder / "manifest.json").read_bytes()

    def full(_: TopicFile) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TopicFile, "flush", full)
    with pytest.raises(OSError, match="No space"):
        run(tmp_path, acme(book))
    assert (before.folder / "manifest.json").read_bytes() == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.csv", "out"]


def test_until_appends_one_clock_for_each_symbol(tmp_path: Path) -> None:
    path = write(
        tmp_path / "both.csv",
        [f"B,{row(0)}", f"A,{row(0)}"],
        header=f"symbol,{HEADER}",
    )
    close = OPEN_MS + 390 * MINUTE_MS
    toml = '[instruments.default]\ncalendar = "XNYS"\n'
    result = run(tmp_path, Source(str(path)), toml=toml, until_ms=close)
    closed = [event for event in lines(result, "sessions") if event["state"] == "closed"]
    assert [(event["symbol"], event["seq"] // 1_000_000) for event in closed] == [
        ("A", 2),
        ("B", 3),
    ]
    assert result.manifest["counters"]["clocks"] == 2


def test_files_are_merged_by_end_then_symbol_then_position(tmp_path: Path) -> None:
    first = write(tmp_path / "first.csv", [row(0), row(1, "10.01"), row(3)])
    again = write(tmp_path / "again.csv", [row(1, "10.02"), row(2)])
    other = write(tmp_path / "other.csv", [row(0), row(2)])
    toml = '[instruments.default]\ncalendar = "XNYS"\ntick = 0.01\n'
    result = run(
        tmp_path,
        Source(str(first), "B"),
        Source(str(again), "B"),
        Source(str(other), "A"),
        toml=toml,
    )
    [letter] = lines(result, "rejects")
    assert (letter["code"], letter["source"]) == ("changed_bar", f"{again}:2")
    opened = {event["symbol"]: event["seq"] for event in lines(result, "sessions")}
    assert opened == {"A": 0, "B": 1_000_000}


def _log_line(minute: int, kind: str = "bar") -> str:
    start = OPEN_MS + minute * MINUTE_MS
    if kind == "bar":
        prices = '"open":10,"high":10,"low":10,"close":10'
        return f'{{"type":"bar","symbol":"ACME","interval":"1m","start_ms":{start},{prices}}}'
    if kind == "clock":
        return f'{{"type":"clock","symbol":"ACME","time_ms":{start}}}'
    return f'{{"type":"cancel","symbol":"ACME","interval":"1m","start_ms":{start}}}'


def test_a_log_is_taken_in_its_own_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    records = [_log_line(0), _log_line(5, "clock"), _log_line(1), _log_line(0, "cancel")]
    path.write_text("\n".join([*records, "{", '{"type":"bar"}']) + "\n")
    result = run(tmp_path, Source(str(path)))
    assert codes(result) == {"late_bar": 1, "cancel": 1, "decode_error": 1, "schema_error": 1}
    assert [event["missing"] for event in lines(result, "gaps")] == [4]
    assert result.manifest["counters"]["clocks"] == 1


def test_two_logs_are_read_one_after_the_other(tmp_path: Path) -> None:
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl.gz"
    one.write_text(_log_line(3) + "\n")
    two.write_bytes(gzip.compress(_log_line(2).encode()))
    result = run(tmp_path, Source(str(one)), Source(str(two)))
    assert codes(result) == {"late_bar": 1}


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
    log.write_text(_log_line(0) + "\n")
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


@pytest.mark.parametrize("form", ["plain", "bom", "crlf", "cut", "blank", "gzip", "quotes"])
def test_a_book_means_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    text = "\n".join([HEADER, *(row(minute) for minute in range(20))]) + "\n"
    expected = _content(run(tmp_path, acme(write(tmp_path / "plain.csv", text.splitlines()[1:]))))
    forms = {
        "plain": text.encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "crlf": text.replace("\n", "\r\n").encode(),
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


def test_the_same_file_twice_says_everything_once(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(minute) for minute in range(10)])
    result = run(tmp_path, acme(path), acme(path))
    assert result.manifest["counters"]["duplicates"] == 10
    assert result.manifest["counters"]["accepted"] == 10


def test_an_unsorted_file_keeps_its_order(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(1), row(0), row(2)])
    assert codes(run(tmp_path, acme(path))) == {"late_bar": 1}


def test_a_symbol_column_names_the_symbols_or_must_agree(tmp_path: Path) -> None:
    path = write(
        tmp_path / "book.csv", [f"{row(0)},ACME", f"{row(1)},OTHER"], header=f"{HEADER},symbol"
    )
    mixed = run(tmp_path, Source(str(path)))
    assert sorted(mixed.manifest["counters"]["symbols"]) == ["ACME", "OTHER"]
    assert codes(run(tmp_path, acme(path))) == {"schema_error": 1}


def test_unknown_symbols_are_dead_letters_where_the_default_is_off(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [f"{row(0)},OTHER"], header=f"{HEADER},symbol")
    result = run(tmp_path, Source(str(path)), toml="[instruments]\ndefault = false\n")
    [letter] = lines(result, "rejects")
    assert (letter["code"], letter["symbol"]) == ("unknown_symbol", "OTHER")


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [f"{row(0)},1.5"], header=f"{HEADER},vwap")
    assert run(tmp_path, acme(path)).ignored_columns == {str(path): ("vwap",)}


def test_times_without_offset_are_read_in_the_zone_that_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "book.csv",
        ["2025-07-02 09:30,10,10,10,10,5", "2025-07-02T09:31:00,10,10,10,10,5"],
    )
    named = run(tmp_path, acme(path), zone="America/New_York")
    [opened] = lines(named, "sessions")
    assert opened["open_ms"] == OPEN_MS
    assert named.manifest["counters"]["accepted"] == 2


def test_labels_four_hours_late_show_as_a_broken_session(tmp_path: Path, data_folder: Path) -> None:
    good = data_folder / "aapl-1m-2025-07-01T16h00_to_2025-07-02T15h59-et.csv"
    late = data_folder / "raw" / "aapl-1m-2025-07-02-as-published-labels-4h-late.csv"
    toml = '[instruments.AAPL]\ncalendar = "XNYS"\n'
    until = OPEN_MS + 390 * MINUTE_MS
    for path, actual in ((good, 390), (late, 349)):
        result = run(tmp_path, Source(str(path), "AAPL"), toml=toml, until_ms=until)
        final = lines(result, "quality")[-1]
        if path == good:
            assert (final["actual"], final["quality"]) == (actual, 100.0)
        else:
            assert final["quality"] < 90.0


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
