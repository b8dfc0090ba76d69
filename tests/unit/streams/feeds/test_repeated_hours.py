"""The hour that comes twice in autumn, by the order of the rows of a file."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.intervals import BASE_INTERVALS, parse_interval
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_zone
from tapeline.streams.calendars.zones import zone_changes
from tapeline.streams.feeds import lines
from tapeline.streams.feeds.csv_feed import CsvFeed
from tapeline.streams.feeds.items import Feed, FeedBroken
from tapeline.streams.feeds.opening import Source, open_feeds
from tapeline.streams.feeds.parquet_feed import ParquetFeed
from tapeline.streams.feeds.times import EPOCH, TableTimes
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router, SlotEnds

NEW_YORK = "America/New_York"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
CHANGE_MS = int(datetime(2024, 11, 3, 6, tzinfo=UTC).timestamp()) * 1_000
"""01:59 daylight time is followed by 01:00 standard time."""
HEADER = "time,open,high,low,close,volume"


def wall(instant_ms: int, zone: str = NEW_YORK) -> str:
    """Wall time of an instant, by the offsets that Tapeline reads."""
    offset_ms = next(
        change.offset_ms
        for change in reversed(zone_changes(zone))
        if change.instant_ms <= instant_ms
    )
    return (EPOCH + timedelta(milliseconds=instant_ms + offset_ms)).strftime("%Y-%m-%d %H:%M:%S")


def csv_feed(folder: Path, times: Iterable[str], zone: str = NEW_YORK, base: str = "1m") -> CsvFeed:
    path = folder / "local.csv"
    path.write_text("\n".join((HEADER, *(f"{each},1,1,1,1,1" for each in times))) + "\n")
    return CsvFeed(str(path), "X", lambda _: base, TableTimes(load_zone(zone)))


def read(feed: Feed) -> list[int | str]:
    """Label of each bar or code of each refusal, in order of the file."""
    found: list[int | str] = []
    with closing(feed):
        for content, _, _ in feed:
            assert isinstance(content, (Bar, Refusal))
            found.append(content.start_ms if isinstance(content, Bar) else content.code)
    return found


def minutes(first: int, last: int, step: int = 1) -> list[int]:
    """Instants by their distance from the change in minutes, both included."""
    return [CHANGE_MS + each * MINUTE_MS for each in range(first, last + 1, step)]


TWO_PASSES: dict[str, list[int]] = {
    "a night": minutes(-90, 89),
    "from inside the first pass": minutes(-25, 89),
    "to inside the second pass": minutes(-90, 25),
    "nothing but the two passes": minutes(-60, 59),
    "a piece of each, and what follows": [*minutes(-10, -5), *minutes(5, 70)],
    "the first pass ends early": [*minutes(-90, -31), *minutes(0, 89)],
    "one row of each": [*minutes(-90, -61), CHANGE_MS - HOUR_MS, CHANGE_MS],
    "hours": minutes(-180, 180, 60),
    "half hours": minutes(-180, 180, 30),
}


@pytest.mark.parametrize("backward", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("instants", TWO_PASSES.values(), ids=TWO_PASSES.keys())
def test_two_passes_are_resolved_by_the_order_of_the_file(
    tmp_path: Path, instants: list[int], backward: bool
) -> None:
    ordered = instants[::-1] if backward else instants
    assert read(csv_feed(tmp_path, map(wall, ordered))) == ordered


AMBIGUOUS: dict[str, tuple[list[int], list[int]]] = {
    "the first pass alone": (minutes(-90, -1), minutes(60, 89)),
    "the second pass alone": (minutes(-90, -61), minutes(0, 89)),
    "one row": ([], [CHANGE_MS - 1_800_000]),
    "two rows of an hour and nothing else": ([], [CHANGE_MS - HOUR_MS, CHANGE_MS]),
    "two rows that either direction explains": ([], minutes(-30, -30) + minutes(0, 0)),
    "a third pass": (minutes(-60, 59), minutes(-60, -1)),
    "rows in no order": (minutes(-90, 89)[::2], minutes(-90, 89)[1::2]),
    "a late row elsewhere": (minutes(-90, 89), minutes(-200, -200)),
}


@pytest.mark.parametrize(("first", "then"), AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_where_the_order_does_not_show_it_the_hour_is_refused_and_nothing_else(
    tmp_path: Path, first: list[int], then: list[int]
) -> None:
    rows = [*first, *then]
    assert read(csv_feed(tmp_path, map(wall, rows))) == [
        "ambiguous_time" if CHANGE_MS - HOUR_MS <= each < CHANGE_MS + HOUR_MS else each
        for each in rows
    ]


def test_a_refused_row_names_both_instants_its_line_and_what_is_missing(tmp_path: Path) -> None:
    feed = csv_feed(tmp_path, ["2024-11-03 00:59:00", "2024-11-03 01:30:00"])
    _, (refusal, row, line) = feed
    assert (line, feed.raw(row)) == (3, b"2024-11-03 01:30:00,1,1,1,1,1")
    assert refusal == Refusal(
        "ambiguous_time",
        "time: '2024-11-03 01:30:00' occurs twice in America/New_York, at 2024-11-03T05:30:00Z"
        " and at 2024-11-03T06:30:00Z, and the order of the rows does not tell which is meant;"
        " write times with offsets",
        "X",
        (CHANGE_MS - 1_800_000, CHANGE_MS + 1_800_000),
    )


def test_each_symbol_of_a_file_has_passes_of_its_own(tmp_path: Path) -> None:
    night = minutes(-90, 89)
    rows = [(symbol, each) for each in night for symbol in ("A", "B")]
    rows += [("C", each) for each in night if each < CHANGE_MS]
    rows += [("D", each) for each in reversed(night)]
    path = tmp_path / "many.csv"
    lines = [f"{symbol},{wall(each)},1,1,1,1" for symbol, each in rows]
    path.write_text("\n".join(("symbol,time,open,high,low,close", *lines)) + "\n")
    feed = CsvFeed(str(path), None, lambda _: "1m", TableTimes(load_zone(NEW_YORK)))
    assert read(feed) == [
        "ambiguous_time" if symbol == "C" and each >= CHANGE_MS - HOUR_MS else each
        for symbol, each in rows
    ]


def test_rows_that_cannot_be_read_lie_between_without_harm(tmp_path: Path) -> None:
    night = minutes(-90, 89)
    times = [text for each in night for text in (wall(each), "soon", "2024-03-10 02:30:00")]
    found = read(csv_feed(tmp_path, times))
    assert found[::3] == night
    assert set(found[1::3] + found[2::3]) == {"schema_error"}


def test_a_row_of_the_hour_with_a_bad_price_is_refused_for_that_and_counts(tmp_path: Path) -> None:
    night = minutes(-90, 89)
    path = tmp_path / "local.csv"
    lines = [f"{wall(each)},1,1,1,{'ten' if at == 60 else 1},1" for at, each in enumerate(night)]
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    feed = CsvFeed(str(path), "X", lambda _: "1m", TableTimes(load_zone(NEW_YORK)))
    found = read(feed)
    assert found[60] == "schema_error"
    assert found[:60] + found[61:] == night[:60] + night[61:]


@pytest.mark.parametrize("kind", ["csv.gz", "parquet"])
def test_packed_files_and_parquet_resolve_alike(tmp_path: Path, kind: str) -> None:
    night = minutes(-90, 89)
    path = tmp_path / f"local.{kind}"
    times = TableTimes(load_zone(NEW_YORK))
    feed: Feed
    if kind == "parquet":
        pyarrow: Any = pytest.importorskip("pyarrow")
        parquet: Any = pytest.importorskip("pyarrow.parquet")
        stamps = pyarrow.array(
            [datetime.fromisoformat(wall(each)) for each in night], pyarrow.timestamp("us")
        )
        prices = {name: [1.0] * len(night) for name in ("open", "high", "low", "close")}
        parquet.write_table(pyarrow.table({"time": stamps, **prices}), path)
        feed = ParquetFeed(str(path), "X", lambda _: "1m", times)
    else:
        rows = (f"{wall(each)},1,1,1,1,1" for each in night)
        path.write_bytes(gzip.compress("\n".join((HEADER, *rows)).encode()))
        feed = CsvFeed(str(path), "X", lambda _: "1m", times)
    assert read(feed) == night


def test_a_day_and_a_time_in_two_columns_resolve_alike(tmp_path: Path) -> None:
    night = minutes(-90, 89)
    path = tmp_path / "local.csv"
    lines = [f"{wall(each).replace(' ', ',')},1,1,1,1" for each in night]
    path.write_text("\n".join(("Date,Time,open,high,low,close", *lines)) + "\n")
    feed = CsvFeed(str(path), "X", lambda _: "1m", TableTimes(load_zone(NEW_YORK)))
    assert read(feed) == night


def test_several_autumns_are_resolved_each_for_itself(tmp_path: Path) -> None:
    changes = [
        change.instant_ms
        for change in zone_changes(NEW_YORK)
        if 2010 <= datetime.fromtimestamp(change.instant_ms / 1_000, UTC).year < 2024
        and datetime.fromtimestamp(change.instant_ms / 1_000, UTC).month >= 10
    ]
    assert len(changes) == 14
    rows = [
        change_ms + each * MINUTE_MS
        for number, change_ms in enumerate(changes)
        for each in range(-120, 120 if number % 2 else 0, 15)
    ]
    unresolved = [(each - HOUR_MS, each) for each in changes[::2]]
    assert read(csv_feed(tmp_path, map(wall, rows))) == [
        "ambiguous_time" if any(begin <= each < end for begin, end in unresolved) else each
        for each in rows
    ]


def test_a_file_that_is_gone_when_it_has_to_be_read_again_is_reported(tmp_path: Path) -> None:
    feed = csv_feed(tmp_path, map(wall, minutes(-90, 89)))
    (tmp_path / "local.csv").unlink()
    with pytest.raises(FeedBroken, match="read again for its repeated hour"):
        read(feed)


def test_a_pipe_cannot_be_read_again_so_its_repeated_hour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    rows = [f"{wall(each)},1,1,1,1,1" for each in minutes(-90, 89)]
    text = "\n".join((HEADER, *rows, "")).encode()
    writer = Thread(target=path.write_bytes, args=(text,))
    writer.start()
    found = read(CsvFeed(str(path), "X", lambda _: "1m", TableTimes(load_zone(NEW_YORK))))
    writer.join(timeout=60)
    assert found.count("ambiguous_time") == 120
    assert len(found) == 180


ROUTER = Router(read_config("", "test"))


def opened(
    path: Path, symbol: str | None, zone: str = NEW_YORK
) -> list[tuple[str | None, int | str]]:
    """Rows of a table as every run takes them: symbol, and label or code."""
    found: list[tuple[str | None, int | str]] = []
    with ExitStack() as stack:
        times = TableTimes(load_zone(zone))
        [feed] = open_feeds([Source(str(path), symbol)], ROUTER, times, stack)
        for content, _, _ in feed:
            assert isinstance(content, (Bar, Refusal))
            resolved = content.start_ms if isinstance(content, Bar) else content.code
            found.append((content.symbol, resolved))
    return found


def test_a_file_in_order_is_read_as_it_lies_and_one_newest_first_from_its_end(
    tmp_path: Path,
) -> None:
    for instants in TWO_PASSES.values():
        for ordered in (instants, instants[::-1]):
            with closing(csv_feed(tmp_path, map(wall, ordered))) as feed:
                assert feed.in_order(SlotEnds(ROUTER)) == (ordered == instants)
            found = opened(tmp_path / "local.csv", "X")
            assert [label for _, label in found] == instants


def test_symbols_that_take_turns_are_in_order_of_their_instants(tmp_path: Path) -> None:
    night = minutes(-90, 89)
    together = [(symbol, each) for each in night for symbol in ("A", "B")]
    orders = {
        "each minute of both": together,
        "one after the other": sorted(together),
        "newest first": together[::-1],
        # Each pass of both is a block: the later wall times are the earlier instants.
        "pass by pass": sorted(together, key=lambda row: (row[1] // HOUR_MS, row)),
    }
    path = tmp_path / "many.csv"
    for name, rows in orders.items():
        rows_of = [f"{symbol},{wall(each)},1,1,1,1" for symbol, each in rows]
        path.write_text("\n".join(("symbol,time,open,high,low,close", *rows_of)) + "\n")
        found = opened(path, None)
        labels = [label for _, label in found]
        assert labels == [each for _, each in together], name
        assert sorted(found, key=str) == sorted(together, key=str), name


def test_long_files_are_resolved_where_a_block_of_lines_ends_in_the_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = minutes(-90, 89)
    for size in (700, 1_024, 2_000):
        monkeypatch.setattr(lines, "BLOCK_BYTES", size)
        csv_feed(tmp_path, map(wall, night)).close()
        assert [label for _, label in opened(tmp_path / "local.csv", "X")] == night


ZONES = (
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Tehran",
)


@st.composite
def nights(draw: st.DrawFn) -> tuple[str, str, list[int], int, bool]:
    """Zone, base, slots around one of its repeated hours, its change, whether newest come first."""
    zone = draw(st.sampled_from(ZONES))
    change_ms, base = (
        draw(st.sampled_from(repeated(zone)))[0],
        draw(st.sampled_from(BASE_INTERVALS)),
    )
    length = parse_interval(base).length_ms
    count = st.integers(0, 3 * HOUR_MS // length + 3)
    middle = change_ms // length
    slots = range(middle - draw(count), middle + draw(count) + 1)
    holes = draw(st.sets(st.sampled_from(slots), max_size=len(slots) // 2))
    return (
        zone,
        base,
        [each * length for each in slots if each not in holes],
        change_ms,
        draw(st.booleans()),
    )


def repeated(zone: str) -> list[tuple[int, int]]:
    """Instants at which clocks are set back, and by how much."""
    return [
        (after.instant_ms, before.offset_ms - after.offset_ms)
        for before, after in pairwise(zone_changes(zone))
        if after.offset_ms < before.offset_ms and after.instant_ms > TableTimes().earliest_ms
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(night=nights())
def test_in_any_zone_a_row_is_its_own_instant_or_refused(
    tmp_path: Path, night: tuple[str, str, list[int], int, bool]
) -> None:
    zone, base, slots, change_ms, backward = night
    shift = dict(repeated(zone))[change_ms]
    ordered = slots[::-1] if backward else slots
    first = [each for each in slots if change_ms - shift <= each < change_ms]
    second = [each for each in slots if change_ms <= each < change_ms + shift]
    # A wall time of the second pass is `shift` before that of its instant in the first.
    resolved = first and second and second[0] - shift <= first[-1]
    found = read(csv_feed(tmp_path, (wall(each, zone) for each in ordered), zone, base))
    unresolved = set(first + second)
    refused = ["ambiguous_time" if each in unresolved else each for each in ordered]
    if not resolved:
        assert found == refused
    elif len(unresolved) < len(slots):
        assert found == ordered
    else:
        assert found in (ordered, refused)
