"""The feeds there are keep the contract of feeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.clocked_feed import ClockedFeed
from tapeline.streams.feeds.csv_feed import CsvFeed
from tapeline.streams.feeds.items import Feed
from tapeline.streams.feeds.log_feed import LogFeed
from tapeline.streams.feeds.parquet_feed import ParquetFeed
from tapeline.streams.pipeline.routing import Router
from tests.contract.feed import FeedContract
from tests.unit.streams.embedded.books import CONFIGURATION, HEADER, log_line, row
from tests.unit.streams.embedded.books import write as write_table
from tests.unit.streams.feeds.any_time import ANY_TIME

WRONG = "never"
"""A price that is none."""


def rows(minutes: tuple[int, ...], unreadable: int | None) -> list[str]:
    found = [row(minute) for minute in minutes]
    if unreadable is not None:
        found.insert(unreadable, row(minutes[unreadable], WRONG))
    return found


class TestCsv(FeedContract):
    def write(self, path: Path, minutes: tuple[int, ...], unreadable: int | None) -> Path:
        return write_table(path.with_suffix(".csv"), rows(minutes, unreadable))

    def open(self, path: Path) -> Feed:
        return CsvFeed(str(path), "ACME", lambda _: "1m", ANY_TIME)


class TestClocked(TestCsv):
    def open(self, path: Path) -> Feed:
        return ClockedFeed(super().open(path), Router(read_config(CONFIGURATION, "test")))


class TestLog(FeedContract):
    def write(self, path: Path, minutes: tuple[int, ...], unreadable: int | None) -> Path:
        lines = [log_line(minute) for minute in minutes]
        if unreadable is not None:
            lines.insert(unreadable, WRONG)
        path = path.with_suffix(".jsonl")
        # A file without a byte is refused: a log that was cut off is none.
        path.write_text("".join(f"{line}\n" for line in lines) or "\n", "utf-8")
        return path

    def open(self, path: Path) -> Feed:
        return LogFeed(str(path))


class TestParquet(FeedContract):
    def write(self, path: Path, minutes: tuple[int, ...], unreadable: int | None) -> Path:
        pyarrow = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
        parquet = pytest.importorskip(
            "pyarrow.parquet", reason="the extra parquet is not installed"
        )
        columns = zip(*(line.split(",") for line in rows(minutes, unreadable)), strict=True)
        cells = [pyarrow.array(each, pyarrow.string()) for each in columns]
        empty = [pyarrow.array([], pyarrow.string())] * len(HEADER.split(","))
        path = path.with_suffix(".parquet")
        parquet.write_table(pyarrow.table(cells or empty, HEADER.split(",")), path)
        return path

    def open(self, path: Path) -> Feed:
        return ParquetFeed(str(path), "ACME", lambda _: "1m", ANY_TIME)
