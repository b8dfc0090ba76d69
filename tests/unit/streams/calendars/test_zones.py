"""Zone tables against the standard library and against the zone files themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.streams.calendars import UnknownZoneError, load_zone, time_zone_version
from tapeline.streams.calendars.zones import PROBE_STEP_S, zone_changes
from tests.unit.streams.calendars.wall_clock import offset_changes, to_ms, zone, zone_names

ZONES = [
    "America/New_York",
    "America/Chicago",
    "America/Sao_Paulo",  # clock changes given up
    "America/Noronha",  # two changes within a week
    "Africa/Casablanca",  # changes with Ramadan, written out until 2087
    "Africa/Monrovia",  # -0:44:30 until 1972
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour
    "Europe/London",
    "Pacific/Apia",  # skipped a whole day
    "UTC",
]
FIRST_MS = to_ms(datetime(1970, 1, 1, tzinfo=UTC))
LAST_MS = to_ms(datetime(2101, 1, 1, tzinfo=UTC)) - 1


def expected_instant(wall_ms: int, zone_name: str) -> int | None:
    """Instant of a wall time by the standard library: the first of two, None if skipped."""
    wall = datetime(1970, 1, 1) + timedelta(milliseconds=wall_ms)
    instant = wall.replace(tzinfo=zone(zone_name), fold=0).astimezone(UTC)
    back = instant.astimezone(zone(zone_name)).replace(tzinfo=None)
    return to_ms(instant) if back == wall else None


@st.composite
def wall_times(draw: st.DrawFn) -> tuple[str, int]:
    """A zone and a wall time in it, as likely near a change of offset as anywhere."""
    name = draw(st.sampled_from(ZONES))
    changes = [change.instant_ms for change in zone_changes(name)[1:]]
    anywhere = st.integers(FIRST_MS, LAST_MS)
    if changes:
        near = st.builds(
            lambda at, minutes: at + minutes * 60_000,
            st.sampled_from(changes),
            st.integers(-26 * 60, 26 * 60),
        )
        return name, draw(st.one_of(near, anywhere))
    return name, draw(anywhere)


@given(wall_times())
def test_wall_times_become_the_instants_of_the_standard_library(case: tuple[str, int]) -> None:
    name, wall_ms = case
    assert load_zone(name).to_utc(wall_ms) == expected_instant(wall_ms, name)


@given(st.sampled_from(ZONES), st.integers(FIRST_MS, LAST_MS))
def test_offsets_are_those_of_the_standard_library(name: str, instant_ms: int) -> None:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant_ms)
    offset = instant.astimezone(zone(name)).utcoffset()
    holding = [each for each in zone_changes(name) if each.instant_ms <= instant_ms][-1]
    assert timedelta(milliseconds=holding.offset_ms) == offset


@pytest.mark.parametrize("name", ZONES)
def test_every_change_since_1970_that_the_zone_file_lists_is_found(name: str) -> None:
    listed = [(at * 1000, offset * 1000) for at, offset in offset_changes(name) if at >= 0]
    last_ms = listed[-1][0] if listed else 0
    found = [tuple(change) for change in zone_changes(name)[1:] if change.instant_ms <= last_ms]
    assert found == listed


def test_no_zone_changes_twice_within_the_step_of_the_search() -> None:
    too_close = {
        name
        for name in zone_names()
        for (before, _), (after, _) in zip(
            offset_changes(name), offset_changes(name)[1:], strict=False
        )
        if after > 0 and after - before <= PROBE_STEP_S
    }
    assert too_close == set()


@pytest.mark.parametrize(
    ("wall", "instant"),
    [
        ("2025-03-09 01:59", "2025-03-09 06:59"),
        ("2025-03-09 02:00", None),  # skipped
        ("2025-03-09 02:59", None),
        ("2025-03-09 03:00", "2025-03-09 07:00"),
        ("2025-11-02 01:30", "2025-11-02 05:30"),  # comes twice: the first
        ("2025-11-02 02:00", "2025-11-02 07:00"),
        ("2025-12-07 18:00", "2025-12-07 23:00"),
        ("2100-07-01 18:00", "2100-07-01 22:00"),
    ],
)
def test_new_york_wall_times(wall: str, instant: str | None) -> None:
    wall_ms = to_ms(datetime.fromisoformat(wall).replace(tzinfo=UTC))
    expected = None if instant is None else to_ms(datetime.fromisoformat(f"{instant}+00:00"))
    assert load_zone("America/New_York").to_utc(wall_ms) == expected


@pytest.mark.parametrize(
    "name",
    ["Mars/Olympus", "America", "america/new_york", "", "../zones", "/etc/localtime", "EST "],
)
def test_an_unknown_zone_is_refused_with_the_version_that_lacks_it(name: str) -> None:
    with pytest.raises(UnknownZoneError) as refusal:
        load_zone(name)
    assert repr(name) in str(refusal.value)
    assert f"tzdata {time_zone_version()}" in str(refusal.value)


def test_the_zone_version_is_that_of_the_installed_package() -> None:
    assert time_zone_version() == version("tzdata")
