"""What a store holds that operators ask for, while a live feed writes to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Hole
from tapeline.schemas.records import Clock
from tapeline.streams.pipeline.log_writer import LogBatch
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tapeline.streams.pipeline.status import (
    RECENT_MS,
    CorrectedFact,
    DatedLetter,
    StatusFacts,
    received_ms,
)
from tapeline.streams.pipeline.warm_up import IndicatorHistory, KeyHistory, WindowHistory
from tapeline.streams.store.layout import StoreError
from tapeline.streams.store.live import LiveStore
from tapeline.streams.store.reading import StoreReader
from tapeline.streams.store.status import StoreStatus
from tests.unit.streams.store.live_books import CONFIG, bars, entries, write_bars
from tests.unit.streams.store.stores import (
    CONFIGURATION,
    MINUTE_MS,
    label,
    load,
    row,
    walk,
    write,
)

WITH_FEED = read_config(
    f"""{CONFIGURATION}
[instruments.C]
tick = 0.01
calendar = "XNYS"

[feeds.demo]
use = "kraken"
symbols = {{ A = "A/USD", C = "C/USD" }}
""",
    "test",
)
NOW_MS = label(1, 60)


def look(source: StoreStatus, folder: Path, now_ms: int = NOW_MS) -> StatusFacts:
    with StoreReader(folder) as reader:
        return source.look(reader, now_ms)


def test_each_symbol_has_its_last_bar_watermark_and_session(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    book = walk(1, minutes=50)
    del book[label(1, 30)]
    with LiveStore(CONFIG, folder) as store:
        write_bars(store, walk(0))
        write_bars(store, book)
        clock = Clock("A", label(1, 55))
        write_bars(store, walk(1, minutes=20), "B")
        store.write("demo", LogBatch(entries(clock)))
        found = look(StoreStatus(folder, WITH_FEED), folder)
    a, b, c = found.symbols
    assert (a.symbol, a.group, a.watermark_ms, a.last_bar_ms) == (
        "A",
        "pair",
        label(1, 55),
        label(1, 49),
    )
    session = a.session
    assert session is not None
    assert (session.session, session.bars, session.due) == ("2025-07-03", 49, 55)
    prices = [float(text.split(",")[2]) for text in book.values()]
    assert session.high == max(prices)
    assert [(gap.start_ms, gap.missing) for gap in a.gaps] == [(label(1, 50), 5)]
    assert (b.watermark_ms, b.last_bar_ms, b.gaps) == (label(1, 20), label(1, 19), ())
    assert (c.watermark_ms, c.last_bar_ms, c.session) == (None, None, None)


def test_the_session_is_that_of_the_engine_once_it_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    load(folder, ("A", write(tmp_path / "a.csv", walk(0, step=3))))
    with StoreReader(folder) as reader:
        [closed] = reader.facts("session", "A")
        [quality] = reader.facts("quality", "A")
    # The last slots had no bar: a clock closes the session.
    assert closed["state"] == "open"
    with LiveStore(CONFIG, folder) as store:
        store.write("demo", LogBatch(entries(Clock("A", closed["close_ms"]))))
    with StoreReader(folder) as reader:
        [closed] = reader.facts("session", "A")
        [quality] = reader.facts("quality", "A")
    [a] = look(StoreStatus(folder, CONFIG), folder).symbols
    session = a.session
    assert session is not None
    assert [session.bars, session.high, session.low, session.due] == [
        closed[name] for name in ("bars", "high", "low", "expected")
    ]
    assert (session.due, session.quality) == (quality["due"], quality["quality"])


def test_a_second_look_sees_what_came_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    source = StoreStatus(folder, WITH_FEED)
    with LiveStore(CONFIG, folder) as store:
        write_bars(store, walk(1, minutes=5))
        write_bars(store, walk(1, minutes=5), "B")
        first = {each.symbol: each for each in look(source, folder).symbols}
        write_bars(store, {label(1, 5): row(label(1, 5), 99)})
        hole = Hole("h", "demo", None, 0, 1, label(1, 6), None, "stale", "open", 0, 0)
        store.write("demo", LogBatch((hole,)))
        again = look(source, folder)
    second = {each.symbol: each for each in again.symbols}
    assert first["A"].last_bar_ms == label(1, 4)
    assert second["A"].last_bar_ms == label(1, 5)
    session = second["A"].session
    assert session is not None
    assert (session.bars, session.high) == (6, 99.01)
    assert second["B"] == first["B"]
    assert again.operations.holes("A") == [hole]
    assert again.operations.holes("B") == []


def test_corrections_of_the_last_hour_are_those_of_records_that_came_in_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "s"
    book = walk(1, minutes=60)
    old = {label(1, 10): row(label(1, 10), 20)}
    new = {label(1, 20): row(label(1, 20), 30)}
    with LiveStore(CONFIG, folder) as store:
        write_bars(store, book)
        for rows, recv_ms in ((old, NOW_MS - RECENT_MS - 1), (new, NOW_MS - RECENT_MS)):
            batch = entries(*bars("A", rows), recv_ms=recv_ms)
            store.write("demo", LogBatch(batch))
        found = look(StoreStatus(folder, CONFIG), folder)
        later = look(StoreStatus(folder, CONFIG), folder, NOW_MS + 1)
    assert {each.bar_ms for each in found.corrected} == {label(1, 20)}
    assert CorrectedFact("derived_bar", "A", label(1, 20), NOW_MS - RECENT_MS) in found.corrected
    assert later.corrected == []


def test_corrections_are_found_by_one_that_looks_again(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    source = StoreStatus(folder, CONFIG)
    counts = []
    with LiveStore(CONFIG, folder) as store:
        store.write("demo", LogBatch(entries(*bars("A", walk(1, minutes=60)), recv_ms=NOW_MS)))
        counts.append(len({each.bar_ms for each in look(source, folder).corrected}))
        for minute in (10, 20):
            rows = {label(1, minute): row(label(1, minute), 20)}
            store.write("demo", LogBatch(entries(*bars("A", rows), recv_ms=NOW_MS)))
            counts.append(len({each.bar_ms for each in look(source, folder).corrected}))
    assert counts == [0, 1, 2]


ADDED = """
[indicators.own]
list = ["sma(200)", "ema(9)", "vwap"]
intervals = ["1m"]

