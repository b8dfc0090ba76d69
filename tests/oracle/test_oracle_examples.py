"""The worked examples of the rules, by hand, so that the oracle itself is checked."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tapeline.schemas.config.model import Config, InstrumentConfig, built_in_config
from tapeline.schemas.records import Bar
from tests.oracle import Plan, TradingDay, view

MINUTE_MS = 60_000
EASTERN = ZoneInfo("America/New_York")
OPEN = "2025-07-02T09:30"


def ms(wall: str) -> int:
    return int(datetime.fromisoformat(wall).replace(tzinfo=EASTERN).timestamp()) * 1_000


def bar(start_ms: int, low: float = 10.0, high: float = 11.0, volume: float | None = None) -> Bar:
    return Bar("X", "1m", start_ms, low, high, low, high, volume)


def minutes(start: str, count: int, missing: range = range(0)) -> list[Bar]:
    return [bar(ms(start) + n * MINUTE_MS) for n in range(count) if n not in missing]


def config(calendar: str = "XNYS", **fields: object) -> Config:
    instrument = InstrumentConfig(tick="0.25", calendar=calendar)
    return msgspec.structs.replace(
        built_in_config(),
        instruments={},
        groups={},
        default=msgspec.structs.replace(instrument, **fields),
    )


def facts(
    kind: str, bars: list[Bar], until: str, plan: Plan | None = None
) -> list[dict[str, object]]:
    found = view(plan or Plan(config(), "X"), {"X": bars}, {"X": ms(until)})
    return [found[key] for key in sorted(found) if found[key]["type"] == kind]


@pytest.mark.parametrize(
    ("missing", "until", "as_of", "due", "quality"),
    [
        (range(5, 6), "09:36", "09:36", 6, 83.333),
        (range(5, 6), "12:00", "09:36", 6, 83.333),
        (range(5, 6), "16:00", "16:00", 390, 99.744),
        (range(5, 7), "09:37", "09:37", 7, 71.429),
        (range(100, 110), "16:00", "16:00", 390, 97.436),
        (range(0), "12:00", "09:31", 1, 100.0),
    ],
)
def test_quality_stays_at_the_last_missing_slot_and_then_at_the_close(
    missing: range, until: str, as_of: str, due: int, quality: float
) -> None:
    day = ms("2025-07-02T" + until)
    bars = [each for each in minutes(OPEN, 390, missing) if each.start_ms < day]

    (fact,) = facts("quality", bars, "2025-07-02T" + until)

    assert (fact["as_of_ms"], fact["due"]) == (ms("2025-07-02T" + as_of), due)
    assert fact["quality"] == pytest.approx(quality, abs=5e-4)


def test_pre_market_bars_and_a_clock_are_no_data() -> None:
    bars = minutes("2025-07-02T08:00", 40)

    (quality,) = facts("quality", bars, "2025-07-02T10:10")
    (gap,) = facts("gap", bars, "2025-07-02T10:10")

    assert (quality["due"], quality["actual"], quality["quality"]) == (40, 0, 0.0)
    assert (gap["missing"], gap["state"], gap["event_ms"]) == (40, "open", ms("2025-07-02T10:10"))


def test_half_a_session_with_an_early_close() -> None:
    bars = minutes("2025-07-03T09:30", 105)

    (quality,) = facts("quality", bars, "2025-07-03T13:00")
    (session,) = facts("session", bars, "2025-07-03T13:00")
    (gap,) = facts("gap", bars, "2025-07-03T13:00")

    assert quality["quality"] == 50.0
    assert (session["early_close"], session["expected"]) == (True, 210)
    assert (gap["missing"], gap["state"], gap["event_ms"]) == (105, "closed", session["close_ms"])


@pytest.mark.parametrize(
    ("until", "state", "event"),
    [("11:20", "open", "11:20"), ("11:21", "closed", "11:21"), ("16:00", "closed", "11:21")],
)
def test_a_gap_closes_with_the_bar_that_follows_it(until: str, state: str, event: str) -> None:
    bars = [
        each
        for each in minutes(OPEN, 390, range(100, 110))
        if each.start_ms < ms("2025-07-02T" + until)
    ]

    (gap,) = facts("gap", bars, "2025-07-02T" + until)

    assert (gap["start_ms"], gap["missing"]) == (ms("2025-07-02T11:10"), 10)
    assert (gap["state"], gap["event_ms"]) == (state, ms("2025-07-02T" + event))


def test_windows_are_anchored_at_each_segment_and_the_last_one_is_cut_short() -> None:
    open_ms = ms(OPEN)
    segments = ((open_ms, open_ms + 7 * MINUTE_MS), (open_ms + 9 * MINUTE_MS, open_ms + 600_000))
    plan = Plan(config(), "X", (TradingDay("2025-07-02", segments),))
    bars = [bar(open_ms + n * MINUTE_MS, volume=0.5) for n in (0, 1, 2, 3, 4, 6, 9)]

    found = facts("derived_bar", bars, "2025-07-02T09:40", plan)

    shown = ("start_ms", "have", "need", "complete", "truncated", "volume")
    assert [tuple(each[key] for key in shown) for each in found if each["interval"] == "5m"] == [
        (open_ms, 5, 5, True, False, 2.5),
        (open_ms + 5 * MINUTE_MS, 1, 2, False, True, 0.5),
        (open_ms + 9 * MINUTE_MS, 1, 1, True, True, 0.5),
    ]


def test_prior_session_levels_are_touched_once_each_and_expire_at_the_close() -> None:
    plan = Plan(config(ranges=("prior_session",)), "X")
    first = [bar(ms(OPEN), 9.0, 12.0)]
    second = [bar(ms("2025-07-03T09:30"), 10.0, 11.0), bar(ms("2025-07-03T09:31"), 11.0, 13.0)]

    _, prior = facts("range", first + second, "2025-07-03T13:00", plan)
    expired, touched = facts("touch", first + second, "2025-07-03T13:00", plan)

    assert (prior["name"], prior["session"]) == ("2025-07-03", "2025-07-02")
    assert (prior["high"], prior["low"], prior["state"], prior["expired"]) == (
        12.0,
        9.0,
        "touched",
        True,
    )
    assert (touched["event"], touched["bar_ms"]) == ("touched_high", ms("2025-07-03T09:31"))
    assert (expired["event"], expired["level"], expired["session"]) == (
        "expired",
        None,
        "2025-07-07",
    )


def test_month_and_year_begin_with_full_sessions_and_wait_for_an_open_sunday() -> None:
    plan = Plan(config("CME_EQUITY", base="240m", ranges=("cme_long",)), "X")
    book = [Bar("X", "240m", ms("2024-12-29T18:00"), 1.0, 1.0, 1.0, 1.0)]

    found = facts("range", book, "2025-12-31T17:00", plan)

    times = {str(each["name"]): (each["start_ms"], each["to_ms"]) for each in found}
    assert times["2025"] == (ms("2025-01-01T18:00"), ms("2025-04-06T18:00"))
    assert times["2025-09"] == (ms("2025-09-01T18:00"), ms("2025-09-14T18:00"))
    assert times["2025-12"] == (ms("2025-11-30T18:00"), ms("2025-12-07T18:00"))
    assert times["Week of 2025-12-07"] == (ms("2025-12-07T18:00"), ms("2025-12-08T18:00"))
