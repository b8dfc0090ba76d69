"""Instants in what people read: dates, and numbers beyond them; no command ends for want of one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import cli
from streams.instants import FIRST_MS, ISO, LAST_MS, instant_text
from tests.house.source_tree import PACKAGES, ROOT, modules

CONFIGURATION = """
[instruments.A]
tick = 0.01
calendar = "24/7"
ranges = ["prior_session"]
horizon_sessions = 2
"""
MINUTE_MS = 60_000
MINUTES = 3_000
ELSEWHERE = {"streams/instants.py", "streams/worker/log.py", "streams/calendars/zones.py"}
"""Time of a line of a worker's log, and offsets of zones between 1970 and 2100."""


@given(st.integers(FIRST_MS, LAST_MS))
def test_an_instant_with_a_date_is_shown_as_it(instant_ms: int) -> None:
    shown = datetime.fromisoformat(f"{instant_text(instant_ms, ISO):0>20}")
    assert shown == datetime.fromtimestamp(instant_ms // 1_000, UTC)


@pytest.mark.parametrize("instant_ms", [FIRST_MS - 1, LAST_MS + 1, -(1 << 63), 1 << 63])
def test_an_instant_without_a_date_is_shown_as_a_number(instant_ms: int) -> None:
    assert instant_text(instant_ms) == str(instant_ms)


def test_every_instant_for_people_is_shown_by_one_function() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in modules(*PACKAGES)
        if "fromtimestamp(" in path.read_text()
    }
    assert found <= ELSEWHERE


@pytest.fixture
def last_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the last two days of year 9999 to their last minute."""
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    rows = ["start_ms,open,high,low,close,volume"]
    for number in range(MINUTES):
        if number == MINUTES - 4:
            continue
        price = 10 + number * 7 % 40 / 100
        start = LAST_MS + 1 - (MINUTES - number) * MINUTE_MS
        rows.append(f"{start},{price:.2f},{price + 0.01:.2f},{price:.2f},{price:.2f},5")
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


COMMANDS = (
    "run --bars A=a.csv --out run",
    "run --bars A=a.csv --store S",
    "run S/log.jsonl --store again --explain",
    "run --bars A=late.csv --store S --explain",
    "state --store S",
    "state --store S --json",
    "state --store S --as-of 9999-12-31T23:30:00Z",
    "gaps --store S",
    "tail sessions --store S",
    "replay --store S --out replayed",
    "replay run",
    "parity run S",
    "verify determinism --store S",
)


def test_the_last_minute_of_the_last_year_stops_no_command(
    last_minutes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = LAST_MS + 1 - 4 * MINUTE_MS
    (last_minutes / "late.csv").write_text(
        f"start_ms,open,high,low,close,volume\n{late},10,10,10,10,5\n"
    )
    for text in COMMANDS:
        code = cli.main(text.split())
        shown = capsys.readouterr()
        assert "bug" not in shown.err
        assert code in (0, 1), (text, shown.err)
    assert cli.main(["run", "--bars", "A=a.csv", "--store", "S", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["symbols"]["A"] == {
        "last_ms": LAST_MS + 1,
        "last": str(LAST_MS + 1),
        "open_ranges": found["symbols"]["A"]["open_ranges"],
    }
    assert cli.main(["state", "--store", "S", "--type", "session"]) == 0
    assert f"close_ms={LAST_MS + 1}" in capsys.readouterr().out
