"""Reading of the committed calendar artefacts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from importlib.resources import files
from typing import Any

import pytest

from tapeline.streams.calendars import (
    CALENDAR_IDS,
    ArtefactError,
    UnknownCalendarError,
    calendar_checksum,
    load_calendar,
)
from tapeline.streams.calendars.artefacts import (
    ARTEFACT_FILES,
    CalendarDocument,
    checksum,
    make_calendar,
    read_artefact,
)
from tapeline.streams.core.calendar import EARLY_CLOSE, LATE_OPEN, DailyCalendar
from tests.unit.streams.calendars.wall_clock import CENTRAL, EASTERN, session_index, to_ms, utc_ms


def committed(calendar_id: str) -> bytes:
    return (
        files("tapeline.streams.calendars")
        .joinpath("data", ARTEFACT_FILES[calendar_id])
        .read_bytes()
    )


def edit(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The artefact of XNYS after a change that leaves its checksum as it is."""
    document = json.loads(committed("XNYS"))
    change(document)
    return json.dumps(document).encode()


def test_the_built_in_calendars_are_these_three() -> None:
    assert CALENDAR_IDS == ("CME_EQUITY", "XNYS", "24/7")
    assert [load_calendar(name).calendar_id for name in CALENDAR_IDS] == list(CALENDAR_IDS)


TAMPERINGS = {
    "a closing removed": (lambda d: d["closed"].remove("2018-12-05"), "its checksum is"),
    "an edge moved by a minute": (
        lambda d: d["regular"][0][1].__setitem__(0, 871),
        "its checksum is",
    ),
    "an early close made full": (lambda d: d["special"].pop(), "its checksum is"),
    "a source renamed": (lambda d: d["sources"].update(tzdata="2000.0"), "its checksum is"),
    "a key added": (lambda d: d.update(note="harmless"), "its checksum is"),
    "the checksum removed": (lambda d: d.pop("sha256"), "its checksum is None"),
    "the checksum changed": (lambda d: d.update(sha256="0" * 64), f"its checksum is '{'0' * 64}'"),
    "a later format": (lambda d: d.update(v=2), "its format version is 2, not 1"),
    "another calendar": (lambda d: d.update(calendar="CME_EQUITY"), "it describes 'CME_EQUITY'"),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_tampered_artefact_is_refused_with_file_finding_and_way_out(tampering: str) -> None:
    change, finding = TAMPERINGS[tampering]
    with pytest.raises(ArtefactError, match=re.escape(finding)) as refusal:
        read_artefact(edit(change), "XNYS")
    assert "calendar artefact xnys.json" in str(refusal.value)
    assert "python -m tapeline.streams.calendars.build" in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "it is not JSON"),
        (committed("XNYS")[:-100], "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[]", "it is not a JSON object"),
    ],
    ids=["empty", "cut", "binary", "a list"],
)
def test_an_artefact_that_is_no_document_is_refused(content: bytes, finding: str) -> None:
    with pytest.raises(ArtefactError, match=finding):
        read_artefact(content, "XNYS")


@pytest.mark.parametrize("ask", [load_calendar, calendar_checksum])
def test_an_unknown_calendar_is_refused_with_the_known_ones(
    ask: Callable[[str], object],
) -> None:
    with pytest.raises(UnknownCalendarError, match=r"'XLON': use one of CME_EQUITY, XNYS, 24/7"):
        ask("XLON")


def test_each_calendar_has_a_checksum_of_its_own() -> None:
    checksums = {calendar_id: calendar_checksum(calendar_id) for calendar_id in CALENDAR_IDS}
    assert len(set(checksums.values())) == len(CALENDAR_IDS)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in checksums.values())
    for calendar_id in ARTEFACT_FILES:
        assert checksums[calendar_id] == json.loads(committed(calendar_id))["sha256"]


@pytest.mark.parametrize("calendar_id", ARTEFACT_FILES)
def test_artefacts_are_small(calendar_id: str) -> None:
    assert len(committed(calendar_id)) < 20_000


