"""Pairs: the same touch in both symbols of a group."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tapeline.schemas.records import Bar, Clock, LogRecord
from tests.unit.streams.core.scenario import MINUTE_MS, Tape, at, bar, flat, minutes, template, utc

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


TWO = (
    '[instruments.A]\ntick = 1\nbase = "1s"\nranges = ["own"]\nmax_ahead = 0\n'
    '[instruments.B]\ntick = 1\nbase = "1s"\nranges = ["own"]\nmax_ahead = 0\n'
    '[groups]\nAB = ["A", "B"]\n'
)
MONDAY = utc("2025-07-07 00:01")


def seconds() -> Tape:
    """A and B in seconds, with a range from Sunday 23:59 to Monday 00:01 UTC.

    PoC is 120, TO 100, RPP 80; both symbols are at the end of the TO bar.
    """
    week: dict[str, object] = {"kind": "Week", "period": "week", "start": "23:59"}
    own = template("own", "UTC", week | {"until": "00:01", "coverage": 0})
    tape = Tape(TWO + own, "AB")
    for symbol in ("A", "B"):
        tape.take(second(symbol, MONDAY - 60_000, 90, 120), second(symbol, MONDAY, 100, 100))
    return tape


def second(symbol: str, start_ms: int, low: float, high: float) -> Bar:
    """A bar of one second."""
    return Bar(symbol, "1s", start_ms, low, high, low, low, 1)


APART = {
    0: (0, "simultaneous"),
    1: (0, "simultaneous"),
    59: (0, "simultaneous"),
    60: (1, "A"),
    119: (1, "A"),
    120: (2, "A"),
    86_400: (1440, "A"),
}


@pytest.mark.parametrize("apart", APART)
@pytest.mark.parametrize("first", ["A", "B"])
def test_minutes_between_are_whole_and_under_60_seconds_is_simultaneous(
    apart: int, first: str
) -> None:
    tape = seconds()
    touches = {
        "A": second("A", MONDAY + 5_000, 119, 121),
        "B": second("B", MONDAY + 5_000 + 1_000 * apart, 119, 121),
    }
    last = "B" if first == "A" else "A"
    tape.take(touches[first], touches[last])
    [row] = tape.of("pair").values()
    assert row["id"] == "pair|AB|Week|Week of 2025-07-06|PoC|first_break"
    assert row["times"] == {symbol: touch.start_ms for symbol, touch in touches.items()}
    assert (row["delta_min"], row["leader"]) == APART[apart]
    assert row["event_ms"] == touches["B"].start_ms + 1_000
    assert row["session"] == "2025-07-07"
    half, _ = tape.versions(row["id"])
    assert (half.delta_min, half.leader, half.times[last]) == (None, None, None)
    session = "2025-07-08" if first == "B" and apart == 86_400 else "2025-07-07"
    assert half.session == session


def test_the_later_symbol_of_the_group_may_lead() -> None:
    tape = seconds()
    tape.take(
        second("A", MONDAY + 125_000, 119, 121),
        second("B", MONDAY + 5_000, 119, 121),
    )
    [row] = tape.of("pair").values()
    assert (row["delta_min"], row["leader"]) == (2, "B")


def test_every_transition_has_a_row_of_its_own() -> None:
    tape = seconds()
    path: list[tuple[float, float]] = [(120, 121), (100, 101), (79, 80), (99, 100)]
    for number, span in enumerate(path):
        tape.take(second("A", MONDAY + 1_000 * (number + 1), *span))
        tape.take(second("B", MONDAY + 60_000 * (number + 1), *span))
    rows = {key.split("|", 4)[4]: row for key, row in tape.of("pair").items()}
    assert list(rows) == [
        "PoC|first_break",
        "TO|return",
        "RPP|second_break_opposite",
        "TO|resolved",
    ]
    assert [row["delta_min"] for row in rows.values()] == [0, 1, 2, 3]
    assert [row["leader"] for row in rows.values()] == ["simultaneous", "A", "A", "A"]


def test_second_breaks_of_different_sides_do_not_meet() -> None:
    tape = seconds()
    for symbol, last in (("A", (79, 80)), ("B", (120, 121))):
        for number, span in enumerate([(120, 121), (100, 101), last]):
            tape.take(second(symbol, MONDAY + 1_000 * (number + 1), *span))
    rows = {key.split("|", 4)[4]: row["times"] for key, row in tape.of("pair").items()}
    at_third = MONDAY + 3_000
    assert rows["RPP|second_break_opposite"] == {"A": at_third, "B": None}
    assert rows["PoC|second_break_same"] == {"A": None, "B": at_third}


def test_the_same_event_of_another_first_side_meets() -> None:
    # A broke PoC first and B broke RPP first: their returns to TO are the same touch.
    tape = seconds()
    for symbol, first in (("A", (120, 121)), ("B", (79, 80))):
        tape.take(second(symbol, MONDAY + 1_000, *first), second(symbol, MONDAY + 2_000, 100, 101))
    rows = {key.split("|", 4)[4]: row["times"] for key, row in tape.of("pair").items()}
    early, later = MONDAY + 1_000, MONDAY + 2_000
    assert rows == {
        "PoC|first_break": {"A": early, "B": None},
        "RPP|first_break": {"A": None, "B": early},
        "TO|return": {"A": later, "B": later},
    }


def test_a_partner_whose_range_is_incomplete_leaves_the_row_half() -> None:
    tape = Tape()
    book = asia("NQ")
    tape.take(*asia("ES"), *book[:-1], flat("NQ", "2025-12-08 19:31", 98.0))
    tape.take(bar("ES", "2025-12-08 19:31", 97.0, 98.0))
    assert tape.view["range|NQ|Major|Asia 2025-12-09"]["reason"] == "no_to_bar"
    assert tape.view[ROW]["times"]["NQ"] is None


def test_levels_of_a_prior_session_are_not_paired() -> None:
    toml = '[instruments.ES]\nranges = ["prior_session"]\n'
    toml += '[instruments.NQ]\nranges = ["prior_session"]\n'
    tape = Tape(toml)
    for symbol in ("ES", "NQ"):
        tape.take(flat(symbol, "2025-12-08 16:59", 100.0), flat(symbol, "2025-12-08 18:00", 100.0))
    assert len(tape.of("touch")) == 4
    assert tape.of("pair") == {}


def expired_alone() -> list[LogRecord]:
    """ES breaks PoC of m1930, which expires a day later; sessions later NQ brings the same bars."""
    book = [flat("ES", "2025-12-08 16:59", 100.0), *minutes("ES", "2025-12-08 19:30", 24)]
    book[10] = bar("ES", "2025-12-08 19:39", 98.0, 101.0, 100.0)
    book[-1] = bar("ES", "2025-12-08 19:53", 97.0, 98.0)
    partner = [replace(record, symbol="NQ") for record in book if isinstance(record, Bar)]
    return [
        *book,
        Clock("ES", at("2025-12-09 19:52")),
        Clock("ES", at("2025-12-10 10:00")),
        Clock("ES", at("2025-12-10 18:30")),
        *partner,
    ]


@pytest.mark.parametrize("horizon", [0, 1, 2])
def test_what_waits_for_a_partner_is_the_same_after_any_restart(horizon: int) -> None:
    toml = "".join(
        f"[instruments.{symbol}]\nhorizon_sessions = {horizon}\n" for symbol in ("ES", "NQ")
    )
    log = expired_alone()
    straight = Tape(toml)
    straight.take(*log)
    for cut in range(20, len(log)):
        tape = Tape(toml)
        tape.take(*log[:cut])
        tape.restart()
        tape.take(*log[cut:])
        assert tape.events == straight.events, cut


def test_a_partner_inside_the_horizon_finds_the_touch_of_an_expired_range() -> None:
    tape = Tape()
    tape.take(*expired_alone())
    row = tape.view["pair|ES-NQ|Minor|m1930 2025-12-09|PoC|first_break"]
    assert (row["leader"], row["delta_min"]) == ("simultaneous", 0)


def test_a_pair_is_the_same_whichever_symbol_comes_first() -> None:
    one, other = Tape(), Tape()
    early = [bar("ES", "2025-12-08 19:31", 97.0, 98.0), bar("ES", "2025-12-08 19:32", 99.5, 100.5)]
    late = [bar("NQ", "2025-12-08 19:31", 98.5, 99.0), bar("NQ", "2025-12-08 19:32", 97.0, 98.0)]
    one.take(*asia("ES"), *early, *asia("NQ"), *late)
    other.take(*asia("NQ"), *late, *asia("ES"), *early)
    assert one.of("pair") == other.of("pair")
    assert one.view[ROW]["leader"] == "ES"
