"""Daily files into a store: what is new is taken, what is old is recognised."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
import rocksdict

from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.refusals import RejectLimit
from tapeline.streams.store.layout import StoreDamagedError, StoreError, state_prefix
from tests.unit.streams.store.stores import (
    CONFIGURATION,
    DAY_MS,
    MINUTE_MS,
    OPEN_MS,
    contents,
    folded,
    label,
    letters,
    load,
    log_lines,
    row,
    view,
    walk,
    write,
)


def fresh(tmp_path: Path, a: Path, b: Path | None = None) -> dict[str, dict[str, object]]:
    """The view of a new store over final files."""
    files = [("A", a)] if b is None else [("A", a), ("B", b)]
    load(tmp_path / "fresh", *files)
    return view(tmp_path / "fresh")


def test_overlapping_daily_files_leave_what_one_file_leaves(tmp_path: Path) -> None:
    days = [walk(day) for day in range(4)]
    for day in range(4):
        half = {start: text for start, text in days[day - 1].items() if start % 7} if day else {}
        load(tmp_path / "S", ("A", write(tmp_path / f"{day}.csv", half, days[day])))
    whole = write(tmp_path / "whole.csv", *days)
    assert view(tmp_path / "S") == fresh(tmp_path, whole)
    assert contents(tmp_path / "S") == contents(tmp_path / "fresh")


def test_a_second_run_over_the_same_file_changes_no_byte(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0), extra=("nonsense",))
    load(tmp_path / "S", ("A", book))
    before = contents(tmp_path / "S")
    result = load(tmp_path / "S", ("A", book))
    assert contents(tmp_path / "S") == before
    assert result.counts.rows["duplicate"] == 390
    assert result.counts.rows["rejected"] == 1
    assert len(letters(tmp_path / "S")) == 1


def test_a_corrected_file_leaves_what_the_right_one_leaves(tmp_path: Path) -> None:
    wrong = walk(1) | {label(1, 60): row(label(1, 60), 99)}
    del wrong[label(1, 200)]
    load(tmp_path / "S", ("A", write(tmp_path / "0.csv", walk(0))))
    load(tmp_path / "S", ("A", write(tmp_path / "wrong.csv", wrong)))
    load(tmp_path / "S", ("A", write(tmp_path / "2.csv", walk(2))))
    right = write(tmp_path / "right.csv", walk(1))
    result = load(tmp_path / "S", ("A", right))
    rows = result.counts.rows
    assert (rows["changed"], rows["late"], rows["duplicate"]) == (1, 1, 388)
    assert result.counts.facts["range"]["recalculated"] > 0
    whole = write(tmp_path / "whole.csv", walk(0), walk(1), walk(2))
    assert view(tmp_path / "S") == folded(tmp_path / "S") == fresh(tmp_path, whole)


def test_one_symbol_may_be_a_day_ahead_of_the_other(tmp_path: Path) -> None:
    a = [write(tmp_path / f"a{day}.csv", walk(day)) for day in range(3)]
    b = [write(tmp_path / f"b{day}.csv", walk(day, seed=2)) for day in range(3)]
    load(tmp_path / "S", ("A", a[0]))
    load(tmp_path / "S", ("A", a[1]), ("B", b[0]))
    load(tmp_path / "S", ("A", a[2]), ("B", b[1]))
    load(tmp_path / "S", ("B", b[2]))
    whole = write(tmp_path / "a.csv", *(walk(day) for day in range(3)))
    other = write(tmp_path / "b.csv", *(walk(day, seed=2) for day in range(3)))
    assert view(tmp_path / "S") == fresh(tmp_path, whole, other)


def test_from_ignores_earlier_rows(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0), walk(1))
    result = load(tmp_path / "S", ("A", book), from_ms=label(1, 0))
    assert result.counts.rows["skipped"] == 390
    assert result.counts.rows["new"] == 390
    assert log_lines(tmp_path / "S")[0]["start_ms"] == label(1, 0)


def test_replace_cancels_what_the_file_lacks_inside_its_span(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0), walk(1))))
    kept = {start: text for start, text in walk(0).items() if start < label(0, 300)}
    for minute in (10, 11, 200):
        del kept[label(0, minute)]
    del kept[label(0, 0)]
    replaced = write(tmp_path / "kept.csv", kept)
    result = load(tmp_path / "S", ("A", replaced), replace=True)
    assert result.counts.rows["cancelled"] == 3
    cancels = [each["start_ms"] for each in log_lines(tmp_path / "S") if each["type"] == "cancel"]
    assert cancels == [label(0, 10), label(0, 11), label(0, 200)]
    final = walk(0) | walk(1)
    for start in cancels:
        del final[start]
    assert view(tmp_path / "S") == fresh(tmp_path, write(tmp_path / "final.csv", final))


def test_a_refused_row_protects_its_slot_and_widens_nothing(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0), walk(1))))
    some = {label(0, minute): walk(0)[label(0, minute)] for minute in range(20)}
    some[label(0, 5)] = row(label(0, 5), -1)
    far = row(label(1, 0) + 60 * DAY_MS, 10)
    book = write(tmp_path / "some.csv", some, extra=(far,))
    result = load(tmp_path / "S", ("A", book), replace=True)
    assert result.counts.rows["cancelled"] == 0
    assert sorted(result.counts.rejects) == ["ahead_of_time", "bad_price"]


def test_replace_looks_at_all_files_of_the_run(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0))))
    even = {start: text for start, text in walk(0).items() if start // MINUTE_MS % 2 == 0}
    odd = {start: text for start, text in walk(0).items() if start // MINUTE_MS % 2}
    files = [("A", write(tmp_path / "even.csv", even)), ("A", write(tmp_path / "odd.csv", odd))]
    assert load(tmp_path / "S", *files, replace=True).counts.rows["cancelled"] == 0


def test_replace_with_from_leaves_what_is_earlier(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0))))
    ends = {start: walk(0)[start] for start in (label(0, 0), label(0, 389))}
    book = write(tmp_path / "ends.csv", {**ends, label(0, 380): walk(0)[label(0, 380)]})
    result = load(tmp_path / "S", ("A", book), replace=True, from_ms=label(0, 370))
    assert result.counts.rows["cancelled"] == 8


def test_clocks_are_kept_when_they_raise_the_watermark(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0, minutes=100))
    close = label(0, 390)
    load(tmp_path / "S", ("A", book), until_ms=close)
    other = write(tmp_path / "b.csv", walk(0, minutes=90))
    result = load(tmp_path / "S", ("A", other), until_ms=close)
    assert result.counts.rows["idle"] == 1
    assert [each for each in log_lines(tmp_path / "S") if each["type"] == "clock"] == [
        {"type": "clock", "symbol": "A", "time_ms": close}
    ]
    assert result.symbols["A"]["last_ms"] == close


def test_a_clock_reaches_a_symbol_whose_file_has_no_usable_row(tmp_path: Path) -> None:
    """As it does with one row that is a duplicate."""
    evening = label(1, 395)
    book = write(tmp_path / "a.csv", walk(0, minutes=100))
    files = {
        "duplicate": write(tmp_path / "duplicate.csv", walk(0, minutes=1)),
        "header": write(tmp_path / "header.csv"),
        "unreadable": write(
            tmp_path / "unreadable.csv", walk(0, minutes=1), extra=("soon,1,1,1,1,1",)
        ),
    }
    views = {}
    for name, path in files.items():
        load(tmp_path / name, ("A", book))
        result = load(tmp_path / name, ("A", path), until_ms=evening)
        assert result.symbols["A"]["last_ms"] == evening
        assert (result.counts.rows["clock"], result.counts.appended) == (1, 1)
        views[name] = view(tmp_path / name)
        again = load(tmp_path / name, ("A", path), until_ms=evening)
        assert again.counts.rows["clock"] == 0
    assert views["header"] == views["unreadable"] == views["duplicate"]
    sessions = [fact for name, fact in views["header"].items() if name.startswith("session")]
    assert [fact["state"] for fact in sessions] == ["closed", "closed"]


def test_a_clock_begins_no_history(tmp_path: Path) -> None:
    header = write(tmp_path / "header.csv")
    result = load(tmp_path / "S", ("A", header), until_ms=label(0, 390))
    assert view(tmp_path / "S") == {}
    assert result.counts.rows["clock"] == 1
    assert [each["type"] for each in log_lines(tmp_path / "S")] == ["clock"]


def test_the_log_of_a_store_makes_the_same_store_again(tmp_path: Path) -> None:
    wrong = walk(1) | {label(1, 60): row(label(1, 60), 99)}
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0), wrong)), until_ms=label(1, 395))
    load(tmp_path / "S", ("A", write(tmp_path / "b.csv", walk(1))))
    load(tmp_path / "again", ("", tmp_path / "S" / "log.jsonl"))
    assert contents(tmp_path / "again") == contents(tmp_path / "S")


def test_a_change_beyond_the_horizon_rebuilds_the_store(tmp_path: Path) -> None:
    days = [walk(day) for day in range(6)]
    others = [walk(day, seed=4) for day in range(6)]
    wrong = days[0] | {label(0, 60): row(label(0, 60), 99)}
    del wrong[label(0, 300)]
    b = write(tmp_path / "b.csv", *others)
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", wrong, *days[1:])), ("B", b))
    result = load(tmp_path / "S", ("A", write(tmp_path / "right.csv", days[0])))
    rows = result.counts.rows
    assert (rows["changed"], rows["late"], rows["duplicate"]) == (1, 1, 388)
    assert result.counts.rebuilt == ["pair"]
    right = write(tmp_path / "whole.csv", *days)
    assert view(tmp_path / "S") == folded(tmp_path / "S") == fresh(tmp_path, right, b)
    # It goes on as a store that was never wrong.
    more = write(tmp_path / "more.csv", walk(6))
    load(tmp_path / "S", ("A", more), ("B", write(tmp_path / "b6.csv", walk(6, seed=4))))
    load(tmp_path / "fresh", ("A", more), ("B", tmp_path / "b6.csv"))
    assert view(tmp_path / "S") == folded(tmp_path / "S") == view(tmp_path / "fresh")


def test_history_that_comes_after_the_present_rebuilds_the_store(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "now.csv", walk(5), walk(6))))
    result = load(tmp_path / "S", ("A", write(tmp_path / "then.csv", walk(0), walk(1))))
    assert result.counts.rebuilt == ["pair"]
    assert result.counts.rows["late"] == 780
    whole = write(tmp_path / "a.csv", walk(0), walk(1), walk(5), walk(6))
    assert view(tmp_path / "S") == folded(tmp_path / "S") == fresh(tmp_path, whole)


def test_a_cancel_beyond_the_horizon_takes_effect(tmp_path: Path) -> None:
    days = [walk(day) for day in range(5)]
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", *days)))
    del days[0][label(0, 7)]
    result = load(tmp_path / "S", ("A", write(tmp_path / "0.csv", days[0])), replace=True)
    assert result.counts.rows["cancelled"] == 1
    assert result.counts.rebuilt == ["pair"]
    assert view(tmp_path / "S") == fresh(tmp_path, write(tmp_path / "right.csv", *days))


def test_old_rows_that_are_equal_are_duplicates(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", *(walk(day) for day in range(5)))
    load(tmp_path / "S", ("A", book))
    result = load(tmp_path / "S", ("A", book))
    assert result.counts.rows["duplicate"] == 5 * 390
    assert result.counts.rebuilt == []


def test_a_pause_that_a_clock_had_bridged_does_not_stop_a_rebuild(tmp_path: Path) -> None:
    toml = CONFIGURATION.replace("horizon_sessions", 'max_ahead = "9d"\nhorizon_sessions')
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0))), toml=toml)
    log = tmp_path / "clock.jsonl"
    log.write_text(f'{{"type":"clock","symbol":"A","time_ms":{label(5, 0)}}}\n')
    load(tmp_path / "S", ("", log), toml=toml)
    load(tmp_path / "S", ("A", write(tmp_path / "7.csv", walk(7))), toml=toml)
    changed = walk(0) | {label(0, 9): row(label(0, 9), 55)}
    result = load(tmp_path / "S", ("A", write(tmp_path / "c.csv", changed)), toml=toml)
    assert result.counts.rebuilt == ["pair"]
    assert result.counts.rejects == {}


def test_of_two_files_that_do_not_agree_the_later_one_counts(tmp_path: Path) -> None:
    wrong = {start: text.replace(",5", ",6") for start, text in walk(0).items()}
    bad = walk(0) | {label(0, 9): row(label(0, 9), -1)}
    files = [("A", write(tmp_path / "1.csv", wrong)), ("A", write(tmp_path / "2.csv", bad))]
    result = load(tmp_path / "S", *files)
    rows = result.counts.rows
    assert (rows["new"], rows["superseded"], rows["rejected"]) == (390, 389, 1)
    right = walk(0) | {label(0, 9): wrong[label(0, 9)]}
    assert view(tmp_path / "S") == fresh(tmp_path, write(tmp_path / "right.csv", right))
    more = ("A", write(tmp_path / "3.csv", walk(1)))
    again = load(tmp_path / "S", *files, more).counts.rows
    assert (again["new"], again["changed"], again["duplicate"]) == (390, 0, 390)


def test_the_same_run_again_has_nothing_to_do(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    load(tmp_path / "other", ("A", write(tmp_path / "a.csv", walk(0))))
    load(tmp_path / "other", ("A", write(tmp_path / "b.csv", {label(0, 5): row(label(0, 5), 3)})))
    log.write_bytes((tmp_path / "other" / "log.jsonl").read_bytes() + b"{\n")
    first = load(tmp_path / "S", ("", log), until_ms=label(0, 390))
    before = contents(tmp_path / "S")
    result = load(tmp_path / "S", ("", log), until_ms=label(0, 390))
    assert contents(tmp_path / "S") == before
    assert first.counts.rows["changed"] == 1
    assert (result.counts.rows["duplicate"], result.counts.rows["rejected"]) == (392, 1)
    assert not result.resumed


def test_many_corrections_are_left_to_one_rebuild(tmp_path: Path) -> None:
    others = write(tmp_path / "b.csv", *(walk(day, seed=5) for day in range(4)))
    wrong = {start: text.replace(",5", ",6") for start, text in walk(2).items() if start % 7}
    days = [walk(0), walk(1), wrong, walk(3)]
    load(tmp_path / "S", ("A", write(tmp_path / "wrong.csv", *days)), ("B", others))
    # Twice the same slots in one run, and a day that is new to the engine: the last version counts.
    again = {start: text.replace(",5", ",7") for start, text in walk(2).items()}
    twice = write(tmp_path / "again.csv", again, extra=tuple(walk(2).values()))
    files = [twice, write(tmp_path / "new.csv", walk(4))]
    result = load(tmp_path / "S", *(("A", file) for file in files), least_again=2_000)
    assert result.counts.rebuilt == ["pair"]
    assert 2_000 < result.counts.bars_again < 5_000
    whole = write(tmp_path / "whole.csv", *(walk(day) for day in range(5)))
    assert view(tmp_path / "S") == folded(tmp_path / "S") == fresh(tmp_path, whole, others)
    load(tmp_path / "again", ("", tmp_path / "S" / "log.jsonl"))
    assert view(tmp_path / "again") == view(tmp_path / "S")


def test_another_process_is_refused(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0))
    load(tmp_path / "S", ("A", book))
    lock = os.open(tmp_path / "S" / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(StoreError, match="another process"):
        load(tmp_path / "S", ("A", book))
    os.close(lock)
    load(tmp_path / "S", ("A", book))


@pytest.mark.parametrize(
    "change",
    [
        ("tick = 0.01", "tick = 0.005"),
        ('ranges = ["prior_session"]', "ranges = []"),
        ("horizon_sessions = 2", "horizon_sessions = 3"),
        ('pair = ["A", "B"]', 'pair = ["B", "A"]'),
    ],
)
def test_another_configuration_of_a_group_is_refused(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    book = write(tmp_path / "a.csv", walk(0))
    load(tmp_path / "S", ("A", book))
    with pytest.raises(StoreError, match=r"log\.jsonl --store NEW|--rebuild"):
        load(tmp_path / "S", ("A", book), toml=CONFIGURATION.replace(*change))


def test_a_state_that_lost_a_record_is_refused_with_the_way_out(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "0.csv", walk(0), walk(1))))
    changed = {label(1, 60): row(label(1, 60), 99)}
    load(tmp_path / "S", ("A", write(tmp_path / "1.csv", changed)))
    options = rocksdict.Options(raw_mode=True)
    database = rocksdict.Rdict(str(tmp_path / "S" / "state"), options)
    lost = state_prefix("pair") + b"revisions/0"
    assert lost in database
    del database[lost]
    database.close()
    with pytest.raises(
        StoreError,
        match=r"S: the state of group pair is incomplete: there is no 'revisions/0'; .*--store",
    ):
        load(tmp_path / "S", ("A", write(tmp_path / "2.csv", walk(2))))


def test_other_groups_may_come_and_change(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0))
    load(tmp_path / "S", ("A", book))
    toml = CONFIGURATION + '\n[instruments.C]\ncalendar = "XNYS"\n'
    load(tmp_path / "S", ("C", book), toml=toml)
    assert {fact["symbol"] for fact in view(tmp_path / "S").values()} == {"A", "C"}


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0))
    with pytest.raises(StoreError, match=r"a\.csv"):
        load(tmp_path, ("A", book))
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_an_input_that_cannot_be_used_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        load(tmp_path / "S", ("A", tmp_path / "nowhere.csv"))
    assert not (tmp_path / "S").exists()


def test_the_log_of_the_store_is_no_input_of_it(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0))))
    with pytest.raises(StoreError, match="in the store itself"):
        load(tmp_path / "S", ("", tmp_path / "S" / "log.jsonl"))


def test_a_link_to_the_log_of_the_store_is_no_input_of_it_either(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0, minutes=10))))
    (tmp_path / "log.jsonl").symlink_to("S/log.jsonl")
    (tmp_path / "link").symlink_to("S")
    for path, folder in (("log.jsonl", "S"), ("S/log.jsonl", "link"), ("link/log.jsonl", "S")):
        with pytest.raises(StoreError, match="lies in the store itself"):
            load(tmp_path / folder, ("", tmp_path / path))


def test_links_in_a_circle_are_no_input(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to("log.jsonl")
    with pytest.raises(InputError, match=r"log\.jsonl"):
        load(tmp_path / "S", ("", tmp_path / "log.jsonl"))


def test_a_state_that_was_lost_is_made_again_from_the_log(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0), walk(1))
    load(tmp_path / "S", ("A", book))
    before = contents(tmp_path / "S"), view(tmp_path / "S")
    for path in (tmp_path / "S" / "state").iterdir():
        path.unlink()
    result = load(tmp_path / "S", ("A", book), step_rows=100)
    assert result.repaired
    assert result.counts.recovered == 780
    assert (contents(tmp_path / "S"), view(tmp_path / "S")) == before


def test_a_topic_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0))
    load(tmp_path / "S", ("A", book))
    os.truncate(tmp_path / "S" / "topics" / "tape.swings.v1.jsonl", 10)
    with pytest.raises(StoreDamagedError, match=r"swings.*missing at its end.*--rebuild"):
        load(tmp_path / "S", ("A", book))


def test_replace_of_a_log_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(f'{{"type":"clock","symbol":"A","time_ms":{OPEN_MS}}}\n')
    with pytest.raises(InputError, match="--replace"):
        load(tmp_path / "S", ("", log), replace=True)


def test_a_file_in_another_unit_leaves_a_store_as_it_was(tmp_path: Path) -> None:
    book = write(tmp_path / "a.csv", walk(0))
    seconds = tmp_path / "s.csv"
    seconds.write_text(book.read_text().replace("000,", ","))
    with pytest.raises(InputError, match="give --time-unit s"):
        load(tmp_path / "S", ("A", seconds))
    assert not (tmp_path / "S").exists()
    load(tmp_path / "S", ("A", book))
    before = contents(tmp_path / "S")
    with pytest.raises(InputError, match="give --time-unit s"):
        load(tmp_path / "S", ("A", seconds), replace=True)
    assert contents(tmp_path / "S") == before
    result = load(tmp_path / "S", ("A", seconds), time_unit="s")
    assert result.counts.rows["duplicate"] == 390


def test_a_bar_of_1970_in_a_log_is_refused_and_the_right_bars_are_taken(tmp_path: Path) -> None:
    early = {"type": "bar", "symbol": "COIN", "interval": "1m", "start_ms": 1_704_960_000}
    prices = dict.fromkeys(("open", "high", "low", "close"), 1)
    log = tmp_path / "log.jsonl"
    right = [early | prices | {"start_ms": 1_704_958_800_000 + at * MINUTE_MS} for at in range(3)]
    log.write_text("".join(json.dumps(each) + "\n" for each in [early | prices, *right]))
    result = load(tmp_path / "S", ("", log))
    assert result.counts.rows["new"] == 3
    assert [letter["code"] for letter in letters(tmp_path / "S")] == ["implausible_time"]


def test_other_plausible_times_are_no_other_configuration_of_a_store(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0))))
    toml = f'[time]\nlatest = "2025-07-03"\n{CONFIGURATION}'
    book = write(tmp_path / "b.csv", walk(0), walk(1))
    result = load(tmp_path / "S", ("A", book), toml=toml, max_rejects=RejectLimit.parse("50%"))
    assert (result.counts.rows["duplicate"], result.counts.rows["rejected"]) == (390, 390)


CHANGE_MS = 1_730_613_600_000
"""2024-11-03 06:00 UTC: 01:59 daylight time in New York is followed by 01:00 standard time."""
COIN = '[instruments.COIN]\ntick = 0.01\ncalendar = "24/7"\n'


def test_replace_keeps_both_passes_of_an_hour_that_a_file_does_not_resolve(tmp_path: Path) -> None:
    night = {at: CHANGE_MS + at * MINUTE_MS for at in range(-90, 90)}
    stamps = {start: row(start, 10 + at % 7 / 100) for at, start in night.items()}
    load(tmp_path / "S", ("COIN", write(tmp_path / "a.csv", stamps)), toml=COIN)
    before = contents(tmp_path / "S")
    local = tmp_path / "local.csv"
    lines = [
        f"2024-11-03 {(360 + at - (240 if at < 0 else 300)) // 60:02d}:{at % 60:02d}:00"
        + stamps[start][len(str(start)) :]
        for at, start in night.items()
    ]
    options: dict[str, Any] = {"toml": COIN, "zone": "America/New_York", "replace": True}
    local.write_text("\n".join(("time,open,high,low,close,volume", *lines)) + "\n")
    assert load(tmp_path / "S", ("COIN", local), **options).counts.rows["duplicate"] == 180
    assert contents(tmp_path / "S") == before
    once = [line for at, line in zip(night, lines, strict=True) if not 0 <= at < 60]
    local.write_text("\n".join(("time,open,high,low,close,volume", *once)) + "\n")
    result = load(tmp_path / "S", ("COIN", local), **options)
    assert (result.counts.rows["rejected"], result.counts.rows["cancelled"]) == (60, 0)
    assert {letter["code"] for letter in letters(tmp_path / "S")} == {"ambiguous_time"}


def test_replace_keeps_the_slot_of_a_row_with_an_unreadable_price(tmp_path: Path) -> None:
    load(tmp_path / "S", ("A", write(tmp_path / "a.csv", walk(0))))
    book = walk(0) | {label(0, 7): f"{label(0, 7)},ten,1,1,1,5"}
    result = load(tmp_path / "S", ("A", write(tmp_path / "b.csv", book)), replace=True)
    assert (result.counts.rows["rejected"], result.counts.rows["cancelled"]) == (1, 0)
