"""Rows of files as messages of the log."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tapeline.schemas.partition import partition_for
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import write_samples
from tapeline.streams.kafka.messages import Letter
from tests.unit.streams.embedded.books import (
    CONFIGURATION,
    MINUTE_MS,
    OPEN_MS,
    acme,
    log_line,
    row,
    run,
    write,
)
from tests.unit.streams.kafka.inputs import messages, published, record, refused, write_log


def test_a_bar_lies_in_its_groups_partition_under_its_symbol_at_its_end(tmp_path: Path) -> None:
    (sent,) = messages(acme(write(tmp_path / "a.csv", [row(3)])))
    assert (sent.kind, sent.symbol, sent.key) == ("bar", "ACME", b"ACME")
    assert sent.partition == partition_for("ACME", 12)
    assert sent.time_ms == OPEN_MS + 4 * MINUTE_MS
    bar = record(sent)
    assert isinstance(bar, Bar)
    assert (bar.start_ms, bar.close, bar.volume) == (OPEN_MS + 3 * MINUTE_MS, 10.0, 5)


def test_members_of_a_group_share_the_partition_of_its_id_and_keep_their_keys(
    tmp_path: Path,
) -> None:
    books = [
        Source(str(write(tmp_path / f"{symbol}.csv", [row(0)])), symbol) for symbol in ("ES", "NQ")
    ]
    sent = messages(*books, partitions=64)
    assert [each.key for each in sent] == [b"ES", b"NQ"]
    assert {each.partition for each in sent} == {partition_for("ES-NQ", 64)}
    assert partition_for("ES-NQ", 64) != partition_for("ES", 64)


def test_a_row_that_cannot_pass_is_a_dead_letter_that_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [row(0), row(1, "10.001"), "oops", row(2)])
    kinds = [type(each).__name__ for each in published(acme(path))]
    # Its bar is missing from the log, so the next one brings a clock.
    assert kinds == ["Message", "Letter", "Letter", "Message", "Message"]
    letters = [each for each in published(acme(path)) if isinstance(each, Letter)]
    assert [each.reject.code for each in letters] == ["off_tick", "schema_error"]
    assert [each.reject.source for each in letters] == [f"{path}:3", f"{path}:4"]
    assert letters[0].partition == partition_for("ACME", 12)
    assert base64.b64decode(letters[1].reject.raw) == b"oops"


def test_rows_in_any_order_are_published_as_those_of_the_sorted_table(tmp_path: Path) -> None:
    rows = [row(minute) for minute in (*range(30), *range(40, 60), 1_000)]
    expected = messages(acme(write(tmp_path / "a.csv", rows)))
    assert {each.kind for each in expected} == {"bar", "added_clock"}
    assert messages(acme(write(tmp_path / "b.csv", rows[::-1]))) == expected
    assert messages(acme(write(tmp_path / "c.csv", [*rows[25:], *rows[:25]]))) == expected
    odd = write(tmp_path / "d.csv", [rows[1], "oops", rows[0]])
    letters = [each for each in published(acme(odd)) if isinstance(each, Letter)]
    assert [each.reject.source for each in letters] == [f"{odd}:3"]


def test_a_hole_that_another_file_fills_has_no_clock(tmp_path: Path) -> None:
    whole = [row(minute) for minute in range(6)]
    holed = write(tmp_path / "a.csv", [whole[0], whole[1], whole[4], whole[5]])
    filling = write(tmp_path / "b.csv", [whole[2], whole[3]])
    assert [each.kind for each in messages(acme(holed), acme(filling))] == ["bar"] * 6
    half = write(tmp_path / "c.csv", [whole[2]])
    kinds = [(each.kind, each.time_ms) for each in messages(acme(holed), acme(half))]
    assert kinds[2:4] == [
        ("bar", OPEN_MS + 3 * MINUTE_MS),
        ("added_clock", OPEN_MS + 4 * MINUTE_MS),
    ]


def test_a_clock_comes_in_its_time_among_the_bars_of_other_symbols(tmp_path: Path) -> None:
    toml = '[instruments.ACME]\ncalendar = "XNYS"\n[instruments.OTHER]\ncalendar = "XNYS"\n'
    holed = acme(write(tmp_path / "a.csv", [row(0), row(4)]))
    other = Source(str(write(tmp_path / "o.csv", [row(minute) for minute in range(5)])), "OTHER")
    sent = messages(holed, other, toml=toml)
    times = [each.time_ms for each in sent]
    assert times == sorted(times)
    (clock,) = (each for each in sent if each.kind == "added_clock")
    assert record(clock) == Clock("ACME", OPEN_MS + 4 * MINUTE_MS)


LOG = [log_line(0), log_line(5), log_line(9, "clock"), log_line(5, "cancel"), log_line(6)]


def test_a_log_is_published_line_by_line_as_it_is_without_clocks(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [*LOG[:2], "{ odd", *LOG[2:], log_line(7).replace(",", ", ")]
    path.write_text("\n".join(lines) + "\n\n")
    sent = messages(Source(str(path)))
    assert [each.value.decode() for each in sent] == lines
    kinds = ["bar", "bar", "unreadable", "clock", "cancel", "bar", "bar"]
    assert [each.kind for each in sent] == kinds
    assert (sent[2].key, sent[2].partition) == (None, 0)
    assert [each.time_ms - OPEN_MS for each in sent if each.key] == [
        minutes * MINUTE_MS for minutes in (1, 6, 9, 6, 7, 8)
    ]


@pytest.mark.parametrize(
    "line",
    [
        log_line(1).replace('"start_ms":', '"start_ms":9'),
        log_line(1).replace('"start_ms":', '"start_ms":-'),
        log_line(1).replace(":10,", ":10.001,"),
        '{"type":"bar","symbol":"ACME"}',
    ],
)
def test_a_line_that_cannot_be_a_record_has_the_time_of_the_line_before(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f"{line}\n{log_line(0)}\n{line}\n")
    sent = messages(Source(str(path)))
    assert [each.time_ms for each in sent] == [0, OPEN_MS + MINUTE_MS, OPEN_MS + MINUTE_MS]
    assert {each.key for each in sent} == {b"ACME"}


def test_no_message_has_a_negative_time(tmp_path: Path) -> None:
    path = write(tmp_path / "old.csv", ["-86400000,1,1,1,1,1"])
    time = '[time]\nearliest = "1960-01-01"\n'
    (sent,) = messages(Source(str(path), "OLD"), toml=time + CONFIGURATION)
    assert sent.time_ms == 0


def test_the_clocks_that_are_added_change_no_fact_of_the_view(tmp_path: Path) -> None:
    write_samples(tmp_path, sessions=4)
    holed = Source(str(tmp_path / "es-holes.csv"), "ES")
    sent = messages(holed, toml="")
    assert {each.kind for each in sent} == {"bar", "added_clock"}
    plain = run(tmp_path / "plain", holed, toml="")
    clocked = run(
        tmp_path / "clocked", Source(str(write_log(tmp_path / "log.jsonl", sent))), toml=""
    )
    rejects = plain.manifest["counters"]["rejects"]
    assert clocked.manifest["counters"]["rejects"] == rejects == {}
    assert facts(clocked.folder) == facts(plain.folder)


def facts(folder: Path) -> dict[str, dict[str, object]]:
    """The last version of every id, without the fields that show when it was published."""
    found = {}
    for path in folder.glob("tape.*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            event = json.loads(line)
            for name in ("seq", "watermark_ms", "rev"):
                event.pop(name)
            found[event["id"]] = event
    return found


def test_refused_rows_of_a_table_are_counted_and_those_of_a_log_are_published_too(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.csv", [row(0), row(1, "10.001"), "oops", row(2, "10.001")])
    assert refused(acme(path)) == (1, {"off_tick": 2, "schema_error": 1})
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join([log_line(0), "no", log_line(1).replace("10", "10.001")]) + "\n")
    # What is wrong in a log the worker reports; that it will is known here.
    assert refused(Source(str(log))) == (3, {"decode_error": 1, "off_tick": 1})
