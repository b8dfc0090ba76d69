"""Rows of a Parquet file."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_zone
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.parquet_feed import ParquetFeed
from tapeline.streams.feeds.times import TableTimes
from tapeline.streams.pipeline.refusals import Refusal
from tests.unit.streams.feeds.any_time import ANY_TIME

pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is not installed")

START = datetime(2025, 7, 2, 13, 30, tzinfo=UTC)
START_MS = 1_751_463_000_000
PRICES: dict[str, Any] = {"open": [1.5], "high": [2.0], "low": [1.0], "close": [1.25]}


def _feed(folder: Path, columns: dict[str, Any], symbol: str | None = "X") -> ParquetFeed:
    path = folder / "book.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return ParquetFeed(str(path), symbol, lambda _: "1m", ANY_TIME)


TIMES = {
    "milliseconds": ("start_ms", pyarrow.array([START_MS], pyarrow.int64())),
    "timestamp with zone": ("time", pyarrow.array([START], pyarrow.timestamp("us", "UTC"))),
    "nanoseconds": ("time", pyarrow.array([START_MS * 10**6], pyarrow.timestamp("ns", "UTC"))),
    "another zone": ("time", pyarrow.array([START], pyarrow.timestamp("ms", "America/New_York"))),
    "text": ("timestamp", pyarrow.array(["2025-07-02T09:30:00-04:00"])),
}


@pytest.mark.parametrize(("name", "times"), TIMES.values(), ids=TIMES.keys())
def test_a_time_may_be_of_several_types(tmp_path: Path, name: str, times: Any) -> None:
    feed = _feed(tmp_path, {name: times, **PRICES, "vwap": [1.1], "volume": [7]})
    [(bar, _, line)] = feed
    assert (bar, line) == (Bar("X", "1m", START_MS, 1.5, 2.0, 1.0, 1.25, 7, "file"), 1)
    assert feed.ignored == ("vwap",)
    assert feed.rows == 1
    assert feed.sha256() == hashlib.sha256((tmp_path / "book.parquet").read_bytes()).hexdigest()
    feed.close()


def test_a_missing_value_is_an_empty_cell(tmp_path: Path) -> None:
    prices = {name: pyarrow.array([1.0, None], pyarrow.float64()) for name in PRICES}
    volume = pyarrow.array([None, 2.0], pyarrow.float64())
    feed = _feed(
        tmp_path, {"time": [0, 60_000], **prices, "volume": volume, "symbol": ["A", "B"]}, None
    )
    (bar, _, _), (refusal, row, line) = feed
    assert isinstance(bar, Bar)
    assert (bar.symbol, bar.volume) == ("A", None)
    assert refusal == Refusal("schema_error", "open: is empty", "B", (60_000,))
    assert json.loads(feed.raw(row)) == {
        "time": "60000",
        "open": "",
        "high": "",
        "low": "",
        "close": "",
        "volume": "2.0",
        "symbol": "B",
    }
    assert line == 2
    feed.close()


STAMPS = {
    "a microsecond": ("us", START_MS * 1_000 + 1, "2025-07-02T13:30:00.000001+00:00"),
    "a nanosecond": ("ns", START_MS * 1_000_000 + 1, "2025-07-02T13:30:00.000000001+00:00"),
}


@pytest.mark.parametrize(("unit", "count", "text"), STAMPS.values(), ids=STAMPS.keys())
def test_a_timestamp_between_two_milliseconds_is_refused(
    tmp_path: Path, unit: str, count: int, text: str
) -> None:
    times = pyarrow.array([count], pyarrow.timestamp(unit, "America/New_York"))
    [(refusal, row, _)] = _feed(tmp_path, {"time": times, **PRICES})
    reason = f"time: '{text}' is no time in whole milliseconds"
    assert refusal == Refusal("schema_error", reason, "X")
    assert row[0] == text


def test_a_timestamp_beyond_the_year_9999_is_one_refusal(tmp_path: Path) -> None:
    prices = {name: values * 2 for name, values in PRICES.items()}
    times = pyarrow.array([10**15, START_MS // 1_000], pyarrow.timestamp("s", "UTC"))
    (refusal, _, _), (bar, _, _) = _feed(tmp_path, {"time": times, **prices})
    assert isinstance(refusal, Refusal)
    assert isinstance(bar, Bar)


def test_a_timestamp_without_zone_asks_for_one(tmp_path: Path) -> None:
    times = pyarrow.array([START.replace(tzinfo=None)], pyarrow.timestamp("ms"))
    with pytest.raises(InputError, match="give --tz ZONE"):
        _feed(tmp_path, {"time": times, **PRICES})


def test_a_table_without_rows_is_an_empty_book(tmp_path: Path) -> None:
    empty: dict[str, Any] = {name: pyarrow.array([], pyarrow.float64()) for name in PRICES}
    feed = _feed(tmp_path, {"time": pyarrow.array([], pyarrow.int64()), **empty})
    assert list(feed) == []
    feed.close()


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no time column"):
        _feed(tmp_path, PRICES)


@pytest.mark.parametrize("content", [b"", b"time,open\n", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "book.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        ParquetFeed(str(path), "X", lambda _: "1m", ANY_TIME)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "directory"), (tmp_path / "none.parquet", "No such file")):
        with pytest.raises(InputError, match=message):
            ParquetFeed(str(path), "X", lambda _: "1m", ANY_TIME)


PAIRS: dict[str, dict[str, Any]] = {
    "integers": {"Date": [20_250_702], "Time": [93_000]},
    "doubles": {"Date": [20_250_702.0], "Time": [93_000.0]},
    "text": {"date": ["2025-07-02"], "time": ["09:30"]},
    "dates and times": {"date": [START.date()], "time": [time(9, 30)]},
    "timestamps of midnight": {"date": [datetime(2025, 7, 2)], "time": ["093000"]},
}


@pytest.mark.parametrize("columns", PAIRS.values(), ids=PAIRS.keys())
def test_a_day_and_a_time_of_day_are_read_together(tmp_path: Path, columns: dict[str, Any]) -> None:
    path = tmp_path / "book.parquet"
    parquet.write_table(pyarrow.table({"vwap": [1.0], **columns, **PRICES}), path)
    zoned = TableTimes(load_zone("America/New_York"))
    with closing(ParquetFeed(str(path), "X", lambda _: "1m", zoned)) as feed:
        [(bar, _, _)] = feed
        assert isinstance(bar, Bar)
        assert (bar.start_ms, feed.ignored) == (START_MS, ("vwap",))


def test_numbers_in_another_unit_are_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "book.parquet"
    parquet.write_table(pyarrow.table({"time": [START_MS / 1_000], **PRICES}), path)
    with pytest.raises(InputError, match=rf"{path}:1: time 1751463000.0 .*: give --time-unit s"):
        ParquetFeed(str(path), "X", lambda _: "1m", TableTimes())
    with closing(ParquetFeed(str(path), "X", lambda _: "1m", TableTimes(unit="s"))) as feed:
        [(bar, _, _)] = feed
        assert isinstance(bar, Bar)
        assert bar.start_ms == START_MS


def test_a_time_of_day_alone_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "book.parquet"
    parquet.write_table(pyarrow.table({"Time": [120_000], **PRICES}), path)
    with pytest.raises(InputError, match="column Time holds times of day alone"):
        ParquetFeed(str(path), "X", lambda _: "1m", TableTimes())
