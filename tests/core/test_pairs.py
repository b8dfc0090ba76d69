"""Pairs: the same touch in both symbols of a group."""

from __future__ import annotations

from schemas.records import LogRecord
from tests.core.scenario import MINUTE_MS, Tape, at, bar, flat, minutes

ROW = "pair|ES-NQ|Major|Asia 2025-12-09|PoC|first_break"


def asia(symbol: str) -> list[LogRecord]:
    """Asia of 2025-12-09 with TO 100, PoC 98 and RPP 102, then nothing near."""
    book = [flat(symbol, "2025-12-08 16:59", 100.0), *minutes(symbol, "2025-12-08 18:00", 91)]
    book[10] = bar(symbol, "2025-12-08 18:09", 98.0, 101.0, 100.0)
    return book


def both() -> Tape:
    """Both symbols, up to the end of the TO bar."""
    tape = Tape()
    tape.take(*asia("ES"), *asia("NQ"))
    return tape


def test_the_first_touch_alone_leaves_the_other_side_open() -> None:
    tape = both()
    tape.take(bar("NQ", "2025-12-08 19:31", 97.0, 98.0))
    row = tape.view[ROW]
    assert row["times"] == {"ES": None, "NQ": at("2025-12-08 19:31")}
    assert (row["delta_min"], row["leader"]) == (None, None)
    assert (row["symbol"], row["group"], row["event_ms"]) == (
        "ES-NQ",
        "ES-NQ",
        at("2025-12-08 19:32"),
    )


def test_the_second_touch_names_the_leader_and_the_minutes_between() -> None:
    tape = both()
    tape.take(bar("NQ", "2025-12-08 19:31", 97.0, 98.0))
    tape.take(*minutes("ES", "2025-12-08 19:31", 4, 99.0))
    tape.take(bar("ES", "2025-12-08 19:35", 98.0, 99.0))
    row = tape.view[ROW]
    assert row["times"] == {"ES": at("2025-12-08 19:35"), "NQ": at("2025-12-08 19:31")}
    assert (row["delta_min"], row["leader"]) == (4, "NQ")
    assert (row["event_ms"], row["session"]) == (at("2025-12-08 19:36"), "2025-12-09")


def test_the_same_minute_is_simultaneous() -> None:
    tape = both()
    tape.take(bar("NQ", "2025-12-08 19:31", 97.0, 98.0), bar("ES", "2025-12-08 19:31", 98.0, 99.0))
    row = tape.view[ROW]
    assert (row["delta_min"], row["leader"]) == (0, "simultaneous")


def test_different_levels_are_two_half_rows() -> None:
    tape = both()
    tape.take(bar("ES", "2025-12-08 19:31", 97.0, 98.0))
    tape.take(bar("NQ", "2025-12-08 19:31", 102.0, 103.0))
    other = tape.view[ROW.replace("PoC", "RPP")]
    assert tape.view[ROW]["times"]["NQ"] is None
    assert other["times"]["ES"] is None


def test_the_row_carries_the_greatest_watermark_of_the_group() -> None:
    tape = both()
    tape.take(*minutes("NQ", "2025-12-08 19:31", 30, 99.0))
    [event] = [
        event for event in tape.take(bar("ES", "2025-12-08 19:31", 98.0, 99.0)) if event.id == ROW
    ]
    assert event.watermark_ms == at("2025-12-08 20:01")
    assert event.event_ms == at("2025-12-08 19:32")


def test_a_symbol_far_behind_still_finds_the_finished_range_of_the_other() -> None:
    tape = Tape()
    tape.take(*asia("ES"))
    start = at("2025-12-08 19:31")
    # PoC, TO, PoC, TO: resolved before NQ has its first bar.
    for number, low in enumerate((97.0, 99.5, 97.0, 99.5)):
        tape.take(bar("ES", start + number * MINUTE_MS, low, low + 1.0))
    assert tape.view["range|ES|Major|Asia 2025-12-09"]["state"] == "resolved"
    tape.take(*asia("NQ"), bar("NQ", start, 97.0, 98.0))
    assert tape.view[ROW]["leader"] == "simultaneous"
    tape.take(bar("NQ", start + MINUTE_MS, 99.5, 100.5))
    assert tape.view[ROW.replace("PoC|first_break", "TO|return")]["delta_min"] == 0


def test_expiries_and_single_symbols_are_not_paired() -> None:
    tape = both()
    tape.clock("ES", "2025-12-10 10:00")
    assert tape.of("pair") == {}
    toml = '[instruments.YM]\ntick = 1\ncalendar = "CME_EQUITY"\nranges = ["cme_index"]\n'
    alone = Tape(toml, "YM")
    alone.take(*asia("YM"), bar("YM", "2025-12-08 19:31", 97.0, 98.0))
    assert alone.of("touch")
    assert alone.of("pair") == {}
