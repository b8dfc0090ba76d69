"""Reading a store: view, topics, missing bars."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tapeline.streams.store.layout import StoreDamagedError, StoreError
from tapeline.streams.store.reading import StoreReader, topic_named
from tests.unit.streams.store.killing import Kill, run_until_killed
from tests.unit.streams.store.stores import (
    DAY_MINUTES,
    MINUTE_MS,
    label,
    load,
    row,
    view,
    walk,
    write,
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two days of A, the second one not over, with holes; one day of B."""
    days = walk(0) | walk(1, minutes=100)
    for minute in (50, 51, 60):
        del days[label(0, minute)]
    del days[label(1, 30)]
    a, b = write(tmp_path / "a.csv", days), write(tmp_path / "b.csv", walk(0, seed=1))
    load(tmp_path / "S", ("A", a), ("B", b))
    return tmp_path / "S"


def test_the_view_is_sorted_by_id(store: Path) -> None:
    with StoreReader(store) as reader:
        ids = [json.loads(line)["id"] for line in reader.view()]
    assert ids == sorted(ids)
    assert len(ids) == len(view(store))


@pytest.mark.parametrize(
    ("symbol", "kind"), [("A", None), (None, "gap"), ("A", "range"), ("A", "swing"), ("B", "gap")]
)
def test_the_view_can_be_narrowed(store: Path, symbol: str | None, kind: str | None) -> None:
    with StoreReader(store) as reader:
        found = [json.loads(line)["id"] for line in reader.view(symbol, kind)]
    assert found == [
        fact["id"]
        for fact in sorted(view(store).values(), key=lambda fact: fact["id"])
        if symbol in (None, fact["symbol"]) and kind in (None, fact["type"])
    ]
    assert bool(found) == (symbol != "B")


def test_an_unknown_type_is_refused(store: Path) -> None:
    with StoreReader(store) as reader, pytest.raises(StoreError, match="derived_bar"):
        list(reader.view(kind="bar"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tape.touches.v1", "tape.touches.v1"),
        ("touches", "tape.touches.v1"),
        ("touch", "tape.touches.v1"),
        ("bars.derived", "tape.bars.derived.v1"),
        ("derived_bar", "tape.bars.derived.v1"),
        ("rejects", "tape.rejects.v1"),
    ],
)
def test_a_topic_has_short_names(text: str, name: str) -> None:
    assert topic_named(text) == name


def test_an_unknown_topic_is_refused() -> None:
    with pytest.raises(StoreError, match=r"tape\.touches\.v1"):
        topic_named("bars")


def test_the_tail_of_a_topic_is_in_order_of_emission(store: Path) -> None:
    from_ms = label(0, 200)
    with StoreReader(store) as reader:
        events = [json.loads(line) for line in reader.tail("swings", "A", "swing", from_ms)]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert {event["symbol"] for event in events} == {"A"}
    assert min(event["event_ms"] for event in events) >= from_ms
    path = store / "topics" / "tape.swings.v1.jsonl"
    everything = [json.loads(line) for line in path.read_text().splitlines()]
    assert events == [
        event for event in everything if event["symbol"] == "A" and event["event_ms"] >= from_ms
    ]


def test_missing_bars_are_counted_by_session(store: Path) -> None:
    with StoreReader(store) as reader:
        first, second = reader.gaps()
        assert list(reader.gaps("B")) == []
        assert reader.sessions() == 3
    assert (first["session"], first["state"]) == ("2025-07-02", "closed")
    assert (first["expected"], first["present"], first["missing"]) == (DAY_MINUTES, 387, 3)
    assert [(hole["start_ms"], hole["missing"]) for hole in first["holes"]] == [
        (label(0, 50), 2),
        (label(0, 60), 1),
    ]
    # Of a session that is not over, what is over.
    assert (second["expected"], second["present"], second["missing"]) == (100, 99, 1)
    assert second["holes"][0]["end_ms"] == label(1, 30) + MINUTE_MS


def test_what_a_killed_run_had_not_committed_is_not_shown(store: Path, tmp_path: Path) -> None:
    before = view(store)
    with StoreReader(store) as reader:
        lines = list(reader.tail("swings"))
    files = [("A", write(tmp_path / "more.csv", walk(1)))]
    assert run_until_killed(store, files, {}, Kill("after_outputs"))
    assert view(store) == before
    with StoreReader(store) as reader:
        assert list(reader.tail("swings")) == lines


def test_a_store_can_be_read_while_a_run_writes(store: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def look(point: str) -> None:
        with StoreReader(store) as reader:
            seen.append(reader.checkpoint.log_records)

    more = walk(1) | {label(0, 9): row(label(0, 9), 12)}
    load(store, ("A", write(tmp_path / "more.csv", more)), hook=look)
    assert seen[:3] == [seen[0]] * 3
    assert seen[3] > seen[0]


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no store"):
        StoreReader(tmp_path)


def test_a_store_whose_state_is_gone_is_made_again_from_its_log(store: Path) -> None:
    shutil.rmtree(store / "state")
    with pytest.raises(StoreDamagedError, match=r"holds no state, .* --rebuild"):
        StoreReader(store)
