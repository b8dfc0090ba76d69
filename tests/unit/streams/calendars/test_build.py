"""The tool that makes the artefacts; what needs the calendar libraries skips without them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from datetime import date, time
from pathlib import Path

import pytest

from tapeline.streams.calendars import build as tool
from tapeline.streams.calendars.artefacts import (
    ARTEFACT_FILES,
    make_calendar,
    read_artefact,
)
from tapeline.streams.calendars.build import BuildError, Hours
from tapeline.streams.calendars.overrides import Override
from tapeline.streams.core.calendar import EARLY_CLOSE, LATE_OPEN
from tests.unit.streams.calendars.wall_clock import expected_edges, session_index, utc_ms, weekdays

CME, XNYS = tool.EXCHANGES
LIBRARIES = ("exchange_calendars", "pandas_market_calendars")
needs_libraries = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in LIBRARIES),
    reason="the extra `calendars` is not installed: artefacts are not made again",
)
# What pandas 3 reports to the libraries is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def shorten(change: str, at: time | None, day: date = date(2024, 7, 3)) -> Override:
    return Override("CME_EQUITY", day, change, at, "why")


@needs_libraries
def test_the_committed_artefacts_are_what_the_tool_makes(tmp_path: Path) -> None:
    assert tool.main(["--into", str(tmp_path)]) == 0
    for name in ARTEFACT_FILES.values():
        assert (tmp_path / name).read_bytes() == (tool.DATA_FOLDER / name).read_bytes(), (
            f"{name} has drifted: run `make calendars` and commit the result"
        )


@needs_libraries
def test_building_twice_gives_equal_bytes() -> None:
    text = tool.OVERRIDE_FILE.read_text(encoding="utf-8")
    assert [tool.build(e, text) for e in tool.EXCHANGES] == [
        tool.build(e, text) for e in tool.EXCHANGES
    ]


@needs_libraries
def test_the_check_reports_drift_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "xnys.json"
    stale.write_bytes(b"{}")
    assert tool.main(["--check", "--into", str(tmp_path)]) == 1
    assert stale.read_bytes() == b"{}"
    assert not (tmp_path / "cme_equity.json").exists()
    assert "xnys.json: differs from what the tool makes" in capsys.readouterr().err


def test_without_the_libraries_the_tool_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)  # how Python marks a module as not there
    assert tool.main(["--into", str(tmp_path)]) == 1
    assert "pip install 'tapeline[calendars]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("calendar_id", ARTEFACT_FILES)
def test_the_artefacts_were_made_with_the_committed_overrides(calendar_id: str) -> None:
    name = ARTEFACT_FILES[calendar_id]
    sources = json.loads((tool.DATA_FOLDER / name).read_bytes())["sources"]
    found = hashlib.sha256(tool.OVERRIDE_FILE.read_bytes()).hexdigest()
    assert sources["overrides_sha256"] == found, "run `python -m tapeline.streams.calendars.build`"


@pytest.mark.parametrize("exchange", tool.EXCHANGES, ids=lambda each: each.calendar_id)
def test_what_is_described_and_rendered_is_read_back(exchange: tool.Exchange) -> None:
    days = weekdays(tool.FIRST_DATE, tool.LAST_DATE)
    hours = dict.fromkeys(days, exchange.regular)
    early = Hours(exchange.regular.open_min, 12 * 60)
    late = Hours(11 * 60, exchange.regular.close_min)
    short = Hours(11 * 60, 12 * 60)
    hours.update({days[10]: early, days[20]: late, days[30]: short})
    del hours[days[40]]
    content = tool.render(tool.describe(exchange, hours, {"none": "0"}))
    calendar = make_calendar(read_artefact(content, exchange.calendar_id))
    expected = {days[10]: EARLY_CLOSE, days[20]: LATE_OPEN, days[30]: EARLY_CLOSE | LATE_OPEN}
    for day in days:
        index = session_index(calendar, day)
        assert (index == -1) == (day == days[40])
        if index >= 0:
            assert calendar.flags(index) == expected.get(day, 0), day
            opened, closed = expected_edges(exchange.calendar_id, day)
            assert calendar.open_ms(index) == opened or day in (days[20], days[30])
            assert calendar.close_ms(index) == closed or day in (days[10], days[30])
    noon = utc_ms(days[10], time(12), exchange.zone)
    assert calendar.close_ms(session_index(calendar, days[10])) == noon


DAY = date(2024, 7, 3)


@pytest.mark.parametrize(
    ("seed", "overrides", "expected"),
    [
        (CME.regular, [shorten("closed", None)], None),
        (None, [shorten("closed", None)], None),
        (CME.regular, [shorten("early_close", time(8, 15))], Hours(-420, 495)),
        (Hours(-420, 720), [shorten("early_close", time(12, 15))], Hours(-420, 735)),
        (None, [shorten("early_close", time(8, 15))], Hours(-420, 495)),
        (CME.regular, [shorten("late_open", time(19, 45))], Hours(-255, 960)),  # the evening before
        (CME.regular, [shorten("late_open", time(2))], Hours(120, 960)),
        (
            CME.regular,
            [shorten("early_close", time(12)), shorten("late_open", time(2))],
            Hours(120, 720),
        ),
    ],
)
def test_an_override_has_the_last_word(
    seed: Hours | None, overrides: list[Override], expected: Hours | None
) -> None:
    hours = {} if seed is None else {DAY: seed}
    tool.apply_overrides(CME, hours, overrides)
    assert hours.get(DAY) == expected


@pytest.mark.parametrize(
    ("override", "finding"),
    [
        (
            shorten("closed", None, date(2014, 12, 31)),
            "from 2015-01-01 to 2030-12-31",
        ),
        (shorten("closed", None, date(2024, 7, 6)), "not a weekday"),  # Saturday
        (shorten("early_close", time(16)), "no shorter session"),
        (shorten("early_close", time(16, 15)), "no shorter session"),
        (shorten("late_open", time(17)), "no shorter session"),
        (shorten("late_open", time(16, 30)), "no shorter session"),  # after the close
    ],
)
def test_an_override_that_shortens_nothing_is_refused(override: Override, finding: str) -> None:
    with pytest.raises(BuildError, match=finding):
        tool.apply_overrides(CME, {}, [override])


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (date(2024, 7, 6), XNYS.regular),  # Saturday
        (date(2024, 7, 5), Hours(9 * 60, 16 * 60)),
        (date(2024, 7, 5), Hours(9 * 60 + 30, 16 * 60 + 15)),
    ],
)
def test_a_seed_beyond_the_regular_hours_is_refused(day: date, hours: Hours) -> None:
    with pytest.raises(BuildError, match=f"XNYS {day}"):
        tool.describe(XNYS, {day: hours}, {})
