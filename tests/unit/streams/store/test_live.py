"""A live store: small commits, provenance, operations of the feed, rebuilds that wait."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tapeline.schemas.feed_events import Hole, Limit
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.pipeline.log_writer import LogBatch
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tapeline.streams.store.from_log import make_again
from tapeline.streams.store.layout import StoreError
from tapeline.streams.store.live import LiveStore
from tapeline.streams.store.opened import no_hook
from tapeline.streams.store.reading import StoreReader
from tests.unit.streams.store.live_books import CONFIG, RECEIVED_MS, bars, entries
from tests.unit.streams.store.stores import (
    folded,
    label,
    letters,
    load,
    log_lines,
    view,
    walk,
    write,
)

MAX_WAIT_SECONDS = 120
POINTS = ("before_log", "after_log", "after_outputs", "after_state")
HOLE = Hole("hole|demo|1|0", "demo", None, RECEIVED_MS, 1, 0, None, "disconnect", "open", 0, 3)
LIMIT = Limit("limit|demo|history", "demo", None, RECEIVED_MS, 17_000, 429)


def live(folder: Path, **options: object) -> LiveStore:
    return LiveStore(CONFIG, folder, **options)  # type: ignore[arg-type]


def take(store: LiveStore, records: Iterator[Bar], size: int) -> None:
    while batch := tuple(islice(records, size)):
        store.write("demo", LogBatch(entries(*batch)))


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Two days of a symbol as a file."""
    return write(tmp_path / "a.csv", walk(0), walk(1, step=3))


@pytest.mark.parametrize("size", [1, 7, 500])
def test_bars_in_batches_lead_to_the_view_of_a_file(tmp_path: Path, days: Path, size: int) -> None:
    load(tmp_path / "file", ("A", days))
    with live(tmp_path / "live") as store:
        take(store, bars("A", {**walk(0), **walk(1, step=3)}), size)
    assert view(tmp_path / "live") == view(tmp_path / "file")
    assert view(tmp_path / "live") == folded(tmp_path / "live")


def test_what_is_committed_is_there_while_the_store_is_open(tmp_path: Path) -> None:
    with live(tmp_path / "s") as store:
        store.write("demo", LogBatch(entries(*bars("A", walk(0, minutes=5)))))
        with StoreReader(tmp_path / "s") as reader:
            assert reader.checkpoint.log_records == 5


def test_a_batch_without_effect_commits_nothing(tmp_path: Path) -> None:
    book = list(bars("A", walk(0, minutes=5)))
    with live(tmp_path / "s") as store:
        store.write("demo", LogBatch(entries(*book)))
        with StoreReader(tmp_path / "s") as reader:
            commits = reader.checkpoint.commits
        store.write("demo", LogBatch(entries(*book, Clock("A", book[0].start_ms))))
        store.write("demo", LogBatch(()))
        with StoreReader(tmp_path / "s") as reader:
            assert reader.checkpoint.commits == commits


def test_each_record_of_the_log_has_its_provenance(tmp_path: Path, days: Path) -> None:
    folder = tmp_path / "s"
    load(folder, ("A", days))
    before = len(log_lines(folder))
    [late] = bars("A", {label(1, 1): walk(1)[label(1, 1)]})
    with live(folder) as store:
        assert store.read_back("demo", ["A"]).symbols["A"].feeds == set()
        store.write("demo", LogBatch(entries(*bars("A", walk(1)), late)))
    lines = (folder / "provenance.jsonl").read_text().splitlines()
    assert len(lines) == len(log_lines(folder))
    assert set(lines[:before]) == {"null"}
    assert {tuple(json.loads(line)) for line in lines[before:]} == {
        ("A", "demo", "stream", RECEIVED_MS)
    }


@pytest.mark.parametrize("kept", [0, 1, 300, 10_000])
def test_a_provenance_that_is_short_or_long_is_no_error(tmp_path: Path, kept: int) -> None:
    folder = tmp_path / "s"
    with live(folder) as store:
        take(store, bars("A", walk(0)), 100)
    path = folder / "provenance.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, *lines][:kept]) + b'["A","de')
    with live(folder) as store:
        take(store, bars("A", walk(1, minutes=10)), 100)
    found = path.read_text().splitlines()
    assert len(found) == len(log_lines(folder)) == 400
    assert found[:kept][:390] == [line.decode().rstrip() for line in lines[:kept]]
    assert found[390:] == [lines[0].decode().rstrip()] * 10
    assert found[kept:390] == ["null"] * max(0, 390 - kept)


def test_a_store_that_was_killed_goes_on_from_what_it_reads_back(tmp_path: Path) -> None:
    book = [*bars("A", walk(0)), *bars("A", walk(1))]
    load(tmp_path / "whole", ("A", write(tmp_path / "a.csv", walk(0), walk(1))))
    for number, point in enumerate(POINTS):
        folder = tmp_path / point
        assert _killed(folder, point, 3 + number)
        with live(folder) as store:
            known = store.read_back("demo", ["A", "B"])
            seen = known.symbols["A"].seen
            assert seen
            assert [bar for bar in book if bar.start_ms in seen] == list(seen.values())
            assert known.symbols["A"].watermark_ms == max(seen) + 60_000
            assert known.symbols["B"].watermark_ms is None
            store.write(
                "demo", LogBatch(entries(*(bar for bar in book if bar.start_ms not in seen)))
            )
        assert view(folder) == view(tmp_path / "whole")
        assert view(folder) == folded(folder)
        assert len(log_lines(folder)) == len(book)