def test_edges_flags_and_segments_of_a_document_become_sessions() -> None:
    document: CalendarDocument = {
        "v": 1,
        "calendar": "LUNCH",
        "zone": "UTC",
        "first_date": "2024-01-01",
        "last_date": "2024-01-08",
        "first_ms": 1_704_067_200_000,
        "weekdays": [0, 1, 2, 3, 4],
        "regular": [("2024-01-02", [540, 690, 780, 960]), ("2024-01-05", [480, 690, 780, 900])],
        "closed": ["2024-01-01", "2024-01-04"],
        "special": [
            ("2024-01-03", [-60, 690], ["early_close"]),
            ("2024-01-06", [600, 660], ["early_close", "late_open"]),
        ],
        "sources": {},
    }
    calendar = make_calendar(document)
    first = 1_704_067_200_000  # 2024-01-01 00:00 UTC
    day, minute = 86_400_000, 60_000
    # fmt: off
    expected = [  # day of January, opens, closes, flags
        (2, [540, 780], [690, 960], 0),
        (3, [-60], [690], EARLY_CLOSE),
        (5, [480, 780], [690, 900], 0),
        (6, [600], [660], EARLY_CLOSE | LATE_OPEN),  # a Saturday
        (8, [480, 780], [690, 900], 0),
    ]
    # fmt: on
    for index, (number, opens, closes, flags) in enumerate(expected):
        start = first + (number - 1) * day
        assert calendar.date(index) == f"2024-01-0{number}"
        assert calendar.segment_opens(index) == [start + edge * minute for edge in opens]
        assert calendar.segment_closes(index) == [start + edge * minute for edge in closes]
        assert calendar.flags(index) == flags
    assert not calendar.has_session(len(expected))
    assert (calendar.first_ms, calendar.last_ms) == (first, first + 7 * day + 900 * minute)


def test_the_checksum_does_not_depend_on_the_order_of_keys() -> None:
    document = read_artefact(committed("XNYS"), "XNYS")
    turned = dict(reversed(document.items()))
    assert checksum(turned) == checksum(document)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("calendar_id", "first_ms", "last_ms"),
    [
        (
            "CME_EQUITY",
            utc_ms(date(2014, 12, 31), time(17), CENTRAL),
            utc_ms(date(2030, 12, 31), time(16), CENTRAL),
        ),
        (
            "XNYS",
            utc_ms(date(2015, 1, 1), time(0), EASTERN),
            utc_ms(date(2030, 12, 31), time(16), EASTERN),
        ),
    ],
)
def test_a_calendar_covers_2015_to_2030(calendar_id: str, first_ms: int, last_ms: int) -> None:
    calendar = load_calendar(calendar_id)
    assert [calendar.covers(at) for at in (first_ms - 1, first_ms)] == [False, True]
    assert [calendar.covers(at) for at in (last_ms - 1, last_ms)] == [True, False]


@pytest.mark.parametrize("year", [1900, 1970, 2014, 2031, 2999])
def test_24_7_has_no_limits(year: int) -> None:
    calendar = load_calendar("24/7")
    instant_ms = to_ms(datetime(year, 6, 1, 13, 30, tzinfo=UTC))
    index = calendar.session_of(instant_ms)
    assert isinstance(calendar, DailyCalendar)
    assert calendar.covers(instant_ms)
    assert calendar.date(index) == f"{year}-06-01"
    assert index == session_index(calendar, date(year, 6, 1))
    assert calendar.close_ms(index) - calendar.open_ms(index) == 86_400_000
    assert calendar.flags(index) == 0


def test_loading_imports_no_library_of_the_build_tool() -> None:
    program = """
import sys
from tapeline.streams.calendars import CALENDAR_IDS, calendar_checksum, load_calendar, load_zone
for name in CALENDAR_IDS:
    load_calendar(name), calendar_checksum(name)
load_zone("America/New_York")
print(*sorted(sys.modules))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "tapeline.streams.calendars.artefacts" in loaded
    tool = {"tapeline.streams.calendars.build", "tapeline.streams.calendars.overrides"}
    libraries = {"exchange_calendars", "pandas_market_calendars", "pandas", "numpy"}
    assert loaded & (tool | libraries) == set()
