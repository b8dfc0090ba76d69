"""Events of every type as data frames of both libraries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, to_builtins
from msgspec.structs import fields, replace

from tapeline.replay import Replay
from tapeline.replay.export import Row, columns, events_in, to_pandas, to_polars
from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import built_in_config
from tapeline.schemas.documents.examples import event_examples
from tapeline.schemas.events import DerivedBar, Pair, Range, Reject, Retract, Swing, Touch
from tapeline.schemas.records import Cancel, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.calendars import load_calendar
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import corrections, sample_book

BOTH = [to_polars, to_pandas]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a log with corrections."""
    folder = tmp_path_factory.mktemp("run")
    futures = load_calendar("CME_EQUITY")
    es = list(sample_book("ES", futures, "2025-11-24", 3, 5))
    nq = sample_book("NQ", futures, "2025-11-24", 3, 6, 96_000)
    log: list[LogRecord] = [each for both in zip(es, nq, strict=True) for each in both]
    log += corrections(es, 7)
    log += [Cancel("ES", "1m", each.start_ms) for each in es[-400::7]]
    (folder / "log.jsonl").write_bytes(b"".join(encode(each) + b"\n" for each in log))
    run_files(built_in_config(), [Source(str(folder / "log.jsonl"))], folder / "out")
    return folder / "out"


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Rows as plain values, None where a cell is empty."""
    if hasattr(frame, "to_dicts"):
        found: list[dict[str, Any]] = frame.to_dicts()
        return found
    return [
        {name: None if value is frame[name].array.dtype.na_value else value for name, value in row}
        for row in (each.items() for each in frame.to_dict("records"))
    ]


def needed(export: Any) -> None:
    pytest.importorskip(export.__name__.removeprefix("to_"))


@pytest.mark.parametrize("export", BOTH)
@pytest.mark.parametrize("tag", EVENTS.types)
def test_every_type_has_its_fields_as_columns_with_and_without_rows(export: Any, tag: str) -> None:
    needed(export)
    event = event_examples()[tag]
    full = export(type(event), [event])
    empty = export(type(event), [])
    assert list(full.columns)[: len(list(empty.columns))] == list(empty.columns)
    [row] = rows_of(full)
    for field in fields(event):
        name, value = field.encode_name, getattr(event, field.name)
        if isinstance(value, str | int | float | bool | None) and name in row:
            assert row[name] == value
        elif isinstance(value, tuple) and value and isinstance(value[0], Struct):
            assert json.loads(row[name]) == list(to_builtins(value))
        elif isinstance(value, tuple):
            assert row[name].split() == list(value)
        elif name == "metadata":
            assert json.loads(row[name]) == value
        elif name == "values":
            assert {key: row[key] for key in value} == value
        else:
            assert any(each.startswith(f"{name}_") for each in row), name


@pytest.mark.parametrize("tag", EVENTS.types)
def test_every_type_can_be_kept_as_parquet_by_either_library(tag: str, tmp_path: Path) -> None:
    needed(to_polars)
    needed(to_pandas)
    parquet = pytest.importorskip("pyarrow.parquet")
    event = event_examples()[tag]
    to_polars(type(event), [event, event]).write_parquet(tmp_path / "polars.parquet")
    to_pandas(type(event), [event, event]).to_parquet(tmp_path / "pandas.parquet")
    found = [
        parquet.read_table(tmp_path / f"{name}.parquet").to_pylist()
        for name in ("polars", "pandas")
    ]
    assert found[0] == found[1] == rows_of(to_polars(type(event), [event, event]))


def test_events_of_live_feeds_are_read_from_the_topics_of_a_store(tmp_path: Path) -> None:
    hole, quiet = event_examples()["hole"], event_examples()["quiet"]
    path = tmp_path / "tape.feeds.v1.jsonl"
    path.write_bytes(b"".join(encode(each) + b"\n" for each in (hole, quiet, hole)))
    assert events_in(tmp_path, type(hole)) == [hole, hole]
    assert len(columns(type(hole), events_in(tmp_path, type(hole)), view=True)["id"][1]) == 1


def test_events_of_strategies_are_read_from_a_topic_of_several_types(tmp_path: Path) -> None:
    order, fill = event_examples()["order"], event_examples()["fill"]
    path = tmp_path / "tape.account.v1.jsonl"
    path.write_bytes(b"".join(encode(each) + b"\n" for each in (order, fill, order)))
    assert events_in(tmp_path, type(order)) == [order, order]
    assert events_in(tmp_path, type(fill)) == [fill]
    found = columns(type(order), events_in(tmp_path, type(order)), view=True)
    assert found["price"] == (float, [None])
    assert found["cause_0"] == (int, [1855])


def test_an_empty_list_of_objects_is_json_too() -> None:
    example: Any = event_examples()["signal"]
    signal = replace(example, inputs=(), metadata={})
    found = columns(type(signal), [signal])
    assert (found["inputs"], found["metadata"]) == ((str, ["[]"]), (str, ["{}"]))
    assert columns(type(signal), [])["metadata"] == (str, [])


def test_a_run_without_strategies_has_none_of_their_events(run: Path) -> None:
    assert events_in(run, type(event_examples()["signal"])) == []


@pytest.mark.parametrize("export", BOTH)
def test_versions_are_rows_and_the_view_has_one_of_each_fact(run: Path, export: Any) -> None:
    needed(export)
    lines = (run / "tape.swings.v1.jsonl").read_bytes().splitlines()
    events = events_in(run, Swing)
    versions = rows_of(export(Swing, events))
    assert [row["id"] for row in versions] == [json.loads(line)["id"] for line in lines]
    retracted = [row for row in versions if row["op"] == "retract"]
    assert retracted
    assert {row["price"] for row in retracted} == {None}
    latest: dict[str, dict[str, Any]] = {}
    for line in lines:
        fact = json.loads(line)
        latest.pop(fact["id"], None)
        if fact["op"] == "upsert":
            latest[fact["id"]] = fact
    view = {row["id"]: row for row in rows_of(export(Swing, events, view=True))}
    assert {each: row["price"] for each, row in view.items()} == {
        each: fact["price"] for each, fact in latest.items()
    }


@pytest.mark.parametrize("export", BOTH)
def test_instants_can_be_datetimes(run: Path, export: Any) -> None:
    needed(export)
    [plain, *_] = rows_of(export(Range, events_in(run, Range)))
    frame = export(Range, events_in(run, Range), datetimes=True)
    [dated, *_] = rows_of(frame)
    assert dated["to_ms"] == datetime.fromtimestamp(plain["to_ms"] / 1_000, UTC)
    assert dated["to_ms"].utcoffset() is not None
    assert dated["name"] == plain["name"]


@pytest.mark.parametrize("export", BOTH)
def test_a_length_in_milliseconds_is_no_datetime(export: Any) -> None:
    needed(export)
    limit = event_examples()["limit"]
    [row] = rows_of(export(type(limit), [limit], datetimes=True))
    assert row["at_ms"].year == 2025
    assert row["wait_ms"] == 17_000


def test_the_times_of_a_pair_are_a_column_for_each_symbol(run: Path) -> None:
    pairs = [each for each in events_in(run, Pair) if isinstance(each, Pair)]
    found = columns(Pair, pairs)
    for symbol in ("ES", "NQ"):
        kind, values = found[f"times_{symbol}"]
        assert kind is int
        assert values == [each.times[symbol] for each in pairs]


async def test_events_of_a_replay_are_those_of_its_run_directory(run: Path) -> None:
    async with Replay.files(built_in_config(), [run], symbols=["ES"]) as replayed:
        found: list[Row] = [each async for each in replayed.events(Touch, Retract)]
    due = [
        each
        for each in events_in(run, Touch)
        if not isinstance(each, Reject) and each.symbol == "ES"
    ]
    assert columns(Touch, found) == columns(Touch, due)
    assert columns(DerivedBar, found)["open"] == (float, [])
