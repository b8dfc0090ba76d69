"""The embedded run: what becomes of every row, in what order, and what is left behind."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import json
from pathlib import Path

import pytest

from tapeline.schemas.registry import EVENTS
from tapeline.streams.feeds.opening import PROGRESS_ROWS, Progress, Source
from tapeline.streams.outputs.run_folder import ForeignFolderError, TopicFile
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

TOPICS = [EVENTS.row(each).topic.removesuffix(".v1") for each in EVENTS.folded]

BAD_ROWS = {
    "off the minute": (f"{OPEN_MS + 1},10,10,10,10,5", "misaligned_start"),
    "in 1970": ("0,10,10,10,10,5", "implausible_time"),
    "before the calendar": ("1388586600000,10,10,10,10,5", "outside_calendar"),
    "zero": (row(1, "0"), "bad_price"),
    "negative": (row(1, "-1"), "bad_price"),
    "not a number": (row(1, "nan"), "bad_price"),
    "infinite": (row(1, "inf"), "bad_price"),
    "off tick": (row(1, "10.005"), "off_tick"),
    "high below low": (f"{OPEN_MS + MINUTE_MS},10,9,11,10,5", "inconsistent_ohlc"),
    "negative volume": (row(1, volume="-1"), "bad_volume"),
    "infinite volume": (row(1, volume="inf"), "bad_volume"),
    "volume too large": (row(1, volume="1e300"), "bad_volume"),
    "volume beyond 64 bits": (row(1, volume=str(1 << 63)), "schema_error"),
    "between two milliseconds": (row(1).replace(",", ".5,", 1), "schema_error"),
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


def test_a_volume_that_is_too_large_is_called_so(tmp_path: Path) -> None:
    result = run(tmp_path, acme(write(tmp_path / "book.csv", [row(0, volume="1e300")])))
    [letter] = lines(result, "rejects")
    assert letter["reason"] == "volume 1e+300 is too large; it must be below 1e+300"


def test_whole_volumes_are_whole_however_they_are_written_and_summed(tmp_path: Path) -> None:
    rows = [row(minute, volume="9007199254740993.0") for minute in range(2)]
    path = write(tmp_path / "book.csv", [*rows, rows[1], row(1, volume="9007199254740992")])
    result = run(tmp_path, acme(path), until_ms=OPEN_MS + 5 * MINUTE_MS)
    text = (result.folder / "tape.bars.derived.v1.jsonl").read_text()
    assert '"volume":18014398509481984,' in text
    # A double cannot hold the odd number, so all four rows are the same.
    assert result.manifest["counters"]["duplicates"] == 2


def test_repeated_changed_and_late_records_are_distinguished(tmp_path: Path) -> None:
    changed = log_line(1).replace(':10,"volume', ':9.99,"volume').replace('"low":10', '"low":9.99')
    records = [log_line(0), log_line(1), log_line(0), changed, log_line(4), log_line(3)]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(records) + "\n")
    result = run(tmp_path, Source(str(path)))
    assert codes(result) == {}
    counters = result.manifest["counters"]
    assert [counters[kind] for kind in ("duplicates", "changed", "late")] == [1, 1, 1]
    assert (counters["rebuilds"], counters["accepted"]) == (2, 3)


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [row(-60), row(0), "", row(0), row(1, "x"), row(2)]
    result = run(tmp_path, acme(write(tmp_path / "book.csv", rows)))
    counters = result.manifest["counters"]
    assert counters["rows"] == 5
    found = counters["accepted"] + counters["duplicates"] + counters["off_session"]
    assert found + sum(counters["rejects"].values()) == counters["rows"]
    assert (counters["accepted"], counters["off_session"]) == (2, 1)


def test_the_manifest_shows_what_the_run_was_made_from(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(0), row(3), row(1), row(0, "10.01"), row(400)])
    until = OPEN_MS + 500 * MINUTE_MS
    manifest = run(tmp_path, acme(path), until_ms=until, zone="America/New_York").manifest
    assert manifest["inputs"] == [
        {
            "path": str(path),
            "symbol": "ACME",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "rows": 5,
        }
    ]
    options = {
        "until_ms": until,
        "until_by_symbol": {},
        "tz": "America/New_York",
        "time_unit": None,
        "as_corrected": False,
    }
    assert manifest["options"] == options
    assert list(manifest["calendars"]) == ["XNYS"]
    symbol = {
        "accepted": 3,
        "off_session": 1,
        "late": 0,
        "changed": 1,
        "cancelled": 0,
        "duplicates": 0,
        "clocks": 1,
        "idle": 0,
        "rebuilds": 1,
        "bars_again": 2,
    }
    assert manifest["counters"] == {
        "rows": 5,
        "until_clocks": 1,
        "accepted": 3,
        "off_session": 1,
        "late": 0,
        "changed": 1,
        "cancelled": 0,
        "duplicates": 0,
        "clocks": 1,
        "idle": 0,
        "superseded": 0,
        "rebuilds": 1,
        "bars_again": 2,
        "ids_changed": {
            "session": {"new": 0, "changed": 1, "retracted": 0},
        },
        "rejects": {},
        "symbols": {"ACME": symbol},
    }
    for topic, count in manifest["topics"].items():
        content = (tmp_path / "out" / f"{topic}.jsonl").read_bytes()
        assert content.count(b"\n") == count
        assert hashlib.sha256(content).hexdigest() == manifest["output_sha256"][topic]


def test_a_clock_of_until_that_is_refused_is_a_dead_letter(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(0)])
    result = run(tmp_path, acme(path), until_ms=OPEN_MS + 40 * 1440 * MINUTE_MS)
    [letter] = lines(result, "rejects")
    assert (letter["code"], letter["source"]) == ("ahead_of_time", "--until ACME:1")
    assert result.manifest["counters"]["until_clocks"] == 1


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(minute) for minute in range(3 * PROGRESS_ROWS)])

    def interrupt(progress: Progress) -> None:
        assert progress == Progress(PROGRESS_ROWS, path.stat().st_size)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, acme(path), progress=interrupt)
    assert [found.name for found in tmp_path.iterdir()] == ["book.csv"]


def test_seq_counts_every_data_row_from_zero(tmp_path: Path) -> None:
    rows = [row(0, "bad"), "", row(0), row(1)]
    result = run(tmp_path, acme(write(tmp_path / "book.csv", rows)))
    [opened] = [event for event in lines(result, "sessions") if event["state"] == "open"]
    assert opened["seq"] == 1_000_000


def test_the_folder_holds_all_topics_the_bars_and_the_manifest(tmp_path: Path) -> None:
    result = run(tmp_path, acme(write(tmp_path / "book.csv", [row(0)])))
    names = sorted(path.name for path in result.folder.iterdir())
    topics = (f"tape.{topic}.v1.jsonl" for topic in TOPICS)
    assert names == sorted(["bars.jsonl", "manifest.json", *topics])
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


def test_an_input_that_lies_in_the_folder_is_not_destroyed(tmp_path: Path) -> None:
    result = run(tmp_path, acme(write(tmp_path / "book.csv", [row(0)])))
    before = {path.name: path.read_bytes() for path in result.folder.iterdir()}
    inside = result.folder / "tape.sessions.v1.jsonl"
    with pytest.raises(ForeignFolderError, match=r"sessions\.v1\.jsonl lies in it"):
        run(tmp_path, Source(str(inside)))
    assert {path.name: path.read_bytes() for path in result.folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.csv", "out"]


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


def test_each_symbol_may_end_at_a_time_of_its_own(tmp_path: Path) -> None:
    rows = [f"{symbol},{row(minute)}" for minute in range(20) for symbol in ("A", "B", "C")]
    path = write(tmp_path / "all.csv", rows, header=f"symbol,{HEADER}")
    toml = '[instruments.default]\ncalendar = "XNYS"\n'
    ends = {"A": OPEN_MS + 5 * MINUTE_MS, "B": OPEN_MS + 30 * MINUTE_MS}
    close = OPEN_MS + 390 * MINUTE_MS
    source = Source(str(path))
    result = run(tmp_path, source, toml=toml, until_ms=close, until_by_symbol=ends)
    counters = result.manifest["counters"]
    found = {symbol: each["accepted"] for symbol, each in counters["symbols"].items()}
    assert found == {"A": 5, "B": 20, "C": 20}
    assert (counters["left_out"], counters["rows"], counters["until_clocks"]) == (15, 45, 3)
    marks = {each["symbol"]: each["watermark_ms"] for each in lines(result, "bars.derived")}
    assert marks["A"] <= ends["A"]
    closed = [each["symbol"] for each in lines(result, "sessions") if each["state"] == "closed"]
    assert closed == ["C"]
    alone = write(tmp_path / "a.csv", [row(minute) for minute in range(5)])
    cut = run(tmp_path / "cut", Source(str(alone), "A"), toml=toml, until_ms=ends["A"])
    # What comes after the end of A is not in its results.
    ids = {each["id"] for each in lines(result, "bars.derived") if each["symbol"] == "A"}
    assert ids == {each["id"] for each in lines(cut, "bars.derived")}


def test_a_symbol_that_ends_at_a_time_has_its_clock_though_no_row_names_it(tmp_path: Path) -> None:
    book = write(tmp_path / "book.csv", [row(0)])
    counters = run(tmp_path, acme(book), until_by_symbol={"Q": OPEN_MS}).manifest["counters"]
    assert sorted(counters["symbols"]) == ["ACME", "Q"]
    assert (counters["until_clocks"], counters["left_out"]) == (1, 0)


QUIET = {
    "a header alone": [],
    "rows that cannot be read": [row(0, "x"), "soon"],
    "rows that are refused": [row(0, "-1")],
}


@pytest.mark.parametrize("rows", QUIET.values(), ids=QUIET.keys())
def test_until_reaches_a_symbol_whose_file_has_no_usable_row(
    tmp_path: Path, rows: list[str]
) -> None:
    close = OPEN_MS + 390 * MINUTE_MS
    book = write(tmp_path / "book.csv", [row(0)])
    quiet = write(tmp_path / "quiet.csv", rows)
    toml = '[instruments.default]\ncalendar = "XNYS"\n'
    sources = (Source(str(quiet), "A"), Source(str(book), "B"))
    result = run(tmp_path, *sources, toml=toml, until_ms=close)
    counters = result.manifest["counters"]
    assert (counters["until_clocks"], counters["clocks"]) == (2, 2)
    assert counters["symbols"]["A"]["clocks"] == 1
    [closed] = [each for each in lines(result, "sessions") if each["state"] == "closed"]
    # The clock of A comes first, by name.
    assert (closed["symbol"], closed["seq"] // 1_000_000) == ("B", len(rows) + 2)
    alone = run(tmp_path, *sources[1:], toml=toml, until_ms=close)
    assert [each["id"] for each in lines(alone, "sessions")] == [
        each["id"] for each in lines(result, "sessions")
    ]


def test_until_reaches_a_symbol_that_only_an_unreadable_row_names(tmp_path: Path) -> None:
    rows = [f"A,{row(0, 'x')}", "B", f"C,{row(0, '-1')}"]
    path = write(tmp_path / "book.csv", rows, header=f"symbol,{HEADER}")
    counters = run(tmp_path, Source(str(path)), until_ms=OPEN_MS).manifest["counters"]
    assert sorted(counters["symbols"]) == ["A", "C"]
    assert counters["until_clocks"] == 2


def test_until_reaches_no_symbol_that_is_neither_named_nor_configured(
    tmp_path: Path,
) -> None:
    toml = "[instruments]\ndefault = false\n"
    empty = write(tmp_path / "empty.csv", [], header=f"symbol,{HEADER}")
    result = run(tmp_path, Source(str(empty)), toml=toml, until_ms=OPEN_MS)
    assert result.manifest["counters"]["until_clocks"] == 0
    other = write(tmp_path / "other.csv", [row(0)])
    result = run(tmp_path, Source(str(other), "OTHER"), toml=toml, until_ms=OPEN_MS)
    assert result.manifest["counters"]["until_clocks"] == 0
    assert codes(result) == {"unknown_symbol": 1}


def test_until_reaches_every_symbol_of_a_log_that_is_sorted_first(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    refused = log_line(0).replace("ACME", "REFUSED").replace('"open":10', '"open":-1')
    unreadable = log_line(0).replace("ACME", "UNREADABLE").replace('"open":10', '"open":"x"')
    log.write_text("\n".join([log_line(0), refused, unreadable]) + "\n")
    result = run(tmp_path, Source(str(log)), until_ms=OPEN_MS + MINUTE_MS, as_corrected=True)
    # One for each at the end, and that of ACME at its watermark.
    assert result.manifest["counters"]["until_clocks"] == 4
    assert sorted(result.manifest["counters"]["symbols"]) == ["ACME", "REFUSED", "UNREADABLE"]


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
    assert result.manifest["counters"]["symbols"]["B"]["changed"] == 1
    assert lines(result, "rejects") == []
    opened = {event["symbol"]: event["seq"] for event in lines(result, "sessions")}
    assert opened == {"A": 0, "B": 1_000_000}


def test_a_log_is_taken_in_its_own_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    records = [log_line(0), log_line(5, "clock"), log_line(1), log_line(0, "cancel")]
    path.write_text("\n".join([*records, "{", '{"type":"bar"}']) + "\n")
    result = run(tmp_path, Source(str(path)))
    assert codes(result) == {"decode_error": 1, "schema_error": 1}
    counters = result.manifest["counters"]
    assert [counters[kind] for kind in ("accepted", "clocks", "late", "cancelled")] == [1, 1, 1, 1]
    missing = {event["id"]: event.get("missing") for event in lines(result, "gaps")}
    assert sorted(missing.values(), key=str) == [1, 3, None]


def test_two_logs_are_read_one_after_the_other(tmp_path: Path) -> None:
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl.gz"
    one.write_text(log_line(3) + "\n")
    two.write_bytes(gzip.compress(log_line(2).encode()))
    result = run(tmp_path, Source(str(one)), Source(str(two)))
    assert result.manifest["counters"]["late"] == 1


def test_the_same_file_twice_publishes_everything_once(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(minute) for minute in range(10)])
    result = run(tmp_path, acme(path), acme(path))
    assert result.manifest["counters"]["duplicates"] == 10
    assert result.manifest["counters"]["accepted"] == 10


def test_rows_out_of_order_are_no_late_bars_and_keep_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "book.csv", [row(2), "soon", row(0), row(1, "x"), row(1)])
    result = run(tmp_path, acme(path))
    assert codes(result) == {"schema_error": 2}
    counters = result.manifest["counters"]
    assert (counters["rows"], counters["accepted"], counters["late"]) == (5, 3, 0)
    # After the row before it: the first after the last minute, the other one after the first.
    assert [letter["source"] for letter in lines(result, "rejects")] == [f"{path}:5", f"{path}:3"]
    [opened] = [each for each in lines(result, "sessions") if each["state"] == "open"]
    assert opened["seq"] == 0
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert result.manifest["inputs"][0]["sha256"] == digest


def test_the_order_of_rows_does_not_change_a_byte(tmp_path: Path) -> None:
    rows = [row(minute, f"{10 + minute % 7}.00") for minute in range(390)]
    sorted_, turned = tmp_path / "sorted.csv", tmp_path / "turned.csv"
    expected = run(tmp_path / "a", acme(write(sorted_, rows)))
    found = run(tmp_path / "b", acme(write(turned, rows[::-1])))
    assert found.manifest["counters"] == expected.manifest["counters"]
    for topic in TOPICS:
        assert lines(found, topic) == lines(expected, topic)


def test_how_far_a_run_is_counts_the_rows_of_a_sorted_file_too(tmp_path: Path) -> None:
    rows = [row(minute) for minute in range(2 * PROGRESS_ROWS)]
    path = write(tmp_path / "book.csv", rows[::-1])
    seen: list[Progress] = []
    run(tmp_path, acme(path), progress=seen.append)
    assert [each.rows for each in seen] == [PROGRESS_ROWS, 2 * PROGRESS_ROWS]
    size = path.stat().st_size
    assert [each.bytes_read for each in seen] == [size // 2, size]


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