def _killed(folder: Path, point: str, nth: int) -> bool:
    process = multiprocessing.get_context("forkserver").Process(
        target=_write_until_killed, args=(folder, point, nth)
    )
    process.start()
    process.join(MAX_WAIT_SECONDS)
    return process.exitcode == -signal.SIGKILL


def _write_until_killed(folder: Path, point: str, nth: int) -> None:
    left = nth

    def hook(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    with live(folder, hook=hook) as store:
        take(store, bars("A", walk(0)), 60)


def test_the_bars_of_two_sessions_are_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with live(folder) as store:
        take(store, bars("A", {**walk(0), **walk(1), **walk(2, minutes=9)}), 500)
        known = store.read_back("demo", ["A"]).symbols["A"]
    assert known.seen.keys() == {*walk(1), *walk(2, minutes=9)}
    assert known.feeds == {"demo"}


def test_the_feed_that_wrote_a_symbol_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with live(folder) as store:
        store.write("demo", LogBatch(entries(*bars("A", walk(0, minutes=3)))))
    with live(folder) as store:
        assert store.read_back("demo", ["A"]).symbols["A"].feeds == {"demo"}


def test_operations_are_kept_beside_the_view_and_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with live(folder) as store:
        store.write("demo", LogBatch((HOLE, LIMIT)))
        store.write("demo", LogBatch((*entries(*bars("A", walk(0, minutes=2))), LIMIT)))
        known = store.read_back("demo", [])
    assert known.limits_of("demo") == [LIMIT]
    assert known.open_holes == [HOLE]
    with StoreReader(folder) as reader:
        assert [json.loads(line)["type"] for line in reader.tail("feeds")] == [
            "hole",
            "limit",
            "limit",
        ]
    assert not any(fact.startswith(("hole", "limit")) for fact in view(folder))


def test_a_hole_that_is_closed_is_no_open_one(tmp_path: Path) -> None:
    with live(tmp_path / "s") as store:
        closed = Hole(
            HOLE.id, "demo", None, RECEIVED_MS, 1, 0, 180_000, "disconnect", "filled", 3, 0
        )
        store.write("demo", LogBatch((HOLE, closed)))
        assert store.read_back("demo", []).open_holes == []
    with live(tmp_path / "s") as store:
        store.write("demo", LogBatch((HOLE,)))
        assert store.read_back("demo", []).open_holes == [HOLE]
        assert store.read_back("other", []).open_holes == []


def test_operations_and_dead_letters_outlive_a_state_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    letter = dead_letter("feed:demo:1:1", b"{", Refusal("decode_error", "truncated", None))
    with live(folder) as store:
        store.write(
            "demo", LogBatch((*entries(*bars("A", walk(0, minutes=9))), HOLE, letter, letter))
        )
    before = view(folder)
    make_again(CONFIG, folder)
    assert view(folder) == before
    assert [each["source"] for each in letters(folder)] == ["feed:demo:1:1"]
    with live(folder) as store:
        assert store.read_back("demo", []).open_holes == [HOLE]


def test_a_record_that_the_engine_refuses_is_a_dead_letter(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    [bar] = bars("A", walk(0, minutes=1))
    far = Clock("A", bar.start_ms + 40 * 86_400_000)
    with live(folder) as store:
        store.write("demo", LogBatch(entries(bar, far)))
    [letter] = letters(folder)
    assert (letter["code"], letter["source"]) == ("ahead_of_time", f"feed:demo:{RECEIVED_MS}:1")
    assert len(log_lines(folder)) == 1


def test_what_is_left_to_a_rebuild_is_named_and_run_again_in_time(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    book = {**walk(0, step=2), **{k: v for day in range(1, 6) for k, v in walk(day).items()}}
    with live(folder, rebuild_every_ms=1_000) as store:
        take(store, bars("A", book), 500)
        assert store.stale_groups() == ()
        take(store, bars("A", walk(0)), 500)
        assert store.stale_groups() == ("pair",)
        assert not store.rebuild_due(999)
        assert store.rebuild_due(1_000)
        assert store.stale_groups() == ()
        assert not store.rebuild_due(9_000)
        [bar] = bars("A", {label(0, 1): walk(0, seed=5)[label(0, 1)]})
        store.write("demo", LogBatch(entries(bar)))
        assert store.stale_groups() == ("pair",)
        assert not store.rebuild_due(1_999)
    load(
        tmp_path / "file",
        (
            "A",
            write(tmp_path / "a.csv", book, walk(0), {bar.start_ms: walk(0, seed=5)[bar.start_ms]}),
        ),
    )
    assert view(folder) == view(tmp_path / "file")


def test_corrections_go_on_after_a_rebuild(tmp_path: Path) -> None:
    with live(tmp_path / "s", rebuild_every_ms=0) as store:
        take(store, bars("A", walk(0)), 500)
        keeper = store._keeper
        keeper._least_again = 300
        for number in range(3):
            [bar] = bars("A", {label(0, 1): walk(0, seed=number + 1)[label(0, 1)]})
            store.write("demo", LogBatch(entries(bar)))
        assert store.stale_groups() == ("pair",)
        assert store.rebuild_due(1)
        [bar] = bars("A", {label(0, 300): walk(0, seed=9)[label(0, 300)]})
        store.write("demo", LogBatch(entries(bar)))
        assert store.stale_groups() == ()


def test_a_store_has_one_writer(tmp_path: Path) -> None:
    with (
        live(tmp_path / "s"),
        pytest.raises(StoreError, match="another process is writing"),
        live(tmp_path / "s", hook=no_hook),
    ):
        pass
