"""Ranges of a symbol: which are considered, coverage, reasons, previous close, prior session."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.records import Bar, Clock, LogRecord
from tests.unit.streams.core.scenario import (
    DAY_MS,
    MINUTE_MS,
    Tape,
    at,
    bar,
    coin,
    equity,
    flat,
    minutes,
    run_of,
    template,
    utc,
    when,
)

ASIA = "range|ES|Major|Asia 2025-12-09"
LONDON = "range|ES|Major|London 2025-12-09"
MINOR = "range|ES|Minor|m1930 2025-12-09"
LEVELS = ("high", "low", "true_open", "poc", "rpp")


def evening(count: int = 500, start: str = "2025-12-08 16:59") -> list[LogRecord]:
    """ES from the last minute of a session on; the hour until 18:00 is closed."""
    first = flat("ES", start, 100.0)
    return [first, *minutes("ES", "2025-12-08 18:00", count)]


def dropped(records: list[LogRecord], *labels: int) -> list[LogRecord]:
    """The records without the bars with these labels."""
    return [record for record in records if getattr(record, "start_ms", None) not in labels]


def many(first: str, count: int) -> list[int]:
    """Labels of so many minutes in New York."""
    return [at(first) + number * MINUTE_MS for number in range(count)]


# Start, minutes of the window, how many are missing, and whether the levels are published.
COVERAGE = {
    "Major: 86 of 90 are 95.6 per cent": ("Major|London", "2025-12-09 00:00", 90, 4, True),
    "Major: 85 of 90 are 94.4 per cent": ("Major|London", "2025-12-09 00:00", 90, 5, False),
    "Minor: 22 of 23 are 95.7 per cent": ("Minor|m0000", "2025-12-09 00:00", 23, 1, True),
    "Minor: 21 of 23 are 91.3 per cent": ("Minor|m0000", "2025-12-09 00:00", 23, 2, False),
}


@pytest.mark.parametrize(
    ("kind", "start", "need", "missing", "complete"), COVERAGE.values(), ids=COVERAGE.keys()
)
def test_levels_need_95_per_cent_of_the_window(
    kind: str, start: str, need: int, missing: int, complete: bool
) -> None:
    tape = Tape()
    tape.take(*dropped(evening(), *many(start, missing)))
    fact = tape.view[f"range|ES|{kind} 2025-12-09"]
    assert (fact["have"], fact["need"]) == (need - missing, need)
    assert (fact["state"] == "incomplete") == (not complete)
    assert fact["reason"] == (None if complete else "coverage")
    assert [fact[name] is None for name in LEVELS] == [not complete] * 5


@pytest.mark.parametrize(("missing", "reason"), [(1, None), (2, "coverage")])
def test_exactly_95_per_cent_is_enough(missing: int, reason: str | None) -> None:
    own = template("own", "UTC", {"kind": "Test", "label": "t", "start": "00:00", "until": "00:20"})
    tape = coin('ranges = ["own"]\n', own)
    book = minutes("COIN", utc("2025-07-02 00:00"), 21)
    tape.take(*book[:5], *book[5 + missing :])
    fact = tape.view["range|COIN|Test|t 2025-07-02"]
    assert (fact["reason"], fact["have"], fact["need"]) == (reason, 20 - missing, 20)


@pytest.mark.parametrize(("missing", "reason"), [(69, None), (70, "coverage")])
def test_a_week_has_its_1380_minutes_to_cover(missing: int, reason: str | None) -> None:
    tape = Tape()
    book = minutes("ES", "2025-12-07 18:00", 1380)
    tape.take(*book[: 700 - missing], *book[700:], flat("ES", "2025-12-08 18:00", 100.0))
    fact = tape.view["range|ES|Weekly|Week of 2025-12-07"]
    assert (fact["reason"], fact["have"], fact["need"]) == (reason, 1380 - missing, 1380)


HOLES = many("2025-12-08 18:30", 20)
TO_BAR = at("2025-12-08 19:30")
BARE = minutes("ES", "2025-12-08 18:00", 500)
REASONS: dict[str, tuple[list[LogRecord], str | None]] = {
    "nothing missing": (evening(), None),
    "TO bar missing": (dropped(evening(), TO_BAR), "no_to_bar"),
    "TO bar and window missing": (evening(10), "no_to_bar"),
    "TO bar and previous close missing": (dropped(BARE, TO_BAR), "no_to_bar"),
    "all three missing": (dropped(BARE, TO_BAR, *HOLES), "no_to_bar"),
    "no previous close": (BARE, "no_previous_close"),
    "no previous close and holes": (dropped(BARE, *HOLES), "no_previous_close"),
    "holes": (dropped(evening(), *HOLES), "coverage"),
    "previous close of four days ago": (evening(start="2025-12-04 16:59"), None),
    "previous close 5 x 24 h before": (evening(start="2025-12-03 18:00"), None),
    "previous close out of reach": (evening(start="2025-12-03 16:59"), "no_previous_close"),
}


@pytest.mark.parametrize(("book", "reason"), REASONS.values(), ids=REASONS.keys())
def test_the_first_reason_that_holds(book: list[LogRecord], reason: str | None) -> None:
    tape = Tape()
    tape.take(*book)
    tape.clock("ES", "2025-12-09 03:00")
    fact = tape.view[ASIA]
    assert fact["reason"] == reason
    assert (fact["state"] == "incomplete") == (reason is not None)
    assert [fact[name] is None for name in LEVELS] == [reason is not None] * 5
    if reason is not None:
        assert fact["event_ms"] == at("2025-12-08 19:31")
        assert not [key for key in tape.of("touch") if "Asia" in key]


def test_a_minor_without_its_last_minute_has_no_true_open() -> None:
    tape = Tape()
    tape.take(*dropped(evening(), at("2025-12-08 19:52")))
    fact = tape.view[MINOR]
    assert (fact["reason"], fact["have"], fact["need"]) == ("no_to_bar", 22, 23)
    assert fact["expires_ms"] == at("2025-12-09 19:52")


def test_an_incomplete_range_never_expires_and_is_never_touched() -> None:
    tape = Tape()
    tape.take(*dropped(evening(), at("2025-12-08 19:52")))
    tape.clock("ES", "2025-12-10 12:00")
    assert (tape.view[MINOR]["expired"], tape.view[MINOR]["state"]) == (False, "incomplete")
    assert not [key for key in tape.of("touch") if "|m1930 2025-12-09|" in key]


def reach(before: int, label: int) -> str | None:
    """Reason of a range on 24/7 that asks for a previous close, given a bar so long before it."""
    kind = {"kind": "Test", "label": "t", "start": "00:00", "minutes": 2, "previous_close": True}
    tape = coin('ranges = ["own"]\n', template("own", "UTC", kind))
    tape.take(flat("COIN", label - before, 90.0), *minutes("COIN", label, 3))
    reason: str | None = tape.view["range|COIN|Test|t 2025-07-10"]["reason"]
    return reason


def test_the_previous_close_reaches_back_exactly_5_times_24_hours() -> None:
    label = utc("2025-07-10 00:00")
    assert reach(5 * DAY_MS, label) is None
    assert reach(5 * DAY_MS + MINUTE_MS, label) == "no_previous_close"
    assert reach(MINUTE_MS, label) is None


def test_the_previous_close_is_one_price_and_counts_for_nothing_else() -> None:
    tape = Tape()
    tape.take(bar("ES", "2025-12-08 16:59", 90.0, 120.0, 110.0))
    tape.take(*minutes("ES", "2025-12-08 18:00", 100))
    fact = tape.view[ASIA]
    assert (fact["high"], fact["low"], fact["poc"], fact["rpp"]) == (110.0, 100.0, 110.0, 90.0)
    assert (fact["have"], fact["need"]) == (90, 90)
    minor = tape.view["range|ES|Minor|m1800 2025-12-09"]
    assert (minor["high"], minor["have"], minor["need"]) == (110.0, 23, 23)


def test_the_previous_close_is_that_of_an_in_session_bar_over_a_weekend() -> None:
    tape = Tape()
    tape.take(flat("ES", "2025-12-05 16:58", 104.0), flat("ES", "2025-12-06 12:00", 300.0))
    tape.take(*minutes("ES", "2025-12-07 18:00", 91))
    fact = tape.view["range|ES|Major|Asia 2025-12-08"]
    assert (fact["high"], fact["low"]) == (104.0, 100.0)


def test_the_true_open_of_a_major_is_outside_its_window_that_of_a_minor_inside() -> None:
    tape = Tape()
    book = evening(113)
    book[1 + 90] = bar("ES", "2025-12-08 19:30", 80.0, 130.0)
    book[1 + 90 + 22] = bar("ES", "2025-12-08 19:52", 95.0, 105.0, 104.0)
    tape.take(*book)
    assert (tape.view[ASIA]["high"], tape.view[ASIA]["true_open"]) == (100.0, 80.0)
    minor = tape.view[MINOR]
    assert (minor["true_open"], minor["high"], minor["low"]) == (104.0, 130.0, 80.0)


def test_a_range_is_published_when_the_watermark_reaches_the_end_of_its_true_open_minute() -> None:
    tape = Tape()
    tape.take(*evening(90))
    tape.clock("ES", "2025-12-08 19:30:59")
    assert ASIA not in tape.view
    tape.clock("ES", "2025-12-08 19:31")
    assert tape.view[ASIA]["reason"] == "no_to_bar"
    other = Tape()
    other.take(*evening(91))
    [event] = other.versions(ASIA)
    assert event.event_ms == event.watermark_ms == at("2025-12-08 19:31")


CONSIDERED = {
    # First label: its true open is 19:30 (Asia), 18:22 (m1800), 19:52 (m1930).
    "2025-12-08 18:22": {"Asia", "m1800", "m1930"},
    "2025-12-08 18:23": {"Asia", "m1930"},
    "2025-12-08 19:30": {"Asia", "m1930"},
    "2025-12-08 19:31": {"m1930"},
    "2025-12-08 19:52": {"m1930"},
    "2025-12-08 19:53": set(),
    "2025-12-08 17:30": {"Asia", "m1800", "m1930"},  # off session, and still the first bar
}


@pytest.mark.parametrize(("first", "labels"), CONSIDERED.items())
def test_a_range_is_considered_if_its_true_open_is_not_before_the_first_bar(
    first: str, labels: set[str]
) -> None:
    tape = Tape()
    tape.take(flat("ES", first, 100.0))
    tape.clock("ES", "2025-12-08 20:00")
    daily = [fact for fact in tape.of("range").values() if fact["kind"] != "Weekly"]
    assert {fact["name"].split()[0] for fact in daily} == labels


def test_a_range_counts_what_it_has_from_the_first_bar_on() -> None:
    tape = Tape()
    tape.take(*minutes("ES", "2025-12-08 19:31", 400))
    fact = tape.view[MINOR]
    assert (fact["have"], fact["need"], fact["reason"]) == (22, 23, None)
    assert LONDON in tape.view


def test_a_clock_before_the_first_bar_makes_no_range() -> None:
    tape = Tape()
    tape.clock("ES", "2025-12-08 19:40")
    tape.take(*minutes("ES", "2025-12-08 19:40", 13))
    assert ASIA not in tape.view
    assert tape.view[MINOR]["have"] == 13


def test_a_window_without_an_expected_minute_is_incomplete_for_coverage() -> None:
    # The hour between two sessions, with the open of the next one as TO.
    own = template(
        "own",
        "America/New_York",
        {"kind": "Night", "label": "n", "start": "17:00", "until": "18:00", "coverage": 0},
    )
    toml = f'[instruments.YM]\ntick = 1\ncalendar = "CME_EQUITY"\nranges = ["own"]\n{own}'
    tape = Tape(toml, "YM")
    tape.take(flat("YM", "2025-12-08 16:59", 100.0), flat("YM", "2025-12-08 18:00", 100.0))
    fact = tape.view["range|YM|Night|n 2025-12-08"]
    assert (fact["state"], fact["reason"]) == ("incomplete", "coverage")
    assert (fact["have"], fact["need"]) == (0, 0)


def test_the_open_of_a_slot_of_four_hours_is_a_true_open() -> None:
    toml = (
        '[instruments.LONG]\ntick = 0.25\ncalendar = "CME_EQUITY"\nbase = "240m"\n'
        'ranges = ["cme_long"]\n'
    )
    tape = Tape(toml, "LONG")
    tape.take(*run_of("LONG", at("2025-12-07 18:00"), "240m", 5))
    tape.take(flat("LONG", "2025-12-08 14:00", 104.0, "240m"))
    tape.take(flat("LONG", "2025-12-08 18:00", 101.0, "240m"))
    fact = tape.view["range|LONG|Weekly|Week of 2025-12-07"]
    assert (fact["true_open"], fact["high"], fact["poc"]) == (101.0, 104.0, 104.0)
    assert (fact["have"], fact["need"]) == (6, 6)
    assert fact["event_ms"] == at("2025-12-08 22:00")


def weekly(calendar: str, base: str, **kind: object) -> Tape:
    """X with one range a week, from a Sunday to its Monday."""
    own = template("own", "America/New_York", {"period": "week", "kind": "Own"} | kind)
    toml = f'[instruments.X]\ntick = 1\ncalendar = "{calendar}"\nbase = "{base}"\nmax_ahead = 0\n'
    return Tape(f'{toml}ranges = ["own"]\n{own}', "X")


OWN = "X|Own|Week of 2025-07-06"


@pytest.mark.parametrize("clocked", [False, True])
def test_a_bar_that_an_expiry_lies_inside_of_counts_whatever_clock_comes(clocked: bool) -> None:
    tape = weekly("24/7", "60m", start="00:00", until="04:00", expires_minutes=90)
    tape.take(*run_of("X", at("2025-07-06 00:00"), "60m", 29))
    if clocked:
        tape.take(Clock("X", at("2025-07-07 05:30")))
    beyond = Bar("X", "60m", at("2025-07-07 05:00"), 100.0, 104.0, 99.0, 100.0, 1)
    tape.take(beyond, flat("X", at("2025-07-07 06:00"), 100.0, "60m"))
    fact = tape.view[f"range|{OWN}"]
    assert (fact["expired"], when(fact["expires_ms"])) == (True, "2025-07-07 05:30")
    assert fact["state"] != "unbroken"
    # Not before the bar whose break it names.
    assert when(fact["event_ms"]) == "2025-07-07 06:00"
    assert when(tape.view[f"touch|{OWN}|expired"]["event_ms"]) == "2025-07-07 05:30"


@pytest.mark.parametrize(
    ("calendar", "base", "until", "first", "to"),
    [
        ("CME_EQUITY", "60m", "17:00", "2025-07-06 18:00", "2025-07-07 16:00"),
        ("CME_EQUITY", "240m", "17:00", "2025-07-06 18:00", "2025-07-07 14:00"),
        ("XNYS", "60m", "16:00", "2025-07-07 09:30", "2025-07-07 15:30"),
    ],
)
def test_the_last_bar_of_a_window_may_be_a_short_one(
    calendar: str, base: str, until: str, first: str, to: str
) -> None:
    tape = weekly(calendar, base, start="17:00", until=until, true_open="close", coverage=0)
    plan = tape.plan.instruments[0]
    start = at(first)
    while start <= at(to):
        tape.take(flat("X", start, 100.0, base))
        start = plan.calendar.slot_end(start, plan.base_ms)
    fact = tape.view[f"range|{OWN}"]
    assert (when(fact["to_ms"]), fact["true_open"]) == (to, 100.0)


PRIOR = 'ranges = ["prior_session"]\n'
THIRD = "range|ACME|Prior|2025-07-03"


def prior(*after: LogRecord) -> Tape:
    """A session between 90 and 110, then these records."""
    tape = equity(PRIOR)
    tape.take(bar("ACME", "2025-07-02 09:30", 90.0, 110.0, 100.0))
    tape.take(*minutes("ACME", "2025-07-02 09:31", 389))
    tape.take(*after)
    return tape


def test_prior_session_is_published_when_the_watermark_reaches_the_open() -> None:
    tape = prior()
    tape.clock("ACME", "2025-07-03 09:29")
    assert THIRD not in tape.view
    tape.clock("ACME", "2025-07-03 09:30")
    fact = tape.view[THIRD]
    assert (fact["high"], fact["low"], fact["state"]) == (110.0, 90.0, "untouched")
    assert (fact["session"], fact["event_ms"]) == ("2025-07-02", at("2025-07-03 09:30"))
    assert (when(fact["start_ms"]), when(fact["to_ms"])) == ("2025-07-02 09:30", "2025-07-03 09:30")
    assert when(fact["expires_ms"]) == "2025-07-03 13:00"
    nulls = ("true_open", "poc", "rpp", "side", "resolution", "first_break_ms", "return_ms")
    assert [fact[name] for name in nulls] == [None] * len(nulls)
    assert (fact["have"], fact["need"]) == (390, 390)


def test_prior_session_may_be_touched_at_both_levels_by_the_first_bar_high_first() -> None:
    tape = prior(bar("ACME", "2025-07-03 09:30", 89.0, 111.0))
    fact = tape.view[THIRD]
    assert (fact["state"], fact["resolution"], fact["first_break_ms"]) == ("resolved", None, None)
    touches = [event for event in tape.events if event.id.startswith("touch")]
    assert [event.id for event in touches] == [
        "touch|ACME|Prior|2025-07-03|touched_high",
        "touch|ACME|Prior|2025-07-03|touched_low",
    ]
    views = [tape.view[event.id] for event in touches]
    assert [(view["level"], view["price"]) for view in views] == [("high", 110.0), ("low", 90.0)]
    assert [view["ambiguous"] for view in views] == [False, False]
    tape.clock("ACME", "2025-07-03 13:00")
    assert tape.view[THIRD]["expired"] is False


def test_prior_session_needs_one_bar_only() -> None:
    tape = equity(PRIOR)
    tape.take(flat("ACME", "2025-07-02 15:59", 100.0), flat("ACME", "2025-07-03 09:30", 101.0))
    fact = tape.view[THIRD]
    assert (fact["state"], fact["have"], fact["need"]) == ("untouched", 1, 390)
    tape.take(flat("ACME", "2025-07-03 09:31", 100.0))
    assert tape.view[THIRD]["state"] == "resolved"


@pytest.mark.parametrize("last", ["2025-07-03 12:59", None])
def test_prior_session_expires_at_the_close_of_its_session(last: str | None) -> None:
    tape = prior(bar("ACME", "2025-07-03 09:30", 95.0, 111.0))
    if last is not None:
        tape.take(bar("ACME", last, 95.0, 96.0))
    tape.clock("ACME", "2025-07-03 13:00")
    fact = tape.view[THIRD]
    assert (fact["state"], fact["expired"]) == ("touched", True)
    expiry = tape.view["touch|ACME|Prior|2025-07-03|expired"]
    assert expiry["bar_ms"] == expiry["event_ms"] == at("2025-07-03 13:00")
    assert (expiry["session"], expiry["level"], expiry["price"]) == ("2025-07-07", None, None)


def test_prior_session_of_the_next_session_follows() -> None:
    tape = prior(bar("ACME", "2025-07-03 09:30", 95.0, 120.0))
    tape.take(bar("ACME", "2025-07-07 09:30", 119.0, 121.0))
    fact = tape.view["range|ACME|Prior|2025-07-07"]
    assert (fact["high"], fact["low"], fact["have"], fact["need"]) == (120.0, 95.0, 1, 210)
    assert fact["state"] == "touched"


def test_a_session_after_one_without_bars_has_no_prior_levels() -> None:
    tape = prior(flat("ACME", "2025-07-07 09:30", 100.0))
    fact = tape.view["range|ACME|Prior|2025-07-07"]
    assert (fact["state"], fact["reason"]) == ("incomplete", "coverage")
    assert (fact["have"], fact["need"], fact["high"], fact["low"]) == (0, 210, None, None)
    tape.clock("ACME", "2025-07-07 16:00")
    assert tape.view["range|ACME|Prior|2025-07-07"]["expired"] is False


FIRST_SESSIONS: dict[str, tuple[str, bool]] = {
    "first bar at the open": ("2025-07-02 09:30", True),
    "first bar before the open": ("2025-07-02 08:00", True),
    "first bar after the open": ("2025-07-02 09:31", False),
}


@pytest.mark.parametrize(("first", "known"), FIRST_SESSIONS.values(), ids=FIRST_SESSIONS.keys())
def test_the_first_session_has_no_session_before_it_with_bars(first: str, known: bool) -> None:
    tape = equity(PRIOR)
    tape.take(flat("ACME", first, 100.0))
    tape.clock("ACME", "2025-07-02 10:00")
    found: dict[str, dict[str, Any]] = tape.of("range")
    assert list(found) == (["range|ACME|Prior|2025-07-02"] if known else [])
    assert all(fact["reason"] == "coverage" and fact["have"] == 0 for fact in found.values())


def test_several_templates_go_side_by_side() -> None:
    toml = '[instruments.YM]\ntick = 1\ncalendar = "CME_EQUITY"\n'
    tape = Tape(toml + 'ranges = ["cme_index", "prior_session"]\n', "YM")
    tape.take(flat("YM", "2025-12-08 16:59", 100.0), *minutes("YM", "2025-12-08 18:00", 113))
    kinds = {fact["kind"] for fact in tape.of("range").values()}
    assert kinds == {"Major", "Minor", "Prior", "Weekly"}
