"""Ranges of a symbol: coverage and reasons, what is examined, expiry, prior session."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.records import LogRecord
from tests.core.scenario import MINUTE_MS, Tape, at, bar, flat, minutes

ASIA = "range|ES|Major|Asia 2025-12-09"
LONDON = "range|ES|Major|London 2025-12-09"
MINOR = "range|ES|Minor|m1930 2025-12-09"


def evening(count: int = 500, start: str = "2025-12-08 16:59") -> list[LogRecord]:
    """ES from the last minute of a session on; the hour until 18:00 is closed."""
    first = flat("ES", start, 100.0)
    return [first, *minutes("ES", "2025-12-08 18:00", count)]


def dropped(records: list[LogRecord], *times: str) -> list[LogRecord]:
    """The records without the bars with these labels."""
    labels = {at(time) for time in times}
    return [record for record in records if getattr(record, "start_ms", None) not in labels]


def many(first: str, count: int) -> list[str]:
    """Wall times of so many minutes."""
    hour, minute = map(int, first[-5:].split(":"))
    total = hour * 60 + minute
    return [
        f"{first[:10]} {(total + number) // 60:02d}:{(total + number) % 60:02d}"
        for number in range(count)
    ]


def test_levels_need_95_per_cent_of_the_window() -> None:
    for missing, complete in ((4, True), (5, False)):
        tape = Tape()
        tape.take(*dropped(evening(), *many("2025-12-08 18:30", missing)))
        fact = tape.view[ASIA]
        assert (fact["have"], fact["need"]) == (90 - missing, 90)
        assert (fact["state"] != "incomplete") == complete
        assert fact["reason"] == (None if complete else "coverage")


REASONS: dict[str, tuple[list[LogRecord], str | None]] = {
    "TO bar missing": (dropped(evening(), "2025-12-08 19:30"), "no_to_bar"),
    "TO bar and window missing": (evening(10), "no_to_bar"),
    "no previous close": (minutes("ES", "2025-12-08 18:00", 500), "no_previous_close"),
    "no previous close and holes": (
        dropped(minutes("ES", "2025-12-08 18:00", 500), *many("2025-12-08 18:30", 20)),
        "no_previous_close",
    ),
    "holes": (dropped(evening(), *many("2025-12-08 18:30", 20)), "coverage"),
    "nothing": (evening(), None),
    "previous close of four days ago": (evening(start="2025-12-04 16:59"), None),
    "previous close just in reach": (evening(start="2025-12-03 18:00"), None),
    "previous close out of reach": (evening(start="2025-12-03 16:59"), "no_previous_close"),
}


@pytest.mark.parametrize(("book", "reason"), REASONS.values(), ids=REASONS.keys())
def test_the_first_reason_that_holds(book: list[LogRecord], reason: str | None) -> None:
    tape = Tape()
    tape.take(*book)
    tape.clock("ES", "2025-12-09 03:00")
    fact = tape.view[ASIA]
    assert fact["reason"] == reason
    levels = [fact[name] for name in ("high", "low", "true_open", "poc", "rpp")]
    assert all(level is None for level in levels) == (reason is not None)
    if reason is not None:
        assert fact["event_ms"] == at("2025-12-08 19:31")


def test_the_previous_close_is_one_price_of_the_window() -> None:
    tape = Tape()
    tape.take(bar("ES", "2025-12-08 16:59", 90.0, 120.0, 110.0))
    tape.take(*minutes("ES", "2025-12-08 18:00", 100))
    fact = tape.view[ASIA]
    assert (fact["high"], fact["low"], fact["poc"], fact["rpp"]) == (110.0, 100.0, 110.0, 90.0)
    assert (fact["have"], fact["need"]) == (90, 90)


def test_the_true_open_of_a_major_is_outside_its_window_that_of_a_minor_inside() -> None:
    tape = Tape()
    book = evening(113)
    book[1 + 90] = bar("ES", "2025-12-08 19:30", 80.0, 130.0)
    book[1 + 90 + 22] = bar("ES", "2025-12-08 19:52", 95.0, 105.0, 104.0)
    tape.take(*book)
    assert (tape.view[ASIA]["high"], tape.view[ASIA]["true_open"]) == (100.0, 80.0)
    minor = tape.view[MINOR]
    assert (minor["true_open"], minor["high"], minor["low"]) == (104.0, 130.0, 80.0)


def test_a_range_exists_only_from_the_first_bar_on() -> None:
    tape = Tape()
    tape.take(*minutes("ES", "2025-12-08 19:31", 400))
    assert ASIA not in tape.view
    assert tape.view[MINOR]["have"] == 22
    assert LONDON in tape.view
    earlier = Tape()
    earlier.take(*minutes("ES", "2025-12-08 19:30", 2))
    assert earlier.view[ASIA]["reason"] == "no_previous_close"


def test_an_off_session_bar_may_be_the_first_bar() -> None:
    tape = Tape()
    tape.take(flat("ES", "2025-12-08 17:30", 100.0), *minutes("ES", "2025-12-08 18:00", 100))
    assert tape.view[ASIA]["reason"] == "no_previous_close"


def test_bars_after_the_true_open_are_examined_and_a_jump_is_no_touch() -> None:
    tape = Tape()
    book = evening(91)
    book[10] = bar("ES", at("2025-12-08 18:09"), 98.0, 101.0, 100.0)
    tape.take(*book)
    # TO 100, PoC 98, RPP 102; the next bars jump from above RPP to below PoC.
    tape.take(bar("ES", "2025-12-08 19:31", 103.0, 104.0))
    tape.take(bar("ES", "2025-12-08 19:32", 96.0, 97.0))
    assert tape.view[ASIA]["state"] == "unbroken"
    tape.take(bar("ES", "2025-12-08 19:33", 97.0, 98.0))
    fact = tape.view[ASIA]
    assert (fact["state"], fact["side"]) == ("first_break", "PoC")
    assert fact["first_break_ms"] == at("2025-12-08 19:33")
    touch = tape.view["touch|ES|Major|Asia 2025-12-09|first_break"]
    assert (touch["price"], touch["level"], touch["bar_ms"]) == (
        98.0,
        "PoC",
        fact["first_break_ms"],
    )


def expiring(last_label: str) -> dict[str, dict[str, Any]]:
    """The view after a bar that touches PoC of m1930 at that label, and a clock past its expiry."""
    tape = Tape()
    book = evening(113)
    book[1 + 95] = bar("ES", "2025-12-08 19:35", 98.0, 101.0, 100.0)
    tape.take(*book)
    start = at("2025-12-08 19:53")
    for number in range((at(last_label) - start) // MINUTE_MS):
        label = start + number * MINUTE_MS
        if not at("2025-12-09 17:00") <= label < at("2025-12-09 18:00"):
            tape.take(flat("ES", label, 99.0))
    tape.take(bar("ES", last_label, 98.0, 99.0, 99.0))
    tape.clock("ES", "2025-12-09 20:00")
    return tape.view


def test_the_last_bar_before_the_expiry_counts_and_the_next_does_not() -> None:
    view = expiring("2025-12-09 19:51")
    assert view[MINOR]["state"] == "first_break"
    assert view[MINOR]["expired"] is True
    late = expiring("2025-12-09 19:52")
    assert late[MINOR]["state"] == "unbroken"
    expiry = late["touch|ES|Minor|m1930 2025-12-09|expired"]
    assert (expiry["level"], expiry["price"], expiry["ambiguous"]) == (None, None, False)
    assert expiry["bar_ms"] == expiry["event_ms"] == at("2025-12-09 19:52")
    assert expiry["session"] == "2025-12-10"
    assert late[MINOR]["event_ms"] == at("2025-12-09 19:52")


PRIOR = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["prior_session"]\n'


def prior(*after: LogRecord) -> Tape:
    """A session between 90 and 110, then these records."""
    tape = Tape(PRIOR, "ACME")
    tape.take(bar("ACME", "2025-07-02 09:30", 90.0, 110.0, 100.0))
    tape.take(*minutes("ACME", "2025-07-02 09:31", 389))
    tape.take(*after)
    return tape


def test_prior_session_is_published_when_the_watermark_reaches_the_open() -> None:
    tape = prior()
    assert "range|ACME|Prior|2025-07-03" not in tape.view
    tape.clock("ACME", "2025-07-03 09:30")
    fact = tape.view["range|ACME|Prior|2025-07-03"]
    assert (fact["high"], fact["low"], fact["state"]) == (110.0, 90.0, "untouched")
    assert (fact["session"], fact["event_ms"]) == ("2025-07-02", at("2025-07-03 09:30"))
    assert (fact["true_open"], fact["poc"], fact["rpp"], fact["side"]) == (None,) * 4
    assert (fact["have"], fact["need"]) == (390, 390)


def test_prior_session_is_touched_from_the_first_bar_on() -> None:
    tape = prior(bar("ACME", "2025-07-03 09:30", 89.0, 111.0))
    fact = tape.view["range|ACME|Prior|2025-07-03"]
    assert (fact["state"], fact["resolution"], fact["first_break_ms"]) == ("resolved", None, None)
    touches = [event.id.split("|")[-1] for event in tape.events if event.id.startswith("touch")]
    assert touches == ["touched_high", "touched_low"]


def test_prior_session_expires_at_the_close_of_its_session() -> None:
    tape = prior(bar("ACME", "2025-07-03 09:30", 95.0, 111.0))
    tape.clock("ACME", "2025-07-03 13:00")
    fact = tape.view["range|ACME|Prior|2025-07-03"]
    assert (fact["state"], fact["expired"]) == ("touched", True)
    assert tape.view["touch|ACME|Prior|2025-07-03|expired"]["session"] == "2025-07-07"


def test_a_prior_session_without_bars_is_incomplete_for_coverage() -> None:
    tape = prior(flat("ACME", "2025-07-07 09:30", 100.0))
    fact = tape.view["range|ACME|Prior|2025-07-07"]
    assert (fact["state"], fact["reason"]) == ("incomplete", "coverage")
    assert (fact["have"], fact["need"], fact["high"]) == (0, 210, None)
    tape.clock("ACME", "2025-07-07 16:00")
    assert tape.view["range|ACME|Prior|2025-07-07"]["expired"] is False
