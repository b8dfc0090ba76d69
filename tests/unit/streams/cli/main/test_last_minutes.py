"""Commands over the last minutes that can be let in, beyond which no instant has a date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapeline.schemas.instants import LAST_MS
from tapeline.streams.cli import main as cli

CONFIGURATION = """
[instruments.A]
tick = 0.01
calendar = "24/7"
ranges = ["prior_session"]
horizon_sessions = 2

[time]
latest = "9999-12-31"
"""
HEADER = "start_ms,open,high,low,close,volume"
MINUTE_MS = 60_000
END_MS = LAST_MS + 1 - 1_440 * MINUTE_MS
"""What is let in lies before it, at most."""
MINUTES = 3_000


@pytest.fixture
def last_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two days up to the last minute that can be let in."""
    (tmp_path / "tapeline.toml").write_text(CONFIGURATION)
    rows = [HEADER]
    for number in range(MINUTES):
        if number == MINUTES - 4:
            continue
        price = 10 + number * 7 % 40 / 100
        start = END_MS - (MINUTES - number) * MINUTE_MS
        rows.append(f"{start},{price:.2f},{price + 0.01:.2f},{price:.2f},{price:.2f},5")
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "late.csv").write_text(f"{HEADER}\n{END_MS - 4 * MINUTE_MS},10,10,10,10,5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


COMMANDS = (
    "run --bars A=a.csv --out run",
    "run --bars A=a.csv --store S",
    "run S/log.jsonl --store again --explain",
    "run --bars A=late.csv --store S --explain",
    "run --bars A=a.csv --store S --until 9999-12-30T23:59:59Z",
    "state --store S",
    "state --store S --json",
    "state --store S --as-of 9999-12-30",
    "gaps --store S",
    "tail sessions --store S",
    "replay --store S --out replayed",
    "replay run",
    "parity run S",
    "verify determinism --store S",
)


def test_the_last_minute_of_the_calendar_stops_no_command(
    last_minutes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in COMMANDS:
        code = cli.main(text.split())
        shown = capsys.readouterr()
        assert "bug" not in shown.err, text
        assert code in (0, 1), (text, shown.err)
    assert cli.main(["run", "--bars", "A=a.csv", "--store", "S", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["symbols"]["A"]["last"] == "9999-12-31 00:00:00"
