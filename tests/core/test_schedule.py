"""When ranges start, end, are decided and expire: every row of the table of kinds."""

from __future__ import annotations

import pytest

from schemas.config_loading import read_config
from streams.core.calendar import DAY_MS
from streams.core.schedule import NEVER_MS, RangeSchedule, RangeSpec
from streams.planning import plan_group
from tests.core.scenario import MINUTE_MS, at


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


LONG = {
    "Weekly|Week of 2025-12-07": ("2025-12-07 18:00", "2025-12-08 18:00", "2025-12-08 18:00"),
    # Labor Day moves M1 to September 8, so TO is the Sunday before plus a week.
    "Monthly|2025-09": ("2025-09-01 18:00", "2025-09-14 18:00", "2025-09-14 18:00"),
    "Monthly|2025-12": ("2025-11-30 18:00", "2025-12-07 18:00", "2025-12-07 18:00"),
    "Monthly|2026-01": ("2026-01-01 18:00", "2026-01-11 18:00", "2026-01-11 18:00"),
    # The first full-session Monday of April 2025 is the 7th; the window ends on April 1.
    "Yearly|2025": ("2025-01-01 18:00", "2025-04-01 00:00", "2025-04-06 18:00"),
    "Yearly|2026": ("2026-01-01 18:00", "2026-04-01 00:00", "2026-04-05 18:00"),
    "Yearly|2024": ("2024-01-01 18:00", "2024-03-31 18:00", "2024-03-31 18:00"),
}


@pytest.mark.parametrize(("name", "row"), LONG.items())
def test_weeks_months_and_years(name: str, row: tuple[str, str, str]) -> None:
    spec = ranges(schedule(), "2023-12-28", "2026-01-15")[name]
    assert (spec.start_ms, spec.window_end_ms, spec.to_ms) == tuple(map(at, row))
    assert spec.expires_ms == NEVER_MS


def test_only_ranges_whose_true_open_is_an_open_minute_exist() -> None:
    friday = ranges(schedule(), "2025-12-12", "2025-12-13")
    assert not [name for name in friday if "18:00" in name or name.startswith("Major|Asia")]
    assert "Minor|m1800 2025-12-13" not in friday
    short = ranges(schedule(), "2025-12-23", "2025-12-24")  # closes 13:15 New York
    assert "Major|NY_AM 2025-12-24" in short
    assert "Major|NY_PM 2025-12-24" not in short
    assert "Minor|m1200 2025-12-24" in short
    holiday = ranges(schedule(), "2025-11-27", "2025-11-27")  # closes 13:00 New York
    assert "Minor|m1200 2025-11-27" in holiday
    assert "Major|NY_PM 2025-11-27" not in holiday


def test_a_closed_day_has_no_ranges_but_those_of_the_evening() -> None:
    christmas = ranges(schedule(), "2025-12-25", "2025-12-25")
    assert set(christmas) == {
        "Major|Asia 2025-12-26",
        *(f"Minor|m{label} 2025-12-26" for label in ("1800", "1930", "2100", "2230")),
    }


def test_wall_times_follow_the_clocks_of_their_own_date() -> None:
    found = ranges(schedule(), "2025-03-07", "2025-03-10")
    friday = found["Major|NY_AM 2025-03-07"].start_ms
    monday = found["Major|NY_AM 2025-03-10"].start_ms
    assert monday - friday == 3 * DAY_MS - 60 * MINUTE_MS


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