[indicators.latest]
list = ["sma(30)"]
intervals = ["7m"]
publish = "latest"

[windows.volume_3d]
kind = "sum"
field = "volume"
period = "3d"

[windows.low_1d]
kind = "trailing_min"
field = "low"
period = "1d"
symbols = ["B"]
"""
WITH_ADDED = read_config(
    CONFIGURATION.replace(
        'ranges = ["prior_session"]\n', 'ranges = []\nindicators = ["own", "latest"]\n', 1
    ).replace('ranges = ["prior_session"]', "ranges = []")
    + ADDED,
    "test",
)


def test_indicators_and_windows_have_what_they_have_of_what_they_need(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    source = StoreStatus(folder, WITH_ADDED)
    with LiveStore(WITH_ADDED, folder) as store:
        write_bars(store, walk(0, minutes=5))
        [young] = look(source, folder).symbols
        write_bars(store, walk(0))
        write_bars(store, walk(1, minutes=37))
        write_bars(store, walk(1, minutes=20), "B")
        a, b = look(source, folder).symbols
    assert young.indicators == (
        IndicatorHistory(
            "1m",
            3,
            label(0, 4),
            label(0, 5),
            (KeyHistory("ema_9_1m", 5, 9), KeyHistory("sma_200_1m", 5, 200)),
            (KeyHistory("vwap_1m", 5, None),),
        ),
        IndicatorHistory("7m", 1, None, None, (KeyHistory("sma_30_7m", 0, 30),), ()),
    )
    assert young.windows == (WindowHistory("volume_3d", None, None, None),)
    minutes, sevens = a.indicators
    assert (minutes.end_ms, minutes.cold, minutes.warming) == (label(1, 37), (), ())
    # 55 whole windows and a shorter one in the first session, and five of the next one.
    assert (sevens.start_ms, sevens.cold) == (label(1, 28), ())
    assert a.windows == (WindowHistory("volume_3d", "2025-07-03", 1, 3),)
    assert b.indicators == ()
    assert b.windows == (
        WindowHistory("volume_3d", None, None, None),
        WindowHistory("low_1d", None, None, None),
    )


def test_a_set_whose_rows_are_one_fact_counts_its_bars_by_the_state(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with LiveStore(WITH_ADDED, folder) as store:
        write_bars(store, walk(0, minutes=50))
        [a] = look(StoreStatus(folder, WITH_ADDED), folder).symbols
    assert a.indicators[1].cold == (KeyHistory("sma_30_7m", 7, 30),)
    assert a.indicators[1].end_ms == label(0, 49)


def test_dead_letters_have_their_receive_time_if_a_feed_wrote_them(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    load(folder, ("A", write(tmp_path / "a.csv", walk(0), extra=("x",))))
    refusal = Refusal("bad_price", "none", "A")
    letter = dead_letter(f"feed:demo:{NOW_MS}:7", b"raw", refusal)
    with LiveStore(CONFIG, folder) as store:
        store.write("demo", LogBatch((letter,)))
    found = look(StoreStatus(folder, CONFIG), folder).letters
    assert found == [DatedLetter("schema_error", None), DatedLetter("bad_price", NOW_MS)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("feed:demo:1234:7", 1234),
        ("feed:my feed:1234:7", 1234),
        ("a.csv:12", None),
        ("tape.bars.v1/3/128", None),
        ("feed:x", None),
        ("feed:12", None),
    ],
)
def test_a_source_names_when_it_came_in(source: str, expected: int | None) -> None:
    assert received_ms(source) == expected


def test_groups_that_wait_for_a_rebuild_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    days = [walk(day) for day in range(5)]
    del days[0][label(0, 7)]
    with LiveStore(CONFIG, folder) as store:
        for day in days:
            write_bars(store, day)
        late = {label(0, 7): row(label(0, 7), 12)}
        write_bars(store, late)
        found = look(StoreStatus(folder, CONFIG), folder)
    assert found.stale_groups == ["pair"]
    assert look(StoreStatus(folder, CONFIG), folder).stale_groups == []


def test_the_store_of_another_configuration_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    load(folder, ("A", write(tmp_path / "a.csv", walk(0))))
    other = read_config(CONFIGURATION.replace("XNYS", "24/7"), "test")
    with pytest.raises(StoreError, match="--config"):
        look(StoreStatus(folder, other), folder)


def test_minutes_of_the_book_are_those_of_the_clock() -> None:
    assert label(1, 0) + 60 * MINUTE_MS == NOW_MS
