"""Equity by session, its returns and its drawdowns."""

from __future__ import annotations

from tapeline.replay.report.amounts import units
from tapeline.replay.report.equity import Drawdown, deepest, equity_by_session, start_of
from tapeline.schemas.host_events import Account
from tapeline.schemas.instants import day_of
from tapeline.streams.calendars import load_calendar
from tests.unit.replay.report.books import account

CALENDAR = load_calendar("XNYS")


def close_of(session: str) -> int:
    return CALENDAR.close_ms(CALENDAR.index_of_day(day_of(session)))


def at_close(session: str, equity: str) -> Account:
    return account(session, equity, close_of(session))


def test_the_start_is_the_cash_without_what_was_earned() -> None:
    assert start_of([at_close("2025-07-01", "1003.5")]) == units(1000.0)


def test_a_return_is_of_the_equity_before_the_session() -> None:
    events = [at_close("2025-07-01", "1100"), at_close("2025-07-02", "990")]
    found = equity_by_session(events, CALENDAR)
    assert [(each.session, each.closed, each.change) for each in found] == [
        ("2025-07-01", True, 0.1),
        ("2025-07-02", True, -0.1),
    ]
    assert [each.drawdown for each in found] == [0, units(110.0)]


def test_the_last_event_of_a_session_counts_and_one_before_its_close_does_not_close_it() -> None:
    inside = account("2025-07-02", "1200", close_of("2025-07-02") - 60_000)
    events = [at_close("2025-07-01", "1100"), at_close("2025-07-01", "1000"), inside]
    found = equity_by_session(events, CALENDAR)
    assert [(each.equity, each.closed) for each in found] == [
        (units(1000.0), True),
        (units(1200.0), False),
    ]


def test_a_fill_of_a_symbol_behind_counts_in_the_session_that_it_lies_in() -> None:
    late = account("2025-07-01", "1050", close_of("2025-07-01") + 60_000)
    events = [
        at_close("2025-07-01", "1000"),
        account("2025-07-02", "1010", late.watermark_ms),
        late,
    ]
    found = equity_by_session(events, CALENDAR)
    assert [(each.session, each.equity) for each in found] == [
        ("2025-07-01", units(1050.0)),
        ("2025-07-02", units(1010.0)),
    ]


def test_the_deepest_fall_is_of_all_events_and_the_longest_of_closes() -> None:
    days = ["2025-06-30", "2025-07-01", "2025-07-02", "2025-07-03"]
    events = [
        at_close(days[0], "1200"),
        account(days[1], "900", close_of(days[1]) - 60_000),
        at_close(days[1], "1100"),
        at_close(days[2], "1150"),
        at_close(days[3], "1250"),
    ]
    found = deepest(events, equity_by_session(events, CALENDAR))
    assert found == Drawdown(units(300.0), units(1200.0), 2)
    assert found.share == 0.25


def test_an_account_that_only_wins_has_no_drawdown() -> None:
    events = [at_close("2025-07-01", "1100"), at_close("2025-07-02", "1200")]
    found = deepest(events, equity_by_session(events, CALENDAR))
    assert (found.depth, found.sessions) == (0, 0)


def test_an_account_without_money_has_no_return() -> None:
    events = [at_close("2025-07-01", "0"), at_close("2025-07-02", "100")]
    assert [each.change for each in equity_by_session(events, CALENDAR)] == [-1.0, None]


def test_exposure_of_a_session_is_the_greatest_in_it() -> None:
    inside = account("2025-07-01", "1000", close_of("2025-07-01") - 60_000, exposure=500.0)
    events = [inside, at_close("2025-07-01", "1000"), at_close("2025-07-02", "1000")]
    found = equity_by_session(events, CALENDAR)
    assert [each.exposure for each in found] == [units(500.0), 0]
