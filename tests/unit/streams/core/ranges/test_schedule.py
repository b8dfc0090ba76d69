"""When ranges start, end, are decided and expire: every row of the table of kinds."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.instants import DAY_MS, iso_date
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.ranges.schedule import NEVER_MS, RangeSchedule, RangeSpec
from tapeline.streams.pipeline.planning import plan_group
from tests.unit.streams.core.scenario import MINUTE_MS, at, day_number, template, utc, when


def schedule(toml: str = "", symbol: str = "ES", group: str = "ES-NQ") -> RangeSchedule:
    """Schedule of a symbol of a configuration."""
    plans = plan_group(read_config(toml, "schedule"), group).instruments
    plan = next(found for found in plans if found.symbol == symbol)
    return RangeSchedule(plan.calendar, plan.base_ms, plan.kinds)


def ranges(found: RangeSchedule, first: str, last: str) -> dict[str, RangeSpec]:
    """Ranges that start on the dates from `first` to `last`, by kind and name."""
    days = range(at(f"{first} 12:00") // DAY_MS, at(f"{last} 12:00") // DAY_MS + 1)
    specs = [spec for day in days for spec in found.starting_on(day)]
    return {f"{spec.kind}|{spec.name}": spec for spec in specs}


MAJORS = {
    "Asia": ("2025-12-08 18:00", "2025-12-08 19:30", "2025-12-09"),
    "London": ("2025-12-09 00:00", "2025-12-09 01:30", "2025-12-09"),
    "NY_AM": ("2025-12-09 06:00", "2025-12-09 07:30", "2025-12-09"),
    "NY_PM": ("2025-12-09 12:00", "2025-12-09 13:30", "2025-12-09"),
    "Afternoon": ("2025-12-09 13:30", "2025-12-09 15:00", "2025-12-09"),
}


@pytest.mark.parametrize(("label", "row"), MAJORS.items())
def test_a_major_ends_before_its_true_open(label: str, row: tuple[str, str, str]) -> None:
    start, end, date = row
    spec = ranges(schedule(), "2025-12-08", "2025-12-09")[f"Major|{label} {date}"]
    assert (spec.start_ms, spec.window_end_ms, spec.to_ms) == (at(start), at(end), at(end))
    assert spec.publish_ms == at(end) + MINUTE_MS
    assert spec.expires_ms == NEVER_MS
    assert spec.previous_close == (label == "Asia")
    assert (spec.need, spec.session) == (90, date)


STARTS = (
    *("1800", "1930", "2100", "2230", "0000", "0130", "0300", "0430"),
    *("0600", "0730", "0900", "1030", "1200", "1330", "1500", "1630"),
)


@pytest.mark.parametrize("label", STARTS)
def test_a_minor_has_23_minutes_closes_in_the_last_and_lives_a_day(label: str) -> None:
    day = "2025-12-08" if label >= "1800" else "2025-12-09"
    found = ranges(schedule(), "2025-12-08", "2025-12-09")
    spec = found[f"Minor|m{label} 2025-12-09"]
    start = at(f"{day} {label[:2]}:{label[2:]}")
    assert (spec.start_ms, spec.window_end_ms) == (start, start + 23 * MINUTE_MS)
    assert (spec.to_ms, spec.publish_ms) == (start + 22 * MINUTE_MS, start + 23 * MINUTE_MS)
    assert spec.expires_ms == spec.to_ms + 24 * 60 * MINUTE_MS
    assert spec.need == 23
    assert spec.previous_close == (label == "1800")


def test_a_trading_session_has_5_majors_and_16_minors() -> None:
    found = ranges(schedule(), "2025-12-08", "2025-12-09")
    of_session = [spec for spec in found.values() if spec.name.endswith(" 2025-12-09")]
    assert [spec.kind for spec in of_session].count("Major") == 5
    assert [spec.kind for spec in of_session].count("Minor") == 16


# Start, end of the window and TO.
LONG = {
    "Weekly|Week of 2025-12-07": ("2025-12-07 18:00", "2025-12-08 18:00", "2025-12-08 18:00"),
    # The Monday is a holiday that closes at noon Central: its evening is open.
    "Weekly|Week of 2025-08-31": ("2025-08-31 18:00", "2025-09-01 18:00", "2025-09-01 18:00"),
    # The clocks changed that Sunday morning.
    "Weekly|Week of 2025-03-09": ("2025-03-09 18:00", "2025-03-10 18:00", "2025-03-10 18:00"),
    "Weekly|Week of 2025-11-02": ("2025-11-02 18:00", "2025-11-03 18:00", "2025-11-03 18:00"),
    "Monthly|2024-01": ("2024-01-01 18:00", "2024-01-14 18:00", "2024-01-14 18:00"),
    "Monthly|2024-04": ("2024-03-31 18:00", "2024-04-07 18:00", "2024-04-07 18:00"),
    "Monthly|2024-06": ("2024-06-02 18:00", "2024-06-09 18:00", "2024-06-09 18:00"),
    "Monthly|2024-07": ("2024-06-30 18:00", "2024-07-07 18:00", "2024-07-07 18:00"),
    # Labor Day is the first Monday: M1 is the second, and the month starts after it.
    "Monthly|2024-09": ("2024-09-02 18:00", "2024-09-15 18:00", "2024-09-15 18:00"),
    "Monthly|2025-09": ("2025-09-01 18:00", "2025-09-14 18:00", "2025-09-14 18:00"),
    "Monthly|2026-09": ("2026-08-31 18:00", "2026-09-20 18:00", "2026-09-20 18:00"),
    "Monthly|2025-01": ("2025-01-01 18:00", "2025-01-12 18:00", "2025-01-12 18:00"),
    "Monthly|2025-03": ("2025-03-02 18:00", "2025-03-09 18:00", "2025-03-09 18:00"),
    "Monthly|2025-05": ("2025-04-30 18:00", "2025-05-11 18:00", "2025-05-11 18:00"),
    "Monthly|2025-07": ("2025-06-30 18:00", "2025-07-13 18:00", "2025-07-13 18:00"),
    "Monthly|2025-11": ("2025-11-02 18:00", "2025-11-09 18:00", "2025-11-09 18:00"),
    "Monthly|2025-12": ("2025-11-30 18:00", "2025-12-07 18:00", "2025-12-07 18:00"),
    "Monthly|2026-01": ("2026-01-01 18:00", "2026-01-11 18:00", "2026-01-11 18:00"),
    "Monthly|2026-07": ("2026-06-30 18:00", "2026-07-12 18:00", "2026-07-12 18:00"),
    # Independence Day, and New Year's Day observed, on the first Monday.
    "Monthly|2022-07": ("2022-06-30 18:00", "2022-07-17 18:00", "2022-07-17 18:00"),
    "Monthly|2023-01": ("2023-01-02 18:00", "2023-01-15 18:00", "2023-01-15 18:00"),
    # The first full-session Monday of April 2025 is the 7th; the window ends on April 1.
    "Yearly|2025": ("2025-01-01 18:00", "2025-04-01 00:00", "2025-04-06 18:00"),
    "Yearly|2026": ("2026-01-01 18:00", "2026-04-01 00:00", "2026-04-05 18:00"),
    "Yearly|2023": ("2023-01-02 18:00", "2023-04-01 00:00", "2023-04-02 18:00"),
    # April 1, 2024 is that Monday: TO comes before April begins.
    "Yearly|2024": ("2024-01-01 18:00", "2024-03-31 18:00", "2024-03-31 18:00"),
}


@pytest.fixture(scope="module")
def years() -> dict[str, RangeSpec]:
    """All ranges of five years."""
    return ranges(schedule(), "2022-01-01", "2026-12-31")


@pytest.mark.parametrize(("name", "row"), LONG.items())
def test_weeks_months_and_years(
    name: str, row: tuple[str, str, str], years: dict[str, RangeSpec]
) -> None:
    spec = years[name]
    assert (when(spec.start_ms), when(spec.window_end_ms), when(spec.to_ms)) == row
    assert spec.expires_ms == NEVER_MS
    assert spec.publish_ms == spec.to_ms + MINUTE_MS
    assert not spec.previous_close


def test_every_month_and_year_has_one_range(years: dict[str, RangeSpec]) -> None:
    months = [spec.name for spec in years.values() if spec.kind == "Monthly"]
    assert months == [f"{year}-{month:02d}" for year in range(2022, 2027) for month in range(1, 13)]
    assert [spec.name for spec in years.values() if spec.kind == "Yearly"] == [
        str(year) for year in range(2022, 2027)
    ]


def test_a_week_without_an_open_minute_expects_none(years: dict[str, RangeSpec]) -> None:
    # Christmas Day 2023 is a Monday without a session; its evening is open again.
    spec = years["Weekly|Week of 2023-12-24"]
    assert (spec.need, when(spec.to_ms)) == (0, "2023-12-25 18:00")
    # Labor Day closes at 13:00 New York.
    assert years["Weekly|Week of 2025-08-31"].need == 19 * 60


def test_the_session_of_a_range_is_that_of_its_start(years: dict[str, RangeSpec]) -> None:
    assert years["Weekly|Week of 2025-12-07"].session == "2025-12-08"
    assert years["Monthly|2025-12"].session == "2025-12-01"
    assert years["Yearly|2025"].session == "2025-01-02"
    assert years["Major|Asia 2025-12-08"].session == "2025-12-08"


def closed_on(*dates: str) -> Calendar:
    """Hours of index futures from Sunday 18:00 New York to Friday 17:00, but for some dates."""
    days, opens, closes = [], [], []
    for day in range(day_number("2025-01-01"), day_number("2025-12-31")):
        date = iso_date(day)
        if (day + 3) % 7 < 5 and date not in dates:
            days.append(day)
            opens.append([at(f"{iso_date(day - 1)} 18:00")])
            closes.append([at(f"{date} 17:00")])
    return Calendar("OWN", days, opens, closes, [0] * len(days), opens[0][0], closes[-1][-1])


MOVED = {
    # The first full Monday of June 2025 is the 2nd, so TO is Sunday the 8th - if Monday is open.
    "not at all": ((), "2025-06-08 18:00"),
    "one week": (("2025-06-09",), "2025-06-15 18:00"),
    "two weeks": (("2025-06-09", "2025-06-16"), "2025-06-22 18:00"),
    "four weeks": (("2025-06-09", "2025-06-16", "2025-06-23", "2025-06-30"), "2025-07-06 18:00"),
    "never five": (
        ("2025-06-09", "2025-06-16", "2025-06-23", "2025-06-30", "2025-07-07"),
        None,
    ),
}


@pytest.mark.parametrize(("closed", "to"), MOVED.values(), ids=MOVED.keys())
def test_a_true_open_moves_on_by_weeks_at_most_four_times(
    closed: tuple[str, ...], to: str | None
) -> None:
    plan = plan_group(read_config("", "schedule"), "ES-NQ").instruments[0]
    found = ranges(
        RangeSchedule(closed_on(*closed), MINUTE_MS, plan.kinds), "2025-05-28", "2025-06-05"
    )
    spec = found.get("Monthly|2025-06")
    assert (None if spec is None else when(spec.to_ms)) == to


def daily(found: dict[str, RangeSpec], date: str) -> set[str]:
    """Labels of the daily ranges of a session date."""
    kinds = ("Major", "Minor")
    specs = [spec for spec in found.values() if spec.kind in kinds and spec.name.endswith(date)]
    return {spec.name.split()[0] for spec in specs}


EVENING = {"Asia", "m1800", "m1930", "m2100", "m2230"}
NIGHT = {"London", "m0000", "m0130", "m0300", "m0430"}
MORNING = {"NY_AM", "m0600", "m0730"}
AFTERNOON = {"NY_PM", "Afternoon", "m1330", "m1500", "m1630"}
NOON = {"m0900", "m1030", "m1200"}
SHORT_DAYS = {
    # By the hour of the close: session date, and what is left of its ranges.
    "ordinary": ("2025-12-09", EVENING | NIGHT | MORNING | NOON | AFTERNOON),
    "12:00 Central": ("2025-11-27", EVENING | NIGHT | MORNING | NOON),
    "12:15 Central": ("2025-12-24", EVENING | NIGHT | MORNING | NOON),
    "08:30 Central": ("2025-01-09", EVENING | NIGHT | MORNING | {"m0900"}),
    "08:15 Central": ("2026-04-03", EVENING | NIGHT | MORNING),
    "closed": ("2025-12-25", set()),
    "after a closed day": ("2025-12-26", EVENING | NIGHT | MORNING | NOON | AFTERNOON),
    "Saturday": ("2025-12-13", set()),
    "Sunday": ("2025-12-14", set()),
    "Monday": ("2025-12-15", EVENING | NIGHT | MORNING | NOON | AFTERNOON),
}


@pytest.mark.parametrize(("date", "labels"), SHORT_DAYS.values(), ids=SHORT_DAYS.keys())
def test_only_ranges_whose_true_open_is_an_open_minute_exist(
    date: str, labels: set[str], years: dict[str, RangeSpec]
) -> None:
    assert daily(years, date) == labels


def test_friday_evening_has_no_range(years: dict[str, RangeSpec]) -> None:
    after, before = at("2025-12-12 17:00"), at("2025-12-14 18:00")
    assert [spec.name for spec in years.values() if after <= spec.start_ms < before] == []
    last = years["Minor|m1630 2025-12-12"]
    assert when(last.expires_ms) == "2025-12-13 16:52"


def test_wall_times_follow_the_clocks_of_their_own_date() -> None:
    found = ranges(schedule(), "2025-03-07", "2025-03-10")
    friday = found["Major|NY_AM 2025-03-07"].start_ms
    monday = found["Major|NY_AM 2025-03-10"].start_ms
    assert monday - friday == 3 * DAY_MS - 60 * MINUTE_MS


OWN = ('[instruments.COIN]\ntick = 1\ncalendar = "24/7"\nranges = ["own"]\n', "COIN", "COIN")


def night(first: str, last: str, **kind: object) -> dict[str, RangeSpec]:
    """Ranges of an own kind in New York on a calendar that never closes."""
    toml, symbol, group = OWN
    own = template("own", "America/New_York", {"kind": "Test", "label": "t"} | kind)
    return ranges(schedule(toml + own, symbol, group), first, last)


def test_a_wall_time_that_is_skipped_gives_no_range_that_day() -> None:
    found = night("2025-03-08", "2025-03-10", start="02:30", minutes=10)
    assert [spec.name for spec in found.values()] == ["t 2025-03-08", "t 2025-03-10"]
    ends = night("2025-03-08", "2025-03-10", start="01:30", until="02:30")
    assert [spec.name for spec in ends.values()] == ["t 2025-03-08", "t 2025-03-10"]
    over = night("2025-03-09", "2025-03-09", start="01:30", until="03:30")["Test|t 2025-03-09"]
    assert over.need == 60


def test_a_wall_time_that_occurs_twice_means_the_first() -> None:
    spec = night("2025-11-02", "2025-11-02", start="01:30", minutes=10)["Test|t 2025-11-02"]
    assert spec.start_ms == utc("2025-11-02 05:30")
    ends = night("2025-11-02", "2025-11-02", start="00:30", until="01:30")["Test|t 2025-11-02"]
    assert (ends.to_ms, ends.need) == (utc("2025-11-02 05:30"), 60)
    over = night("2025-11-02", "2025-11-02", start="00:30", until="02:30")["Test|t 2025-11-02"]
    assert over.need == 180


def test_a_life_of_24_hours_is_elapsed_time() -> None:
    life = {"start": "22:30", "minutes": 23, "true_open": "close", "expires_minutes": 1440}
    found = night("2025-11-01", "2025-11-01", **life)
    spec = found["Test|t 2025-11-02"]
    assert (when(spec.to_ms), when(spec.expires_ms)) == ("2025-11-01 22:52", "2025-11-02 21:52")


@pytest.mark.parametrize(("start", "named"), [("17:59", "2025-07-02"), ("18:00", "2025-07-03")])
def test_a_start_from_18_00_on_carries_the_next_date(start: str, named: str) -> None:
    assert list(night("2025-07-02", "2025-07-02", start=start, minutes=5)) == [f"Test|t {named}"]


def test_cme_long_reads_minute_as_slot() -> None:
    toml = (
        '[instruments.LONG]\ntick = 0.25\ncalendar = "CME_EQUITY"\nbase = "4h"\n'
        'ranges = ["cme_long"]\n'
    )
    spec = ranges(schedule(toml, "LONG", "LONG"), "2025-12-06", "2025-12-08")[
        "Weekly|Week of 2025-12-07"
    ]
    assert (spec.need, spec.publish_ms) == (6, at("2025-12-08 22:00"))


PRIOR = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["prior_session"]\n'


def test_prior_session_spans_the_session_before_and_lives_one_session() -> None:
    spec = ranges(schedule(PRIOR, "ACME", "ACME"), "2025-07-02", "2025-07-03")["Prior|2025-07-03"]
    assert (spec.start_ms, spec.window_end_ms) == (at("2025-07-02 09:30"), at("2025-07-02 16:00"))
    assert spec.to_ms == spec.publish_ms == at("2025-07-03 09:30")
    assert spec.expires_ms == at("2025-07-03 13:00")
    assert (spec.need, spec.session) == (390, "2025-07-02")


def test_a_spec_is_found_again_by_kind_and_start() -> None:
    found = schedule()
    for spec in ranges(found, "2025-03-07", "2025-03-10").values():
        assert found.find(spec.kind_index, spec.start_ms).name == spec.name
    with pytest.raises(LookupError):
        found.find(0, at("2025-03-08 12:00"))
